// pthread_create, join, detach, exit, self, keys, thread_local destructors, signal masks.
#include <cerrno>
#include <csignal>

#include "sim/operations.h"

#if defined(__clang__) && (defined(S2_SIM_ASAN) || defined(S2_SIM_TSAN))
// clang links its sanitizers into the executable: their pthread_create, by which they learn of a thread's
// stack, is not behind the executable but beside us.
extern "C" [[gnu::weak]] int __interceptor_pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*),
                                                          void*);
#define S2_SIM_REAL_CREATE \
  (__interceptor_pthread_create != nullptr ? __interceptor_pthread_create : create_of_the_library)
#else
#define S2_SIM_REAL_CREATE create_of_the_library
#endif

namespace s2::sim {
namespace {

int create_of_the_library(pthread_t* handle, const pthread_attr_t* attributes, void* (*routine)(void*),
                          void* argument) {
  return S2_SIM_REAL(pthread_create)(handle, attributes, routine, argument);
}

// A thread of a world as a pthread_t: its number under a mark that no address has.
constexpr std::uint64_t kHandleMark = 0x5151'0000'0000'0000;

pthread_t handle_of(std::uint32_t thread) {
  return kHandleMark | (std::uint64_t{thread} + 1);
}

}  // namespace

ThreadRecord* record_of(Engine& world, pthread_t handle, std::uint32_t& thread) {
  const std::uint64_t number = handle ^ kHandleMark;
  if (number == 0 || number > world.records().size()) return nullptr;
  thread = static_cast<std::uint32_t>(number - 1);
  return &world.records()[thread];
}

namespace {

int create(Engine& world, pthread_t* handle, const pthread_attr_t* attributes, void* (*routine)(void*),
           void* argument) {
  int state = PTHREAD_CREATE_JOINABLE;
  if (attributes != nullptr) pthread_attr_getdetachstate(attributes, &state);
  if (!world.point(Kind::create, 0)) return EAGAIN;
  const Fiber* fiber = world.spawn(nullptr, routine, argument, state == PTHREAD_CREATE_DETACHED);
  if (fiber == nullptr) return EAGAIN;
  sanitizers::release(world.order_of_thread(fiber->id));
  *handle = handle_of(fiber->id);
  (void)world.point(Kind::created, 0);
  return 0;
}

// Waits as long as it may: for ever, until a deadline, or, if it `only_tries`, not at all.
int join(Engine& world, pthread_t handle, void** result, const Nanos* deadline = nullptr,
         bool only_tries = false) {
  std::uint32_t thread = 0;
  if (record_of(world, handle, thread) == nullptr) {
    world.escape("a join with a thread that is not of this world");
    return ESRCH;
  }
  if (thread == world.self().id) return EDEADLK;
  if (world.records()[thread].detached || world.records()[thread].joined) return EINVAL;
  Fiber& self = world.self();
  world.arrive(Kind::join, 0);
  std::uint64_t waits = self.bit();  // what its timer takes it out of
  if (!world.records()[thread].ended && !only_tries) {
    world.records()[thread].joiners |= self.bit();
    world.disable(self.bit());
    if (deadline != nullptr) {
      self.waits_in = &waits;
      world.set_timer(*deadline);
    }
  }
  if (!world.reschedule()) {
    sanitizers::acquire(&world);  // what every fiber releases at its end
    return 0;
  }
  if (deadline != nullptr) {
    world.clear_timer();
    self.waits_in = nullptr;
  }
  world.touches(kTouchesThread + thread);
  ThreadRecord& record = world.records()[thread];
  if (!record.ended) {
    record.joiners &= ~self.bit();
    return only_tries ? EBUSY : ETIMEDOUT;
  }
  sanitizers::acquire(world.order_of_thread(thread));
  record.joined = true;
  if (result != nullptr) *result = record.result;
  return 0;
}

int join_until(pthread_t handle, void** result, clockid_t clock, const timespec* until) {
  if (tls.world == nullptr) return pthread_join(handle, result);
  if (until == nullptr) return join(*tls.world, handle, result);
  const Nanos deadline = to_virtual(clock, *until);
  return join(*tls.world, handle, result, &deadline);
}

std::uint64_t bits_of(const sigset_t& set) {
  std::uint64_t bits = 0;
  for (int signal = 1; signal < 64; ++signal) {
    if (sigismember(&set, signal) == 1) bits |= std::uint64_t{1} << signal;
  }
  return bits;
}

void set_of(std::uint64_t bits, sigset_t* set) {
  sigemptyset(set);
  for (int signal = 1; signal < 64; ++signal) {
    if ((bits >> signal & 1U) != 0) sigaddset(set, signal);
  }
}

std::array<std::atomic<KeyDestructor>, PTHREAD_KEYS_MAX> key_destructors;

// The sanitizers keep what they know of an OS thread in a key of their own, which they made before anybody
// else. It stays the OS thread's.
constinit pthread_key_t first_key_of_fibers = 0;
#if defined(S2_SIM_ASAN) || defined(S2_SIM_TSAN)
[[gnu::constructor(101)]] void keys_of_sanitizers() {
  pthread_key_t key = 0;
  if (S2_SIM_REAL(pthread_key_create)(&key, nullptr) != 0) return;
  S2_SIM_REAL(pthread_key_delete)(key);
  first_key_of_fibers = key;
}
#endif

Fiber* fiber_here() {
  Engine* engine = tls.world != nullptr ? tls.world : tls.quiet;
  return engine == nullptr ? nullptr : &engine->self();
}

}  // namespace

KeyDestructor destructor_of_key(std::size_t key) {
  return key_destructors[key].load(std::memory_order_acquire);
}

}  // namespace s2::sim

using namespace s2::sim;

extern "C" {

int pthread_create(pthread_t* handle, const pthread_attr_t* attributes, void* (*routine)(void*),
                   void* argument) {
  if (Engine* world = tls.world; world != nullptr)
    return create(*world, handle, attributes, routine, argument);
  if (tls.quiet == nullptr) return S2_SIM_REAL_CREATE(handle, attributes, routine, argument);
  tls.quiet->quiet_operation(Kind::create);
  return EAGAIN;
}

int pthread_join(pthread_t handle, void** result) {
  if (Engine* world = tls.world; world != nullptr) return join(*world, handle, result);
  if (tls.quiet == nullptr) return S2_SIM_REAL(pthread_join)(handle, result);
  tls.quiet->quiet_operation(Kind::join);
  sanitizers::acquire(tls.quiet);  // likewise
  return 0;
}

int pthread_tryjoin_np(pthread_t handle, void** result) {
  if (outside()) return S2_SIM_REAL(pthread_tryjoin_np)(handle, result);
  return tls.world == nullptr ? pthread_join(handle, result)
                              : join(*tls.world, handle, result, nullptr, true);
}

int pthread_timedjoin_np(pthread_t handle, void** result, const timespec* until) {
  if (outside()) return S2_SIM_REAL(pthread_timedjoin_np)(handle, result, until);
  return join_until(handle, result, CLOCK_REALTIME, until);
}

int pthread_clockjoin_np(pthread_t handle, void** result, clockid_t clock, const timespec* until) {
  if (outside()) return S2_SIM_REAL(pthread_clockjoin_np)(handle, result, clock, until);
  return join_until(handle, result, clock, until);
}

int pthread_detach(pthread_t handle) {
  if (outside()) return S2_SIM_REAL(pthread_detach)(handle);
  Engine* world = tls.world != nullptr ? tls.world : tls.quiet;
  std::uint32_t thread = 0;
  ThreadRecord* record = record_of(*world, handle, thread);
  if (record == nullptr) return ESRCH;
  record->detached = true;
  return 0;
}

void pthread_exit(void* result) {
  if (Engine* world = tls.world; world != nullptr) {
    world->self().argument = result;
    throw ThreadExit();
  }
  S2_SIM_REAL(pthread_exit)(result);
  __builtin_unreachable();
}

pthread_t pthread_self() {
  const Fiber* fiber = fiber_here();
  return fiber == nullptr ? S2_SIM_REAL(pthread_self)() : handle_of(fiber->id);
}

int pthread_sigmask(int how, const sigset_t* set, sigset_t* old) {
  Fiber* fiber = fiber_here();
  if (fiber == nullptr) return S2_SIM_REAL(pthread_sigmask)(how, set, old);
  if (old != nullptr) set_of(fiber->blocked_signals, old);
  if (set == nullptr) return 0;
  const std::uint64_t bits = bits_of(*set);
  switch (how) {
    case SIG_BLOCK:
      fiber->blocked_signals |= bits;
      return 0;
    case SIG_UNBLOCK:
      fiber->blocked_signals &= ~bits;
      return 0;
    case SIG_SETMASK:
      fiber->blocked_signals = bits;
      return 0;
    default:
      return EINVAL;
  }
}

int sigprocmask(int how, const sigset_t* set, sigset_t* old) {
  if (outside()) return S2_SIM_REAL(sigprocmask)(how, set, old);
  const int error = pthread_sigmask(how, set, old);
  if (error != 0) errno = error;
  return error == 0 ? 0 : -1;
}

int sigwait(const sigset_t* set, int* signal) {
  if (outside()) return S2_SIM_REAL(sigwait)(set, signal);
  if (tls.world == nullptr) {
    tls.quiet->quiet_operation(Kind::signal);
    return EINTR;
  }
  Engine& world = *tls.world;
  Fiber& self = world.self();
  self.awaited_signals = bits_of(*set);
  self.received_signal = 0;
  world.arrive(Kind::signal, 0);
  const bool alive = world.sleep_here();
  self.awaited_signals = 0;
  if (!alive) return EINTR;
  *signal = self.received_signal;
  return 0;
}

// Keys are the process's; their values in a world are the fiber's.
int pthread_key_create(pthread_key_t* key, void (*destroy)(void*)) {
  const int error = S2_SIM_REAL(pthread_key_create)(key, destroy);
  if (error == 0) key_destructors[*key].store(destroy, std::memory_order_release);
  return error;
}

int pthread_key_delete(pthread_key_t key) {
  if (key < key_destructors.size()) key_destructors[key].store(nullptr, std::memory_order_release);
  return S2_SIM_REAL(pthread_key_delete)(key);
}

void* pthread_getspecific(pthread_key_t key) {
  const Fiber* fiber = fiber_here();
  if (fiber == nullptr || key < first_key_of_fibers) return S2_SIM_REAL(pthread_getspecific)(key);
  return key < fiber->key_values.size() ? fiber->key_values[key] : nullptr;
}

int pthread_setspecific(pthread_key_t key, const void* value) {
  Fiber* fiber = fiber_here();
  if (fiber == nullptr || key < first_key_of_fibers) return S2_SIM_REAL(pthread_setspecific)(key, value);
  if (key >= PTHREAD_KEYS_MAX) return EINVAL;
  const sanitizers::Ignore ours;
  if (key >= fiber->key_values.size()) fiber->key_values.resize(key + 1);
  fiber->key_values[key] = const_cast<void*>(value);
  return 0;
}

int __cxa_thread_atexit(void (*destroy)(void*), void* object, void* handle) noexcept {
  Fiber* fiber = fiber_here();
  if (fiber == nullptr) return S2_SIM_REAL(__cxa_thread_atexit)(destroy, object, handle);
  const sanitizers::Ignore ours;
  fiber->at_exit.emplace_back(destroy, object);
  return 0;
}

}  // extern "C"
