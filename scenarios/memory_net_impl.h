// The inside of the network in memory: one lock, the loop's thread, and what its ends share.
//
// For memory_net.cpp (the loop), memory_net_ends.cpp (the writer's and the emulator's ends) and
// memory_net_faults.cpp (what goes wrong) only. The lock is the net's; callbacks of the emulator run on the
// loop's thread without it.
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

// What happens at an end of a connection: it opens, the opening is answered, so many bytes come, ...
struct Arrival {
  enum class What : std::uint8_t { opening, answer, bytes, end, reset, heard_again };
  What what = What::bytes;
  std::size_t bytes = 0;
};

// One direction of a connection, under the net's lock.
struct Lane {
  std::string arrived;     // and not read yet
  std::string under_way;   // and not arrived yet
  Time last_due{};         // pieces keep their order
  bool ended = false;      // nothing follows what has arrived
  bool reset = false;      // and it ended badly
  bool ending = false;     // nothing more can be sent into it
  bool resetting = false;  // a reset is on its way, or was
  bool silent = false;     // what is sent from now on waits in `kept`
  Time silent_until{};
  std::vector<Arrival> kept;  // until the lane is heard again
  std::vector<Arrival> held;  // came while the whole net was silent
};

struct Link {
  Lane to_server;
  Lane to_client;
  std::condition_variable changed;  // for the client's threads
  int waiting = 0;                  // so many of them
  bool connected = false;
  bool to_refuse = false;  // an opening that is refused when it arrives
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
  using Arrival = memory_net::Arrival;
  using SteadyClock = memory_net::SteadyClock;
  using Time = memory_net::Time;

  explicit Impl(NetOptions options);

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

  // Lets something happen at the receiving end after the lane's latency, or when the lane is heard again.
  void deliver(const LinkPtr& link, bool to_server, Time now, Arrival arrival) {
    if (gone_) return;
    Lane& lane = lane_of(*link, to_server);
    if (lane.silent) return lane.kept.push_back(arrival);
    at(due_time(lane, now), link, to_server, arrival);
  }

  void at(Time due, const LinkPtr& link, bool to_server, Arrival arrival) {
    events_.emplace(due, Event{link, to_server, arrival});
    wake_loop();
  }

  void arrive(const LinkPtr& link, bool to_server, Arrival arrival) {
    if (gone_) return;
    if (arrival.what == Arrival::What::heard_again) return hear_again(link, to_server);
    if (to_server ? server_deaf_ : client_deaf_) return lane_of(*link, to_server).held.push_back(arrival);
    happen(link, to_server, arrival);
  }

  static Lane& lane_of(Link& link, bool to_server) { return to_server ? link.to_server : link.to_client; }

  std::size_t room(const Lane& lane) const {
    const std::size_t used = lane.under_way.size() + lane.arrived.size();
    return used >= options_.capacity ? 0 : options_.capacity - used;
  }

  // Puts as much on its way as there is room for; how much that is.
  std::size_t send(const LinkPtr& link, bool to_server, std::string_view bytes) {
    bytes = bytes.substr(0, room(lane_of(*link, to_server)));
    const std::size_t taken = bytes.size();
    std::uint64_t& carried = to_server ? carried_to_server_ : carried_to_client_;
    auto& faults = to_server ? faults_to_server_ : faults_to_client_;
    while (!faults.empty() && faults.back().byte <= carried + bytes.size()) {
      const ByteFault fault = faults.back();
      faults.pop_back();
      const auto before = static_cast<std::size_t>(std::max(fault.byte, carried) - carried);
      put_on_its_way(link, to_server, bytes.substr(0, before));
      bytes.remove_prefix(before);
      carried += before;
      go_wrong(fault, link);
      if (gone_ || lane_of(*link, to_server).ending) return taken;  // the rest goes nowhere
    }
    put_on_its_way(link, to_server, bytes);
    carried += bytes.size();
    return taken;
  }

  void put_on_its_way(const LinkPtr& link, bool to_server, std::string_view bytes) {
    Lane& lane = lane_of(*link, to_server);
    if (gone_) return;
    const Time now = SteadyClock::now();
    lane.under_way += bytes;
    while (!bytes.empty()) {
      const std::size_t most = std::min(bytes.size(), options_.piece_max);
      const std::size_t size = most - static_cast<std::size_t>(options_.tear ? options_.draw(most) : 0);
      deliver(link, to_server, now, {Arrival::What::bytes, size});
      bytes.remove_prefix(size);
    }
  }

  void end(const LinkPtr& link, bool to_server, bool with_reset) {
    Lane& lane = lane_of(*link, to_server);
    if (lane.resetting || (lane.ending && !with_reset)) return;
    lane.ending = true;
    lane.resetting = with_reset;
    deliver(link, to_server, SteadyClock::now(), {with_reset ? Arrival::What::reset : Arrival::What::end});
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

  void connect(const LinkPtr& link);
  // The arrival itself, at the receiving end.
  void happen(const LinkPtr& link, bool to_server, Arrival arrival);
  void bytes_arrive(const LinkPtr& link, bool to_server, std::size_t size);

  // --- what goes wrong ---
  void go_wrong(const ByteFault& fault, const LinkPtr& link);
  // From now on, until then.
  void silence_lane(const LinkPtr& link, bool to_server, Time until);
  void hear_again(const LinkPtr& link, bool to_server);
  void silence(bool to_server, bool to_client);
  void lose_the_writer();
  void land_next();

  void run();

  const NetOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;  // for the loop's thread
  std::deque<std::function<void()>> posted_;
  struct Event {
    LinkPtr link;
    bool to_server = false;
    Arrival arrival;
  };
  std::multimap<Time, Event> events_;
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

  std::vector<ByteFault> faults_to_server_, faults_to_client_;   // the next one last
  std::uint64_t carried_to_server_ = 0, carried_to_client_ = 0;  // bytes
  Time silent_until_{};
  Time closed_until_{};  // no new connections
  bool closed_refuses_ = false;
  bool gone_ = false;  // the writer's machine
  struct Landing {
    LinkPtr link;
    std::size_t bytes = 0;
  };
  std::deque<Landing> landing_;  // what still arrives of what was on its way then
  std::thread thread_;
};

std::unique_ptr<emulator::Listener> make_port(MemoryNet::Impl& net);

}  // namespace s2::scenarios
