// The time for which the calling thread has had a core: what a search costs, whatever else the machine does.
// A clock as the standard has them; time points of different threads are not comparable. Not for code inside
// a world, where time is virtual.
#pragma once
#include <time.h>

#include <chrono>

namespace s2::fuzz {

struct CoreClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<CoreClock>;
  static constexpr bool is_steady = true;
  static time_point now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
  }
};

}  // namespace s2::fuzz
