// The one question that a world asks: "who goes next?". A strategy is a Chooser that answers it.
//
// Called on the OS thread that simulates, while one fiber stands at a point, always inside one call of run().
// A chooser must not block, must not call into the world and must not use `thread_local` (it runs on the
// stack and with the thread-locals of whichever fiber stands at the point). The world owns what it hands out;
// a Choices is valid during the call only.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace s2::sim {

// What a thread stands at: the operation that it does when it is chosen (or, for `unlocked`, `notified`,
// `posted` and `created`, has just done: those are the points after an operation).
enum class Kind : std::uint8_t {
  start,
  lock,
  trylock,
  unlocked,
  wait,
  notify_one,
  notify_all,
  notified,
  create,
  created,
  join,
  once,
  read_lock,
  write_lock,
  rw_unlocked,
  sem_wait,
  sem_post,
  posted,
  futex_wait,
  futex_wake,
  sleep,
  yield,
  clock,
  random,
  atomic,
  user,
  timer,
  signal,
  spurious,
  exit
};
inline constexpr std::size_t kKinds = static_cast<std::size_t>(Kind::exit) + 1;
const char* name_of(Kind kind);

// At most so many threads live at the same time in one world: their lanes are the bits of one word.
inline constexpr std::size_t kMaxLanes = 64;

// Where one thread stands. `thread` counts the threads of the execution in the order of their creation, the
// body is 0; `object` counts the objects of the execution in the order of their first use, from 1 (0: none,
// or one that is known by its address only, as futexes and once flags are). `ordinal` says the how-manieth
// point of this kind of this thread it is, from 1.
struct Standing {
  std::uint32_t thread = 0;
  std::uint32_t object = 0;
  std::uint32_t ordinal = 0;
  Kind kind = Kind::start;
};

// thread: that thread goes on. timer: the earliest pending timer fires (virtual time moves to it). signal:
// the oldest pending signal is delivered. spurious: the waiter of a condition variable wakes for no reason.
enum class Source : std::uint8_t { thread, timer, signal, spurious };

struct Choice {
  Source source = Source::thread;
  std::uint8_t lane = 0;  // of the thread; lanes are used again when their thread has ended
  Standing standing;      // of the thread; meaningless for a timer
};

// The choices at one point: the runnable threads by lane, then the timer, the signal, the waiters.
class Choices {
 public:
  enum class Purpose : std::uint8_t {
    run,
    wake
  };  // wake: which waiter a notification, post or unlock reaches
  static constexpr std::size_t kNone = ~std::size_t{0};

  static constexpr std::uint32_t kYieldsForATimer = 64;

  Choices(Purpose purpose, const Standing* standings, std::uint64_t threads, bool timer, bool signal,
          std::uint64_t spurious, std::size_t here, bool yields)
      : standings_(standings),
        threads_(threads),
        spurious_(spurious),
        here_(static_cast<std::uint8_t>(here)),
        purpose_(purpose),
        timer_(timer),
        signal_(signal),
        yields_(yields),
        thread_count_(static_cast<std::uint8_t>(std::popcount(threads))) {}

  Purpose purpose() const { return purpose_; }
  std::size_t size() const {
    return thread_count_ + std::size_t{timer_} + std::size_t{signal_} +
           static_cast<std::size_t>(std::popcount(spurious_));
  }
  // The first threads() choices are runnable threads (for wake: waiters).
  std::size_t threads() const { return thread_count_; }
  std::uint64_t lanes() const { return threads_; }  // of these, lowest first: the i-th bit is choice i
  std::uint32_t thread_of_lane(std::size_t lane) const { return standings_[lane].thread; }
  bool timer() const { return timer_; }
  std::size_t timer_index() const { return timer_ ? thread_count_ : kNone; }

  Choice operator[](std::size_t index) const {
    if (index < thread_count_) return thread_at(Source::thread, threads_, index);
    index -= thread_count_;
    if (timer_ && index-- == 0) return {Source::timer, 0, {}};
    if (signal_ && index-- == 0) return {Source::signal, 0, {}};
    return thread_at(Source::spurious, spurious_, index);
  }
  std::size_t index_of_lane(std::size_t lane) const {
    const std::uint64_t bit = std::uint64_t{1} << lane;
    return (threads_ & bit) != 0 ? static_cast<std::size_t>(std::popcount(threads_ & (bit - 1))) : kNone;
  }
  // The thread that arrived at the point, and where it stands: runnable or not, this names the point.
  std::size_t here_lane() const { return here_; }
  const Standing& here() const { return standings_[here_]; }
  // Index of the thread that ran last, kNone when it cannot go on. Another choice is then a preemption,
  // unless it yields: then it said itself that others should go.
  std::size_t last() const { return purpose_ == Purpose::run ? index_of_lane(here_) : kNone; }
  bool preempts(std::size_t index) const {
    if (purpose_ != Purpose::run) return false;
    const std::uint64_t here = std::uint64_t{1} << here_;
    const auto current = static_cast<std::size_t>(std::popcount(threads_ & (here - 1)));
    // Without a branch: nobody can predict what is chosen.
    const bool goes_on = (threads_ & here) != 0;
    const bool another = (index != current) & !yields_;
    const bool early = (index >= thread_count_) & (thread_count_ != 0);
    return (goes_on & another) | (!goes_on & early);
  }
  bool yields() const { return yields_; }
  // The default policy: the current thread until it blocks, then the lowest lane, then the timer. A thread
  // that yields passes on to the next lane, and now and then to the timer, so that nobody spins for ever.
  std::size_t usual() const {
    const std::size_t current = last();
    if (current != kNone) return current;
    if (!yields_ || purpose_ != Purpose::run || threads_ == 0) return 0;
    if (timer_ && here().ordinal % kYieldsForATimer == 0) return thread_count_;
    const std::uint64_t later = threads_ & ~((std::uint64_t{2} << here_) - 1);
    return later == 0 ? 0 : index_of_lane(static_cast<std::size_t>(std::countr_zero(later)));
  }

 private:
  Choice thread_at(Source source, std::uint64_t mask, std::size_t index) const {
    // Nobody can predict how many: up to the fourth without a branch.
    const std::uint64_t second = mask & (mask - 1), third = second & (second - 1);
    const std::array<std::uint64_t, 4> from{mask, second, third, third & (third - 1)};
    if (index < from.size()) [[likely]] {
      mask = from[index];
    } else {
      while (index-- != 0) mask &= mask - 1;
    }
    const auto lane = static_cast<std::uint8_t>(std::countr_zero(mask));
    return {source, lane, standings_[lane]};
  }

  const Standing* standings_;
  std::uint64_t threads_;
  std::uint64_t spurious_;
  std::uint8_t here_;
  Purpose purpose_;
  bool timer_;
  bool signal_;
  bool yields_;
  std::uint8_t thread_count_;
};

// Beside the objects of mutexes and condition variables: what the current step may touch.
inline constexpr std::uint32_t kTouchesEverything = 0xFFFF'FFFF;
inline constexpr std::uint32_t kTouchesTime = 0xFFFF'FFFE;       // a clock whose reading moves it
inline constexpr std::uint32_t kTouchesUnguarded = 0xFFFF'FF00;  // + the part: sim::touches_unguarded()
inline constexpr std::uint32_t kTouchesThread = 0x8000'0000;     // + the thread: its end

// What a strategy implements. choose() is asked only where there are two choices or more, unless it wants
// every point.
class Chooser {
 public:
  static constexpr std::size_t kAbandon = ~std::size_t{0};  // ends the execution as Ending::abandoned

  virtual ~Chooser() = default;
  virtual std::size_t choose(const Choices& choices) = 0;
  // A value drawn for the program under test: in [0, below), below > 0.
  virtual std::uint64_t draw(std::uint64_t below) = 0;
  virtual bool wants_every_point() const { return false; }
  // How many of the spurious wake-ups that a world allows are offered in the execution that begins; asked
  // once. While one is offered, every point with a waiter is a choice.
  virtual unsigned spurious_wakeups(unsigned most) { return most; }
  // For one that wants every point: what the running thread touches between two points that others may touch,
  // too. Objects of mutexes and condition variables as in Standing, or one of kTouches…; semaphores,
  // read-write locks, futexes and once flags are not told: a step that begins or ends at a point of theirs
  // touches them.
  virtual void touches(std::uint32_t object) { static_cast<void>(object); }
};

}  // namespace s2::sim
