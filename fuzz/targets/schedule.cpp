// Orders of threads: the bytes choose who goes next, and what is drawn. The program is a bounded queue that
// is right, with producers, a consumer and a close at any moment: in every order each event that was taken
// arrives once and in its producer's order, nobody sleeps while there is work, and all end. And one input is
// one order, twice.
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "fuzz/bytes_chooser.h"
#include "fuzz/targets/target.h"
#include "sim/world.h"

using namespace s2;
using s2::fuzz::must;

namespace {

struct Event {
  std::uint64_t producer = 0, n = 0;
};

class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  // Waits for room. False: it was closed first.
  bool put(Event event) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return closed_ || events_.size() < capacity_; });
    if (closed_) return false;
    events_.push_back(event);
    lock.unlock();
    work_.notify_one();
    return true;
  }
  // Up to `linger` for the first. False: closed and empty.
  bool take(Event& event, std::chrono::milliseconds linger) {
    std::unique_lock lock(mutex_);
    while (!work_.wait_for(lock, linger, [&] { return closed_ || !events_.empty(); })) continue;
    if (events_.empty()) return false;
    event = events_.front();
    events_.pop_front();
    lock.unlock();
    room_.notify_one();
    return true;
  }
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    room_.notify_all();
    work_.notify_all();
  }
  bool has_work() const { return !events_.empty(); }  // for the world, between two points

 private:
  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable room_, work_;
  std::deque<Event> events_;
  bool closed_ = false;
};

void one_life() {
  BoundedQueue queue(1 + sim::choose(3));
  const std::uint64_t producers = 1 + sim::choose(3), events = 1 + sim::choose(3);
  const std::chrono::milliseconds linger(1 + sim::choose(100));
  const sim::WatchId watch = sim::watch("queue", [&] { return queue.has_work(); }, "consumer");
  std::vector<std::uint64_t> taken(producers, 0), arrived(producers, 0);
  {
    std::jthread consumer([&] {
      sim::name_thread("consumer");
      for (Event event; queue.take(event, linger);) {
        if (event.n != ++arrived[event.producer])
          sim::fail("an event is missing, twice there or out of order");
      }
    });
    std::vector<std::jthread> threads;
    for (std::uint64_t producer = 0; producer < producers; ++producer) {
      threads.emplace_back([&, producer] {
        for (std::uint64_t n = 1; n <= events && queue.put({producer, n}); ++n) taken[producer] = n;
      });
    }
    if (sim::choose(2) == 0) threads.clear();  // all is put before it closes
    queue.close();
  }
  sim::unwatch(watch);
  if (taken != arrived) sim::fail("an event that was taken did not arrive");
}

sim::Execution run(std::string_view input) {
  fuzz::BytesChooser chooser(input);
  sim::WorldOptions options{.chooser = chooser};
  options.max_points = 20'000;
  options.spurious_wakeups = 2;
  return sim::run(options, one_life);
}

}  // namespace

FUZZ_TARGET(schedule, input) {
  static const bool warm = (run({}), true);  // statics and once flags are met before anything is compared
  must(warm, "the program runs");
  const sim::Execution execution = run(input);
  if (sim::is_failure(execution.ending)) std::fprintf(stderr, "%s\n", execution.why.c_str());
  must(!sim::is_failure(execution.ending), "a queue that is right holds in every order");
  must(run(input).trace_hash == execution.trace_hash, "one input is one order");
}
