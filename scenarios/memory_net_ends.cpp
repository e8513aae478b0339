// The two ends of a connection in memory, and the port; see memory_net.h and transport.h, net.h of either
// side.
#include "scenarios/memory_net_impl.h"

namespace s2::scenarios {
namespace {

using memory_net::Lane;
using memory_net::Link;
using memory_net::LinkPtr;
using writer::IoError;
using Net = MemoryNet::Impl;

IoError io_error(IoError::Kind kind, const char* message) {
  return IoError{kind, message};
}

class ClientEnd final : public writer::Connection {
 public:
  explicit ClientEnd(Net& net) : net_(net), link_(std::make_shared<Link>()) {}
  ~ClientEnd() override { close(); }

  tl::expected<void, IoError> connect(Deadline deadline) override {
    std::unique_lock lock(net_.mutex_);
    if (link_->client_closed) return closed();
    net_.connect(link_);
    Net::wait_for(*link_, lock, deadline,
                  [&] { return link_->connected || link_->refused || link_->client_closed; });
    if (link_->client_closed) return closed();
    if (link_->connected) return {};
    if (link_->refused) return tl::unexpected(io_error(IoError::Kind::refused, "connection refused"));
    return tl::unexpected(io_error(IoError::Kind::timed_out, "connecting took too long"));
  }

  tl::expected<std::size_t, IoError> read(char* into, std::size_t capacity) override {
    std::unique_lock lock(net_.mutex_);
    Lane& lane = link_->to_client;
    Net::wait_for(*link_, lock, Deadline::max(),
                  [&] { return !lane.arrived.empty() || lane.ended || link_->client_closed; });
    if (link_->client_closed) return tl::unexpected(io_error(IoError::Kind::closed, "closed"));
    if (lane.arrived.empty()) {
      if (lane.reset) return tl::unexpected(io_error(IoError::Kind::reset, "connection reset by peer"));
      return std::size_t{0};
    }
    const std::size_t n = std::min(capacity, lane.arrived.size());
    std::copy_n(lane.arrived.data(), n, into);
    lane.arrived.erase(0, n);
    net_.tell_sender(link_, false);
    return n;
  }

  tl::expected<void, IoError> write(std::string_view bytes, Deadline deadline) override {
    std::unique_lock lock(net_.mutex_);
    Lane& lane = link_->to_server;
    while (!bytes.empty()) {
      const bool ready = Net::wait_for(
          *link_, lock, deadline, [&] { return net_.room(lane) > 0 || lane.ending || link_->client_closed; });
      if (link_->client_closed) return closed();
      if (lane.ending) return tl::unexpected(io_error(IoError::Kind::reset, "connection reset by peer"));
      if (!ready) return tl::unexpected(io_error(IoError::Kind::timed_out, "writing took too long"));
      bytes.remove_prefix(net_.send(link_, true, bytes));
    }
    return {};
  }

  std::string alpn() const override { return ""; }

  void close() override {
    const std::lock_guard lock(net_.mutex_);
    if (std::exchange(link_->client_closed, true)) return;
    net_.end(link_, true, false);
    Net::wake_client(*link_);
  }

 private:
  static tl::unexpected<IoError> closed() {
    return tl::unexpected(io_error(IoError::Kind::closed, "closed"));
  }

  Net& net_;
  const LinkPtr link_;
};

class ServerEnd final : public emulator::Socket {
 public:
  ServerEnd(Net& net, LinkPtr link) : net_(net), link_(std::move(link)) {}
  ~ServerEnd() override { close(false); }

  Outcome read_some(char* into, std::size_t capacity) override {
    const std::lock_guard lock(net_.mutex_);
    Lane& lane = link_->to_server;
    if (!lane.arrived.empty()) {
      const std::size_t n = std::min(capacity, lane.arrived.size());
      std::copy_n(lane.arrived.data(), n, into);
      lane.arrived.erase(0, n);
      net_.tell_sender(link_, true);
      return {Io::moved, n};
    }
    if (!lane.ended) return {Io::would_block, 0};
    return {lane.reset ? Io::failed : Io::ended, 0};
  }

  Outcome write_some(std::string_view bytes) override {
    const std::lock_guard lock(net_.mutex_);
    Lane& lane = link_->to_client;
    if (lane.ending) return {Io::failed, 0};
    if (net_.room(lane) == 0) return {Io::would_block, 0};
    return {Io::moved, net_.send(link_, false, bytes)};
  }

  void when_readable(std::function<void()> callback) override {
    const std::lock_guard lock(net_.mutex_);
    if (!link_->to_server.arrived.empty() || link_->to_server.ended) return net_.soon(std::move(callback));
    link_->on_readable = std::move(callback);
  }

  void when_writable(std::function<void()> callback) override {
    const std::lock_guard lock(net_.mutex_);
    if (net_.room(link_->to_client) > 0 || link_->to_client.ending) return net_.soon(std::move(callback));
    link_->on_writable = std::move(callback);
  }

  void stop_waiting() override {
    std::function<void()> readable;
    std::function<void()> writable;
    const std::lock_guard lock(net_.mutex_);
    readable.swap(link_->on_readable);
    writable.swap(link_->on_writable);
    // They may be the last to hold this very socket: they end after this turn.
    if (readable || writable) net_.soon([readable = std::move(readable), writable = std::move(writable)] {});
  }

  void end_sending() override {
    const std::lock_guard lock(net_.mutex_);
    net_.end(link_, false, false);
  }

  void close(bool with_reset) override {
    stop_waiting();
    const std::lock_guard lock(net_.mutex_);
    if (std::exchange(link_->server_closed, true)) return;
    net_.end(link_, false, with_reset);
    link_->to_server.arrived.clear();
    net_.tell_sender(link_, true);
  }

  bool peer_has_closed() override {
    const std::lock_guard lock(net_.mutex_);
    return link_->to_server.ended;
  }

 private:
  Net& net_;
  const LinkPtr link_;
};

class Port final : public emulator::Listener {
 public:
  explicit Port(Net& net) : net_(net) { listen(); }
  ~Port() override { refuse(); }

  std::uint16_t port() const override { return 80; }
  void listen() override {
    const std::lock_guard lock(net_.mutex_);
    net_.listening_ = true;
  }
  void refuse() override {
    const std::lock_guard lock(net_.mutex_);
    net_.listening_ = false;
    net_.on_connected_ = nullptr;
    for (const LinkPtr& link : std::exchange(net_.backlog_, {})) net_.end(link, false, true);
  }
  bool is_listening() const override {
    const std::lock_guard lock(net_.mutex_);
    return net_.listening_;
  }
  void when_connected(std::function<void()> callback) override {
    const std::lock_guard lock(net_.mutex_);
    if (!net_.backlog_.empty()) return net_.soon(std::move(callback));
    net_.on_connected_ = std::move(callback);
  }
  std::unique_ptr<emulator::Socket> accept() override {
    LinkPtr link;
    {
      const std::lock_guard lock(net_.mutex_);
      if (net_.backlog_.empty()) return nullptr;
      link = std::move(net_.backlog_.front());
      net_.backlog_.pop_front();
    }
    return std::make_unique<ServerEnd>(net_, std::move(link));
  }

 private:
  Net& net_;
};

}  // namespace

std::unique_ptr<writer::Connection> MemoryNet::Impl::make_connection(const writer::Endpoint&) {
  return std::make_unique<ClientEnd>(*this);
}

std::unique_ptr<emulator::Listener> make_port(MemoryNet::Impl& net) {
  return std::make_unique<Port>(net);
}

}  // namespace s2::scenarios
