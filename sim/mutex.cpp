// pthread_mutex_*: the world's, and the C library's where no world is.
//
// The pattern of every operation: inside a world the thread arrives at the point, the chooser decides, and
// when it is this thread's turn the operation is done. A thread that stands at a lock is runnable exactly
// while the mutex is free.
#include <cerrno>

#include "sim/operations.h"

namespace s2::sim {

MutexState& touch(Engine& world, pthread_mutex_t* mutex) {
  auto& state = *reinterpret_cast<MutexState*>(mutex);
  if (state.stamp != world.stamp()) [[unlikely]] {
    if (state.real_lock != 0) world.escape("a mutex is held by a thread outside the world");
    if ((state.kind & ~3) != 0) world.escape("a robust, process-shared or priority mutex");
    state.stamp = world.stamp();
    state.owner = 0;
    state.depth = 0;
    state.contenders = 0;
    state.id = world.new_object();
  }
  return state;
}

// The rest of a lock, when it is the thread's turn.
void take(Engine& world, MutexState& state) {
  const Fiber& self = world.self();
  state.contenders &= ~self.bit();
  state.owner = static_cast<std::uint8_t>(self.lane + 1);
  world.disable(state.contenders);
  world.touches(state.id);
  sanitizers::acquire(&state);
}

void release(Engine& world, MutexState& state) {
  sanitizers::release(&state);
  state.owner = 0;
  world.touches(state.id);
  world.enable(state.contenders);
}

namespace {

int lock(Engine& world, pthread_mutex_t* mutex, const Nanos* deadline) {
  MutexState& state = touch(world, mutex);
  Fiber& self = world.self();
  if (state.owner == self.lane + 1) [[unlikely]] {
    if (state.kind == PTHREAD_MUTEX_RECURSIVE) {
      ++state.depth;
      return 0;
    }
    if (state.kind == PTHREAD_MUTEX_ERRORCHECK) return EDEADLK;
  }
  const auto contest =
      world.contend(Kind::lock, state.id, state.contenders, deadline, [&] { return state.owner == 0; });
  // Unwound while it stood here: it goes on behind the lock, and holds it as in quiet_lock().
  if (contest == Engine::Contest::over && state.owner != 0) return 0;
  if (contest == Engine::Contest::timeout) return ETIMEDOUT;
  take(world, state);
  return 0;
}

int unlock(Engine& world, pthread_mutex_t* mutex) {
  MutexState& state = touch(world, mutex);
  if (state.owner != world.self().lane + 1) [[unlikely]] {
    if (state.kind != PTHREAD_MUTEX_NORMAL) return EPERM;
    world.finish(Ending::failed,
                 "a mutex is unlocked by a thread that does not hold it" + world.describe_here());
    return EPERM;
  }
  if (state.depth != 0) {
    --state.depth;
    return 0;
  }
  const std::uint32_t id = state.id;
  release(world, state);
  (void)world.point(Kind::unlocked, id);
  return 0;
}

// While an execution is unwound, locks still exclude, so that no thread meets what another has left half
// done.
int quiet_lock(Engine& engine, pthread_mutex_t* mutex) {
  if (!engine.unwinding()) return 0;
  MutexState& state = touch(engine, mutex);
  if (state.owner == engine.self().lane + 1) {
    ++state.depth;
  } else {
    if (state.owner != 0) engine.disable(engine.self().bit());
    engine.quiet_operation(Kind::lock);
    take(engine, state);
  }
  return 0;
}

int quiet_unlock(Engine& engine, pthread_mutex_t* mutex) {
  if (!engine.unwinding()) return 0;
  MutexState& state = touch(engine, mutex);
  if (state.owner == engine.self().lane + 1) {
    if (state.depth != 0)
      --state.depth;
    else
      release(engine, state);
  }
  engine.quiet_operation(Kind::unlocked);
  return 0;
}

int timed_lock(pthread_mutex_t* mutex, clockid_t clock, const timespec* until) {
  if (tls.world != nullptr) {
    const Nanos deadline = to_virtual(clock, *until);
    return lock(*tls.world, mutex, &deadline);
  }
  return quiet_lock(*tls.quiet, mutex);
}

}  // namespace
}  // namespace s2::sim

using namespace s2::sim;

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* mutex) {
  if (Engine* world = tls.world; world != nullptr) return lock(*world, mutex, nullptr);
  return tls.quiet == nullptr ? S2_SIM_REAL(pthread_mutex_lock)(mutex) : quiet_lock(*tls.quiet, mutex);
}

int pthread_mutex_trylock(pthread_mutex_t* mutex) {
  Engine* world = tls.world;
  if (world == nullptr)
    return tls.quiet == nullptr ? S2_SIM_REAL(pthread_mutex_trylock)(mutex) : quiet_lock(*tls.quiet, mutex);
  MutexState& state = touch(*world, mutex);
  if (!world->point(Kind::trylock, state.id)) return 0;
  world->touches(state.id);
  if (state.owner == 0) {
    take(*world, state);
    return 0;
  }
  if (state.owner != world->self().lane + 1 || state.kind != PTHREAD_MUTEX_RECURSIVE) return EBUSY;
  ++state.depth;
  return 0;
}

int pthread_mutex_timedlock(pthread_mutex_t* mutex, const timespec* until) {
  if (outside()) return S2_SIM_REAL(pthread_mutex_timedlock)(mutex, until);
  return timed_lock(mutex, CLOCK_REALTIME, until);
}

int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock, const timespec* until) {
  if (outside()) return S2_SIM_REAL(pthread_mutex_clocklock)(mutex, clock, until);
  return timed_lock(mutex, clock, until);
}

int pthread_mutex_unlock(pthread_mutex_t* mutex) {
  if (Engine* world = tls.world; world != nullptr) return unlock(*world, mutex);
  return tls.quiet == nullptr ? S2_SIM_REAL(pthread_mutex_unlock)(mutex) : quiet_unlock(*tls.quiet, mutex);
}

int pthread_mutex_destroy(pthread_mutex_t* mutex) {
  if (outside()) return S2_SIM_REAL(pthread_mutex_destroy)(mutex);
  return 0;
}

}  // extern "C"
