// Calls that would block the OS thread, or bring in what is outside: inside a world each ends the execution
// as escaped, with its name. Outside they pass through.
#include <netdb.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "sim/operations.h"

namespace s2::sim {
namespace {

// True: the caller returns an error. What a hook or an unwound thread does is let through.
bool leaves_world(const char* name) {
  if (tls.world == nullptr) return false;
  tls.world->escape(std::string("a call of ") + name);
  errno = ENOSYS;
  return true;
}

}  // namespace
}  // namespace s2::sim

using s2::sim::leaves_world;

#define S2_SIM_ESCAPE(name, arguments) (leaves_world(#name) ? -1 : S2_SIM_REAL(name) arguments)

extern "C" {

int poll(pollfd* fds, nfds_t count, int timeout) {
  return S2_SIM_ESCAPE(poll, (fds, count, timeout));
}
int ppoll(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  return S2_SIM_ESCAPE(ppoll, (fds, count, timeout, mask));
}
int select(int count, fd_set* in, fd_set* out, fd_set* except, timeval* timeout) {
  return S2_SIM_ESCAPE(select, (count, in, out, except, timeout));
}
int epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
  return S2_SIM_ESCAPE(epoll_wait, (epoll, events, most, timeout));
}
int accept4(int socket, sockaddr* address, socklen_t* length, int flags) {
  return S2_SIM_ESCAPE(accept4, (socket, address, length, flags));
}
int accept(int socket, sockaddr* address, socklen_t* length) {
  return S2_SIM_ESCAPE(accept, (socket, address, length));
}
int connect(int socket, const sockaddr* address, socklen_t length) {
  return S2_SIM_ESCAPE(connect, (socket, address, length));
}
ssize_t recv(int socket, void* buffer, size_t bytes, int flags) {
  return S2_SIM_ESCAPE(recv, (socket, buffer, bytes, flags));
}
ssize_t send(int socket, const void* buffer, size_t bytes, int flags) {
  return S2_SIM_ESCAPE(send, (socket, buffer, bytes, flags));
}
ssize_t recvmsg(int socket, msghdr* message, int flags) {
  return S2_SIM_ESCAPE(recvmsg, (socket, message, flags));
}
ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  return S2_SIM_ESCAPE(sendmsg, (socket, message, flags));
}
int getaddrinfo(const char* host, const char* service, const addrinfo* hints, addrinfo** result) {
  return leaves_world("getaddrinfo") ? EAI_FAIL : S2_SIM_REAL(getaddrinfo)(host, service, hints, result);
}
pid_t fork() {
  return S2_SIM_ESCAPE(fork, ());
}
pid_t waitpid(pid_t pid, int* status, int options) {
  return S2_SIM_ESCAPE(waitpid, (pid, status, options));
}
int pause() {
  return S2_SIM_ESCAPE(pause, ());
}
int pthread_cancel(pthread_t thread) {
  return leaves_world("pthread_cancel") ? ENOSYS : S2_SIM_REAL(pthread_cancel)(thread);
}
int pthread_kill(pthread_t thread, int signal) {
  return leaves_world("pthread_kill") ? ENOSYS : S2_SIM_REAL(pthread_kill)(thread, signal);
}
int pthread_barrier_wait(pthread_barrier_t* barrier) {
  return leaves_world("pthread_barrier_wait") ? ENOSYS : S2_SIM_REAL(pthread_barrier_wait)(barrier);
}
int pthread_spin_lock(pthread_spinlock_t* lock) {
  return leaves_world("pthread_spin_lock") ? ENOSYS : S2_SIM_REAL(pthread_spin_lock)(lock);
}
int sigtimedwait(const sigset_t* set, siginfo_t* info, const timespec* timeout) {
  return S2_SIM_ESCAPE(sigtimedwait, (set, info, timeout));
}
int sigwaitinfo(const sigset_t* set, siginfo_t* info) {
  return S2_SIM_ESCAPE(sigwaitinfo, (set, info));
}

}  // extern "C"
