// See server.h.
#include "emulator/server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <system_error>

#include "emulator/connection.h"
#include "emulator/moments.h"

namespace s2::emulator {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kListenRetry{10};  // while another holds the port that a drain gave up

void reset_at_once(tcp::socket socket) {
  error_code ignored;
  socket.set_option(boost::asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

}  // namespace

struct Server::Listener {
  explicit Listener(boost::asio::io_context& io) : acceptor(io) {}
  tcp::acceptor acceptor;
  tcp::endpoint address;
  bool accepting = false;  // a wait is pending

  // A bound socket that does not listen refuses connections, and keeps the port from others.
  void bind() {
    acceptor.open(address.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    acceptor.bind(address);
    address = acceptor.local_endpoint();
    acceptor.non_blocking(true);
  }
};

Server::Server(boost::asio::io_context& io, Clock& clock, Moments& moments, const std::string& host,
               std::uint16_t port, RequestHandler handler)
    : io_(io),
      clock_(clock),
      moments_(moments),
      handler_(std::move(handler)),
      listener_(std::make_unique<Listener>(io)) {
  try {
    listener_->address =
        tcp::endpoint(boost::asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host), port);
    listener_->bind();
    listener_->acceptor.listen();
  } catch (const boost::system::system_error& error) {
    throw std::system_error(error.code(), host + ":" + std::to_string(port));
  }
  accept();
}

Server::~Server() {
  reset_connections();
}

std::uint16_t Server::port() const {
  return listener_->address.port();
}

void Server::accept() {
  if (silent_ || listener_->accepting || !listener_->acceptor.is_open()) return;
  listener_->accepting = true;
  listener_->acceptor.async_wait(tcp::acceptor::wait_read, [this](const error_code& error) {
    listener_->accepting = false;
    if (error || silent_) return;
    error_code failed;
    tcp::socket socket(io_);
    listener_->acceptor.accept(socket, failed);
    if (!failed && (refusing_ || connections_.size() >= kMaxConnections)) {
      reset_at_once(std::move(socket));
    } else if (!failed) {
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
  if (down_ || !listener_->acceptor.is_open()) return down();  // it is down, or about to be
  error_code ignored;
  listener_->acceptor.close(ignored);
  try {
    listener_->bind();
  } catch (const boost::system::system_error&) {
    // Somebody was faster; listen_again() tries until the port is free.
    listener_->acceptor.close(ignored);
  }
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
    if (!listener_->acceptor.is_open()) listener_->bind();
    listener_->acceptor.listen();
  } catch (const boost::system::system_error&) {
    error_code ignored;
    listener_->acceptor.close(ignored);
    clock_.after(kListenRetry, [this] { listen_again(); });
    return;
  }
  accept();
}

}  // namespace s2::emulator
