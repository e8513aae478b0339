// The face of a world (world.h) over its engine, and the names of things.
#include "sim/world.h"

#include <algorithm>
#include <csignal>
#include <stdexcept>

#include "sim/operations.h"

namespace s2::sim {

const char* name_of(Kind kind) {
  static constexpr const char* kNames[kKinds] = {
      "start",    "lock",    "trylock",    "unlocked",   "wait",      "notify_one", "notify_all",  "notified",
      "create",   "created", "join",       "once",       "read_lock", "write_lock", "rw_unlocked", "sem_wait",
      "sem_post", "posted",  "futex_wait", "futex_wake", "sleep",     "yield",      "clock",       "random",
      "atomic",   "user",    "timer",      "signal",     "spurious",  "exit"};
  return kNames[static_cast<std::size_t>(kind)];
}

const char* name_of(Ending ending) {
  switch (ending) {
    case Ending::finished:
      return "finished";
    case Ending::deadlock:
      return "deadlock";
    case Ending::idle:
      return "idle";
    case Ending::leaked_thread:
      return "leaked thread";
    case Ending::escaped:
      return "escaped";
    case Ending::limit:
      return "limit";
    case Ending::failed:
      return "failed";
    case Ending::uncaught:
      return "uncaught exception";
    case Ending::abandoned:
      return "abandoned";
  }
  return "?";
}

Execution run(const WorldOptions& options, const std::function<void()>& body) {
  if (!outside()) throw std::logic_error("sim::run inside a world");
  return Engine::of_this_thread().run(options, body);
}

bool inside() {
  return tls.world != nullptr;
}

std::uint64_t pulse() {
  return tls.engine == nullptr ? 0 : tls.engine->pulse();
}

std::chrono::nanoseconds now() {
  const Engine* engine = tls.world != nullptr ? tls.world : tls.quiet;
  return std::chrono::nanoseconds(engine == nullptr ? 0 : engine->now());
}

std::chrono::nanoseconds hurried() {
  const Engine* engine = tls.world != nullptr ? tls.world : tls.quiet;
  return std::chrono::nanoseconds(engine == nullptr ? 0 : engine->hurried());
}

std::uint64_t choose(std::uint64_t below) {
  return tls.world == nullptr ? 0 : tls.world->draw(below);
}

void fail(std::string_view what) {
  Engine* engine = tls.world != nullptr ? tls.world : tls.quiet;
  if (engine == nullptr) throw std::logic_error("sim::fail outside a world: " + std::string(what));
  engine->finish(Ending::failed, std::string(what));
  if (engine->unwinding() && std::uncaught_exceptions() == 0) throw Unwind();
}

void point(Kind kind, const char* name) {
  Engine* world = tls.world;
  if (world == nullptr) {
    if (tls.quiet != nullptr) tls.quiet->quiet_operation(kind);
    return;
  }
  (void)world->point(kind, world->named_object(name));
}

void touches_unguarded(std::uint32_t part) {
  if (tls.world != nullptr) tls.world->touches(kTouchesUnguarded + part);
}

bool tracing() {
  return tls.world != nullptr && tls.world->tracing();
}

void note(std::string text) {
  if (tracing()) tls.world->note(std::move(text));
}

void name_thread(std::string_view name) {
  if (tls.world != nullptr) tls.world->name_thread(tls.world->self().id, name);
}

void name_object(pthread_mutex_t* object, std::string_view name) {
  if (tls.world != nullptr) tls.world->name_object(touch(*tls.world, object).id, name);
}
void name_object(pthread_cond_t* object, std::string_view name) {
  if (tls.world != nullptr) tls.world->name_object(touch(*tls.world, object).id, name);
}
void name_object(pthread_rwlock_t* object, std::string_view name) {
  if (tls.world != nullptr) tls.world->name_object(touch(*tls.world, object).id, name);
}
void name_object(sem_t* object, std::string_view name) {
  if (tls.world != nullptr) tls.world->name_object(touch(*tls.world, object).id, name);
}

std::string thread_name(std::uint32_t thread) {
  return tls.engine == nullptr ? "" : tls.engine->thread_name(thread);
}
std::string object_name(std::uint32_t object) {
  return tls.engine == nullptr ? "" : tls.engine->object_name(object);
}

TimerId after(std::chrono::nanoseconds delay, std::function<void()> fn) {
  return tls.world == nullptr ? 0 : tls.world->after(delay.count(), std::move(fn));
}
bool cancel(TimerId timer) {
  return tls.world != nullptr && tls.world->cancel(timer);
}

WatchId watch(std::string_view name, std::function<bool()> has_work, std::string_view consumer) {
  return tls.world == nullptr ? 0 : tls.world->watch(name, std::move(has_work), consumer);
}
void unwatch(WatchId watch) {
  Engine* engine = tls.world != nullptr ? tls.world : tls.quiet;
  if (engine != nullptr) engine->unwatch(watch);
}

void send_signal(int signal) {
  if (tls.world != nullptr) tls.world->send_signal(signal);
}

// -- the engine's part in names and signals --

std::uint32_t Engine::named_object(const char* name) {
  const sanitizers::Ignore ours;
  for (const auto& [text, object] : user_objects_) {
    if (text == name || std::strcmp(text, name) == 0) return object;
  }
  const std::uint32_t object = new_object();
  user_objects_.emplace_back(name, object);
  name_object(object, name);
  return object;
}

void Engine::name_object(std::uint32_t object, std::string_view name) {
  const sanitizers::Ignore ours;
  if (object_names_.size() <= object) object_names_.resize(object + std::size_t{1});
  object_names_[object] = name;
}

void Engine::name_thread(std::uint32_t thread, std::string_view name) {
  const sanitizers::Ignore ours;
  records_[thread].name = name;
}

std::string Engine::object_name(std::uint32_t object) const {
  return object < object_names_.size() ? object_names_[object] : "";
}

std::string Engine::thread_name(std::uint32_t thread) const {
  if (thread >= records_.size()) return "?";
  const ThreadRecord& record = records_[thread];
  if (!record.name.empty()) {
    const auto same = std::count_if(records_.begin(), records_.begin() + thread,
                                    [&](const ThreadRecord& other) { return other.name == record.name; });
    return same == 0 ? record.name : record.name + std::to_string(same + 1);
  }
  return thread == 0 ? "main" : thread_name(record.parent) + "." + std::to_string(record.child_number);
}

std::string Engine::describe_here() const {
  const Standing& standing = standings_[current_->lane];
  return ", in thread " + thread_name(current_->id) + " after its " + name_of(standing.kind) + " #" +
         std::to_string(standing.ordinal);
}

std::string Engine::names_of_the_living() const {
  std::string text;
  for (std::uint64_t lanes = alive_; lanes != 0; lanes &= lanes - 1) {
    const Standing& standing = standings_[static_cast<std::size_t>(std::countr_zero(lanes))];
    std::string object = object_name(standing.object);
    if (object.empty() && standing.object != 0) object = "object " + std::to_string(standing.object);
    text +=
        (text.empty() ? "" : ", ") + thread_name(standing.thread) + " stands at " + name_of(standing.kind);
    if (!object.empty()) text += " of " + object;
  }
  return text;
}

void Engine::send_signal(int signal) {
  const sanitizers::Ignore ours;
  signals_.push_back(signal);
  sanitizers::release(&signals_);
}

// A thread that waits for the signal gets it; otherwise a thread of its own runs the handler, as an
// interrupted one would. With every thread blocking it, it stays pending.
void Engine::deliver_signal() {
  const int signal = signals_.front();
  signals_.erase(signals_.begin());
  const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(signal);
  absorb((std::uint64_t{bit} << 8) ^ static_cast<std::uint64_t>(Kind::signal));
  for (std::uint64_t lanes = alive_; lanes != 0; lanes &= lanes - 1) {
    const auto lane = static_cast<std::uint8_t>(std::countr_zero(lanes));
    Fiber& fiber = *fibers_[lane];
    if ((fiber.awaited_signals & bit) == 0 || (runnable_ & fiber.bit()) != 0) continue;
    fiber.received_signal = signal;
    wake(lane, WakeReason::woken);
    return;
  }
  struct sigaction action{};
  sigaction(signal, nullptr, &action);
  if (action.sa_handler == SIG_IGN) return;
  if (action.sa_handler == SIG_DFL) {
    finish(Ending::failed, "signal " + std::to_string(signal) + " has no handler and nobody waits for it");
    return;
  }
  Fiber* fiber = spawn([action, signal] { action.sa_handler(signal); }, nullptr, nullptr, true);
  if (fiber == nullptr) return;
  name_thread(fiber->id, "signal");
  fiber->starts_after = &signals_;
}

}  // namespace s2::sim

extern "C" void s2_sim_atomic_point(const char* name) {
  s2::sim::point(s2::sim::Kind::atomic, name);
}
