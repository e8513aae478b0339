// Files stay what they are inside a world: they may be read and written. What is read from or written to a
// pipe, a socket or another descriptor that is no file comes from outside, and may block the OS thread: an
// escape, as real randomness is. Descriptors 1 and 2 may be written, whatever they are.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>

#include "sim/operations.h"

namespace s2::sim {
namespace {

constexpr unsigned kMemoryDevices = 1, kRandom = 8, kUrandom = 9;  // numbers of the kernel's devices

bool is_random(const struct stat& status) {
  return S_ISCHR(status.st_mode) && major(status.st_rdev) == kMemoryDevices &&
         (minor(status.st_rdev) == kRandom || minor(status.st_rdev) == kUrandom);
}

// What it is, when it is no file; null when it may be used.
const char* no_file(int descriptor, bool writes) {
  if (writes && (descriptor == STDOUT_FILENO || descriptor == STDERR_FILENO)) return nullptr;
  struct stat status{};
  if (fstat(descriptor, &status) != 0) return nullptr;  // the call says it, too
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFBLK:
      return nullptr;
    case S_IFCHR:
      if (is_random(status)) return " on real randomness";
      return writes || major(status.st_rdev) == kMemoryDevices ? nullptr : " on a terminal";
    case S_IFIFO:
      return " on a pipe";
    case S_IFSOCK:
      return " on a socket";
    default:
      return " on a descriptor that is no file";
  }
}

bool leaves(const char* call, int descriptor, bool writes) {
  if (outside()) return false;
  const char* what = no_file(descriptor, writes);
  return what != nullptr && leaves_world(call, what);
}

bool opens_outside(const char* call, int directory, const char* path) {
  if (outside() || path == nullptr) return false;
  struct stat status{};
  const int before = errno;
  const bool exists = fstatat(directory, path, &status, 0) == 0;
  errno = before;
  if (!exists || (!is_random(status) && !S_ISFIFO(status.st_mode))) return false;
  return leaves_world(call, (std::string(" of ") + path).c_str());
}

}  // namespace
}  // namespace s2::sim

using s2::sim::leaves;
using s2::sim::opens_outside;

extern "C" {

ssize_t read(int descriptor, void* buffer, size_t bytes) {
  return leaves("read", descriptor, false) ? -1 : S2_SIM_REAL(read)(descriptor, buffer, bytes);
}
// What a build with _FORTIFY_SOURCE calls instead.
// NOLINTNEXTLINE(bugprone-reserved-identifier)
ssize_t __read_chk(int descriptor, void* buffer, size_t bytes, size_t room);
ssize_t __read_chk(int descriptor, void* buffer, size_t bytes, size_t room) {
  return leaves("read", descriptor, false) ? -1 : S2_SIM_REAL(__read_chk)(descriptor, buffer, bytes, room);
}
ssize_t readv(int descriptor, const iovec* parts, int count) {
  return leaves("readv", descriptor, false) ? -1 : S2_SIM_REAL(readv)(descriptor, parts, count);
}
ssize_t write(int descriptor, const void* buffer, size_t bytes) {
  return leaves("write", descriptor, true) ? -1 : S2_SIM_REAL(write)(descriptor, buffer, bytes);
}
ssize_t writev(int descriptor, const iovec* parts, int count) {
  return leaves("writev", descriptor, true) ? -1 : S2_SIM_REAL(writev)(descriptor, parts, count);
}

#define S2_SIM_OPEN(name)                                 \
  int name(const char* path, int flags, ...) {            \
    va_list list;                                         \
    va_start(list, flags);                                \
    const auto mode = va_arg(list, mode_t);               \
    va_end(list);                                         \
    if (opens_outside("open", AT_FDCWD, path)) return -1; \
    return S2_SIM_REAL(name)(path, flags, mode);          \
  }
#define S2_SIM_OPENAT(name)                                   \
  int name(int directory, const char* path, int flags, ...) { \
    va_list list;                                             \
    va_start(list, flags);                                    \
    const auto mode = va_arg(list, mode_t);                   \
    va_end(list);                                             \
    if (opens_outside("open", directory, path)) return -1;    \
    return S2_SIM_REAL(name)(directory, path, flags, mode);   \
  }
S2_SIM_OPEN(open)
S2_SIM_OPEN(open64)
S2_SIM_OPENAT(openat)
S2_SIM_OPENAT(openat64)

// NOLINTNEXTLINE(bugprone-reserved-identifier)
int __open_2(const char* path, int flags);
int __open_2(const char* path, int flags) {
  return opens_outside("open", AT_FDCWD, path) ? -1 : S2_SIM_REAL(__open_2)(path, flags);
}
FILE* fopen(const char* path, const char* mode) {
  return opens_outside("fopen", AT_FDCWD, path) ? nullptr : S2_SIM_REAL(fopen)(path, mode);
}
FILE* fopen64(const char* path, const char* mode) {
  return opens_outside("fopen", AT_FDCWD, path) ? nullptr : S2_SIM_REAL(fopen64)(path, mode);
}

}  // extern "C"
