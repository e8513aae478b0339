// pthread_cond_*: a waiter becomes a contender of its mutex when it is woken, by a notification, by its
// timer, or for no reason where WorldOptions::spurious_wakeups allows it. Which waiter a notification reaches
// is the chooser's.
#include <cerrno>

#include "sim/operations.h"

namespace s2::sim {

ConditionState& touch(Engine& world, pthread_cond_t* condition) {
  auto& state = *reinterpret_cast<ConditionState*>(condition);
  if (state.stamp != world.stamp() || state.magic != kConditionMagic) [[unlikely]] {
    state.magic = kConditionMagic;
    state.stamp = world.stamp();
    state.waiters = 0;
    state.id = world.new_object();
  }
  return state;
}

namespace {

// Outside: what a world left in it would look like waiters to the C library.
pthread_cond_t* wiped(pthread_cond_t* condition) {
  auto& state = *reinterpret_cast<ConditionState*>(condition);
  if (state.magic == kConditionMagic) [[unlikely]] {
    const std::uint32_t clock = state.real_references & 3U;
    std::memset(condition, 0, sizeof *condition);
    state.real_references = clock;
  }
  return condition;
}

int wait(Engine& world, pthread_cond_t* condition, pthread_mutex_t* mutex, const Nanos* deadline) {
  ConditionState& state = touch(world, condition);
  MutexState& lock = touch(world, mutex);
  Fiber& self = world.self();
  if (!world.point(Kind::wait, state.id)) return 0;
  if (lock.owner != self.lane + 1) {
    world.finish(Ending::failed, "a wait without holding its mutex" + world.describe_here());
    return EPERM;
  }
  world.touches(state.id);
  const std::uint16_t depth = std::exchange(lock.depth, std::uint16_t{0});
  state.waiters |= self.bit();
  self.waits_in = &state.waiters;
  self.rejoins = &lock.contenders;
  self.rejoins_owner = &lock.owner;
  if (deadline != nullptr) world.set_timer(*deadline);
  world.offer_spurious(true);
  release(world, lock);
  if (!world.sleep_here()) return 0;
  world.touches(state.id);
  take(world, lock);
  lock.depth = depth;
  return self.reason == WakeReason::timeout ? ETIMEDOUT : 0;
}

int timed_wait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock, const timespec* until) {
  if (Engine* world = tls.world; world != nullptr) {
    const Nanos deadline = to_virtual(clock, *until);
    return wait(*world, condition, mutex, &deadline);
  }
  tls.quiet->quiet_operation(Kind::wait);
  return ETIMEDOUT;
}

int notify(Engine& world, pthread_cond_t* condition, Kind kind) {
  ConditionState& state = touch(world, condition);
  const std::uint32_t id = state.id;
  if (!world.point(kind, id)) return 0;
  world.touches(id);
  if (kind == Kind::notify_all) {
    while (state.waiters != 0)
      world.wake(static_cast<std::uint8_t>(std::countr_zero(state.waiters)), WakeReason::woken);
  } else if (state.waiters != 0) {
    world.wake(world.pick(state.waiters), WakeReason::woken);
  }
  (void)world.point(Kind::notified, id);
  return 0;
}

}  // namespace
}  // namespace s2::sim

using namespace s2::sim;

extern "C" {

int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  if (Engine* world = tls.world; world != nullptr) return wait(*world, condition, mutex, nullptr);
  if (tls.quiet == nullptr) return S2_SIM_REAL(pthread_cond_wait)(wiped(condition), mutex);
  tls.quiet->quiet_operation(Kind::wait);
  return 0;
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* until) {
  if (outside()) return S2_SIM_REAL(pthread_cond_timedwait)(wiped(condition), mutex, until);
  const bool monotonic = (reinterpret_cast<ConditionState*>(condition)->real_references & 2U) != 0;
  return timed_wait(condition, mutex, monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, until);
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const timespec* until) {
  if (outside()) return S2_SIM_REAL(pthread_cond_clockwait)(wiped(condition), mutex, clock, until);
  return timed_wait(condition, mutex, clock, until);
}

int pthread_cond_signal(pthread_cond_t* condition) {
  if (Engine* world = tls.world; world != nullptr) return notify(*world, condition, Kind::notify_one);
  if (tls.quiet == nullptr) return S2_SIM_REAL(pthread_cond_signal)(wiped(condition));
  tls.quiet->quiet_operation(Kind::notify_one);
  return 0;
}

int pthread_cond_broadcast(pthread_cond_t* condition) {
  if (Engine* world = tls.world; world != nullptr) return notify(*world, condition, Kind::notify_all);
  if (tls.quiet == nullptr) return S2_SIM_REAL(pthread_cond_broadcast)(wiped(condition));
  tls.quiet->quiet_operation(Kind::notify_all);
  return 0;
}

int pthread_cond_destroy(pthread_cond_t* condition) {
  if (outside()) return S2_SIM_REAL(pthread_cond_destroy)(wiped(condition));
  return 0;
}

}  // extern "C"
