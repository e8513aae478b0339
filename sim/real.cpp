// Finds the C library's own functions. See real.h.
#include "sim/real.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sim/sanitizers.h"

namespace s2::sim {

void* find_real(const char* name) {
  void* function = nullptr;
#if !defined(S2_SIM_TSAN) && !defined(S2_SIM_ASAN)
  // Without a version dlsym may answer with the oldest pthread_cond_*, which are another type's.
  if (std::strncmp(name, "pthread_cond_", 13) == 0) function = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
#endif
  if (function == nullptr) function = dlsym(RTLD_NEXT, name);
  if (function == nullptr) {
    std::fprintf(stderr, "sim: the C library has no %s (link with -rdynamic, and not -static)\n", name);
    std::abort();
  }
  return function;
}

}  // namespace s2::sim
