// C11's <threads.h> by way of the pthread calls that it is another face of, inside a world and outside.
#include <pthread.h>
#include <threads.h>

#include <cerrno>
#include <cstdint>
#include <ctime>

namespace s2::sim {
namespace {

static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t) && sizeof(cnd_t) == sizeof(pthread_cond_t));

pthread_mutex_t* as_pthread(mtx_t* mutex) {
  return reinterpret_cast<pthread_mutex_t*>(mutex);
}
pthread_cond_t* as_pthread(cnd_t* condition) {
  return reinterpret_cast<pthread_cond_t*>(condition);
}

int c11_code(int error) {
  switch (error) {
    case 0:
      return thrd_success;
    case ENOMEM:
      return thrd_nomem;
    case ETIMEDOUT:
      return thrd_timedout;
    case EBUSY:
      return thrd_busy;
    default:
      return thrd_error;
  }
}

}  // namespace
}  // namespace s2::sim

using s2::sim::as_pthread;
using s2::sim::c11_code;

extern "C" {

int thrd_create(thrd_t* thread, thrd_start_t routine, void* argument) {
  // On x86-64 an int is returned in the lower half of the register in which a pointer is.
  // NOLINTNEXTLINE(bugprone-casting-through-void)
  auto* as_pointer = reinterpret_cast<void* (*)(void*)>(reinterpret_cast<void*>(routine));
  const int error = pthread_create(thread, nullptr, as_pointer, argument);
  return error == EAGAIN ? thrd_nomem : c11_code(error);
}
int thrd_join(thrd_t thread, int* result) {
  void* returned = nullptr;
  const int error = pthread_join(thread, &returned);
  if (result != nullptr) *result = static_cast<int>(reinterpret_cast<std::intptr_t>(returned));
  return c11_code(error);
}
int thrd_detach(thrd_t thread) {
  return c11_code(pthread_detach(thread));
}
thrd_t thrd_current() {
  return pthread_self();
}
void thrd_exit(int result) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): as pthread_exit takes it
  pthread_exit(reinterpret_cast<void*>(static_cast<std::intptr_t>(result)));
}
int thrd_sleep(const timespec* time, timespec* rest) {
  if (nanosleep(time, rest) == 0) return 0;
  return errno == EINTR ? -1 : -2;
}
void thrd_yield() {
  sched_yield();
}

int mtx_init(mtx_t* mutex, int type) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  const bool recursive = (type & mtx_recursive) != 0;
  pthread_mutexattr_settype(&attributes, recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
  const int error = pthread_mutex_init(as_pthread(mutex), &attributes);
  pthread_mutexattr_destroy(&attributes);
  return c11_code(error);
}
int mtx_lock(mtx_t* mutex) {
  return c11_code(pthread_mutex_lock(as_pthread(mutex)));
}
int mtx_trylock(mtx_t* mutex) {
  return c11_code(pthread_mutex_trylock(as_pthread(mutex)));
}
int mtx_timedlock(mtx_t* mutex, const timespec* until) {
  return c11_code(pthread_mutex_timedlock(as_pthread(mutex), until));
}
int mtx_unlock(mtx_t* mutex) {
  return c11_code(pthread_mutex_unlock(as_pthread(mutex)));
}
void mtx_destroy(mtx_t* mutex) {
  pthread_mutex_destroy(as_pthread(mutex));
}

int cnd_init(cnd_t* condition) {
  return c11_code(pthread_cond_init(as_pthread(condition), nullptr));
}
int cnd_signal(cnd_t* condition) {
  return c11_code(pthread_cond_signal(as_pthread(condition)));
}
int cnd_broadcast(cnd_t* condition) {
  return c11_code(pthread_cond_broadcast(as_pthread(condition)));
}
int cnd_wait(cnd_t* condition, mtx_t* mutex) {
  return c11_code(pthread_cond_wait(as_pthread(condition), as_pthread(mutex)));
}
int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* until) {
  return c11_code(pthread_cond_timedwait(as_pthread(condition), as_pthread(mutex), until));
}
void cnd_destroy(cnd_t* condition) {
  pthread_cond_destroy(as_pthread(condition));
}

int tss_create(tss_t* key, tss_dtor_t destroy) {
  return c11_code(pthread_key_create(key, destroy));
}
void* tss_get(tss_t key) {
  return pthread_getspecific(key);
}
int tss_set(tss_t key, void* value) {
  return c11_code(pthread_setspecific(key, value));
}
void tss_delete(tss_t key) {
  pthread_key_delete(key);
}

void call_once(once_flag* flag, void (*routine)()) {
  static_assert(sizeof(once_flag) == sizeof(pthread_once_t));
  pthread_once(reinterpret_cast<pthread_once_t*>(flag), routine);
}

}  // extern "C"
