// The loop of the network in memory, and its face; see memory_net.h.
#include "scenarios/memory_net_impl.h"

namespace s2::scenarios {

using memory_net::Arrival;

MemoryNet::Impl::Impl(NetOptions options) : options_(std::move(options)) {
  for (const ByteFault& fault : options_.faults)
    (fault.to_server ? faults_to_server_ : faults_to_client_).push_back(fault);
  for (auto* faults : {&faults_to_server_, &faults_to_client_})
    std::stable_sort(faults->begin(), faults->end(),
                     [](const ByteFault& one, const ByteFault& other) { return one.byte > other.byte; });
  thread_ = std::thread([this] { run(); });
}

void MemoryNet::Impl::connect(const LinkPtr& link) {
  const std::uint64_t attempt = ++opened_;
  links_.push_back(link);
  link->to_refuse = options_.refused_from != 0 && attempt >= options_.refused_from &&
                    attempt < options_.refused_from + options_.refused_opens;
  const Time now = SteadyClock::now();
  if (now < closed_until_) {
    if (closed_refuses_) {
      link->to_refuse = true;
    } else {
      silence_lane(link, true, closed_until_);
    }
  }
  deliver(link, true, now, {Arrival::What::opening});
}

void MemoryNet::Impl::happen(const LinkPtr& link, bool to_server, Arrival arrival) {
  Lane& lane = lane_of(*link, to_server);
  switch (arrival.what) {
    case Arrival::What::opening:
      link->to_refuse = link->to_refuse || !listening_ || link->client_closed;
      if (!link->to_refuse) {
        backlog_.push_back(link);
        if (on_connected_) soon(std::exchange(on_connected_, nullptr));
      }
      deliver(link, false, SteadyClock::now(), {Arrival::What::answer});
      return;
    case Arrival::What::answer:
      (link->to_refuse ? link->refused : link->connected) = true;
      wake_client(*link);
      return;
    case Arrival::What::bytes:
      bytes_arrive(link, to_server, arrival.bytes);
      return;
    case Arrival::What::reset: {  // ends both directions
      lane.reset = true;
      Lane& other = lane_of(*link, !to_server);
      other.ending = true;
      tell_sender(link, !to_server);
      [[fallthrough]];
    }
    case Arrival::What::end:
      lane.ended = true;
      tell_receiver(link, to_server);
      return;
    case Arrival::What::heard_again:
      return;  // in arrive()
  }
}

void MemoryNet::Impl::bytes_arrive(const LinkPtr& link, bool to_server, std::size_t size) {
  Lane& lane = lane_of(*link, to_server);
  if (to_server ? link->server_closed : link->client_closed) {
    end(link, !to_server, true);  // nobody is there any more
  } else if (!lane.ended) {
    lane.arrived.append(lane.under_way, 0, size);
  }
  lane.under_way.erase(0, size);
  tell_receiver(link, to_server);
  tell_sender(link, to_server);
}

void MemoryNet::Impl::run() {
  pthread_setname_np(pthread_self(), "service");
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const Time now = SteadyClock::now();
    while (!events_.empty() && events_.begin()->first <= now) {
      const auto event = events_.extract(events_.begin());
      arrive(event.mapped().link, event.mapped().to_server, event.mapped().arrival);
    }
    const bool rings = alarm_ && alarm_due_ <= now;
    if (rings || !posted_.empty()) {
      std::function<void()> work;
      if (rings) {
        work = std::exchange(alarm_, nullptr);
      } else {
        work = std::move(posted_.front());
        posted_.pop_front();
      }
      lock.unlock();
      work();
      work = nullptr;  // it may own a socket, which takes the lock
      lock.lock();
      continue;
    }
    Time next = Time::max();
    if (!events_.empty()) next = events_.begin()->first;
    if (alarm_) next = std::min(next, alarm_due_);
    loop_waits_ = true;
    if (next == Time::max()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, next);
    }
    loop_waits_ = false;
  }
  // Callbacks may own sockets, whose destructors take the lock.
  auto posted = std::move(posted_);
  auto events = std::move(events_);
  auto alarm = std::move(alarm_);
  auto backlog = std::move(backlog_);
  lock.unlock();
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
  return make_port(*impl_);
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
    const Impl::LinkPtr link = weak.lock();
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
