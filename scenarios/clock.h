// The one clock of a run: steady nanoseconds, the same that the emulator stamps its events with.
#pragma once

#include <chrono>
#include <cstdint>

namespace s2::scenarios {

inline std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace s2::scenarios
