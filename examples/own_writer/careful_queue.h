// The queue of event_queue.h without its mistake: whether it is closed is looked at under the lock that the
// event is put in under, so that the last look of pop_batch() comes after the last event.
//
// Any number of threads may push(); one thread pops. close() may come from any thread, at any time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace own_writer {

class CarefulQueue {
 public:
  explicit CarefulQueue(std::size_t capacity) : capacity_(capacity) {}

  // True: the event will be delivered. False: the queue is full or closed, and the caller keeps the event.
  bool push(std::string event) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || events_.size() == capacity_) return false;
      events_.push_back(std::move(event));
    }
    changed_.notify_one();
    return true;
  }

  // Waits for the first event, then up to `linger` for `most` of them. Empty: closed, and nothing is left.
  std::vector<std::string> pop_batch(std::size_t most, std::chrono::milliseconds linger) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || !events_.empty(); });
    changed_.wait_for(lock, linger, [&] { return closed_ || events_.size() >= most; });
    std::vector<std::string> batch;
    while (!events_.empty() && batch.size() < most) {
      batch.push_back(std::move(events_.front()));
      events_.pop_front();
    }
    return batch;
  }

  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
  }

 private:
  const std::size_t capacity_;  // events
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> events_;
  bool closed_ = false;
};

}  // namespace own_writer
