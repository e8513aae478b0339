// The loop of the network in memory, and its face; see memory_net.h.
#include "scenarios/memory_net_impl.h"

namespace s2::scenarios {

void MemoryNet::Impl::run() {
  pthread_setname_np(pthread_self(), "service");
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const Time now = SteadyClock::now();
    while (!events_.empty() && events_.begin()->first <= now) {
      const auto event = events_.extract(events_.begin());
      event.mapped()();
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
