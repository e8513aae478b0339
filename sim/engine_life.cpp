// The lives of an execution and of its threads: begin, spawn, end, finish, unwind. See engine.h.
#include <dlfcn.h>
#include <sys/single_threaded.h>

#include <algorithm>
#include <atomic>
#include <locale>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "sim/engine.h"
#include "sim/real.h"

namespace s2::sim {
namespace {

// Never 0, which is what fresh memory holds.
std::uint32_t next_stamp() {
  static std::atomic<std::uint32_t> last{0};
  std::uint32_t stamp = 0;
  while (stamp == 0) stamp = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return stamp;
}

std::terminate_handler outer_terminate = nullptr;

[[noreturn]] void on_terminate() {
  Engine* engine = tls.world != nullptr ? tls.world : tls.quiet;
  if (engine != nullptr) engine->terminated();
  if (outer_terminate != nullptr) outer_terminate();
  std::abort();
}

void own_engine(Engine*& engine) {
  static pthread_key_t key = [] {
    pthread_key_t made = 0;
    pthread_key_create(&made, [](void* old) {
      delete static_cast<Engine*>(old);
      tls.engine = nullptr;
    });
    outer_terminate = std::set_terminate(on_terminate);
    // No thread of a world is one that the C library has counted; with this false libstdc++ leaves out no
    // wake-up.
    __libc_single_threaded = 0;
    // What the C++ runtime does once a process must not fall into an execution: it sets up the unwinder for
    // the first exception, and the locale for the first stream.
    const std::locale locale;
    try {
      throw Unwind();
    } catch (const Unwind&) {  // NOLINT(bugprone-empty-catch): that it was thrown is all
    }
    return made;
  }();
  engine = new Engine();
  pthread_setspecific(key, engine);
}

}  // namespace

void fiber_entry(boost::context::detail::transfer_t transfer) {
  Fiber& fiber = *tls.engine->current_;
  if (tls.engine->main_.stack.low == nullptr) {
    const void* low = nullptr;
    static_cast<Context*>(transfer.data)->context = transfer.fctx;
    sanitizers::arrive_first(&low, &tls.engine->main_.stack.bytes);
    tls.engine->main_.stack.low = static_cast<char*>(const_cast<void*>(low));
  } else {
    entered(transfer, fiber);
  }
  tls.engine->live(fiber);
  tls.engine->end_of_fiber(fiber);
}

Engine::Engine() : runtime_(Runtime::of_this_thread()) {
  main_.tls = std::make_unique<char[]>(runtime_.tls.bytes);
  main_.outer = true;
  traps_.set();
  sanitizers::benign(runtime_.tls.at, runtime_.tls.bytes);
  sanitizers::benign(runtime_.errno_at, sizeof *runtime_.errno_at);
  // What std::call_once hands over in.
  sanitizers::benign(static_cast<void*>(&std::__once_callable), sizeof std::__once_callable);
  sanitizers::benign(static_cast<void*>(&std::__once_call), sizeof std::__once_call);
}

Engine& Engine::of_this_thread() {
  if (tls.engine == nullptr) own_engine(tls.engine);
  return *tls.engine;
}

void Engine::begin(const WorldOptions& options) {
  options_ = &options;
  chooser_ = &options.chooser;
  ask_always_ = chooser_->wants_every_point();
  records_.clear();
  pending_.clear();
  watches_.clear();
  signals_.clear();
  object_names_.clear();
  user_objects_.clear();
  trace_.clear();
  notes_.clear();
  runnable_ = alive_ = timed_ = parked_ = waiting_ = 0;
  points_before_ += points_;
  hash_ = points_ = choices_ = switches_ = preemptions_ = next_id_ = 0;
  max_points_ = options.max_points;
  stamp_ = next_stamp();
  objects_ = 0;
  now_ = hurried_ = 0;
  clock_step_ = options.clock_step.count();
  max_time_ = options.max_virtual_time.count();
  max_threads_ = std::min(options.max_threads, kMaxLanes);
  not_unwound_ = 0;
  spurious_left_ = std::min(options.spurious_wakeups, chooser_->spurious_wakeups(options.spurious_wakeups));
  observed_ = options.keep_trace || options.on_point;
  unwinding_ = body_done_ = over_ = false;
  ending_ = Ending::finished;
  why_.clear();
}

Execution Engine::run(const WorldOptions& options, const std::function<void()>& body) {
  begin(options);
  main_.tsan = sanitizers::current_fiber();
  current_ = spawn([&body] { body(); }, nullptr, nullptr, false);
  current_->started = true;
  traps_.begin();
  switch_context(runtime_, main_, *current_, false);
  unwind_all();
  traps_.end();
  sanitizers::acquire(this);
  return result();
}

Fiber* Engine::spawn(std::function<void()> function, void* (*routine)(void*), void* argument, bool detached) {
  const sanitizers::Ignore ours;
  const std::uint64_t taken = alive_ | (departing_ != nullptr ? departing_->bit() : 0);
  const auto lane = static_cast<std::size_t>(std::countr_zero(~taken));
  if (lane >= kMaxLanes || static_cast<std::size_t>(std::popcount(alive_)) >= max_threads_) {
    finish(Ending::limit, "more than " + std::to_string(max_threads_) + " threads live at the same time");
    return nullptr;
  }
  if (fibers_[lane] == nullptr) {
    fibers_[lane] = std::make_unique<Fiber>();
    fibers_[lane]->tls = std::make_unique<char[]>(runtime_.tls.bytes);
    fibers_[lane]->lane = static_cast<std::uint8_t>(lane);
  }
  Fiber& fiber = *fibers_[lane];
  fiber.id = static_cast<std::uint32_t>(records_.size());
  fiber.reason = WakeReason::none;
  fiber.started = fiber.given_up = false;
  fiber.unwind_operations = 0;
  fiber.waits_in = nullptr;
  fiber.rejoins = nullptr;
  fiber.parked_at = nullptr;
  fiber.starts_after = order_of_thread(fiber.id);
  fiber.ordinals.fill(0);
  fiber.routine = routine;
  fiber.argument = argument;
  fiber.function = std::move(function);
  fiber.children = 0;
  fiber.awaited_signals = 0;
  fiber.blocked_signals = records_.empty() ? 0 : current_->blocked_signals;
  runtime_.tls.fill_fresh(fiber.tls.get());
  const Tls inside{this, nullptr, this};
  std::memcpy(fiber.tls.get() + (reinterpret_cast<char*>(&tls) - runtime_.tls.at), &inside, sizeof inside);
  fiber.stack = stacks_.take();
  make_context(fiber, fiber_entry);
  ThreadRecord record;
  record.lane = static_cast<std::uint8_t>(lane);
  record.detached = detached;
  if (!records_.empty()) {
    record.parent = current_->id;
    record.child_number = ++current_->children;
  }
  records_.push_back(std::move(record));
  standings_[lane] = {fiber.id, 0, 1, Kind::start};
  alive_ |= fiber.bit();
  runnable_ |= fiber.bit();
  return &fiber;
}

Fiber* Engine::fiber_of(std::uint32_t thread) {
  const ThreadRecord& record = records_[thread];
  return record.ended ? nullptr : fibers_[record.lane].get();
}

void Engine::live(Fiber& fiber) {
  std::string error;
  sanitizers::acquire(fiber.starts_after);
  after_switch();
  try {
    if (fiber.routine != nullptr) {
      void* result = fiber.routine(fiber.argument);
      records_[fiber.id].result = result;
    } else {
      fiber.function();
    }
  } catch (const Unwind&) {  // NOLINT(bugprone-empty-catch): it has done what it is for
  } catch (const ThreadExit&) {
    records_[fiber.id].result = fiber.argument;
  } catch (const std::exception& exception) {
    error = std::string("an exception left ") + thread_name(fiber.id) + ": " + exception.what();
  } catch (...) {
    error = "an exception left " + thread_name(fiber.id);
  }
  try {
    if (!error.empty() && !over_) finish(Ending::uncaught, error);
    fiber.function = nullptr;
    run_exit_handlers(fiber);
  } catch (const Unwind&) {
    fiber.at_exit.clear();
  }
}

// As a C library does at a thread's end: thread_locals, then keys, until a round finds none.
void Engine::run_exit_handlers(Fiber& fiber) {
  while (!fiber.at_exit.empty()) {
    const auto [destroy, object] = fiber.at_exit.back();
    fiber.at_exit.pop_back();
    destroy(object);
  }
  for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS; ++round) {
    bool any = false;
    for (std::size_t key = 0; key < fiber.key_values.size(); ++key) {
      void* value = std::exchange(fiber.key_values[key], nullptr);
      auto* destroy = value == nullptr ? nullptr : destructor_of_key(key);
      if (destroy == nullptr) continue;
      any = true;
      destroy(value);
    }
    if (!any) break;
  }
}

void Engine::retire(Fiber& fiber) {
  const sanitizers::Ignore ours;
  ThreadRecord& record = records_[fiber.id];
  record.ended = true;
  runnable_ &= ~fiber.bit();
  alive_ &= ~fiber.bit();
  timed_ &= ~fiber.bit();
  fiber.at_exit.clear();
  fiber.key_values.clear();
}

void Engine::bury(Fiber& fiber) {
  departing_ = nullptr;
  fiber.function = nullptr;
  const sanitizers::Ignore ours;
  end_context(fiber);
  stacks_.give(fiber.stack);
}

void Engine::end_of_fiber(Fiber& fiber) {
  sanitizers::release(this);  // what run() returns after
  if (!over_) {
    arrive(Kind::exit, 0);
    touches(kTouchesThread + fiber.id);
    sanitizers::release(order_of_thread(fiber.id));
    enable(records_[fiber.id].joiners);
    retire(fiber);
    departing_ = &fiber;
    if (fiber.id == 0) body_done_ = true;
    if (alive_ == 0) {
      for (std::uint32_t id = 1; id < records_.size() && !over_; ++id) {
        if (records_[id].joined || records_[id].detached) continue;
        ending_ = Ending::leaked_thread;
        why_ = thread_name(id) + " has ended and was neither joined nor detached";
        over_ = true;
      }
      over_ = true;
    } else if (Fiber* next = decide(false); next != nullptr) {
      go(*next, true);
    }
  } else {
    retire(fiber);
    departing_ = &fiber;
  }
  leave_for_main(true);
  std::abort();  // nobody enters a fiber that has ended
}

void Engine::leave_for_main(bool last) {
  switch_context(runtime_, *current_, main_, last);
}

void Engine::finish(Ending ending, std::string why) {
  if (!over_) {
    over_ = true;
    ending_ = ending;
    why_ = std::move(why);
    if (options_->on_failure && is_failure(ending)) {
      const Quiet quiet(this);
      options_->on_failure();
    }
  }
  if (tls.world == nullptr && !unwinding_)
    return;                                     // a hook's or a chooser's: the engine looks at over_ after it
  if ((alive_ & current_->bit()) == 0) return;  // the last breath of a thread: end_of_fiber leaves for main
  if (!unwinding_) {
    leave_for_main(false);
    after_switch();
  }
  unwinding_operation(standings_[current_->lane].kind);
}

// The next to be unwound: a thread none of whose children lives, so that a parent which joins in a destructor
// finds them ended and outlives what they use; of those one that does not stand at a taken lock, if there is
// one, because the lock may be free when the others are gone; of those the youngest.
Fiber* Engine::next_to_unwind() {
  std::uint64_t parents = 0;
  for (std::uint64_t lanes = alive_; lanes != 0; lanes &= lanes - 1) {
    const ThreadRecord& record = records_[fibers_[static_cast<std::size_t>(std::countr_zero(lanes))]->id];
    // An ancestor counts although a thread between them has ended: walk up to the nearest that lives.
    for (std::uint32_t id = record.parent, child = fibers_[record.lane]->id; id != child;
         child = id, id = records_[id].parent) {
      if (records_[id].ended) continue;
      parents |= std::uint64_t{1} << records_[id].lane;
      break;
    }
  }
  Fiber* best = nullptr;
  bool best_free = false;
  for (std::uint64_t lanes = alive_ & ~parents; lanes != 0; lanes &= lanes - 1) {
    Fiber* fiber = fibers_[static_cast<std::size_t>(std::countr_zero(lanes))].get();
    const Kind kind = standings_[fiber->lane].kind;
    const bool is_free = (runnable_ & fiber->bit()) != 0 ||
                         (kind != Kind::lock && kind != Kind::read_lock && kind != Kind::write_lock);
    if (best == nullptr || is_free > best_free || (is_free == best_free && fiber->id > best->id)) {
      best = fiber;
      best_free = is_free;
    }
  }
  return best;
}

void Engine::unwind_all() {
  unwinding_ = true;
  if (departing_ != nullptr) bury(*departing_);
  while (alive_ != 0) {
    Fiber* next = next_to_unwind();
    current_ = next;
    if (next->started) {
      if (!next->given_up) switch_context(runtime_, main_, *next, false);
      if (next->given_up) ++not_unwound_;
    } else {
      // std::thread hands its state over by a raw pointer that only the thread itself would delete.
      Dl_info info{};
      if (next->routine != nullptr && dladdr(reinterpret_cast<void*>(next->routine), &info) != 0 &&
          info.dli_fname != nullptr && std::strstr(info.dli_fname, "libstdc++") != nullptr) {
        const Quiet quiet(this);
        delete static_cast<std::thread::_State*>(next->argument);
      }
    }
    if ((alive_ & next->bit()) != 0) retire(*next);
    bury(*next);
  }
}

void Engine::unwinding_operation(Kind kind) {
  Fiber& fiber = *current_;
  const bool cleaning_up =
      static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(runtime_.exceptions[1])) != 0;
  if (++fiber.unwind_operations > kUnwindPatience) abandon_fiber();
  if (cleaning_up) return;
  switch (kind) {
    // What the C library declares as cancellation points may throw, and only that: callers of the other
    // functions have been compiled for functions that do not.
    case Kind::wait:
    case Kind::sleep:
    case Kind::sem_wait:
    case Kind::once:
    case Kind::user:
    case Kind::signal:
      throw Unwind();
    // A lock is granted when it is free by now; its holder may have been unwound.
    case Kind::lock:
    case Kind::read_lock:
    case Kind::write_lock:
    case Kind::futex_wait:
      if ((runnable_ & fiber.bit()) == 0) abandon_fiber();
      return;
    default:
      return;
  }
}

void Engine::abandon_fiber() {
  current_->given_up = true;
  leave_for_main(true);
  std::abort();
}

void Engine::terminated() {
  if (!unwinding_) {
    std::string why = "std::terminate was called in " + thread_name(current_->id);
    if (const std::exception_ptr thrown = std::current_exception()) {
      try {
        std::rethrow_exception(thrown);
      } catch (const std::exception& error) {
        why += std::string(": ") + error.what();
      } catch (...) {
        why += ", by an exception of another type";
      }
    }
    if (!over_) {
      over_ = true;
      ending_ = Ending::uncaught;
      why_ = std::move(why);
    }
  }
  abandon_fiber();
}

void Engine::quiet_operation(Kind kind) {
  if (unwinding_) {
    unwinding_operation(kind);
  } else if (kind == Kind::wait || kind == Kind::sleep || kind == Kind::join || kind == Kind::create) {
    finish(Ending::escaped, std::string("a hook or a chooser does what it must not: ") + name_of(kind));
  }
}

Execution Engine::result() {
  Execution execution;
  execution.ending = ending_;
  execution.why = std::move(why_);
  absorb(static_cast<std::uint64_t>(now_));
  absorb(static_cast<std::uint64_t>(ending_));
  execution.trace_hash = hash_;
  execution.points = points_;
  execution.choices = choices_;
  execution.switches = switches_;
  execution.preemptions = preemptions_;
  execution.threads = records_.size();
  execution.not_unwound = not_unwound_;
  execution.virtual_time = std::chrono::nanoseconds(now_);
  if (options_->keep_trace) {
    execution.trace = std::move(trace_);
    trace_.clear();
    execution.notes = std::move(notes_);
    notes_.clear();
    for (std::uint32_t id = 0; id < records_.size(); ++id) execution.thread_names.push_back(thread_name(id));
    for (std::uint32_t id = 0; id <= objects_; ++id) execution.object_names.push_back(object_name(id));
  }
  return execution;
}

}  // namespace s2::sim
