// What the files with the interposed functions share.
//
// Internal to sim. Every interposed function first asks `tls`: a world (simulate), quiet (do nothing),
// neither (pass through to the C library).
#pragma once
#include <ctime>

#include "sim/engine.h"
#include "sim/overlay.h"
#include "sim/real.h"

namespace s2::sim {

inline bool outside() {
  return tls.world == nullptr && tls.quiet == nullptr;
}

// The state of an object in this execution; known from now on.
MutexState& touch(Engine& world, pthread_mutex_t* mutex);
ConditionState& touch(Engine& world, pthread_cond_t* condition);
RwlockState& touch(Engine& world, pthread_rwlock_t* lock);
SemaphoreState& touch(Engine& world, sem_t* semaphore);

void take(Engine& world, MutexState& state);
void release(Engine& world, MutexState& state);

inline Nanos nanos_of(const timespec& time) {
  constexpr std::int64_t kMostSeconds =
      1'000'000'000;  // what is later than 31 years from an origin is as good as never
  const auto seconds = time.tv_sec;
  if (seconds > kSystemStart / 1'000'000'000 + kMostSeconds) return INT64_MAX / 2;
  return seconds * 1'000'000'000 + time.tv_nsec;
}
inline Nanos origin_of(clockid_t clock) {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI:
      return kSystemStart;
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
      return 0;
    default:
      return kSteadyStart;
  }
}
// An absolute time of a clock as the world's time, 0 at the execution's start.
inline Nanos to_virtual(clockid_t clock, const timespec& time) {
  return nanos_of(time) - origin_of(clock);
}

// A call that would leave the world: ends the execution as escaped, named by its call and what it was about.
// True: the caller returns an error. What a hook does is let through; an unwound thread's calls fail.
bool leaves_world(const char* call, const char* what = "");

// What is known of a thread by its handle, and its number; null when it is none of this world.
ThreadRecord* record_of(Engine& world, pthread_t handle, std::uint32_t& thread);

// Sleeps until a time of the world; ended early by nothing.
void sleep_until(Engine& world, Nanos deadline);

}  // namespace s2::sim
