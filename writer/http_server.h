// The HTTP driver's server: connections, a thread for each, and how long what comes and goes may take.
//
// The library's own limits are per read, so that a peer that drips a byte at a time holds its thread for
// ever. Here a request has to arrive as a whole by a deadline, and where connections wait for a thread those
// that have sent no whole request yet give up theirs (kHurried…): so a peer that sends a request at once is
// served soon, however many others drip or idle. Answers have a deadline, too. What serves a whole request
// (a flush, a live viewer) keeps its thread. The body's type is ignored: every body is JSON, and no limit or
// parser of forms applies to one. One thread calls listen_after_bind(), any one stop().
#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>

namespace s2::writer {

inline constexpr std::size_t kMaxConnections = 256;         // served at once, each by a thread
inline constexpr std::size_t kMaxWaitingConnections = 256;  // accepted, for a thread; more wait in the kernel

inline constexpr std::chrono::milliseconds kIdleConnection{2000};  // between two requests
inline constexpr std::chrono::milliseconds kHeadWithin{2000};  // from a request's first byte to its headers
inline constexpr std::chrono::milliseconds kRequestWithin{10'000};  // and to the end of its body
inline constexpr std::chrono::milliseconds kHurriedHead{250};       // instead, while others wait for a thread
inline constexpr std::chrono::milliseconds kHurriedRequest{1000};
inline constexpr std::chrono::milliseconds kStuckPeer{2000};       // takes no byte for so long: it is cut off
inline constexpr std::chrono::milliseconds kAnswerWithin{30'000};  // or one answer, or event, in so long

class HttpServer final : public httplib::Server {
 public:
  // `on_late`: a request did not arrive in time, and its connection is closed. Called by any thread.
  explicit HttpServer(std::function<void()> on_late);

  // The port that it listens on (0: any that is free); below 0: it cannot.
  int bind(const std::string& host, int port);
  // Whether the request that the calling thread serves did not arrive in time: on_late tells it.
  static bool serves_late();

 private:
  friend class ConnectionStream;
  bool process_and_close_socket(socket_t socket) override;
  bool stopped() const { return svr_sock_ == INVALID_SOCKET; }

  const std::function<void()> on_late_;
  std::atomic<bool> crowded_ = false;  // connections wait, and all threads are taken
  socket_t listening_ = INVALID_SOCKET;
};

}  // namespace s2::writer
