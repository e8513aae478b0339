// See stall_meter.h.
#include "scenarios/stall_meter.h"

#include <algorithm>
#include <utility>

namespace s2::scenarios {

StallMeter::StallMeter()
    : thread_([this](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          const auto due = Clock::now() + kLooksEvery;
          std::this_thread::sleep_until(due);
          woke(due, Clock::now());
        }
      }) {}

std::chrono::milliseconds StallMeter::longest_since(Clock::time_point begin) const {
  const std::lock_guard lock(mutex_);
  std::chrono::milliseconds longest{0};
  for (auto stall = stalls_.rbegin(); stall != stalls_.rend() && stall->end >= begin; ++stall)
    longest = std::max(longest, stall->lasted);
  return longest;
}

void StallMeter::woke(Clock::time_point due, Clock::time_point now) {
  const auto late = std::chrono::duration_cast<std::chrono::milliseconds>(now - due);
  if (late < kLeastStall) return;
  const std::lock_guard lock(mutex_);
  stalls_.push_back({now, late});
  if (stalls_.size() > kMaxStalls) stalls_.pop_front();
}

ServicePulse::ServicePulse(std::function<bool()> beat)
    : thread_([this, beat = std::move(beat)](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          const auto began = StallMeter::Clock::now();
          const bool counts = beat();
          const auto took =
              std::chrono::duration_cast<std::chrono::milliseconds>(StallMeter::Clock::now() - began);
          std::unique_lock lock(mutex_);
          if (counts && took >= StallMeter::kLeastStall) longest_ = std::max(longest_, took);
          rests_.wait_for(lock, stop, StallMeter::kLooksEvery, [] { return false; });
        }
      }) {}

std::chrono::milliseconds ServicePulse::longest() const {
  const std::lock_guard lock(mutex_);
  return longest_;
}

}  // namespace s2::scenarios
