// The emulator's clock and the timers that hang on it: real time, plus what advance() added.
//
// Belongs to the emulator's thread. Callbacks run there, from the event loop or from inside advance(), in the
// order of their deadlines; one may set or cancel timers. The loop outlives it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>

#include "emulator/net.h"

namespace s2::emulator {

std::int64_t steady_ns();  // std::chrono::steady_clock, for ProtocolEvent::t_ns and histories

class Clock {
 public:
  using TimerId = std::uint64_t;  // never 0

  explicit Clock(Loop& loop) : loop_(loop) {}
  ~Clock() { loop_.set_alarm({}, nullptr); }
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;

  std::uint64_t now_ms() const;     // milliseconds since the epoch, as the service counts them
  std::int64_t elapsed_ns() const;  // of no epoch: never goes back, and moves with advance()
  TimerId after(std::chrono::milliseconds delay, std::function<void()> callback);
  void cancel(TimerId id);  // of one that fired already, or 0: nothing happens
  void advance(std::chrono::milliseconds by);

 private:
  void arm();
  void fire_due();

  Loop& loop_;  // its alarm is set for the first deadline
  std::chrono::nanoseconds advanced_{0};
  TimerId last_id_ = 0;
  std::map<std::pair<std::int64_t, TimerId>, std::function<void()>> timers_;  // by deadline, then age
  std::map<TimerId, std::int64_t> deadlines_;
};

}  // namespace s2::emulator
