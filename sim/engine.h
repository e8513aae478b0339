// The engine of one world: its fibers, whose turn it is, virtual time, the trace.
//
// Internal to sim: only the files of sim/ include this. One engine belongs to one OS thread and serves its
// executions one after the other, keeping stacks and memory. The interposed functions reach it through `tls`.
#pragma once
#include <cxxabi.h>
#include <sched.h>

#include <array>
#include <bit>
#include <csignal>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/fiber.h"
#include "sim/sanitizers.h"
#include "sim/traps.h"
#include "sim/world.h"

namespace s2::sim {

struct Unwind {};
struct ThreadExit {};  // pthread_exit
__extension__ typedef unsigned __int128 Product;

using Nanos = std::int64_t;
inline constexpr Nanos kSteadyStart = 1'000'000'000'000;          // CLOCK_MONOTONIC when an execution begins
inline constexpr Nanos kSystemStart = 1'767'225'600'000'000'000;  // CLOCK_REALTIME then: 2026-01-01
// A deadline farther away than 50 years is none: so say time_point::max() and its kin that they wait for
// ever.
inline constexpr Nanos kNever = 50LL * 365 * 24 * 3600 * 1'000'000'000;
inline constexpr unsigned kUnwindPatience = 10'000;  // operations that one thread may do while it is unwound

enum class WakeReason : std::uint8_t { none, woken, timeout, spurious };

struct Fiber : Context {
  std::uint32_t id = 0;
  std::uint8_t lane = 0;
  WakeReason reason = WakeReason::none;
  bool started = false;
  bool given_up = false;
  unsigned unwind_operations = 0;
  Nanos deadline = 0;
  std::uint64_t* waits_in = nullptr;  // the set of waiters from which a timer takes this lane out
  std::uint64_t* rejoins = nullptr;   // the contenders of the mutex that a woken waiter of a condition needs
  const std::uint8_t* rejoins_owner = nullptr;
  const void* parked_at = nullptr;               // futex or once flag
  void* starts_after = nullptr;                  // what ordered its start, for ThreadSanitizer
  std::array<std::uint32_t, kKinds> ordinals{};  // points so far, by kind
  void* (*routine)(void*) = nullptr;
  void* argument = nullptr;
  std::function<void()> function;  // instead of routine: the body, timers, signals
  std::uint32_t children = 0;
  std::uint64_t blocked_signals = 0;
  std::uint64_t awaited_signals = 0;  // in sigwait
  int received_signal = 0;
  std::vector<std::pair<void (*)(void*), void*>> at_exit;  // destructors of thread_locals
  std::vector<void*> key_values;
  std::uint64_t bit() const { return std::uint64_t{1} << lane; }
};

// What a thread was told of its CPUs and its priority: kept, and otherwise without meaning.
struct ThreadAttributes {
  cpu_set_t cpus{};
  int policy = SCHED_OTHER, priority = 0;
  ThreadAttributes() { CPU_SET(0, &cpus); }
};

// What is known of a thread of this execution, alive or not. By id.
struct ThreadRecord {
  std::string name;  // given by name_thread
  std::uint32_t parent = 0;
  std::uint32_t child_number = 0;
  std::uint64_t joiners = 0;
  void* result = nullptr;
  std::uint8_t lane = 0;
  bool ended = false, detached = false, joined = false;
  std::unique_ptr<ThreadAttributes> attributes;  // once somebody sets or asks for them
};

struct PendingTimer {
  Nanos deadline;
  TimerId id;
  std::function<void()> function;
};
struct Watch {
  WatchId id;
  std::string name;
  std::function<bool()> has_work;
  std::string consumer;
};

class Engine;

// The only thread-locals of sim. Fresh fibers get a copy of it, so that all fibers of an OS thread see the
// same.
struct Tls {
  Engine* world = nullptr;   // set while operations are to be simulated
  Engine* quiet = nullptr;   // set while they are to do nothing: in hooks, and while an execution is unwound
  Engine* engine = nullptr;  // of this OS thread, once it has one
};
extern constinit thread_local Tls tls;

class Engine {
 public:
  Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() = default;
  static Engine& of_this_thread();

  Execution run(const WorldOptions& options, const std::function<void()>& body);

  // -- for operations, on the current fiber; see mutex.cpp for the pattern --
  Fiber& self() { return *current_; }
  std::uint64_t pulse() const { return points_before_ + points_; }
  std::uint32_t stamp() const { return stamp_; }
  std::uint32_t new_object() { return ++objects_; }
  // The current thread arrives at a point: counted, hashed, shown to the hook.
  void arrive(Kind kind, std::uint32_t object) {
    Fiber& fiber = *current_;
    Standing& standing = standings_[fiber.lane];
    standing.kind = kind;
    standing.object = object;
    const std::uint32_t ordinal = ++fiber.ordinals[static_cast<std::size_t>(kind)];
    standing.ordinal = ordinal;
    absorb((std::uint64_t{ordinal} << 48) ^ (std::uint64_t{fiber.id} << 32) ^ (std::uint64_t{object} << 8) ^
           static_cast<std::uint64_t>(kind));
    if (++points_ > max_points_ || observed_) [[unlikely]]
      observe(standing);
  }
  // Lets the chooser pick who goes next, and returns when it is the current thread's turn again. False: the
  // execution is over and this operation has to return at once (or Unwind was thrown).
  [[nodiscard]] bool reschedule(bool yields = false);
  [[nodiscard]] bool point(Kind kind, std::uint32_t object) {
    arrive(kind, object);
    return reschedule();
  }
  // What the current thread does now depends on, or changes, what others may see.
  void touches(std::uint32_t object) {
    if (ask_always_) [[unlikely]]
      tell_touched(object);
  }
  void enable(std::uint64_t lanes) { runnable_ |= lanes; }
  void disable(std::uint64_t lanes) { runnable_ &= ~lanes; }
  void set_timer(Nanos deadline);  // for the current thread; "waits_in" is what it is taken out of
  void clear_timer() { timed_ &= ~current_->bit(); }
  // Waits until wake() or the timer. The fiber has been put into its set of waiters.
  [[nodiscard]] bool sleep_here() {
    runnable_ &= ~current_->bit();
    return reschedule();
  }
  // Arrives at a point and contends for what is_free() tells of, with all in `contenders`: whoever makes it
  // free enables them. `turn`: it is free, and the caller takes it and leaves the contenders.
  enum class Contest : std::uint8_t { turn, timeout, over };  // over: as reschedule()'s false
  template <class IsFree>
  [[nodiscard]] Contest contend(Kind kind, std::uint32_t object, std::uint64_t& contenders,
                                const Nanos* deadline, const IsFree& is_free) {
    Fiber& fiber = *current_;
    arrive(kind, object);
    contenders |= fiber.bit();
    if (!is_free()) disable(fiber.bit());
    if (deadline != nullptr) {
      fiber.waits_in = &contenders;
      fiber.reason = WakeReason::none;
      set_timer(*deadline);
    }
    if (!reschedule()) return Contest::over;
    if (deadline != nullptr) {
      clear_timer();
      fiber.waits_in = nullptr;
      if (fiber.reason == WakeReason::timeout && !is_free()) return Contest::timeout;
    }
    return Contest::turn;
  }
  void wake(std::uint8_t lane, WakeReason reason);
  // Picks one of the waiters, by the chooser where there are several.
  std::uint8_t pick(std::uint64_t waiters);
  const Standing& standing(std::uint8_t lane) const { return standings_[lane]; }
  void offer_spurious(bool offer) {
    if (offer)
      waiting_ |= current_->bit();
    else
      waiting_ &= ~current_->bit();
  }

  // An operation while `quiet`: throws Unwind where that is right, otherwise the operation must return at
  // once.
  void quiet_operation(Kind kind);
  // Ends the execution. Returns (or throws Unwind) only when the current thread is unwound.
  void finish(Ending ending, std::string why);
  void escape(const std::string& what) { finish(Ending::escaped, what + describe_here()); }

  // -- threads --
  Fiber* spawn(std::function<void()> function, void* (*routine)(void*), void* argument, bool detached);
  std::vector<ThreadRecord>& records() { return records_; }
  // What orders creation, end and join of a thread for ThreadSanitizer, and the setting and firing of a
  // timer.
  void* order_of_thread(std::uint32_t thread) { return &orders_[thread % (kOrders / 2)]; }
  void* order_of_timer(TimerId timer) { return &orders_[kOrders / 2 + timer % (kOrders / 2)]; }
  Fiber* fiber_of(std::uint32_t thread);
  std::uint64_t parked_on(const void* address) const {
    std::uint64_t found = 0;
    for (std::uint64_t lanes = parked_; lanes != 0; lanes &= lanes - 1) {
      if (fibers_[static_cast<std::size_t>(std::countr_zero(lanes))]->parked_at == address)
        found |= lanes & -lanes;
    }
    return found;
  }
  std::uint64_t& parked() { return parked_; }

  // -- time --
  Nanos now() const { return now_; }
  Nanos hurried() const { return hurried_; }
  void advance(Nanos step) {
    if (step == 0) return;
    touches(kTouchesTime);
    now_ += step;
  }
  Nanos clock_step() const { return clock_step_; }
  TimerId after(Nanos delay, std::function<void()> function);
  bool cancel(TimerId timer);
  WatchId watch(std::string_view name, std::function<bool()> has_work, std::string_view consumer);
  void unwatch(WatchId watch);
  void send_signal(int signal);

  std::uint64_t draw(std::uint64_t below);
  std::uint32_t named_object(const char* name);
  void name_object(std::uint32_t object, std::string_view name);
  void name_thread(std::uint32_t thread, std::string_view name);
  bool tracing() const { return options_->keep_trace && !over_; }
  void note(std::string text) {
    const sanitizers::Ignore ours;
    notes_.push_back({trace_.size(), current_->id, std::chrono::nanoseconds(now_), std::move(text)});
  }
  std::string thread_name(std::uint32_t thread) const;
  std::string object_name(std::uint32_t object) const;
  std::string describe_here() const;
  bool unwinding() const { return unwinding_; }
  // Says on stderr that the current thread's stack is full, if a fault at that address says so.
  void tell_overflow(const char* fault) const;
  [[noreturn]] void terminated();  // std::terminate was called on the current fiber

 private:
  friend void fiber_entry(boost::context::detail::transfer_t transfer);

  void absorb(std::uint64_t event) {
    const auto product = static_cast<Product>(hash_ ^ event) * 0x9E3779B97F4A7C15ULL;
    hash_ = (static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64)) +
            0xD1B54A32D192ED03ULL;
  }
  void begin(const WorldOptions& options);
  void tell_touched(std::uint32_t object);
  void observe(const Standing& standing);
  void record_step(const Standing& standing);
  // Who goes next: sets `current_` only in go(). Null when it is the current thread itself.
  Fiber* decide(bool yields);
  std::size_t ask(const Choices& choices);
  void nobody_can_go();
  bool idle();
  void fire_earliest_timer();
  void deliver_signal();
  void go(Fiber& to, bool last);
  void leave_for_main(bool last);
  void after_switch();
  void live(Fiber& fiber);  // runs the fiber's routine to its end
  void run_exit_handlers(Fiber& fiber);
  void retire(Fiber& fiber);  // it is no longer alive
  void bury(Fiber& fiber);    // and nobody stands on its stack any more
  [[noreturn]] void end_of_fiber(Fiber& fiber);
  Fiber* next_to_unwind();
  void unwind_all();
  void unwinding_operation(Kind kind);
  [[noreturn]] void abandon_fiber();
  std::string names_of_the_living() const;
  Execution result();

  static constexpr std::size_t kMostAncestors = 16;  // that a message about a full stack names
  static constexpr std::size_t kOrders =
      1024;  // two that share one are merely ordered more than they need be

  Runtime runtime_;
  StackPool stacks_;
  Traps traps_;
  Context main_;
  std::array<std::uint64_t, kOrders> orders_{};
  std::array<Standing, kMaxLanes> standings_{};
  std::array<std::unique_ptr<Fiber>, kMaxLanes> fibers_;
  std::vector<ThreadRecord> records_;
  std::vector<PendingTimer> pending_;
  std::vector<Watch> watches_;
  std::vector<int> signals_;
  std::vector<std::string> object_names_;
  std::vector<std::pair<const char*, std::uint32_t>> user_objects_;  // of point(), by name
  std::vector<TraceStep> trace_;
  std::vector<TraceNote> notes_;
  const WorldOptions* options_ = nullptr;
  Chooser* chooser_ = nullptr;
  Fiber* current_ = nullptr;
  Fiber* departing_ = nullptr;  // has ended, and is about to leave its stack for the last time
  std::uint64_t runnable_ = 0, alive_ = 0, timed_ = 0, parked_ = 0, waiting_ = 0;
  std::uint64_t points_before_ = 0;  // of executions before this one
  std::uint64_t hash_ = 0, points_ = 0, max_points_ = 0, choices_ = 0, switches_ = 0, preemptions_ = 0;
  std::uint64_t next_id_ = 0;
  std::uint32_t stamp_ = 0, objects_ = 0;
  Nanos now_ = 0, hurried_ = 0, clock_step_ = 0, max_time_ = 0;
  std::size_t max_threads_ = kMaxLanes;
  std::size_t not_unwound_ = 0;
  unsigned spurious_left_ = 0;
  bool ask_always_ = false, observed_ = false, unwinding_ = false, body_done_ = false, over_ = false;
  Ending ending_ = Ending::finished;
  std::string why_;
};

// Runs a chooser's or hook's code: operations in it do nothing.
class Quiet {
 public:
  explicit Quiet(Engine* engine) : world_(tls.world), quiet_(tls.quiet) {
    tls.world = nullptr, tls.quiet = engine;
  }
  ~Quiet() { tls.world = world_, tls.quiet = quiet_; }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  Engine* world_;
  Engine* quiet_;
  sanitizers::Ignore ignore_;
};

}  // namespace s2::sim
