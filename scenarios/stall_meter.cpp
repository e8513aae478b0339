// See stall_meter.h.
#include "scenarios/stall_meter.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <utility>

namespace s2::scenarios {

namespace {

// The processors that this process may use; empty where the system does not say.
std::vector<std::size_t> processors() {
  std::vector<std::size_t> found;
  cpu_set_t usable;
  if (::sched_getaffinity(0, sizeof usable, &usable) != 0) return found;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE && found.size() < StallMeter::kMaxProcessors; ++cpu)
    if (CPU_ISSET(cpu, &usable)) found.push_back(cpu);
  return found;
}

void stay_on(std::size_t cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  // One that went meanwhile has no thread to keep: this one then sees what it sees elsewhere.
  static_cast<void>(::pthread_setaffinity_np(::pthread_self(), sizeof one, &one));
}

}  // namespace

StallMeter::StallMeter() {
  const std::vector<std::size_t> where = processors();
  dues_.resize(std::max<std::size_t>(where.size(), 1), Clock::time_point::max());
  for (std::size_t i = 0; i < dues_.size(); ++i) {
    threads_.emplace_back([this, i, where](const std::stop_token& stop) {
      if (i < where.size()) stay_on(where[i]);
      watch(stop, dues_[i]);
    });
  }
}

void StallMeter::watch(const std::stop_token& stop, Clock::time_point& next) {
  while (!stop.stop_requested()) {
    const auto due = Clock::now() + kLooksEvery;
    {
      const std::lock_guard lock(mutex_);
      next = due;
    }
    std::this_thread::sleep_until(due);
    woke(due, Clock::now());
  }
}

std::chrono::milliseconds StallMeter::longest_since(Clock::time_point begin) const {
  const std::lock_guard lock(mutex_);
  std::chrono::milliseconds longest{0};
  for (const Stall& stall : stalls_)  // in no order: each processor tells of its own
    if (stall.end >= begin) longest = std::max(longest, stall.lasted);
  const auto now = Clock::now();
  if (now < begin) return longest;
  for (const Clock::time_point due : dues_) {
    const auto late = std::chrono::duration_cast<std::chrono::milliseconds>(now - due);
    if (late >= kLeastStall) longest = std::max(longest, late);
  }
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
