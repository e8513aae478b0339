// See memory_net.h. One mutex for all of it; callbacks of the emulator run on the loop's thread without it.
#include "scenarios/memory_net.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace s2::scenarios {
namespace memory_net {

using SteadyClock = std::chrono::steady_clock;
using Time = SteadyClock::time_point;
using writer::IoError;

// One direction of a connection, under the net's lock.
struct Lane {
  std::string arrived;                      // and not read yet
  std::size_t under_way = 0;                // bytes
  Time last_due{};                          // pieces keep their order
  bool ended = false;                       // nothing follows what has arrived
  bool reset = false;                       // and it ended badly
  bool ending = false;                      // nothing more can be sent into it
  bool resetting = false;                   // a reset is on its way, or was
  std::vector<std::function<void()>> held;  // deliveries, while the direction is silent
};

struct Link {
  Lane to_server;
  Lane to_client;
  std::condition_variable changed;  // for the client's threads
  bool connected = false;
  bool refused = false;
  bool client_closed = false;
  bool server_closed = false;
  std::function<void()> on_readable;  // the server's waits
  std::function<void()> on_writable;
};

using LinkPtr = std::shared_ptr<Link>;

}  // namespace memory_net

using namespace memory_net;

class MemoryNet::Impl : public writer::Transport, public emulator::Loop {
 public:
  explicit Impl(NetOptions options) : options_(std::move(options)), thread_([this] { run(); }) {}

  ~Impl() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }

  // --- the loop ---
  void post(std::function<void()> work) override {
    const std::lock_guard lock(mutex_);
    soon(std::move(work));
  }

  void set_alarm(std::chrono::nanoseconds after, std::function<void()> callback) override {
    const std::lock_guard lock(mutex_);
    alarm_ = std::move(callback);
    alarm_due_ = SteadyClock::now() + std::max(after, std::chrono::nanoseconds(0));
    changed_.notify_all();
  }

  // --- the writer's side ---
  std::unique_ptr<writer::Connection> make_connection(const writer::Endpoint& endpoint) override;

  // All below: with the lock held.
  void soon(std::function<void()> work) {
    posted_.push_back(std::move(work));
    changed_.notify_all();
  }

  Time due_time(Lane& lane) {
    const auto delay = std::chrono::microseconds(
        options_.draw(static_cast<std::uint64_t>(options_.latency_max.count()) + 1));
    lane.last_due = std::max(lane.last_due, SteadyClock::now() + delay);
    return lane.last_due;
  }

  void at(Time due, std::function<void()> event) {
    events_.emplace(due, std::move(event));
    changed_.notify_all();
  }

  // Lets `event` happen at the receiving end after the lane's latency, or when the direction is heard again.
  void deliver(const LinkPtr& link, bool to_server, std::function<void()> event) {
    Lane& lane = to_server ? link->to_server : link->to_client;
    at(due_time(lane), [this, link, to_server, event = std::move(event)] {
      Lane& at_end = to_server ? link->to_server : link->to_client;
      if (to_server ? server_deaf_ : client_deaf_) {
        at_end.held.push_back(event);
      } else {
        event();
      }
    });
  }

  std::size_t room(const Lane& lane) const {
    const std::size_t used = lane.under_way + lane.arrived.size();
    return used >= options_.capacity ? 0 : options_.capacity - used;
  }

  // Puts as much on its way as there is room for; how much that is.
  std::size_t send(const LinkPtr& link, bool to_server, std::string_view bytes) {
    Lane& lane = to_server ? link->to_server : link->to_client;
    const std::size_t taken = std::min(bytes.size(), room(lane));
    bytes = bytes.substr(0, taken);
    while (!bytes.empty()) {
      const std::size_t most = std::min(bytes.size(), options_.piece_max);
      const std::size_t size = most - static_cast<std::size_t>(options_.draw(most));
      lane.under_way += size;
      deliver(link, to_server, [this, link, to_server, piece = std::string(bytes.substr(0, size))] {
        Lane& at_end = to_server ? link->to_server : link->to_client;
        at_end.under_way -= piece.size();
        if (to_server ? link->server_closed : link->client_closed) {
          end(link, !to_server, true);  // nobody is there any more
        } else if (!at_end.ended) {
          at_end.arrived += piece;
        }
        tell_receiver(link, to_server);
        tell_sender(link, to_server);
      });
      bytes.remove_prefix(size);
    }
    return taken;
  }

  void end(const LinkPtr& link, bool to_server, bool with_reset) {
    Lane& lane = to_server ? link->to_server : link->to_client;
    if (lane.resetting || (lane.ending && !with_reset)) return;
    lane.ending = true;
    lane.resetting = with_reset;
    deliver(link, to_server, [this, link, to_server, with_reset] {
      Lane& at_end = to_server ? link->to_server : link->to_client;
      at_end.ended = true;
      at_end.reset = with_reset;
      if (with_reset) {  // a reset ends both directions
        Lane& other = to_server ? link->to_client : link->to_server;
        other.ending = true;
        tell_sender(link, !to_server);
      }
      tell_receiver(link, to_server);
    });
  }

  void tell_receiver(const LinkPtr& link, bool to_server) {
    if (!to_server) {
      link->changed.notify_all();
    } else if (link->on_readable) {
      soon(std::exchange(link->on_readable, nullptr));
    }
  }

  void tell_sender(const LinkPtr& link, bool to_server) {
    if (to_server) {
      link->changed.notify_all();
    } else if (link->on_writable) {
      soon(std::exchange(link->on_writable, nullptr));
    }
  }

  void connect(const LinkPtr& link) {
    ++opened_;
    links_.push_back(link);
    deliver(link, true, [this, link] {
      const bool taken = listening_ && !link->client_closed;
      if (taken) {
        backlog_.push_back(link);
        if (on_connected_) soon(std::exchange(on_connected_, nullptr));
      }
      deliver(link, false, [link, taken] {
        link->connected = taken;
        link->refused = !taken;
        link->changed.notify_all();
      });
    });
  }

  void silence(bool to_server, bool to_client) {
    server_deaf_ = to_server;
    client_deaf_ = to_client;
    std::erase_if(links_, [](const auto& link) { return link.expired(); });
    for (const auto& weak : links_) {
      const LinkPtr link = weak.lock();
      if (!link) continue;
      for (const bool direction : {true, false}) {
        if (direction ? server_deaf_ : client_deaf_) continue;
        for (auto& event : std::exchange((direction ? link->to_server : link->to_client).held, {})) event();
      }
    }
  }

  void run();

  const NetOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;  // for the loop's thread
  std::deque<std::function<void()>> posted_;
  std::multimap<Time, std::function<void()>> events_;  // of the net itself; run with the lock held
  std::function<void()> alarm_;
  Time alarm_due_{};
  bool ending_ = false;

  std::list<std::weak_ptr<Link>> links_;
  std::deque<LinkPtr> backlog_;
  std::function<void()> on_connected_;
  bool listening_ = false;
  bool server_deaf_ = false;
  bool client_deaf_ = false;
  std::size_t opened_ = 0;
  std::thread thread_;
};

void MemoryNet::Impl::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const Time now = SteadyClock::now();
    if (!events_.empty() && events_.begin()->first <= now) {
      const auto event = events_.extract(events_.begin());
      event.mapped()();
      continue;
    }
    if (alarm_ && alarm_due_ <= now) posted_.push_back(std::exchange(alarm_, nullptr));
    if (!posted_.empty()) {
      auto work = std::move(posted_.front());
      posted_.pop_front();
      lock.unlock();
      work();
      work = nullptr;  // it may own a socket, which takes the lock
      lock.lock();
      continue;
    }
    Time next = Time::max();
    if (!events_.empty()) next = events_.begin()->first;
    if (alarm_) next = std::min(next, alarm_due_);
    if (next == Time::max()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, next);
    }
  }
  // Callbacks may own sockets, whose destructors take the lock.
  auto posted = std::move(posted_);
  auto events = std::move(events_);
  auto alarm = std::move(alarm_);
  auto backlog = std::move(backlog_);
  lock.unlock();
}

// The two ends of a link, and the port. They reach into the net, whose lock they take.
namespace {

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
    link_->changed.wait_until(lock, deadline,
                              [&] { return link_->connected || link_->refused || link_->client_closed; });
    if (link_->client_closed) return closed();
    if (link_->connected) return {};
    if (link_->refused) return tl::unexpected(io_error(IoError::Kind::refused, "connection refused"));
    return tl::unexpected(io_error(IoError::Kind::timed_out, "connecting took too long"));
  }

  tl::expected<std::size_t, IoError> read(char* into, std::size_t capacity) override {
    std::unique_lock lock(net_.mutex_);
    Lane& lane = link_->to_client;
    link_->changed.wait(lock, [&] { return !lane.arrived.empty() || lane.ended || link_->client_closed; });
    if (link_->client_closed) return tl::unexpected(io_error(IoError::Kind::closed, "closed"));
    if (lane.arrived.empty()) {
      if (lane.reset) return tl::unexpected(io_error(IoError::Kind::reset, "connection reset by peer"));
      return std::size_t{0};
    }
    const std::size_t n = std::min(capacity, lane.arrived.size());
    std::memcpy(into, lane.arrived.data(), n);
    lane.arrived.erase(0, n);
    net_.tell_sender(link_, false);
    return n;
  }

  tl::expected<void, IoError> write(std::string_view bytes, Deadline deadline) override {
    std::unique_lock lock(net_.mutex_);
    Lane& lane = link_->to_server;
    while (!bytes.empty()) {
      const bool ready = link_->changed.wait_until(
          lock, deadline, [&] { return net_.room(lane) > 0 || lane.ending || link_->client_closed; });
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
    link_->changed.notify_all();
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
      std::memcpy(into, lane.arrived.data(), n);
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

MemoryNet::MemoryNet(NetOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
MemoryNet::~MemoryNet() = default;

writer::Transport& MemoryNet::transport() {
  return *impl_;
}

emulator::Loop& MemoryNet::loop() {
  return *impl_;
}

std::unique_ptr<emulator::Listener> MemoryNet::make_listener() {
  return std::make_unique<Port>(*impl_);
}

void MemoryNet::in_loop(const std::function<void()>& work) {
  std::mutex mutex;
  std::condition_variable done_changed;
  bool done = false;
  impl_->post([&] {
    work();
    const std::lock_guard lock(mutex);
    done = true;
    done_changed.notify_all();
  });
  std::unique_lock lock(mutex);
  done_changed.wait(lock, [&] { return done; });
}

void MemoryNet::reset_connections() {
  const std::lock_guard lock(impl_->mutex_);
  for (const auto& weak : impl_->links_) {
    const LinkPtr link = weak.lock();
    if (!link) continue;
    impl_->end(link, true, true);
    impl_->end(link, false, true);
  }
}

void MemoryNet::silence(bool to_server, bool to_client) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->silence(to_server, to_client);
}

std::size_t MemoryNet::connections() const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->opened_;
}

}  // namespace s2::scenarios
