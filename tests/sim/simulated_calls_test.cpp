// Calls beside locks and clocks that a world answers itself.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <threads.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string_view>
#include <thread>

#include "sim/world.h"
#include "tests/sim/alone.h"

namespace s2::sim {
namespace {

using namespace std::chrono_literals;

char mark = 0;

const std::vector<Call>& simulated_calls() {
  const auto expect = [](bool holds, const char* what) {
    if (!holds) fail(what);
  };
  static const std::vector<Call> kCalls = {
      {"CPU clocks go with virtual time",
       [=] {
         const std::clock_t clock_before = std::clock();
         tms before{}, after{};
         rusage used_before{}, used_after{};
         const clock_t ticks_before = times(&before);
         getrusage(RUSAGE_SELF, &used_before);
         std::this_thread::sleep_for(10s);
         expect((std::clock() - clock_before) / CLOCKS_PER_SEC == 10, "clock");
         const clock_t ticks = times(&after);
         const long second = sysconf(_SC_CLK_TCK);
         expect((ticks - ticks_before) / second == 10, "times");
         expect((after.tms_utime - before.tms_utime) / second == 10, "tms_utime");
         getrusage(RUSAGE_SELF, &used_after);
         expect(used_after.ru_utime.tv_sec - used_before.ru_utime.tv_sec == 10, "getrusage");
       }},
      {"a thread keeps its name, CPUs and priority",
       [=] {
         std::jthread other([] { std::this_thread::sleep_for(1s); });
         const pthread_t handle = other.native_handle();
         char name[16] = {};
         expect(pthread_setname_np(handle, "worker") == 0, "set name");
         expect(pthread_getname_np(handle, name, sizeof name) == 0 && std::string_view(name) == "worker",
                "name");
         expect(pthread_setname_np(handle, "a name of 17 byte") == ERANGE, "long name");
         expect(pthread_getname_np(handle, name, 3) == ERANGE, "short buffer");
         cpu_set_t cpus, kept;
         CPU_ZERO(&cpus);
         CPU_SET(3, &cpus);
         expect(pthread_getaffinity_np(handle, sizeof kept, &kept) == 0 && CPU_COUNT(&kept) > 0,
                "first CPUs");
         expect(pthread_setaffinity_np(handle, sizeof cpus, &cpus) == 0, "set CPUs");
         expect(pthread_getaffinity_np(handle, sizeof kept, &kept) == 0 && CPU_EQUAL(&cpus, &kept), "CPUs");
         int policy = -1;
         sched_param parameters{};
         expect(pthread_getschedparam(handle, &policy, &parameters) == 0 && policy == SCHED_OTHER, "policy");
         parameters.sched_priority = 7;
         expect(pthread_setschedparam(handle, SCHED_FIFO, &parameters) == 0, "set policy");
         parameters.sched_priority = 0;
         expect(pthread_getschedparam(handle, &policy, &parameters) == 0 && policy == SCHED_FIFO &&
                    parameters.sched_priority == 7,
                "kept policy");
         expect(pthread_setschedprio(handle, 5) == 0, "set priority");
         clockid_t clock = -1;
         timespec time{};
         expect(pthread_getcpuclockid(handle, &clock) == 0 && clock_gettime(clock, &time) == 0 &&
                    time.tv_sec == 0,
                "CPU clock");
       }},
      {"a thread knows its stack",
       [=] {
         pthread_attr_t attributes;
         expect(pthread_getattr_np(pthread_self(), &attributes) == 0, "attributes");
         void* low = nullptr;
         std::size_t bytes = 0;
         expect(pthread_attr_getstack(&attributes, &low, &bytes) == 0, "stack");
         const char* here = static_cast<const char*>(__builtin_frame_address(0));
         expect(here >= low && here < static_cast<char*>(low) + bytes, "stands on it");
         pthread_attr_destroy(&attributes);
       }},
      {"a join may be tried, and may take too long",
       [=] {
         pthread_t thread{};
         const auto sleeps = [](void*) -> void* {
           std::this_thread::sleep_for(1h);
           return &mark;
         };
         pthread_create(&thread, nullptr, sleeps, nullptr);
         void* result = nullptr;
         expect(pthread_tryjoin_np(thread, &result) == EBUSY, "busy");
         timespec until{};
         clock_gettime(CLOCK_REALTIME, &until);
         until.tv_sec += 60;
         expect(pthread_timedjoin_np(thread, &result, &until) == ETIMEDOUT, "too long");
         clock_gettime(CLOCK_MONOTONIC, &until);
         until.tv_sec += 7200;
         expect(pthread_clockjoin_np(thread, &result, CLOCK_MONOTONIC, &until) == 0 && result == &mark,
                "joined");
         pthread_create(&thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
         std::this_thread::sleep_for(1h);
         expect(pthread_tryjoin_np(thread, nullptr) == 0, "has ended");
       }},
      {"a handle of nobody is refused",
       [=] {
         const pthread_t nobody = 0x1234'5678'9ABC;
         char name[16];
         pthread_attr_t attributes;
         int policy = 0;
         sched_param parameters{};
         cpu_set_t cpus;
         clockid_t clock{};
         expect(pthread_getname_np(nobody, name, sizeof name) == ESRCH, "name");
         expect(pthread_getattr_np(nobody, &attributes) == ESRCH, "attributes");
         expect(pthread_getaffinity_np(nobody, sizeof cpus, &cpus) == ESRCH, "CPUs");
         expect(pthread_getschedparam(nobody, &policy, &parameters) == ESRCH, "policy");
         expect(pthread_getcpuclockid(nobody, &clock) == ESRCH, "clock");
       }},
      {"C11 threads are threads of the world",
       [=] {
         static mtx_t mutex;
         static cnd_t condition;
         static once_flag once;
         static tss_t key;
         static int value, made_once, destroyed;
         value = made_once = destroyed = 0;
         once = ONCE_FLAG_INIT;
         expect(mtx_init(&mutex, mtx_timed | mtx_recursive) == thrd_success, "mutex");
         expect(cnd_init(&condition) == thrd_success, "condition");
         expect(tss_create(&key, [](void*) { ++destroyed; }) == thrd_success, "key");
         thrd_t thread{};
         const auto routine = [](void* argument) -> int {
           if (!inside() || sim::thread_name(1) != "main.1") return -1;
           tss_set(key, argument);
           call_once(&once, [] { ++made_once; });
           call_once(&once, [] { ++made_once; });
           const timespec hour{3600, 0};
           thrd_sleep(&hour, nullptr);
           thrd_yield();
           mtx_lock(&mutex);
           mtx_lock(&mutex);
           value = tss_get(key) == argument ? 1 : 2;
           cnd_signal(&condition);
           mtx_unlock(&mutex);
           mtx_unlock(&mutex);
           thrd_exit(-5);
         };
         expect(thrd_create(&thread, routine, &thread) == thrd_success, "thread");
         expect(thrd_equal(thrd_current(), thread) == 0, "another");
         timespec until{};
         timespec_get(&until, TIME_UTC);
         until.tv_sec += 60;
         mtx_lock(&mutex);
         expect(cnd_timedwait(&condition, &mutex, &until) == thrd_timedout, "too long");
         while (value == 0) cnd_wait(&condition, &mutex);
         mtx_unlock(&mutex);
         expect(value == 1, "value");
         int result = 0;
         expect(thrd_join(thread, &result) == thrd_success && result == -5, "result");
         expect(made_once == 1 && destroyed == 1, "once, and the key's destructor");
         timespec past{};
         expect(mtx_trylock(&mutex) == thrd_success, "free");
         std::jthread([&] {
           expect(mtx_trylock(&mutex) == thrd_busy, "busy");
           expect(mtx_timedlock(&mutex, &past) == thrd_timedout, "no time");
         }).join();
         mtx_unlock(&mutex);
         cnd_destroy(&condition);
         mtx_destroy(&mutex);
         tss_delete(key);
       }},
      {"the signal mask is the thread's own",
       [=] {
         sigset_t set, old;
         sigemptyset(&set);
         sigaddset(&set, SIGUSR2);
         expect(sigprocmask(SIG_BLOCK, &set, nullptr) == 0, "block");
         sigprocmask(SIG_BLOCK, nullptr, &old);
         expect(sigismember(&old, SIGUSR2) == 1, "kept");
         expect(sigprocmask(99, &set, nullptr) == -1 && errno == EINVAL, "refused");
       }},
      {"std::random_device draws", [=] { (void)std::random_device{}(); }},
      {"files, the terminal's side and /dev/null are no escape",
       [=] {
         char name[] = "/tmp/sim-escapes-XXXXXX";
         const int file = mkstemp(name);
         unlink(name);
         expect(write(file, "abc", 3) == 3 && lseek(file, 0, SEEK_SET) == 0 && read(file, &mark, 1) == 1,
                "a file");
         close(file);
         const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
         expect(write(null, "abc", 3) == 3 && read(null, &mark, 1) == 0, "/dev/null");
         close(null);
         expect(write(STDERR_FILENO, "", 0) == 0, "stderr");
         expect(open("/nobody/here", O_RDONLY) == -1 && errno == ENOENT, "no file");
         expect(read(-1, &mark, 1) == -1 && errno == EBADF, "no descriptor");
       }},
  };
  return kCalls;
}

TEST(SimulatedCalls, DoWhatTheCLibrarysDo) {
  for (const Call& call : simulated_calls()) EXPECT_EQ(told_by(call.body), "finished: ") << call.name;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
template <std::size_t Bytes>
[[gnu::noinline]] void take_stack(unsigned depth) {
  volatile char frame[Bytes];
  frame[0] = static_cast<char>(depth);
  if (depth > 0) take_stack<Bytes>(depth - 1);
  frame[Bytes - 1] = frame[0];
}

TEST(Stacks, OneThatIsFullIsNamed) {
  constexpr const char* kSaid = "sim: stack overflow of thread worker (limit 512 KiB)\nended by signal 11";
  const auto in_worker = [](auto body) {
    return told_by([=] {
      std::thread worker([=] {
        name_thread("worker");
        body();
      });
      worker.join();
    });
  };
  EXPECT_EQ(in_worker([] { take_stack<1024>(1024); }), kSaid);     // by depth
  EXPECT_EQ(in_worker([] { take_stack<700 * 1024>(0); }), kSaid);  // by one frame
  EXPECT_EQ(in_worker([] { take_stack<256 * 1024>(0); }), "finished: ");
  EXPECT_EQ(told_by([] { std::jthread([] { std::jthread([] { take_stack<1024>(1024); }); }); }),
            "sim: stack overflow of thread main.1.1 (limit 512 KiB)\nended by signal 11");
}

TEST(Stacks, AnotherFaultStaysAFault) {
  EXPECT_EQ(told_by([] { *reinterpret_cast<volatile char*>(mark) = 1; }), "ended by signal 11");
}
#endif

}  // namespace
}  // namespace s2::sim
