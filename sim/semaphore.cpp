// sem_*, pthread_once, and the futex call that libstdc++'s atomic waits, latches, barriers, futures and
// guards of function-local statics end in.
//
// Futexes and once flags are known by their address only and for as long as somebody waits there; in the
// trace they are object 0, so that a hash depends on no address. A futex wake that nobody waits for is not a
// point, because libstdc++ decides by hashed addresses whether it calls at all.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <mutex>

#include "sim/operations.h"

namespace s2::sim {

SemaphoreState& touch(Engine& world, sem_t* semaphore) {
  auto& state = *reinterpret_cast<SemaphoreState*>(semaphore);
  if (state.stamp != world.stamp()) [[unlikely]] {
    state.stamp = world.stamp();
    state.waiters = 0;
    state.id = world.new_object();
  }
  return state;
}

namespace {

constexpr int kMost = INT32_MAX;  // a wake of all: no choice whom

int fail_with(int error) {
  errno = error;
  return -1;
}

int semaphore_wait(sem_t* semaphore, const Nanos* deadline) {
  if (tls.world == nullptr) {
    tls.quiet->quiet_operation(Kind::sem_wait);
    return 0;
  }
  Engine& world = *tls.world;
  SemaphoreState& state = touch(world, semaphore);
  const auto contest =
      world.contend(Kind::sem_wait, state.id, state.waiters, deadline, [&] { return state.value != 0; });
  if (contest == Engine::Contest::over) return 0;
  if (contest == Engine::Contest::timeout) return fail_with(ETIMEDOUT);
  state.waiters &= ~world.self().bit();
  if (--state.value == 0) world.disable(state.waiters);
  sanitizers::acquire(semaphore);
  return 0;
}

// Waits at an address until woken; the caller has seen the value that makes it wait.
bool park(Engine& world, const void* address, const Nanos* deadline) {
  Fiber& self = world.self();
  self.parked_at = address;
  self.waits_in = &world.parked();
  self.reason = WakeReason::none;
  world.parked() |= self.bit();
  if (deadline != nullptr) world.set_timer(*deadline);
  return world.sleep_here();
}

long futex_wait(Engine& world, int* address, int operation, int expected, const timespec* timeout) {
  if (!world.point(Kind::futex_wait, 0)) return 0;
  sanitizers::acquire(address);
  if (__atomic_load_n(address, __ATOMIC_SEQ_CST) != expected) return fail_with(EAGAIN);
  Nanos deadline = 0;
  if (timeout != nullptr) {
    const bool absolute = (operation & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
    const clockid_t clock = (operation & FUTEX_CLOCK_REALTIME) != 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    deadline = absolute ? to_virtual(clock, *timeout) : world.now() + nanos_of(*timeout);
  }
  if (!park(world, address, timeout != nullptr ? &deadline : nullptr)) return 0;
  sanitizers::acquire(address);
  return world.self().reason == WakeReason::timeout ? fail_with(ETIMEDOUT) : 0;
}

long futex_wake(Engine& world, int* address, int most) {
  sanitizers::release(address);
  world.touches(kTouchesEverything);
  if (world.parked_on(address) == 0) return 0;
  if (!world.point(Kind::futex_wake, 0)) return 0;
  long woken = 0;
  for (std::uint64_t waiters = world.parked_on(address); waiters != 0 && woken < most;
       waiters = world.parked_on(address), ++woken) {
    world.wake(most >= kMost ? static_cast<std::uint8_t>(std::countr_zero(waiters)) : world.pick(waiters),
               WakeReason::woken);
  }
  (void)world.point(Kind::notified, 0);
  return woken;
}

}  // namespace

long futex(int* address, int operation, int value, const timespec* timeout) {
  const int command = operation & FUTEX_CMD_MASK;
  if (tls.world == nullptr) {
    tls.quiet->quiet_operation(command == FUTEX_WAKE ? Kind::futex_wake : Kind::futex_wait);
    return 0;
  }
  switch (command) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
      return futex_wait(*tls.world, address, operation, value, timeout);
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET:
      return futex_wake(*tls.world, address, value);
    default:
      tls.world->escape("futex operation " + std::to_string(command));
      return fail_with(ENOSYS);
  }
}

namespace {

// As the C library has it, so that what is done in a world stays done; and as ThreadSanitizer has it, which
// takes the C library's place.
#if defined(S2_SIM_TSAN)
constexpr int kOnceDone = 1;
constexpr int kOnceRunning = 1 << 16;
#else
constexpr int kOnceDone = 2;
constexpr int kOnceRunning = 1;
#endif

struct Running {  // while the routine runs; an exception makes the flag new again
  Engine& world;
  int& flag;
  int then = 0;
  ~Running() {
    world.touches(kTouchesEverything);
    __atomic_store_n(&flag, then, __ATOMIC_RELEASE);
    sanitizers::release(&flag);
    for (std::uint64_t waiters = world.parked_on(&flag); waiters != 0; waiters &= waiters - 1) {
      world.wake(static_cast<std::uint8_t>(std::countr_zero(waiters)), WakeReason::woken);
    }
  }
};

int once(Engine& world, pthread_once_t* control, void (*routine)()) {
  int& flag = *reinterpret_cast<int*>(control);
  // What is done is no point: the unwinder asks at every landing pad, and how many of those there are is the
  // compiler's.
  if (__atomic_load_n(&flag, __ATOMIC_ACQUIRE) == kOnceDone) {
    sanitizers::acquire(&flag);
    return 0;
  }
  // std::call_once hands its callable over in thread-locals of libstdc++, which all fibers share.
  void* callable = std::__once_callable;
  void (*call)() = std::__once_call;
  if (!world.point(Kind::once, 0)) return 0;
  while (__atomic_load_n(&flag, __ATOMIC_ACQUIRE) == kOnceRunning) {
    if (!park(world, control, nullptr)) return 0;
  }
  sanitizers::acquire(&flag);
  if (flag == kOnceDone) return 0;
  if (flag != 0) world.escape("a once flag that a thread outside the world works on");
  flag = kOnceRunning;
  Running running{world, flag};
  std::__once_callable = callable;
  std::__once_call = call;
  routine();
  running.then = kOnceDone;
  return 0;
}

}  // namespace
}  // namespace s2::sim

using namespace s2::sim;

extern "C" {

int sem_init(sem_t* semaphore, int shared, unsigned value) {
  const int result = S2_SIM_REAL(sem_init)(semaphore, shared, value);
  reinterpret_cast<SemaphoreState*>(semaphore)->stamp = 0;
  return result;
}
int sem_wait(sem_t* semaphore) {
  return outside() ? S2_SIM_REAL(sem_wait)(semaphore) : semaphore_wait(semaphore, nullptr);
}
int sem_timedwait(sem_t* semaphore, const timespec* until) {
  if (outside()) return S2_SIM_REAL(sem_timedwait)(semaphore, until);
  const Nanos deadline = to_virtual(CLOCK_REALTIME, *until);
  return semaphore_wait(semaphore, &deadline);
}
int sem_clockwait(sem_t* semaphore, clockid_t clock, const timespec* until) {
  if (outside()) return S2_SIM_REAL(sem_clockwait)(semaphore, clock, until);
  const Nanos deadline = to_virtual(clock, *until);
  return semaphore_wait(semaphore, &deadline);
}
int sem_trywait(sem_t* semaphore) {
  if (outside()) return S2_SIM_REAL(sem_trywait)(semaphore);
  if (tls.world == nullptr) return 0;
  SemaphoreState& state = touch(*tls.world, semaphore);
  if (!tls.world->point(Kind::trylock, state.id)) return 0;
  tls.world->touches(kTouchesEverything);
  if (state.value == 0) return fail_with(EAGAIN);
  if (--state.value == 0) tls.world->disable(state.waiters);
  sanitizers::acquire(semaphore);
  return 0;
}
int sem_post(sem_t* semaphore) {
  if (outside()) return S2_SIM_REAL(sem_post)(semaphore);
  if (tls.world == nullptr) {
    tls.quiet->quiet_operation(Kind::sem_post);
    return 0;
  }
  Engine& world = *tls.world;
  SemaphoreState& state = touch(world, semaphore);
  const std::uint32_t id = state.id;
  if (!world.point(Kind::sem_post, id)) return 0;
  sanitizers::release(semaphore);
  if (state.value++ == 0) world.enable(state.waiters);
  (void)world.point(Kind::posted, id);
  return 0;
}

int pthread_once(pthread_once_t* control, void (*routine)()) {
  if (Engine* world = tls.world; world != nullptr) return once(*world, control, routine);
  if (tls.quiet != nullptr) tls.quiet->quiet_operation(Kind::once);
  return S2_SIM_REAL(pthread_once)(control, routine);
}

// syscall() under a name of our own: unlike the one that <unistd.h> declares, it may throw (Unwind).
long s2_sim_syscall(long number, ...) __asm__("syscall");
long s2_sim_syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long arguments[6];
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  if (!outside()) {
    if (number == SYS_futex) {
      // NOLINTBEGIN(performance-no-int-to-ptr): the kernel's interface
      return futex(reinterpret_cast<int*>(arguments[0]), static_cast<int>(arguments[1]),
                   static_cast<int>(arguments[2]), reinterpret_cast<const timespec*>(arguments[3]));
      // NOLINTEND(performance-no-int-to-ptr)
    }
    if (tls.world != nullptr && number != SYS_gettid && number != SYS_getpid) {
      tls.world->escape("raw system call " + std::to_string(number));
    }
  }
  return S2_SIM_REAL(syscall)(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                              arguments[5]);
}

}  // extern "C"
