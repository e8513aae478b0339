// The engine's heart: points, whose turn it is, and virtual time. See engine.h; engine_life.cpp has threads'
// lives.
#include "sim/engine.h"

#include <unwind.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <stdexcept>

namespace s2::sim {

constinit thread_local Tls tls;

bool Engine::reschedule(bool yields) {
  Fiber* next = decide(yields);
  if (next != nullptr) {
    go(*next, false);
    after_switch();
  }
  if (unwinding_) [[unlikely]] {
    unwinding_operation(standings_[current_->lane].kind);
    return false;
  }
  return true;
}

Fiber* Engine::decide(bool yields) {
  const std::size_t here = current_->lane;
  const std::uint64_t current = std::uint64_t{1} << here;
  for (;;) {
    if (over_) [[unlikely]]
      return nullptr;
    std::uint64_t threads = runnable_;
    const bool timer = (timed_ != 0 || !pending_.empty()) && !body_done_;
    const bool signal = !signals_.empty();
    const std::uint64_t spurious = spurious_left_ != 0 ? waiting_ & ~runnable_ : 0;
    if (yields && (threads & ~current || timer)) threads &= ~current;  // it said: let others go
    std::size_t lane = 0;
    if (std::has_single_bit(threads) && !timer && !signal && spurious == 0 && !ask_always_) {
      lane = static_cast<std::size_t>(std::countr_zero(threads));
    } else if (threads == 0 && !timer && !signal) {
      nobody_can_go();
      return nullptr;
    } else {
      if (threads == 0 && !watches_.empty() && idle()) return nullptr;
      const Choices choices(Choices::Purpose::run, standings_.data(), threads, timer, signal, spurious, here,
                            yields);
      const std::size_t index = choices.size() == 1 && !ask_always_ ? 0 : ask(choices);
      if (over_) [[unlikely]]
        return nullptr;
      preemptions_ += static_cast<std::uint64_t>(choices.preempts(index));
      const Choice choice = choices[index];
      if (choice.source == Source::timer) {
        fire_earliest_timer();
        continue;
      }
      if (choice.source == Source::signal) {
        deliver_signal();
        continue;
      }
      lane = choice.lane;
      if (choice.source == Source::spurious) {
        --spurious_left_;
        absorb((std::uint64_t{fibers_[lane]->id} << 32) ^ static_cast<std::uint64_t>(Kind::spurious));
        wake(choice.lane, WakeReason::spurious);
        continue;
      }
    }
    if (lane == here && (alive_ & current) != 0) return nullptr;
    if (observed_ && (runnable_ & current) != 0 && !yields && !trace_.empty()) trace_.back().preempted = true;
    return fibers_[lane].get();
  }
}

std::size_t Engine::ask(const Choices& choices) {
  ++choices_;
  std::size_t index = 0;
  {
    const Quiet quiet(this);
    index = chooser_->choose(choices);
  }
  if (index == Chooser::kAbandon) {
    finish(Ending::abandoned, "the strategy gave this execution up");
    return 0;
  }
  if (index >= choices.size()) {
    finish(Ending::escaped, "the chooser chose something that was not offered");
    return 0;
  }
  return index;
}

void Engine::tell_touched(std::uint32_t object) {
  if (over_) return;
  const Quiet quiet(this);
  chooser_->touches(object);
}

std::uint64_t Engine::draw(std::uint64_t below) {
  if (below <= 1) return 0;
  const Quiet quiet(this);
  const std::uint64_t value = chooser_->draw(below);
  absorb(value ^ static_cast<std::uint64_t>(Kind::random));
  return value;
}

std::uint8_t Engine::pick(std::uint64_t waiters) {
  if (std::has_single_bit(waiters)) return static_cast<std::uint8_t>(std::countr_zero(waiters));
  const Choices choices(Choices::Purpose::wake, standings_.data(), waiters, false, false, 0, current_->lane,
                        false);
  const Choice choice = choices[ask(choices)];
  absorb(std::uint64_t{choice.standing.thread} << 32);
  return choice.lane;
}

void Engine::go(Fiber& to, bool last) {
  Fiber& from = *current_;
  current_ = &to;
  ++switches_;
  to.started = true;
  switch_context(runtime_, from, to, last);
}

void Engine::after_switch() {
  if (departing_ != nullptr) bury(*departing_);
  if (unwinding_) [[unlikely]] {
    tls.world = nullptr;
    tls.quiet = this;
  }
}

void Engine::wake(std::uint8_t lane, WakeReason reason) {
  if (unwinding_) return;
  Fiber& fiber = *fibers_[lane];
  const std::uint64_t bit = fiber.bit();
  timed_ &= ~bit;
  waiting_ &= ~bit;
  if (fiber.waits_in != nullptr) *fiber.waits_in &= ~bit;
  fiber.waits_in = nullptr;
  fiber.reason = reason;
  if (fiber.rejoins != nullptr) {
    *fiber.rejoins |= bit;
    if (*fiber.rejoins_owner == 0) runnable_ |= bit;
    fiber.rejoins = nullptr;
  } else {
    runnable_ |= bit;
  }
}

void Engine::set_timer(Nanos deadline) {
  current_->deadline = deadline;
  if (deadline - now_ < kNever) timed_ |= current_->bit();
}

void Engine::fire_earliest_timer() {
  Fiber* earliest = nullptr;
  for (std::uint64_t lanes = timed_; lanes != 0; lanes &= lanes - 1) {
    Fiber* fiber = fibers_[static_cast<std::size_t>(std::countr_zero(lanes))].get();
    if (earliest == nullptr || fiber->deadline < earliest->deadline) earliest = fiber;
  }
  const bool pending =
      !pending_.empty() && (earliest == nullptr || pending_.front().deadline < earliest->deadline);
  const Nanos before = now_;
  now_ = std::max(now_, pending ? pending_.front().deadline : earliest->deadline);
  if (runnable_ != 0) hurried_ += now_ - before;
  absorb((static_cast<std::uint64_t>(now_) << 8) ^ static_cast<std::uint64_t>(Kind::timer));
  if (now_ > max_time_) {
    finish(Ending::limit,
           "virtual time has passed its limit of " + std::to_string(max_time_ / 1'000'000'000) + " s");
    return;
  }
  if (!pending) {
    wake(earliest->lane, WakeReason::timeout);
    return;
  }
  const TimerId id = pending_.front().id;
  auto function = std::move(pending_.front().function);
  pending_.erase(pending_.begin());
  Fiber* fiber = spawn(std::move(function), nullptr, nullptr, true);
  if (fiber == nullptr) return;
  name_thread(fiber->id, "timer");
  fiber->starts_after = order_of_timer(id);
}

TimerId Engine::after(Nanos delay, std::function<void()> function) {
  const sanitizers::Ignore ours;
  const Nanos deadline = now_ + std::max<Nanos>(delay, 0);
  const auto place =
      std::upper_bound(pending_.begin(), pending_.end(), deadline,
                       [](Nanos at, const PendingTimer& timer) { return at < timer.deadline; });
  pending_.insert(place, {deadline, ++next_id_, std::move(function)});
  sanitizers::release(order_of_timer(next_id_));
  return next_id_;
}

bool Engine::cancel(TimerId timer) {
  const sanitizers::Ignore ours;
  return std::erase_if(pending_, [&](const PendingTimer& one) { return one.id == timer; }) != 0;
}

// All sleep: is that right? Only a near timer of the consumer excuses a queue that holds work.
bool Engine::idle() {
  for (const Watch& watch : watches_) {
    Nanos nearest = std::numeric_limits<Nanos>::max();
    for (std::uint64_t lanes = timed_; lanes != 0; lanes &= lanes - 1) {
      const Fiber& fiber = *fibers_[static_cast<std::size_t>(std::countr_zero(lanes))];
      if (watch.consumer.empty() || thread_name(fiber.id) == watch.consumer)
        nearest = std::min(nearest, fiber.deadline);
    }
    if (watch.consumer.empty() && !pending_.empty()) nearest = std::min(nearest, pending_.front().deadline);
    if (nearest < std::numeric_limits<Nanos>::max() && nearest - now_ <= options_->idle_after.count())
      continue;
    bool work = false;
    {
      const Quiet quiet(this);
      work = watch.has_work();
    }
    if (!work) continue;
    finish(Ending::idle, "all sleep, but " + watch.name + " holds work; " + names_of_the_living());
    return true;
  }
  return false;
}

void Engine::nobody_can_go() {
  if (body_done_) {
    finish(Ending::leaked_thread, "the body has returned; " + names_of_the_living());
  } else if (!idle()) {
    finish(Ending::deadlock, names_of_the_living());
  }
}

WatchId Engine::watch(std::string_view name, std::function<bool()> has_work, std::string_view consumer) {
  const sanitizers::Ignore ours;
  watches_.push_back({++next_id_, std::string(name), std::move(has_work), std::string(consumer)});
  return next_id_;
}

void Engine::unwatch(WatchId watch) {
  const sanitizers::Ignore ours;
  std::erase_if(watches_, [&](const Watch& one) { return one.id == watch; });
}

void Engine::observe(const Standing& standing) {
  if (over_) return;
  if (points_ > max_points_) {
    finish(Ending::limit, "more than " + std::to_string(max_points_) + " points");
    return;
  }
  if (options_->keep_trace) record_step(standing);
  if (!options_->on_point) return;
  std::string thrown;
  {
    const Quiet quiet(this);
    try {
      options_->on_point({standing, points_, std::chrono::nanoseconds(now_)});
    } catch (const std::exception& error) {
      thrown = error.what();
    }
  }
  if (!thrown.empty())
    finish(Ending::failed, "the hook at a point threw: " + thrown);
  else if (over_)
    finish(ending_, why_);
}

namespace {

struct Frames {
  TraceStep* step;
  std::size_t skip, count;
};

_Unwind_Reason_Code keep_frame(_Unwind_Context* context, void* argument) {
  auto& frames = *static_cast<Frames*>(argument);
  if (frames.skip != 0) {
    --frames.skip;
    return _URC_NO_REASON;
  }
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the unwinder gives addresses as integers
  frames.step->frames[frames.count++] = reinterpret_cast<const void*>(_Unwind_GetIP(context));
  return frames.count == kTraceFrames ? _URC_END_OF_STACK : _URC_NO_REASON;
}

}  // namespace

void Engine::record_step(const Standing& standing) {
  TraceStep step{.thread = standing.thread,
                 .kind = standing.kind,
                 .object = standing.object,
                 .ordinal = standing.ordinal,
                 .preempted = false,
                 .now = std::chrono::nanoseconds(now_),
                 .frames = {}};
  const Quiet quiet(this);
  Frames frames{&step, 2, 0};
  _Unwind_Backtrace(keep_frame, &frames);
  trace_.push_back(step);
}

}  // namespace s2::sim
