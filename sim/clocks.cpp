// Clocks, sleeps, yields and randomness: virtual time, and values that the chooser draws.
#include <sched.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <unistd.h>

#include <cerrno>

#include "sim/operations.h"

namespace s2::sim {

void sleep_until(Engine& world, Nanos deadline) {
  world.arrive(Kind::sleep, 0);
  world.self().reason = WakeReason::none;
  world.set_timer(deadline);
  (void)world.sleep_here();
}

namespace {

Nanos read_clock() {
  if (tls.world == nullptr) {
    tls.quiet->quiet_operation(Kind::clock);
    return tls.quiet->now();
  }
  Engine& world = *tls.world;
  (void)world.point(Kind::clock, 0);
  world.advance(world.clock_step());
  return world.now();
}

timespec timespec_of(Nanos time) {
  return {time / 1'000'000'000, time % 1'000'000'000};
}

int yield() {
  if (tls.world == nullptr) {
    tls.quiet->quiet_operation(Kind::yield);
    return 0;
  }
  Engine& world = *tls.world;
  world.arrive(Kind::yield, 0);
  (void)world.reschedule(true);
  return 0;
}

int sleep_for(Nanos time) {
  if (time <= 0) return yield();
  if (tls.world == nullptr)
    tls.quiet->quiet_operation(Kind::sleep);
  else
    sleep_until(*tls.world, tls.world->now() + time);
  return 0;
}

void draw_bytes(void* buffer, std::size_t bytes) {
  auto* out = static_cast<unsigned char*>(buffer);
  Engine* world = tls.world;
  if (world != nullptr && !world->point(Kind::random, 0)) world = nullptr;
  for (std::size_t i = 0; i < bytes; ++i)
    out[i] = world == nullptr ? 0 : static_cast<unsigned char>(world->draw(256));
}

}  // namespace
}  // namespace s2::sim

using namespace s2::sim;

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) {
  if (outside()) return S2_SIM_REAL(clock_gettime)(clock, time);
  *time = timespec_of(read_clock() + origin_of(clock));
  return 0;
}

int gettimeofday(timeval* time, void* zone) {
  if (outside()) return S2_SIM_REAL(gettimeofday)(time, zone);
  const timespec now = timespec_of(read_clock() + kSystemStart);
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* result) {
  if (outside()) return S2_SIM_REAL(time)(result);
  const time_t now = (read_clock() + kSystemStart) / 1'000'000'000;
  if (result != nullptr) *result = now;
  return now;
}

int timespec_get(timespec* time, int base) {
  if (outside()) return S2_SIM_REAL(timespec_get)(time, base);
  *time = timespec_of(read_clock() + kSystemStart);
  return base;
}

// CPU time is virtual time, all of it the program's own.
clock_t clock() {
  if (outside()) return S2_SIM_REAL(clock)();
  return read_clock() / (1'000'000'000 / CLOCKS_PER_SEC);
}

clock_t times(tms* used) {
  if (outside()) return S2_SIM_REAL(times)(used);
  const Nanos tick = 1'000'000'000 / sysconf(_SC_CLK_TCK), now = read_clock();
  if (used != nullptr) *used = {now / tick, 0, 0, 0};
  return (now + kSteadyStart) / tick;
}

int getrusage(int who, rusage* usage) {
  if (outside()) return S2_SIM_REAL(getrusage)(who, usage);
  const Nanos now = read_clock();
  *usage = {};
  usage->ru_utime = {now / 1'000'000'000, now % 1'000'000'000 / 1000};
  return 0;
}

int nanosleep(const timespec* time, timespec* rest) {
  if (outside()) return S2_SIM_REAL(nanosleep)(time, rest);
  const Nanos length = nanos_of(*time);  // read first: `rest` may be the same
  if (rest != nullptr) *rest = {};
  return sleep_for(length);
}

int clock_nanosleep(clockid_t clock, int flags, const timespec* time, timespec* rest) {
  if (outside()) return S2_SIM_REAL(clock_nanosleep)(clock, flags, time, rest);
  if ((flags & TIMER_ABSTIME) == 0) return sleep_for(nanos_of(*time));
  const Engine* engine = tls.world != nullptr ? tls.world : tls.quiet;
  return sleep_for(to_virtual(clock, *time) - engine->now());
}

int usleep(useconds_t micros) {
  return outside() ? S2_SIM_REAL(usleep)(micros) : sleep_for(Nanos{micros} * 1000);
}

unsigned sleep(unsigned seconds) {
  if (outside()) return S2_SIM_REAL(sleep)(seconds);
  sleep_for(Nanos{seconds} * 1'000'000'000);
  return 0;
}

int sched_yield() {
  return outside() ? S2_SIM_REAL(sched_yield)() : yield();
}

ssize_t getrandom(void* buffer, size_t bytes, unsigned flags) {
  if (outside()) return S2_SIM_REAL(getrandom)(buffer, bytes, flags);
  draw_bytes(buffer, bytes);
  return static_cast<ssize_t>(bytes);
}

int getentropy(void* buffer, size_t bytes) {
  if (outside()) return S2_SIM_REAL(getentropy)(buffer, bytes);
  draw_bytes(buffer, bytes);
  return 0;
}

uint32_t arc4random() {
  if (outside()) return S2_SIM_REAL(arc4random)();
  std::uint32_t value = 0;
  draw_bytes(&value, sizeof value);
  return value;
}

// std::random_device::operator(): libstdc++ takes its value from an instruction that nobody can define anew.
// NOLINTNEXTLINE(bugprone-reserved-identifier)
unsigned _ZNSt13random_device9_M_getvalEv(void* device);
unsigned _ZNSt13random_device9_M_getvalEv(void* device) {
  if (outside()) return S2_SIM_REAL(_ZNSt13random_device9_M_getvalEv)(device);
  return arc4random();
}

}  // extern "C"
