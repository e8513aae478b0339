// How long this machine kept the harness from running: a run that broke a promise meanwhile is no proof.
//
// The harness is the service, the clock and the referee of each run. A thread wakes every kLooksEvery and
// sees how late it is; what keeps it mostly keeps the others of the process, too, and what keeps the service
// of one run alone its ServicePulse sees. Any thread may ask. Source: promises.md, "A machine that stalls".
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace s2::scenarios {

class StallMeter {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kLooksEvery{20};
  static constexpr std::chrono::milliseconds kLeastStall{500};  // shorter ones are within every slack
  static constexpr std::size_t kMaxStalls = 10'000;             // the newest are known

  StallMeter();

  // The longest stall that ended since then; 0: none of kLeastStall.
  std::chrono::milliseconds longest_since(Clock::time_point begin) const;
  // What the thread calls when it should have woken at `due` (public for tests).
  void woke(Clock::time_point due, Clock::time_point now);

 private:
  struct Stall {
    Clock::time_point end;
    std::chrono::milliseconds lasted;
  };
  mutable std::mutex mutex_;
  std::deque<Stall> stalls_;  // by end
  std::jthread thread_;       // the last member: it uses the others
};

// How long the thread of one run's service did not answer. A thread calls `beat`, which the service's thread
// answers, every StallMeter::kLooksEvery, and sees how long it takes; one that returns false does not count.
// The destructor waits for the last one.
class ServicePulse {
 public:
  explicit ServicePulse(std::function<bool()> beat);

  // The longest beat that has ended; 0: none of StallMeter::kLeastStall. Any thread.
  std::chrono::milliseconds longest() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any rests_;
  std::chrono::milliseconds longest_{0};
  std::jthread thread_;  // the last member: it uses the others
};

}  // namespace s2::scenarios
