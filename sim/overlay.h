// Where the world keeps what it knows of a mutex, condition variable, rwlock or semaphore: in the object
// itself, in bytes that glibc's own code does not use while nobody waits, beside the stamp of the execution
// that wrote them. Memory that is zeroed or initialised anew is therefore a new object, wherever it lies, and
// what an execution left behind means nothing to the next one, nor to the C library after it.
//
// Internal to sim. The layouts are those of glibc 2.34 and later on x86-64.
#pragma once
#include <pthread.h>
#include <semaphore.h>

#include <cstddef>
#include <cstdint>

namespace s2::sim {

struct [[gnu::may_alias]] MutexState {
  std::int32_t real_lock;  // 0 while no OS thread outside holds it
  std::uint32_t real_count;
  std::int32_t real_owner;
  std::uint32_t real_users;
  std::int32_t kind;    // PTHREAD_MUTEX_...
  std::uint32_t id;     // spins and elision, of mutexes that are neither adaptive nor elided
  std::uint32_t stamp;  // the list of robust mutexes
  std::uint8_t owner;   // lane + 1
  std::uint8_t unused;
  std::uint16_t depth;
  std::uint64_t contenders;
};
static_assert(sizeof(MutexState) == sizeof(pthread_mutex_t));

// A condition variable has no free bytes. Its stamp lies where glibc counts waiters in steps of two from
// zero, so that a stamp cannot be mistaken for a count; outside, one with a stamp is wiped before it is used.
inline constexpr std::uint32_t kConditionMagic = 0x51AD51AD;
struct [[gnu::may_alias]] ConditionState {
  std::uint64_t real_sequence;
  std::uint32_t stamp;
  std::uint32_t magic;
  std::uint64_t waiters;
  std::uint32_t id;
  std::uint32_t unused;
  std::uint32_t real_size;
  std::uint32_t real_references;  // bit 1: timed waits are on CLOCK_MONOTONIC
  std::uint64_t real_signals;
};
static_assert(sizeof(ConditionState) == sizeof(pthread_cond_t));

struct [[gnu::may_alias]] RwlockState {
  std::uint32_t real[4];
  std::uint64_t contenders;  // padding
  std::int32_t real_writer;
  std::int32_t real_shared;
  std::int8_t real_elision;
  std::uint8_t writer;    // padding: lane + 1
  std::uint16_t readers;  // padding
  std::uint32_t unused;
  std::uint32_t stamp;  // padding
  std::uint32_t id;     // padding
  std::uint32_t real_flags;
  std::uint32_t unused_too;
};
static_assert(sizeof(RwlockState) == sizeof(pthread_rwlock_t));
static_assert(offsetof(RwlockState, stamp) == 40);

struct [[gnu::may_alias]] SemaphoreState {
  std::uint32_t value;  // glibc's own
  std::uint32_t real_waiters;
  std::int32_t real_private;
  std::int32_t real_pad;
  std::uint32_t stamp;
  std::uint32_t id;
  std::uint64_t waiters;
};
static_assert(sizeof(SemaphoreState) == sizeof(sem_t));

}  // namespace s2::sim
