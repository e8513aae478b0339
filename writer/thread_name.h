// Names of the writer's threads, as debuggers, top -H and the stories of s2-fuzz show them.
//
// Any thread, for itself.
#pragma once

#include <pthread.h>

namespace s2::writer {

// At most 15 bytes: what the kernel keeps.
inline void name_this_thread(const char* name) {
  pthread_setname_np(pthread_self(), name);
}

}  // namespace s2::writer
