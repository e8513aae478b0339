// The network as the writer sees it: connections made of bytes. Twins: tcp_transport.h, and a simulated one.
//
// Transport: any thread. Connection: one thread reads, one (maybe another) connects and writes; close() from
// any thread, any number of times, at any time: it unblocks connect(), read() and write() at once, and all
// later calls fail. The destructor closes; whoever made the connection owns it and joins its reader first.
// Errors are values; nothing throws. This is all the I/O that the client does: a twin that keeps these words
// can carry a deterministic simulation.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace s2::writer {

struct Endpoint {
  bool tls = false;
  std::string host;  // name or address literal, without brackets
  std::uint16_t port = 80;
  bool operator==(const Endpoint&) const = default;
  // As in a Host header: the port only where it is not the scheme's own.
  std::string authority() const;
};

struct IoError {
  enum class Kind { resolve, refused, timed_out, reset, closed, tls, other };  // closed: by our own close()
  Kind kind = Kind::other;
  std::string message;  // one line: what was tried, what went wrong
};

class Connection {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  virtual ~Connection() = default;
  // Name resolution, TCP and TLS, all by `deadline`.
  virtual tl::expected<void, IoError> connect(Deadline deadline) = 0;
  // Blocks for at least one byte; 0 is the end of the stream.
  virtual tl::expected<std::size_t, IoError> read(char* into, std::size_t capacity) = 0;
  // All of it, or an error; after an error the connection is of no more use.
  virtual tl::expected<void, IoError> write(std::string_view bytes, Deadline deadline) = 0;
  // What ALPN chose ("h2", "http/1.1"); "" in the clear, or when the peer did not say.
  virtual std::string alpn() const = 0;
  virtual void close() = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Not yet connected. The endpoint's TLS flag decides whether TLS is spoken.
  virtual std::unique_ptr<Connection> make_connection(const Endpoint& endpoint) = 0;
};

}  // namespace s2::writer
