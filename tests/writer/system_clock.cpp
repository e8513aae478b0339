// See system_clock.h. std::chrono::system_clock reads this clock_gettime() instead of the C library's.
#include "tests/writer/system_clock.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdint>
#include <ctime>

namespace {

std::atomic<std::int64_t> seconds_back{0};

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  using ClockGettime = int (*)(clockid_t, timespec*);
  static const auto real = reinterpret_cast<ClockGettime>(::dlsym(RTLD_NEXT, "clock_gettime"));
  const int result = real(clock, time);
  if (clock == CLOCK_REALTIME && result == 0) time->tv_sec -= seconds_back.load();
  return result;
}

namespace s2::writer::test {

ClockBack::ClockBack(std::chrono::seconds by) {
  seconds_back = by.count();
}

ClockBack::~ClockBack() {
  seconds_back = 0;
}

}  // namespace s2::writer::test
