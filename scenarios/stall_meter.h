// How long this machine kept the harness from running: a run that broke a promise meanwhile is no proof.
//
// The harness is the service, the clock and the referee of each run. On each processor a thread wakes every
// kLooksEvery and sees how late it is: what keeps it keeps the others that are there, too. (A host that does
// not run one virtual processor stops the writer that is on it, and nobody else.) What keeps the service of
// one run alone its ServicePulse sees. Any thread may ask. Source: promises.md, "A machine that stalls".
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace s2::scenarios {

class StallMeter {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kLooksEvery{20};
  static constexpr std::chrono::milliseconds kLeastStall{500};  // shorter ones are within every slack
  static constexpr std::size_t kMaxStalls = 10'000;             // the newest are known
  static constexpr std::size_t kMaxProcessors = 64;             // of those that this process may use

  StallMeter();

  // The longest stall that ended since then, or has not ended yet; 0: none of kLeastStall.
  std::chrono::milliseconds longest_since(Clock::time_point begin) const;
  // What a thread calls when it should have woken at `due` (public for tests).
  void woke(Clock::time_point due, Clock::time_point now);

 private:
  struct Stall {
    Clock::time_point end;
    std::chrono::milliseconds lasted;
  };
  void watch(const std::stop_token& stop, Clock::time_point& due);

  mutable std::mutex mutex_;
  std::deque<Stall> stalls_;             // as told: of several processors
  std::vector<Clock::time_point> dues_;  // a thread each: when it should wake next
  std::vector<std::jthread> threads_;    // the last member: they use the others
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
