// Small programs with one bug each, which the explorer must find in every run, and the fewest preemptions it
// takes. Called inside a world; each call is one execution.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "sim/world.h"

namespace s2::fuzz {

// The flag is set and notified without the mutex: the notification falls between the check and the wait.
inline void lost_wakeup() {
  std::mutex mutex;
  std::condition_variable ready;
  std::atomic<bool> done{false};
  std::jthread setter([&] {
    sim::name_thread("setter");
    done = true;
    ready.notify_one();
  });
  std::unique_lock lock(mutex);
  while (!done) ready.wait(lock);
}

// The waiter may see the state and destroy its part before the notifier has notified: it touches what is
// gone.
inline void unlock_then_signal() {
  struct Part {
    std::mutex mutex;
    std::condition_variable changed;
    bool set = false;
    std::atomic<bool> alive = true;  // the bug is the order, not a data race
  } part;
  std::jthread notifier([&] {
    sim::name_thread("notifier");
    {
      const std::lock_guard lock(part.mutex);
      part.set = true;
    }
    if (!part.alive) sim::fail("notified after its end");
    part.changed.notify_one();
  });
  {
    std::unique_lock lock(part.mutex);
    part.changed.wait(lock, [&] { return part.set; });
    part.alive = false;
  }
}

// Two locks, two orders.
inline void abba() {
  std::mutex a, b;
  std::jthread other([&] {
    sim::name_thread("other");
    const std::lock_guard first(b);
    const std::lock_guard second(a);
  });
  const std::lock_guard first(a);
  const std::lock_guard second(b);
}

// Looks for room under the lock, and puts under the lock, but not under the same.
inline void check_then_act() {
  std::mutex mutex;
  std::deque<int> queue;
  constexpr std::size_t kRoom = 1;
  std::vector<std::jthread> producers;
  for (int i = 0; i < 2; ++i) {
    producers.emplace_back([&, i] {
      bool room = false;
      {
        const std::lock_guard lock(mutex);
        room = queue.size() < kRoom;
      }
      if (!room) return;
      const std::lock_guard lock(mutex);
      queue.push_back(i);
      if (queue.size() > kRoom) sim::fail("more than there is room for");
    });
  }
}

// No bug: the ring of the benchmarks, small.
inline void clean_ring() {
  std::mutex mutex;
  std::condition_variable not_empty, not_full;
  std::deque<int> queue;
  const auto each = static_cast<int>(1 + sim::choose(3));
  std::vector<std::jthread> producers;
  for (int k = 0; k < 2; ++k) {
    producers.emplace_back([&, k] {
      for (int i = 0; i < each; ++i) {
        std::unique_lock lock(mutex);
        not_full.wait(lock, [&] { return queue.size() < 2; });
        queue.push_back(k);
        not_empty.notify_one();
      }
    });
  }
  for (int got = 0; got < 2 * each; ++got) {
    std::unique_lock lock(mutex);
    not_empty.wait(lock, [&] { return !queue.empty(); });
    queue.pop_front();
    not_full.notify_one();
  }
}

struct Canary {
  const char* name;
  std::function<void()> program;
  sim::Ending ending;
  std::size_t fewest;  // preemptions
};

inline std::vector<Canary> canaries() {
  return {{"lost wakeup", lost_wakeup, sim::Ending::deadlock, 1},
          {"unlock then signal", unlock_then_signal, sim::Ending::failed, 2},
          {"abba", abba, sim::Ending::deadlock, 1},
          {"check then act", check_then_act, sim::Ending::failed, 1}};
}

}  // namespace s2::fuzz
