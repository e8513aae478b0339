// pthread_rwlock_*: readers share, a writer excludes; who stands at the lock and could have it is runnable,
// and the chooser alone decides who gets it.
#include <cerrno>

#include "sim/operations.h"

namespace s2::sim {

RwlockState& touch(Engine& world, pthread_rwlock_t* lock) {
  auto& state = *reinterpret_cast<RwlockState*>(lock);
  if (state.stamp != world.stamp()) [[unlikely]] {
    for (const std::uint32_t real : state.real) {
      if (real != 0) world.escape("a shared mutex is held by a thread outside the world");
    }
    state.stamp = world.stamp();
    state.contenders = 0;
    state.writer = 0;
    state.readers = 0;
    state.id = world.new_object();
  }
  return state;
}

namespace {

bool is_free_for(const RwlockState& state, Kind kind) {
  return state.writer == 0 && (kind == Kind::read_lock || state.readers == 0);
}

// After a change of the holders: who stands at the lock and may go on.
void review(Engine& world, const RwlockState& state) {
  for (std::uint64_t lanes = state.contenders; lanes != 0; lanes &= lanes - 1) {
    const auto lane = static_cast<std::uint8_t>(std::countr_zero(lanes));
    const std::uint64_t bit = std::uint64_t{1} << lane;
    if (is_free_for(state, world.standing(lane).kind))
      world.enable(bit);
    else
      world.disable(bit);
  }
}

void hold(Engine& world, RwlockState& state, Kind kind) {
  state.contenders &= ~world.self().bit();
  if (kind == Kind::read_lock)
    ++state.readers;
  else
    state.writer = static_cast<std::uint8_t>(world.self().lane + 1);
  review(world, state);
  sanitizers::acquire(&state);
}

int lock(pthread_rwlock_t* object, Kind kind, const Nanos* deadline) {
  if (tls.world == nullptr) {
    tls.quiet->quiet_operation(kind);
    return 0;
  }
  Engine& world = *tls.world;
  RwlockState& state = touch(world, object);
  if (state.writer == world.self().lane + 1) return EDEADLK;
  const auto contest =
      world.contend(kind, state.id, state.contenders, deadline, [&] { return is_free_for(state, kind); });
  if (contest == Engine::Contest::over) return 0;
  if (contest == Engine::Contest::timeout) return ETIMEDOUT;
  hold(world, state, kind);
  return 0;
}

int try_lock(pthread_rwlock_t* object, Kind kind) {
  if (tls.world == nullptr) return 0;
  Engine& world = *tls.world;
  RwlockState& state = touch(world, object);
  if (!world.point(Kind::trylock, state.id)) return 0;
  world.touches(kTouchesEverything);
  if (!is_free_for(state, kind)) return EBUSY;
  hold(world, state, kind);
  return 0;
}

int timed(pthread_rwlock_t* object, Kind kind, clockid_t clock, const timespec* until) {
  const Nanos deadline = to_virtual(clock, *until);
  return lock(object, kind, &deadline);
}

}  // namespace
}  // namespace s2::sim

using namespace s2::sim;

extern "C" {

int pthread_rwlock_rdlock(pthread_rwlock_t* object) {
  return outside() ? S2_SIM_REAL(pthread_rwlock_rdlock)(object) : lock(object, Kind::read_lock, nullptr);
}
int pthread_rwlock_wrlock(pthread_rwlock_t* object) {
  return outside() ? S2_SIM_REAL(pthread_rwlock_wrlock)(object) : lock(object, Kind::write_lock, nullptr);
}
int pthread_rwlock_tryrdlock(pthread_rwlock_t* object) {
  return outside() ? S2_SIM_REAL(pthread_rwlock_tryrdlock)(object) : try_lock(object, Kind::read_lock);
}
int pthread_rwlock_trywrlock(pthread_rwlock_t* object) {
  return outside() ? S2_SIM_REAL(pthread_rwlock_trywrlock)(object) : try_lock(object, Kind::write_lock);
}
int pthread_rwlock_timedrdlock(pthread_rwlock_t* object, const timespec* until) {
  return outside() ? S2_SIM_REAL(pthread_rwlock_timedrdlock)(object, until)
                   : timed(object, Kind::read_lock, CLOCK_REALTIME, until);
}
int pthread_rwlock_timedwrlock(pthread_rwlock_t* object, const timespec* until) {
  return outside() ? S2_SIM_REAL(pthread_rwlock_timedwrlock)(object, until)
                   : timed(object, Kind::write_lock, CLOCK_REALTIME, until);
}
int pthread_rwlock_clockrdlock(pthread_rwlock_t* object, clockid_t clock, const timespec* until) {
  return outside() ? S2_SIM_REAL(pthread_rwlock_clockrdlock)(object, clock, until)
                   : timed(object, Kind::read_lock, clock, until);
}
int pthread_rwlock_clockwrlock(pthread_rwlock_t* object, clockid_t clock, const timespec* until) {
  return outside() ? S2_SIM_REAL(pthread_rwlock_clockwrlock)(object, clock, until)
                   : timed(object, Kind::write_lock, clock, until);
}

int pthread_rwlock_unlock(pthread_rwlock_t* object) {
  if (outside()) return S2_SIM_REAL(pthread_rwlock_unlock)(object);
  if (tls.world == nullptr) {
    tls.quiet->quiet_operation(Kind::rw_unlocked);
    return 0;
  }
  Engine& world = *tls.world;
  RwlockState& state = touch(world, object);
  const std::uint32_t id = state.id;
  if (state.writer == world.self().lane + 1) {
    state.writer = 0;
  } else if (state.readers != 0) {
    --state.readers;
  } else {
    world.finish(Ending::failed,
                 "a shared mutex is unlocked by a thread that does not hold it" + world.describe_here());
    return EPERM;
  }
  sanitizers::release(&state);
  review(world, state);
  (void)world.point(Kind::rw_unlocked, id);
  return 0;
}

int pthread_rwlock_destroy(pthread_rwlock_t* object) {
  return outside() ? S2_SIM_REAL(pthread_rwlock_destroy)(object) : 0;
}

}  // extern "C"
