// Calls that would block the OS thread, or bring in what is outside: inside a world each ends the execution
// as escaped, with its name. Outside they pass through. Descriptors and files: descriptors.cpp.
#include <aio.h>
#include <mqueue.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "sim/operations.h"

namespace s2::sim {

bool leaves_world(const char* call, const char* what) {
  if (tls.world == nullptr) {
    if (tls.quiet == nullptr || !tls.quiet->unwinding()) return false;
    tls.quiet->quiet_operation(Kind::yield);  // counted: who tries again for ever is given up
  } else {
    tls.world->escape(std::string("a call of ") + call + what);
  }
  errno = ENOSYS;
  return true;
}

}  // namespace s2::sim

using s2::sim::leaves_world;

// Calls that say by -1 and errno that they failed, and such as return the error itself.
// NOLINTBEGIN(bugprone-macro-parentheses): the arguments bring theirs
#define S2_SIM_ESCAPE(name, arguments) (leaves_world(#name) ? -1 : S2_SIM_REAL(name) arguments)
#define S2_SIM_ESCAPE_CODE(name, arguments) (leaves_world(#name) ? ENOSYS : S2_SIM_REAL(name) arguments)
// NOLINTEND(bugprone-macro-parentheses)

extern "C" {

// -- waiting for descriptors, and descriptors to wait for --
int poll(pollfd* fds, nfds_t count, int timeout) {
  return S2_SIM_ESCAPE(poll, (fds, count, timeout));
}
int ppoll(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  return S2_SIM_ESCAPE(ppoll, (fds, count, timeout, mask));
}
int select(int count, fd_set* in, fd_set* out, fd_set* except, timeval* timeout) {
  return S2_SIM_ESCAPE(select, (count, in, out, except, timeout));
}
int pselect(int count, fd_set* in, fd_set* out, fd_set* except, const timespec* timeout,
            const sigset_t* mask) {
  return S2_SIM_ESCAPE(pselect, (count, in, out, except, timeout, mask));
}
int epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
  return S2_SIM_ESCAPE(epoll_wait, (epoll, events, most, timeout));
}
int epoll_pwait(int epoll, epoll_event* events, int most, int timeout, const sigset_t* mask) {
  return S2_SIM_ESCAPE(epoll_pwait, (epoll, events, most, timeout, mask));
}
int epoll_pwait2(int epoll, epoll_event* events, int most, const timespec* timeout, const sigset_t* mask) {
  return S2_SIM_ESCAPE(epoll_pwait2, (epoll, events, most, timeout, mask));
}
int eventfd(unsigned count, int flags) {
  return S2_SIM_ESCAPE(eventfd, (count, flags));
}
int eventfd_read(int descriptor, eventfd_t* value) {
  return S2_SIM_ESCAPE(eventfd_read, (descriptor, value));
}
int eventfd_write(int descriptor, eventfd_t value) {
  return S2_SIM_ESCAPE(eventfd_write, (descriptor, value));
}
int timerfd_create(clockid_t clock, int flags) {
  return S2_SIM_ESCAPE(timerfd_create, (clock, flags));
}
int timerfd_settime(int descriptor, int flags, const itimerspec* time, itimerspec* old) {
  return S2_SIM_ESCAPE(timerfd_settime, (descriptor, flags, time, old));
}
int signalfd(int descriptor, const sigset_t* set, int flags) {
  return S2_SIM_ESCAPE(signalfd, (descriptor, set, flags));
}

// -- sockets and names --
int accept(int socket, sockaddr* address, socklen_t* length) {
  return S2_SIM_ESCAPE(accept, (socket, address, length));
}
int accept4(int socket, sockaddr* address, socklen_t* length, int flags) {
  return S2_SIM_ESCAPE(accept4, (socket, address, length, flags));
}
int connect(int socket, const sockaddr* address, socklen_t length) {
  return S2_SIM_ESCAPE(connect, (socket, address, length));
}
ssize_t recv(int socket, void* buffer, size_t bytes, int flags) {
  return S2_SIM_ESCAPE(recv, (socket, buffer, bytes, flags));
}
ssize_t recvfrom(int socket, void* buffer, size_t bytes, int flags, sockaddr* address, socklen_t* length) {
  return S2_SIM_ESCAPE(recvfrom, (socket, buffer, bytes, flags, address, length));
}
ssize_t recvmsg(int socket, msghdr* message, int flags) {
  return S2_SIM_ESCAPE(recvmsg, (socket, message, flags));
}
int recvmmsg(int socket, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
  return S2_SIM_ESCAPE(recvmmsg, (socket, messages, count, flags, timeout));
}
ssize_t send(int socket, const void* buffer, size_t bytes, int flags) {
  return S2_SIM_ESCAPE(send, (socket, buffer, bytes, flags));
}
ssize_t sendto(int socket, const void* buffer, size_t bytes, int flags, const sockaddr* address,
               socklen_t length) {
  return S2_SIM_ESCAPE(sendto, (socket, buffer, bytes, flags, address, length));
}
ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  return S2_SIM_ESCAPE(sendmsg, (socket, message, flags));
}
int sendmmsg(int socket, mmsghdr* messages, unsigned count, int flags) {
  return S2_SIM_ESCAPE(sendmmsg, (socket, messages, count, flags));
}
int getaddrinfo(const char* host, const char* service, const addrinfo* hints, addrinfo** result) {
  return leaves_world("getaddrinfo") ? EAI_FAIL : S2_SIM_REAL(getaddrinfo)(host, service, hints, result);
}
int getnameinfo(const sockaddr* address, socklen_t length, char* host, socklen_t host_bytes, char* service,
                socklen_t service_bytes, int flags) {
  if (leaves_world("getnameinfo")) return EAI_FAIL;
  return S2_SIM_REAL(getnameinfo)(address, length, host, host_bytes, service, service_bytes, flags);
}
hostent* gethostbyname(const char* name) {
  return leaves_world("gethostbyname") ? nullptr : S2_SIM_REAL(gethostbyname)(name);
}

// -- processes --
pid_t fork() {
  return S2_SIM_ESCAPE(fork, ());
}
FILE* popen(const char* command, const char* mode) {
  return leaves_world("popen") ? nullptr : S2_SIM_REAL(popen)(command, mode);
}
int system(const char* command) {
  return S2_SIM_ESCAPE(system, (command));
}
int posix_spawn(pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
                const posix_spawnattr_t* attributes, char* const* arguments, char* const* environment) {
  return S2_SIM_ESCAPE_CODE(posix_spawn, (pid, path, actions, attributes, arguments, environment));
}
int posix_spawnp(pid_t* pid, const char* file, const posix_spawn_file_actions_t* actions,
                 const posix_spawnattr_t* attributes, char* const* arguments, char* const* environment) {
  return S2_SIM_ESCAPE_CODE(posix_spawnp, (pid, file, actions, attributes, arguments, environment));
}
pid_t wait(int* status) {
  return S2_SIM_ESCAPE(wait, (status));
}
pid_t waitpid(pid_t pid, int* status, int options) {
  return S2_SIM_ESCAPE(waitpid, (pid, status, options));
}
pid_t wait4(pid_t pid, int* status, int options, rusage* usage) {
  return S2_SIM_ESCAPE(wait4, (pid, status, options, usage));
}
int waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
  return S2_SIM_ESCAPE(waitid, (type, id, info, options));
}
int mq_send(mqd_t queue, const char* bytes, size_t count, unsigned priority) {
  return S2_SIM_ESCAPE(mq_send, (queue, bytes, count, priority));
}
ssize_t mq_receive(mqd_t queue, char* bytes, size_t count, unsigned* priority) {
  return S2_SIM_ESCAPE(mq_receive, (queue, bytes, count, priority));
}
int msgsnd(int queue, const void* message, size_t bytes, int flags) {
  return S2_SIM_ESCAPE(msgsnd, (queue, message, bytes, flags));
}
ssize_t msgrcv(int queue, void* message, size_t bytes, long type, int flags) {
  return S2_SIM_ESCAPE(msgrcv, (queue, message, bytes, type, flags));
}
int semop(int set, sembuf* operations, size_t count) {
  return S2_SIM_ESCAPE(semop, (set, operations, count));
}
int aio_read(aiocb* block) {
  return S2_SIM_ESCAPE(aio_read, (block));
}
int aio_write(aiocb* block) {
  return S2_SIM_ESCAPE(aio_write, (block));
}

// -- signals and timers of the process --
int raise(int signal) {
  return S2_SIM_ESCAPE(raise, (signal));
}
int kill(pid_t pid, int signal) {
  return S2_SIM_ESCAPE(kill, (pid, signal));
}
int sigqueue(pid_t pid, int signal, sigval value) {
  return S2_SIM_ESCAPE(sigqueue, (pid, signal, value));
}
int pthread_kill(pthread_t thread, int signal) {
  return S2_SIM_ESCAPE_CODE(pthread_kill, (thread, signal));
}
int pthread_sigqueue(pthread_t thread, int signal, sigval value) {
  return S2_SIM_ESCAPE_CODE(pthread_sigqueue, (thread, signal, value));
}
int pause() {
  return S2_SIM_ESCAPE(pause, ());
}
int sigsuspend(const sigset_t* mask) {
  return S2_SIM_ESCAPE(sigsuspend, (mask));
}
int sigtimedwait(const sigset_t* set, siginfo_t* info, const timespec* timeout) {
  return S2_SIM_ESCAPE(sigtimedwait, (set, info, timeout));
}
int sigwaitinfo(const sigset_t* set, siginfo_t* info) {
  return S2_SIM_ESCAPE(sigwaitinfo, (set, info));
}
unsigned alarm(unsigned seconds) {
  return leaves_world("alarm") ? 0 : S2_SIM_REAL(alarm)(seconds);
}
useconds_t ualarm(useconds_t first, useconds_t then) {
  return leaves_world("ualarm") ? 0 : S2_SIM_REAL(ualarm)(first, then);
}
int setitimer(__itimer_which_t which, const itimerval* time, itimerval* old) {
  return S2_SIM_ESCAPE(setitimer, (which, time, old));
}
int timer_create(clockid_t clock, sigevent* event, timer_t* timer) {
  return S2_SIM_ESCAPE(timer_create, (clock, event, timer));
}

// -- what of threads is not simulated --
int pthread_cancel(pthread_t thread) {
  return S2_SIM_ESCAPE_CODE(pthread_cancel, (thread));
}
int pthread_barrier_wait(pthread_barrier_t* barrier) {
  return S2_SIM_ESCAPE_CODE(pthread_barrier_wait, (barrier));
}
int pthread_spin_lock(pthread_spinlock_t* lock) {
  return S2_SIM_ESCAPE_CODE(pthread_spin_lock, (lock));
}
int pthread_spin_trylock(pthread_spinlock_t* lock) {
  return S2_SIM_ESCAPE_CODE(pthread_spin_trylock, (lock));
}
int sched_setaffinity(pid_t pid, size_t bytes, const cpu_set_t* cpus) {
  return S2_SIM_ESCAPE(sched_setaffinity, (pid, bytes, cpus));
}
int sched_setscheduler(pid_t pid, int policy, const sched_param* parameters) {
  return S2_SIM_ESCAPE(sched_setscheduler, (pid, policy, parameters));
}

// -- what a build with _FORTIFY_SOURCE calls instead --

// NOLINTBEGIN(bugprone-reserved-identifier)
int __poll_chk(pollfd* fds, nfds_t count, int timeout, size_t room);
int __poll_chk(pollfd* fds, nfds_t count, int timeout, size_t room) {
  return leaves_world("poll") ? -1 : S2_SIM_REAL(__poll_chk)(fds, count, timeout, room);
}
int __ppoll_chk(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask, size_t room);
int __ppoll_chk(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask, size_t room) {
  return leaves_world("ppoll") ? -1 : S2_SIM_REAL(__ppoll_chk)(fds, count, timeout, mask, room);
}
ssize_t __recv_chk(int socket, void* buffer, size_t bytes, size_t room, int flags);
ssize_t __recv_chk(int socket, void* buffer, size_t bytes, size_t room, int flags) {
  return leaves_world("recv") ? -1 : S2_SIM_REAL(__recv_chk)(socket, buffer, bytes, room, flags);
}
ssize_t __recvfrom_chk(int socket, void* buffer, size_t bytes, size_t room, int flags, sockaddr* address,
                       socklen_t* length);
ssize_t __recvfrom_chk(int socket, void* buffer, size_t bytes, size_t room, int flags, sockaddr* address,
                       socklen_t* length) {
  return leaves_world("recvfrom")
             ? -1
             : S2_SIM_REAL(__recvfrom_chk)(socket, buffer, bytes, room, flags, address, length);
}
// NOLINTEND(bugprone-reserved-identifier)

}  // extern "C"
