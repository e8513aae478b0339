// One connection with HTTP spoken over it: a thread that only reads bytes, and everything else on the owner's
// thread.
//
// The owner's thread calls all members; close() may be called from any thread and makes the others fail at
// once. The reader thread never touches the HttpClient: it moves bytes into a bounded inbox and calls `wake`
// (which must not call back). So a peer that stops reading cannot keep us from reading. The destructor leaves
// no thread and no socket.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tl/expected.hpp>
#include <vector>

#include "wire/http.h"
#include "writer/transport.h"

namespace s2::writer {

inline constexpr std::size_t kMaxInboxBytes =
    4 * 1024 * 1024;  // read and not yet looked at; then the reader waits
inline constexpr std::size_t kReadPieceBytes = 64 * 1024;
inline constexpr std::size_t kWritePieceBytes = 256 * 1024;

class HttpLink {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;

  HttpLink(std::unique_ptr<Connection> connection, std::function<void()> wake);
  ~HttpLink();
  HttpLink(const HttpLink&) = delete;
  HttpLink& operator=(const HttpLink&) = delete;

  tl::expected<void, IoError> connect(Time deadline);
  std::string alpn() const { return connection_->alpn(); }
  void start(wire::Protocol protocol);  // once, after connect()
  wire::Protocol protocol() const { return protocol_; }
  wire::HttpClient& http() { return *http_; }

  // Feeds what has arrived to http() and appends the events. At the end of the byte stream, once, http's own
  // last words.
  void receive(std::vector<wire::HttpEvent>& out);
  // Writes what http() has to say; each piece has until `deadline`.
  tl::expected<void, IoError> flush(Time deadline);
  // Waits until receive() has something to do.
  bool wait_arrived(Time deadline);

  bool sound() const { return lost_.empty(); }  // nothing went wrong yet, as far as receive() and flush() saw
  const std::string& lost_reason() const { return lost_; }
  bool peer_speaks_http1() const { return peer_speaks_http1_; }  // it answered HTTP/2 with HTTP/1.x
  bool heard_anything() const { return heard_; }
  Time last_heard() const;
  void close() { connection_->close(); }

 private:
  void read_on();

  std::unique_ptr<Connection> connection_;
  std::function<void()> wake_;
  std::unique_ptr<wire::HttpClient> http_;
  wire::Protocol protocol_ = wire::Protocol::undecided;
  std::string lost_;
  bool peer_speaks_http1_ = false;
  bool heard_ = false;
  bool end_seen_ = false;

  mutable std::mutex mutex_;
  std::condition_variable arrived_cv_;  // the owner waits for bytes, in wait_arrived()
  std::condition_variable room_cv_;     // the reader waits for room
  std::string inbox_;
  bool ended_ = false;    // the reader has left
  bool closing_ = false;  // it should
  std::string end_reason_;
  Time last_heard_ = Time::min();

  std::thread reader_;
};

}  // namespace s2::writer
