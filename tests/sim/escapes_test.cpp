// Calls that would leave the world: each is named; none runs on, blocks or crashes unseen.
#include <aio.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <mqueue.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "sim/world.h"
#include "tests/sim/alone.h"

namespace s2::sim {
namespace {

// Descriptors of every kind that is no file; made outside, as a program's globals are.
struct Descriptors {
  int empty_pipe[2] = {-1, -1};
  int sockets[2] = {-1, -1};
  int event = eventfd(0, 0);
  Descriptors() {
    if (pipe(empty_pipe) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) std::abort();
  }
};
const Descriptors& made() {
  static const Descriptors all;
  return all;
}

char byte = 0;
iovec one_byte() {
  return {&byte, 1};
}

const std::vector<Call>& escaping_calls() {
  static const std::vector<Call> kCalls = {
      // waits for what is outside
      {"poll", [] { poll(nullptr, 0, 0); }},
      {"ppoll", [] { ppoll(nullptr, 0, nullptr, nullptr); }},
      {"select",
       [] {
         timeval none{};
         select(0, nullptr, nullptr, nullptr, &none);
       }},
      {"pselect",
       [] {
         timespec none{};
         pselect(0, nullptr, nullptr, nullptr, &none, nullptr);
       }},
      {"epoll_wait", [] { epoll_wait(-1, nullptr, 0, 0); }},
      {"epoll_pwait", [] { epoll_pwait(-1, nullptr, 0, 0, nullptr); }},
      {"epoll_pwait2", [] { epoll_pwait2(-1, nullptr, 0, nullptr, nullptr); }},
      {"eventfd", [] { eventfd(0, 0); }},
      {"eventfd_read",
       [] {
         eventfd_t value = 0;
         eventfd_read(made().event, &value);
       }},
      {"eventfd_write", [] { eventfd_write(made().event, 1); }},
      {"timerfd_create", [] { timerfd_create(CLOCK_MONOTONIC, 0); }},
      {"timerfd_settime", [] { timerfd_settime(-1, 0, nullptr, nullptr); }},
      {"signalfd",
       [] {
         sigset_t none;
         sigemptyset(&none);
         signalfd(-1, &none, 0);
       }},
      // sockets
      {"accept", [] { accept(-1, nullptr, nullptr); }},
      {"accept4", [] { accept4(-1, nullptr, nullptr, 0); }},
      {"connect", [] { connect(-1, nullptr, 0); }},
      {"recv", [] { recv(made().sockets[0], &byte, 1, 0); }},
      {"recvfrom", [] { recvfrom(made().sockets[0], &byte, 1, 0, nullptr, nullptr); }},
      {"recvmsg",
       [] {
         msghdr message{};
         recvmsg(made().sockets[0], &message, 0);
       }},
      {"recvmmsg", [] { recvmmsg(-1, nullptr, 0, 0, nullptr); }},
      {"send", [] { send(-1, &byte, 1, 0); }},
      {"sendto", [] { sendto(-1, &byte, 1, 0, nullptr, 0); }},
      {"sendmsg",
       [] {
         const msghdr message{};
         sendmsg(-1, &message, 0);
       }},
      {"sendmmsg", [] { sendmmsg(-1, nullptr, 0, 0); }},
      {"getaddrinfo",
       [] {
         addrinfo* found = nullptr;
         getaddrinfo("127.0.0.1", nullptr, nullptr, &found);
       }},
      {"getnameinfo", [] { getnameinfo(nullptr, 0, nullptr, 0, nullptr, 0, 0); }},
      {"gethostbyname", [] { gethostbyname("127.0.0.1"); }},
      // descriptors that are no files
      {"read on a pipe", [] { (void)!read(made().empty_pipe[0], &byte, 1); }},
      {"readv on a pipe",
       [] {
         const iovec bytes = one_byte();
         (void)!readv(made().empty_pipe[0], &bytes, 1);
       }},
      {"write on a pipe", [] { (void)!write(made().empty_pipe[1], &byte, 1); }},
      {"writev on a pipe",
       [] {
         const iovec bytes = one_byte();
         (void)!writev(made().empty_pipe[1], &bytes, 1);
       }},
      {"read on a socket", [] { (void)!read(made().sockets[0], &byte, 1); }},
      {"write on a socket", [] { (void)!write(made().sockets[0], &byte, 1); }},
      {"read on a descriptor that is no file",
       [] {
         std::uint64_t value = 0;
         (void)!read(made().event, &value, sizeof value);
       }},
      // real randomness
      {"open of /dev/urandom", [] { open("/dev/urandom", O_RDONLY); }},
      {"open of /dev/random", [] { openat(AT_FDCWD, "/dev/random", O_RDONLY | O_CLOEXEC); }},
      {"fopen of /dev/urandom",
       [] {
         std::FILE* file = std::fopen("/dev/urandom", "r");
         if (file != nullptr) std::fclose(file);
       }},
      {"/dev/urandom", [] { const std::ifstream file("/dev/urandom"); }},
      // signals and timers of the process
      {"raise", [] { raise(SIGCONT); }},
      {"kill", [] { kill(getpid(), 0); }},
      {"sigqueue", [] { sigqueue(getpid(), 0, {}); }},
      {"pthread_kill", [] { pthread_kill(pthread_self(), 0); }},
      {"pthread_sigqueue", [] { pthread_sigqueue(pthread_self(), 0, {}); }},
      {"pause", [] { pause(); }},
      {"sigsuspend",
       [] {
         sigset_t all;
         sigfillset(&all);
         sigsuspend(&all);
       }},
      {"sigtimedwait",
       [] {
         sigset_t set;
         sigemptyset(&set);
         const timespec none{};
         sigtimedwait(&set, nullptr, &none);
       }},
      {"sigwaitinfo",
       [] {
         sigset_t set;
         sigemptyset(&set);
         sigwaitinfo(&set, nullptr);
       }},
      {"alarm", [] { alarm(100); }},
      {"ualarm", [] { ualarm(100'000'000, 0); }},
      {"setitimer",
       [] {
         itimerval none{};
         setitimer(ITIMER_REAL, &none, nullptr);
       }},
      {"timer_create",
       [] {
         timer_t timer{};
         sigevent nothing{};
         nothing.sigev_notify = SIGEV_NONE;
         timer_create(CLOCK_MONOTONIC, &nothing, &timer);
       }},
      // processes
      {"fork",
       [] {
         if (fork() == 0) _exit(0);
       }},
      {"popen",
       [] {
         std::FILE* pipe_ = popen("true", "r");
         if (pipe_ != nullptr) pclose(pipe_);
       }},
      {"system", [] { (void)!system("true"); }},
      {"posix_spawn",
       [] {
         pid_t pid = 0;
         char name[] = "true";
         char* arguments[] = {name, nullptr};
         posix_spawn(&pid, "/bin/true", nullptr, nullptr, arguments, nullptr);
       }},
      {"posix_spawnp",
       [] {
         pid_t pid = 0;
         char name[] = "true";
         char* arguments[] = {name, nullptr};
         posix_spawnp(&pid, "true", nullptr, nullptr, arguments, nullptr);
       }},
      {"wait", [] { wait(nullptr); }},
      {"waitpid", [] { waitpid(-1, nullptr, WNOHANG); }},
      {"waitid",
       [] {
         siginfo_t info;
         waitid(P_ALL, 0, &info, WEXITED | WNOHANG);
       }},
      {"wait4", [] { wait4(-1, nullptr, WNOHANG, nullptr); }},
      {"aio_read",
       [] {
         aiocb block{};
         block.aio_fildes = -1;
         aio_read(&block);
       }},
      {"mq_receive", [] { mq_receive(-1, &byte, 1, nullptr); }},
      {"mq_send", [] { mq_send(-1, &byte, 1, 0); }},
      {"msgrcv", [] { msgrcv(-1, &byte, 0, 0, 0); }},
      {"semop", [] { semop(-1, nullptr, 0); }},
      // threads
      {"pthread_cancel",
       [] {
         std::jthread other([] {});
         pthread_cancel(other.native_handle());
       }},
      {"pthread_barrier_wait",
       [] {
         pthread_barrier_t one;
         pthread_barrier_init(&one, nullptr, 1);
         pthread_barrier_wait(&one);
       }},
      {"pthread_spin_lock",
       [] {
         pthread_spinlock_t lock{};
         pthread_spin_lock(&lock);
       }},
      {"pthread_spin_trylock",
       [] {
         pthread_spinlock_t lock{};
         pthread_spin_trylock(&lock);
       }},
      {"sched_setaffinity",
       [] {
         cpu_set_t all;
         CPU_ZERO(&all);
         CPU_SET(0, &all);
         sched_setaffinity(0, sizeof all, &all);
       }},
      {"sched_setscheduler",
       [] {
         const sched_param normal{};
         sched_setscheduler(0, SCHED_OTHER, &normal);
       }},
      {"raw system call", [] { syscall(SYS_clock_getres, 0, nullptr); }},
  };
  return kCalls;
}

TEST(Escapes, EveryCallThatLeavesTheWorldIsNamed) {
  made();
  for (const Call& call : escaping_calls()) {
    const std::string told = told_by(call.body);
    EXPECT_TRUE(told.starts_with("escaped: ") && told.find(call.name) != std::string::npos)
        << call.name << " is told as: " << told;
  }
}

// What the same call does outside a world is what the C library does.
TEST(Escapes, OutsideAWorldTheCallsAreTheCLibrarys) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "a", 1), 1);
  char got = 0;
  EXPECT_EQ(read(ends[0], &got, 1), 1);
  EXPECT_EQ(got, 'a');
  close(ends[0]);
  close(ends[1]);
  const int random = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  EXPECT_GE(random, 0);
  close(random);
  EXPECT_EQ(kill(getpid(), 0), 0);
  EXPECT_EQ(system("true"), 0);
}

// A retry loop around a call that fails would turn for ever once its execution has ended, or block.
TEST(Escapes, AThreadThatTriesAgainAfterAnEscapeIsUnwoundAllTheSame) {
  made();
  const auto insists = [] {
    while (read(made().empty_pipe[0], &byte, 1) < 0) {
    }
  };
  EXPECT_TRUE(told_by(insists).starts_with("escaped: "));
}

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
long by_instruction(long number) {
  long result = number;
  asm volatile("syscall" : "+a"(result) : "D"(0), "S"(0), "d"(0) : "rcx", "r11", "memory");
  return result;
}

TEST(Escapes, ASystemCallByItsInstructionIsNamed) {
  const std::string told = told_by([] { by_instruction(SYS_getppid); });
  if (told == "finished: ") GTEST_SKIP() << "this kernel hands no system calls over (Linux 5.11)";
  EXPECT_TRUE(told.starts_with("escaped: ")) << told;
  EXPECT_NE(told.find("system call " + std::to_string(SYS_getppid)), std::string::npos) << told;
}

TEST(Escapes, ASystemCallByItsInstructionIsDoneOutsideAWorld) {
  Dice dice(1);
  EXPECT_EQ(run({.chooser = dice}, [] {}).ending, Ending::finished);
  EXPECT_EQ(by_instruction(SYS_getppid), getppid());
  const pid_t pid = fork();
  if (pid == 0) _exit(by_instruction(SYS_getppid) == getppid() ? 0 : 1);
  int status = -1;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
}
#endif

}  // namespace
}  // namespace s2::sim
