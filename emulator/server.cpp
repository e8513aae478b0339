// See server.h.
#include "emulator/server.h"

#include <system_error>

#include "emulator/connection.h"
#include "emulator/moments.h"

namespace s2::emulator {
namespace {

constexpr std::chrono::milliseconds kListenRetry{10};  // while another holds the port that a drain gave up

}  // namespace

Server::Server(Loop& loop, Clock& clock, Moments& moments, std::unique_ptr<Listener> listener,
               RequestHandler handler)
    : loop_(loop),
      clock_(clock),
      moments_(moments),
      handler_(std::move(handler)),
      listener_(std::move(listener)) {
  accept();
}

Server::~Server() {
  reset_connections();
}

void Server::accept() {
  if (silent_ || accepting_ || !listener_->is_listening()) return;
  accepting_ = true;
  listener_->when_connected([this] {
    accepting_ = false;
    if (silent_) return;
    auto socket = listener_->accept();
    if (socket && (refusing_ || connections_.size() >= kMaxConnections)) {
      socket->close(/*with_reset=*/true);
    } else if (socket) {
      const std::uint64_t id = ++last_connection_;
      const auto connection = std::make_shared<Connection>(*this, std::move(socket), id);
      connections_.emplace(id, connection);
      connection->start();
    }
    accept();
  });
}

void Server::forget(std::uint64_t connection) {
  connections_.erase(connection);
  if (connections_.empty() && down_) finish_drain();
}

void Server::reset_connections(std::uint64_t except) {
  const auto all = connections_;
  for (const auto& [id, connection] : all) {
    if (id != except) connection->reset();
  }
}

void Server::cut(CutKind kind) {
  if (kind == CutKind::reset) {
    refusing_ = true;
    reset_connections();
    return;
  }
  silent_ = true;
  for (const auto& [id, connection] : connections_) connection->pause();
}

void Server::heal() {
  refusing_ = false;
  silent_ = false;
  const auto all = connections_;
  for (const auto& [id, connection] : all) connection->resume();
  accept();
}

void Server::sweep_hung() {
  if (sweeping_) return;
  sweeping_ = true;
  clock_.after(kHungSweep, [this] {
    sweeping_ = false;
    bool any = false;
    const auto all = connections_;
    for (const auto& [id, connection] : all) {
      if (!connection->is_hung()) continue;
      if (connection->peer_has_closed()) {
        connection->reset();
      } else {
        any = true;
      }
    }
    if (any) sweep_hung();
  });
}

void Server::drain(std::chrono::milliseconds downtime, std::function<void()> down) {
  if (down_ || !listener_->is_listening()) return down();  // it is down, or about to be
  listener_->refuse();
  accepting_ = false;
  downtime_ = downtime;
  down_ = std::move(down);
  const auto all = connections_;
  for (const auto& [id, connection] : all) connection->drain();
  if (connections_.empty()) {
    if (down_) finish_drain();  // the last connection may have closed, and finished it, just now
    return;
  }
  clock_.after(kDrainGrace, [this] {
    if (down_) reset_connections();
  });
}

void Server::finish_drain() {
  const auto down = std::exchange(down_, nullptr);
  clock_.after(downtime_, [this] { listen_again(); });
  down();
}

void Server::listen_again() {
  try {
    listener_->listen();
  } catch (const std::system_error&) {
    clock_.after(kListenRetry, [this] { listen_again(); });
    return;
  }
  accept();
}

}  // namespace s2::emulator
