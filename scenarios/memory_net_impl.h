// The inside of the network in memory: one lock, the loop's thread, and what its ends share.
//
// For memory_net.cpp (the loop) and memory_net_ends.cpp (the writer's and the emulator's ends) only. The lock
// is the net's; callbacks of the emulator run on the loop's thread without it.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "scenarios/memory_net.h"

namespace s2::scenarios {
namespace memory_net {

using SteadyClock = std::chrono::steady_clock;
using Time = SteadyClock::time_point;

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
  int waiting = 0;                  // so many of them
  bool connected = false;
  bool refused = false;
  bool client_closed = false;
  bool server_closed = false;
  std::function<void()> on_readable;  // the server's waits
  std::function<void()> on_writable;
};

using LinkPtr = std::shared_ptr<Link>;

}  // namespace memory_net

class MemoryNet::Impl : public writer::Transport, public emulator::Loop {
 public:
  using Link = memory_net::Link;
  using LinkPtr = memory_net::LinkPtr;
  using Lane = memory_net::Lane;
  using SteadyClock = memory_net::SteadyClock;
  using Time = memory_net::Time;

  explicit Impl(NetOptions options) : options_(std::move(options)), thread_([this] { run(); }) {}

  ~Impl() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      wake_loop();
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
    wake_loop();
  }

  // --- the writer's side ---
  std::unique_ptr<writer::Connection> make_connection(const writer::Endpoint& endpoint) override;

  // All below: with the lock held.
  void soon(std::function<void()> work) {
    posted_.push_back(std::move(work));
    wake_loop();
  }

  // Nobody is notified who does not wait: it would cost a deterministic world two points each time.
  void wake_loop() {
    if (std::exchange(loop_waits_, false)) changed_.notify_all();
  }
  static void wake_client(Link& link) {
    if (link.waiting > 0) link.changed.notify_all();
  }
  // A client's thread waits for its link. False: until the deadline.
  template <class Ready>
  static bool wait_for(Link& link, std::unique_lock<std::mutex>& lock, Time deadline, const Ready& ready) {
    ++link.waiting;
    bool done = true;
    if (deadline == Time::max()) {
      link.changed.wait(lock, ready);
    } else {
      done = link.changed.wait_until(lock, deadline, ready);
    }
    --link.waiting;
    return done;
  }

  Time due_time(Lane& lane, Time now) {
    const auto delay = std::chrono::microseconds(
        options_.draw(static_cast<std::uint64_t>(options_.latency_max.count()) + 1));
    lane.last_due = std::max(lane.last_due, now + delay);
    return lane.last_due;
  }

  void at(Time due, std::function<void()> event) {
    events_.emplace(due, std::move(event));
    wake_loop();
  }

  // Lets `event` happen at the receiving end after the lane's latency, or when the direction is heard again.
  void deliver(const LinkPtr& link, bool to_server, Time now, std::function<void()> event) {
    Lane& lane = to_server ? link->to_server : link->to_client;
    at(due_time(lane, now), [this, link, to_server, event = std::move(event)] {
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
    const Time now = SteadyClock::now();
    while (!bytes.empty()) {
      const std::size_t most = std::min(bytes.size(), options_.piece_max);
      const std::size_t size = most - static_cast<std::size_t>(options_.tear ? options_.draw(most) : 0);
      lane.under_way += size;
      deliver(link, to_server, now, [this, link, to_server, piece = std::string(bytes.substr(0, size))] {
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
    deliver(link, to_server, SteadyClock::now(), [this, link, to_server, with_reset] {
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
      wake_client(*link);
    } else if (link->on_readable) {
      soon(std::exchange(link->on_readable, nullptr));
    }
  }

  void tell_sender(const LinkPtr& link, bool to_server) {
    if (to_server) {
      wake_client(*link);
    } else if (link->on_writable) {
      soon(std::exchange(link->on_writable, nullptr));
    }
  }

  void connect(const LinkPtr& link) {
    ++opened_;
    links_.push_back(link);
    deliver(link, true, SteadyClock::now(), [this, link] {
      const bool taken = listening_ && !link->client_closed;
      if (taken) {
        backlog_.push_back(link);
        if (on_connected_) soon(std::exchange(on_connected_, nullptr));
      }
      deliver(link, false, SteadyClock::now(), [link, taken] {
        link->connected = taken;
        link->refused = !taken;
        wake_client(*link);
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
  bool loop_waits_ = false;

  std::list<std::weak_ptr<Link>> links_;
  std::deque<LinkPtr> backlog_;
  std::function<void()> on_connected_;
  bool listening_ = false;
  bool server_deaf_ = false;
  bool client_deaf_ = false;
  std::size_t opened_ = 0;
  std::thread thread_;
};

std::unique_ptr<emulator::Listener> make_port(MemoryNet::Impl& net);

}  // namespace s2::scenarios
