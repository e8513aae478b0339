// See clock.h.
#include "emulator/clock.h"

namespace s2::emulator {

std::int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::uint64_t Clock::now_ms() const {
  const auto real = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(real + advanced_).count());
}

std::int64_t Clock::elapsed_ns() const {
  return steady_ns() + advanced_.count();
}

Clock::TimerId Clock::after(std::chrono::milliseconds delay, std::function<void()> callback) {
  const TimerId id = ++last_id_;
  const std::int64_t deadline = elapsed_ns() + std::chrono::nanoseconds(delay).count();
  timers_.emplace(std::pair(deadline, id), std::move(callback));
  deadlines_.emplace(id, deadline);
  if (timers_.begin()->first.second == id) arm();
  return id;
}

void Clock::cancel(TimerId id) {
  const auto found = deadlines_.find(id);
  if (found == deadlines_.end()) return;
  timers_.erase({found->second, id});
  deadlines_.erase(found);
}

void Clock::advance(std::chrono::milliseconds by) {
  advanced_ += by;
  fire_due();
}

void Clock::arm() {
  if (timers_.empty()) return;
  const auto wait = std::chrono::nanoseconds(timers_.begin()->first.first - elapsed_ns());
  loop_.set_alarm(wait, [this] { fire_due(); });
}

void Clock::fire_due() {
  while (!timers_.empty() && timers_.begin()->first.first <= elapsed_ns()) {
    auto due = timers_.extract(timers_.begin());
    deadlines_.erase(due.key().second);
    due.mapped()();
  }
  arm();
}

}  // namespace s2::emulator
