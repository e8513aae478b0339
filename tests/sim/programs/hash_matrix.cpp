// Prints the trace hashes of a few programs under many seeds, a line each: ci/tests/same-hash builds this
// with several compilers and optimisations, and the lines must be the same.
#include <chrono>
#include <cinttypes>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "sim/world.h"
#include "tests/sim/dice.h"

namespace s2::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSeeds = 300;

void ring() {
  std::mutex mutex;
  std::condition_variable not_empty, not_full;
  std::deque<int> queue;
  std::vector<std::jthread> producers;
  for (int k = 0; k < 3; ++k) {
    producers.emplace_back([&, k] {
      for (int i = 0; i < 6; ++i) {
        std::unique_lock lock(mutex);
        not_full.wait(lock, [&] { return queue.size() < 4; });
        queue.push_back(k * 1000 + i);
        not_empty.notify_one();
      }
    });
  }
  for (int got = 0; got < 18; ++got) {
    std::unique_lock lock(mutex);
    not_empty.wait(lock, [&] { return !queue.empty(); });
    queue.pop_front();
    not_full.notify_one();
  }
}

void timed_waits() {
  std::timed_mutex timed;
  std::counting_semaphore<4> slots(1);
  std::vector<std::jthread> threads;
  for (int i = 1; i <= 3; ++i) {
    threads.emplace_back([&, i] {
      if (timed.try_lock_for(i * 3ms)) {
        std::this_thread::sleep_for(5ms);
        timed.unlock();
      }
      if (slots.try_acquire_for(2ms)) {
        std::this_thread::sleep_until(std::chrono::system_clock::now() + 1ms);
        slots.release();
      }
    });
  }
}

// What was thrown decides what comes after.
void call_once() {
  std::once_flag flag;
  int tries = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      try {
        std::call_once(flag, [&, i] {
          std::this_thread::sleep_for(1ms);
          if (++tries == 1) throw i;
        });
      } catch (int thrown) {
        for (int k = 0; k < thrown; ++k) std::this_thread::yield();
      }
    });
  }
}

void readers_and_writers() {
  std::shared_mutex mutex;
  int value = 0;
  std::latch start(4);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      for (int round = 0; round < 3; ++round) {
        if (i % 2 == 0) {
          const std::unique_lock lock(mutex);
          value += round;
        } else {
          const std::shared_lock lock(mutex);
          if (value % 2 == 1) std::this_thread::yield();
        }
      }
    });
  }
}

void exceptions() {
  auto number = std::async(std::launch::async, []() -> int { throw std::string("seven"); });
  std::jthread other([] {
    for (int i = 0; i < 3; ++i) {
      try {
        throw i;
      } catch (int) {
        std::this_thread::yield();
      }
    }
  });
  try {
    (void)number.get();
  } catch (const std::string& text) {
    std::ostringstream stream;
    stream << text;
    point(Kind::user, stream.str() == "seven" ? "seven" : "other");
    std::this_thread::sleep_for(std::chrono::microseconds(choose(1000)));
  }
}

// Ends in a deadlock in some orders: how it ends is in the hash, too.
void deadlocks() {
  std::mutex a, b;
  std::jthread other([&] {
    const std::lock_guard first(b);
    const std::lock_guard second(a);
  });
  const std::lock_guard first(a);
  const std::lock_guard second(b);
}

struct Program {
  const char* name;
  void (*body)();
};
// The first is the one whose first execution throws the first exception of the process, and makes its first
// stream.
constexpr Program kPrograms[] = {{"exceptions", exceptions},
                                 {"ring", ring},
                                 {"timed_waits", timed_waits},
                                 {"call_once", call_once},
                                 {"readers_and_writers", readers_and_writers},
                                 {"deadlocks", deadlocks}};

int print_hashes() {
  for (const auto& [name, body] : kPrograms) {
    std::uint64_t first = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      Dice dice(seed);
      const Execution execution = run({.chooser = dice}, body);
      if (seed == 1) first = execution.trace_hash;
      std::printf("%s %" PRIu64 " %016" PRIx64 " %s\n", name, seed, execution.trace_hash,
                  name_of(execution.ending));
    }
    Dice dice(1);
    if (run({.chooser = dice}, body).trace_hash == first) continue;
    std::fprintf(stderr, "%s: the first execution of the process differs from a later one\n", name);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace s2::sim

int main() {
  return s2::sim::print_hashes();
}
