// What a simulated thread is asked about itself: name, stack, CPUs, priority, CPU clock. Names show in
// stories; CPUs and priorities are kept and mean nothing, because the chooser decides who goes.
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sim/operations.h"

namespace s2::sim {
namespace {

constexpr std::size_t kNameBytes = 16;  // Linux' limit of a thread's name, with its end

// The record of a thread of this world; null when the handle is nobody's.
ThreadRecord* asked_about(pthread_t handle, std::uint32_t& thread) {
  Engine* engine = tls.world != nullptr ? tls.world : tls.quiet;
  return record_of(*engine, handle, thread);
}
ThreadRecord* asked_about(pthread_t handle) {
  std::uint32_t thread = 0;
  return asked_about(handle, thread);
}

ThreadAttributes& attributes_of(ThreadRecord& record) {
  const sanitizers::Ignore ours;
  if (record.attributes == nullptr) record.attributes = std::make_unique<ThreadAttributes>();
  return *record.attributes;
}

}  // namespace
}  // namespace s2::sim

using namespace s2::sim;

extern "C" {

int pthread_setname_np(pthread_t handle, const char* name) {
  if (outside()) return S2_SIM_REAL(pthread_setname_np)(handle, name);
  std::uint32_t thread = 0;
  if (asked_about(handle, thread) == nullptr) return ESRCH;
  if (std::strlen(name) >= kNameBytes) return ERANGE;
  if (tls.world != nullptr) tls.world->name_thread(thread, name);
  return 0;
}

int pthread_getname_np(pthread_t handle, char* name, size_t bytes) {
  if (outside()) return S2_SIM_REAL(pthread_getname_np)(handle, name, bytes);
  std::uint32_t thread = 0;
  if (asked_about(handle, thread) == nullptr) return ESRCH;
  if (bytes < kNameBytes) return ERANGE;
  const sanitizers::Ignore ours;
  const std::string full = (tls.world != nullptr ? tls.world : tls.quiet)->thread_name(thread);
  name[full.copy(name, kNameBytes - 1)] = '\0';
  return 0;
}

int pthread_getattr_np(pthread_t handle, pthread_attr_t* attributes) {
  if (outside()) return S2_SIM_REAL(pthread_getattr_np)(handle, attributes);
  std::uint32_t thread = 0;
  const ThreadRecord* record = asked_about(handle, thread);
  const Fiber* fiber =
      record == nullptr ? nullptr : (tls.world != nullptr ? tls.world : tls.quiet)->fiber_of(thread);
  if (fiber == nullptr) return ESRCH;
  const int error = pthread_attr_init(attributes);
  if (error != 0) return error;
  pthread_attr_setdetachstate(attributes,
                              record->detached ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
  return pthread_attr_setstack(attributes, fiber->stack.low, fiber->stack.bytes);
}

int pthread_setaffinity_np(pthread_t handle, size_t bytes, const cpu_set_t* cpus) {
  if (outside()) return S2_SIM_REAL(pthread_setaffinity_np)(handle, bytes, cpus);
  ThreadRecord* record = asked_about(handle);
  if (record == nullptr) return ESRCH;
  ThreadAttributes& attributes = attributes_of(*record);
  CPU_ZERO(&attributes.cpus);
  std::memcpy(&attributes.cpus, cpus, std::min(bytes, sizeof attributes.cpus));
  return CPU_COUNT(&attributes.cpus) == 0 ? EINVAL : 0;
}

int pthread_getaffinity_np(pthread_t handle, size_t bytes, cpu_set_t* cpus) {
  if (outside()) return S2_SIM_REAL(pthread_getaffinity_np)(handle, bytes, cpus);
  ThreadRecord* record = asked_about(handle);
  if (record == nullptr) return ESRCH;
  std::memset(cpus, 0, bytes);
  std::memcpy(cpus, &attributes_of(*record).cpus, std::min(bytes, sizeof(cpu_set_t)));
  return 0;
}

int pthread_setschedparam(pthread_t handle, int policy, const sched_param* parameters) {
  if (outside()) return S2_SIM_REAL(pthread_setschedparam)(handle, policy, parameters);
  ThreadRecord* record = asked_about(handle);
  if (record == nullptr) return ESRCH;
  attributes_of(*record).policy = policy;
  attributes_of(*record).priority = parameters->sched_priority;
  return 0;
}

int pthread_setschedprio(pthread_t handle, int priority) {
  if (outside()) return S2_SIM_REAL(pthread_setschedprio)(handle, priority);
  ThreadRecord* record = asked_about(handle);
  if (record == nullptr) return ESRCH;
  attributes_of(*record).priority = priority;
  return 0;
}

int pthread_getschedparam(pthread_t handle, int* policy, sched_param* parameters) {
  if (outside()) return S2_SIM_REAL(pthread_getschedparam)(handle, policy, parameters);
  ThreadRecord* record = asked_about(handle);
  if (record == nullptr) return ESRCH;
  *policy = attributes_of(*record).policy;
  parameters->sched_priority = attributes_of(*record).priority;
  return 0;
}

int pthread_getcpuclockid(pthread_t handle, clockid_t* clock) {
  if (outside()) return S2_SIM_REAL(pthread_getcpuclockid)(handle, clock);
  if (asked_about(handle) == nullptr) return ESRCH;
  *clock = CLOCK_THREAD_CPUTIME_ID;  // all CPU clocks of a world are its one clock
  return 0;
}

}  // extern "C"
