// The emulator's port: connections of HTTP/1.1 and HTTP/2 on it, and how they end.
//
// Belongs to the emulator's thread; the Loop, Clock and Moments outlive it. A connection owns its socket, its
// wire::HttpServer and its exchanges; requests go to the RequestHandler.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "emulator/clock.h"
#include "emulator/emulator.h"
#include "emulator/exchange.h"
#include "emulator/net.h"

namespace s2::emulator {

class Moments;

inline constexpr std::size_t kMaxConnections = 4096;       // one more is reset at once
inline constexpr std::size_t kReadChunkBytes = 64 * 1024;  // taken from a socket at once
inline constexpr std::size_t kMaxHeldBodyBytes =
    16 * 1024 * 1024;                                         // of request bodies, before reading pauses
inline constexpr std::size_t kMaxExchanges = 1000;            // open on one connection; one more is refused
inline constexpr std::chrono::milliseconds kDrainGrace{200};  // for last words before connections are closed
inline constexpr std::chrono::milliseconds kLingerGrace{1000};  // for the peer to take our last bytes
inline constexpr std::chrono::milliseconds kHungSweep{500};     // between looks for peers of hung connections

class Connection;

class Server {
 public:
  // `listener` listens already.
  Server(Loop& loop, Clock& clock, Moments& moments, std::unique_ptr<Listener> listener,
         RequestHandler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const { return listener_->port(); }
  std::size_t open_connections() const { return connections_.size(); }
  std::uint64_t connections_opened() const { return last_connection_; }

  void cut(CutKind kind);
  void heal();
  // `down` is called when the last connection is closed; `downtime` later the same port serves again.
  void drain(std::chrono::milliseconds downtime, std::function<void()> down);
  void reset_connections(std::uint64_t except = 0);

 private:
  friend class Connection;
  void accept();
  void listen_again();
  void forget(std::uint64_t connection);
  void sweep_hung();
  void finish_drain();

  Loop& loop_;
  Clock& clock_;
  Moments& moments_;
  RequestHandler handler_;
  std::unique_ptr<Listener> listener_;
  std::map<std::uint64_t, std::shared_ptr<Connection>> connections_;
  std::uint64_t last_connection_ = 0;
  bool accepting_ = false;  // a wait for the next connection is pending
  bool silent_ = false;
  bool refusing_ = false;
  bool sweeping_ = false;
  std::function<void()> down_;
  std::chrono::milliseconds downtime_{0};
};

}  // namespace s2::emulator
