// A non-blocking TCP socket with deadlines, and an eventfd by which any thread ends every wait on it.
//
// close() from any thread, any time; connect(), wait_*() and the descriptor from the threads of its
// Connection. The descriptor itself stays open until the destructor, so that no other file can take its
// number while somebody waits.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <tl/expected.hpp>

#include "writer/resolve.h"
#include "writer/transport.h"

namespace s2::writer {

inline constexpr int kUserTimeoutMs = 20'000;  // sent bytes that nobody acknowledges: the connection is dead
inline constexpr int kKeepAliveIdleS = 15;     // then probes, so that an idle dead peer is noticed too
inline constexpr int kKeepAliveEveryS = 5;
inline constexpr int kKeepAliveProbes = 3;

class TcpSocket {
 public:
  using Time = std::chrono::steady_clock::time_point;

  TcpSocket();
  ~TcpSocket();
  TcpSocket(const TcpSocket&) = delete;
  TcpSocket& operator=(const TcpSocket&) = delete;

  // Tries the endpoint's addresses in turn.
  tl::expected<void, IoError> connect(const Endpoint& endpoint, Time deadline);
  // Until the socket is readable or writable; Time::max() waits for ever.
  tl::expected<void, IoError> wait_readable(Time deadline) { return wait(1, deadline); }
  tl::expected<void, IoError> wait_writable(Time deadline) { return wait(2, deadline); }
  tl::expected<std::size_t, IoError> receive(char* into, std::size_t capacity);  // 0: the end
  tl::expected<void, IoError> send(std::string_view bytes, Time deadline);
  void close();
  bool closed() const { return closed_; }
  int fd() const { return fd_; }
  IoError closed_error() const { return IoError{IoError::Kind::closed, name_ + ": closed"}; }
  IoError error_of(int error_number, const char* what) const;
  const std::string& name() const { return name_; }

 private:
  tl::expected<void, IoError> wait(int what, Time deadline);
  tl::expected<void, IoError> connect_to(const SocketAddress& address, Time deadline);

  std::string name_;  // of the peer, for messages
  int fd_ = -1;       // set by connect(), before anybody else may look
  int wake_fd_ = -1;
  std::atomic<bool> closed_{false};
};

}  // namespace s2::writer
