// See tcp_socket.h.
#include "writer/tcp_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace s2::writer {

TcpSocket::TcpSocket() : wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

TcpSocket::~TcpSocket() {
  if (fd_ >= 0) ::close(fd_);
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

IoError TcpSocket::error_of(int error_number, const char* what) const {
  IoError::Kind kind = IoError::Kind::other;
  if (error_number == ECONNREFUSED) kind = IoError::Kind::refused;
  if (error_number == ETIMEDOUT) kind = IoError::Kind::timed_out;
  if (error_number == ECONNRESET || error_number == EPIPE) kind = IoError::Kind::reset;
  return IoError{kind,
                 std::string(what) + ' ' + name_ + ": " + std::generic_category().message(error_number)};
}

tl::expected<void, IoError> TcpSocket::connect(const Endpoint& endpoint, Time deadline) {
  name_ = endpoint.authority();
  if (wake_fd_ < 0) return tl::unexpected(IoError{IoError::Kind::other, "no file descriptor is left"});
  const auto addresses = resolve(endpoint, deadline, [this] { return closed_.load(); });
  if (!addresses) return tl::unexpected(addresses.error());
  tl::expected<void, IoError> result;
  std::size_t left = addresses->size();
  for (const SocketAddress& address : *addresses) {
    // A silent address must leave time for the next one.
    const auto now = std::chrono::steady_clock::now();
    result = connect_to(address, left == 1 ? deadline : now + (deadline - now) / 2);
    if (result || closed_) return result;
    --left;
  }
  return result;
}

tl::expected<void, IoError> TcpSocket::connect_to(const SocketAddress& address, Time deadline) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = ::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return tl::unexpected(error_of(errno, "socket for"));
  const auto set = [this](int level, int option, int value) {
    setsockopt(fd_, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleS);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveEveryS);
  set(IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address.bytes), address.size) == 0) return {};
  if (errno != EINPROGRESS) return tl::unexpected(error_of(errno, "connecting to"));
  if (auto ready = wait_writable(deadline); !ready) {
    if (ready.error().kind == IoError::Kind::timed_out)
      return tl::unexpected(error_of(ETIMEDOUT, "connecting to"));
    return ready;
  }
  int error_number = 0;
  socklen_t size = sizeof error_number;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error_number, &size);
  if (error_number != 0) return tl::unexpected(error_of(error_number, "connecting to"));
  return {};
}

tl::expected<void, IoError> TcpSocket::wait(int what, Time deadline) {
  while (true) {
    if (closed_) return tl::unexpected(closed_error());
    int timeout_ms = -1;
    if (deadline != Time::max()) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0)
        return tl::unexpected(error_of(ETIMEDOUT, what == 1 ? "reading from" : "writing to"));
      timeout_ms = static_cast<int>(std::min<std::int64_t>(left.count(), 60'000));
    }
    pollfd polled[2] = {{fd_, static_cast<short>(what == 1 ? POLLIN : POLLOUT), 0}, {wake_fd_, POLLIN, 0}};
    if (::poll(polled, 2, timeout_ms) < 0 && errno != EINTR)
      return tl::unexpected(error_of(errno, "polling"));
    if (closed_) return tl::unexpected(closed_error());
    if (polled[0].revents != 0) return {};
  }
}

tl::expected<std::size_t, IoError> TcpSocket::receive(char* into, std::size_t capacity) {
  while (true) {
    if (closed_) return tl::unexpected(closed_error());
    const ssize_t n = ::recv(fd_, into, capacity, 0);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return tl::unexpected(error_of(errno, "reading from"));
    if (auto ready = wait_readable(Time::max()); !ready) return tl::unexpected(ready.error());
  }
}

tl::expected<void, IoError> TcpSocket::send(std::string_view bytes, Time deadline) {
  while (!bytes.empty()) {
    if (closed_) return tl::unexpected(closed_error());
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      if (auto ready = wait_writable(deadline); !ready) return ready;
    } else if (errno != EINTR) {
      return tl::unexpected(error_of(errno, "writing to"));
    }
  }
  return {};
}

void TcpSocket::close() {
  closed_ = true;
  const std::uint64_t one = 1;
  // The eventfd stays readable from now on: every wait, now or later, ends at once.
  if (wake_fd_ >= 0 && ::write(wake_fd_, &one, sizeof one) < 0) return;
}

}  // namespace s2::writer
