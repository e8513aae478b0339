// What the standard library offers for threads works in a world, unmodified, under many orders.
#include <gtest/gtest.h>
#include <semaphore.h>

#include <atomic>
#include <barrier>
#include <condition_variable>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <stop_token>
#include <thread>

#include "sim/world.h"
#include "tests/sim/dice.h"

namespace s2::sim {
namespace {

using namespace std::chrono_literals;

// Runs `body` in many orders, each of which must finish; twice each, with one hash.
template <class Body>
void in_many_orders(Body body, int orders = 300) {
  Dice warm(0);
  run({.chooser = warm}, body);
  for (int seed = 1; seed <= orders; ++seed) {
    Dice first(static_cast<std::uint64_t>(seed)), second(static_cast<std::uint64_t>(seed));
    const Execution execution = run({.chooser = first}, body);
    ASSERT_EQ(execution.ending, Ending::finished) << "seed " << seed << ": " << execution.why;
    ASSERT_EQ(run({.chooser = second}, body).trace_hash, execution.trace_hash) << "seed " << seed;
  }
}

void demand(bool holds, const char* what) {
  if (!holds) fail(what);
}

TEST(StdTypes, JthreadsStopThroughConditionVariableAny) {
  in_many_orders([] {
    std::mutex mutex;
    std::condition_variable_any work;
    int got = 0;
    {
      std::jthread worker([&](std::stop_token stop) {
        std::unique_lock lock(mutex);
        while (work.wait(lock, stop, [&] { return got == 1; })) got = 2;
      });
      {
        const std::lock_guard lock(mutex);
        got = 1;
      }
      work.notify_one();
    }
    demand(got != 0, "the flag was set");
  });
}

TEST(StdTypes, CallOnceCallsOnceAndAgainAfterAnException) {
  in_many_orders([] {
    std::once_flag flag;
    int tries = 0, calls = 0, thrown = 0;
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&, i] {
          try {
            std::call_once(flag, [&, i] {
              std::this_thread::sleep_for(1ms);
              if (++tries == 1) throw i;
              ++calls;
            });
          } catch (int) {
            ++thrown;
          }
        });
      }
    }
    demand(calls == 1 && thrown == 1, "one call that threw, one that did not");
  });
}

TEST(StdTypes, SharedMutexExcludesWritersOnly) {
  in_many_orders([] {
    std::shared_mutex mutex;
    std::atomic<int> readers = 0, writers = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        const std::shared_lock lock(mutex);
        ++readers;
        std::this_thread::yield();
        demand(writers == 0, "no writer beside a reader");
        --readers;
      });
      threads.emplace_back([&] {
        const std::unique_lock lock(mutex);
        ++writers;
        std::this_thread::yield();
        demand(writers == 1 && readers == 0, "a writer is alone");
        --writers;
      });
    }
  });
}

TEST(StdTypes, RecursiveAndTimedMutexes) {
  in_many_orders([] {
    std::recursive_mutex recursive;
    std::timed_mutex timed;
    int late = 0, inside_count = 0;
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
          const std::scoped_lock outer(recursive);
          const std::scoped_lock inner(recursive);
          demand(++inside_count == 1, "alone");
          std::this_thread::yield();
          --inside_count;
        });
        threads.emplace_back([&] {
          const std::unique_lock lock(timed, 5ms);
          if (lock.owns_lock())
            std::this_thread::sleep_for(10ms);
          else
            ++late;
        });
      }
    }
    demand(late <= 1, "the first to come gets it");
  });
}

TEST(StdTypes, SemaphoresLatchesAndBarriers) {
  in_many_orders([] {
    std::counting_semaphore<8> slots(2);
    std::latch start(4);
    int phases = 0;
    std::atomic<int> running = 0;
    std::barrier barrier(3, [&]() noexcept { ++phases; });
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        slots.acquire();
        demand(++running <= 2, "two at most");
        std::this_thread::yield();
        --running;
        slots.release();
        barrier.arrive_and_wait();
        barrier.arrive_and_wait();
        demand(phases == 2, "both phases are over");
      });
    }
    start.arrive_and_wait();
  });
}

TEST(StdTypes, PosixSemaphoresWithTimeouts) {
  in_many_orders([] {
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    std::jthread poster([&] {
      std::this_thread::sleep_for(2ms);
      sem_post(&semaphore);
    });
    timespec until{};
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    demand(sem_timedwait(&semaphore, &until) == 0 || errno == ETIMEDOUT, "posted or late");
    poster.join();
    sem_destroy(&semaphore);
  });
}

TEST(StdTypes, FuturesPromisesAndAsync) {
  in_many_orders([] {
    std::promise<int> promise;
    auto future = promise.get_future();
    std::jthread setter([&] { promise.set_value(7); });
    auto async = std::async(std::launch::async, [] {
      std::this_thread::sleep_for(1ms);
      return 35;
    });
    (void)async.wait_for(1h);  // may be told too late: a timer is a choice, too
    demand(future.get() + async.get() == 42, "both values");
    auto thrown = std::async(std::launch::async, []() -> int { throw std::runtime_error("x"); });
    try {
      (void)thrown.get();
      fail("nothing was thrown");
    } catch (const std::runtime_error&) {
    }
  });
}

TEST(StdTypes, AtomicWaitAndNotify) {
  in_many_orders([] {
    std::atomic<int> stage{0};
    std::jthread other([&] {
      stage.wait(0);
      stage.store(2);
      stage.notify_all();
    });
    stage.store(1);
    stage.notify_one();
    stage.wait(1);
    demand(stage.load() == 2, "the other has answered");
  });
}

TEST(StdTypes, TimedWaitsEndAtTheirTimeOrEarlier) {
  in_many_orders([] {
    std::mutex mutex;
    std::condition_variable condition;
    bool set = false;
    std::jthread setter([&] {
      std::this_thread::sleep_for(50ms);
      const std::lock_guard lock(mutex);
      set = true;
      condition.notify_one();
    });
    const auto begin = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex);
    const bool seen = condition.wait_for(lock, 100ms, [&] { return set; });
    const auto took = std::chrono::steady_clock::now() - begin;
    demand(seen ? took >= 0ms : took >= 100ms, "not before its time");
  });
}

struct Counted {
  static inline std::atomic<int> made = 0, gone = 0;
  int value = 0;
  Counted() { ++made; }
  ~Counted() {
    ++gone;
    std::this_thread::yield();  // destructors may wait, too
  }
};
thread_local Counted counted;
thread_local int plain = 5;

TEST(StdTypes, ThreadLocalsAreEachThreadsOwn) {
  plain = 9;
  in_many_orders([] {
    Counted::made = Counted::gone = 0;
    {
      std::vector<std::jthread> threads;
      for (int i = 1; i <= 3; ++i) {
        threads.emplace_back([i] {
          demand(plain == 5, "fresh");
          plain = i;
          counted.value += i;
          std::this_thread::yield();
          demand(plain == i && counted.value == i, "its own");
        });
      }
    }
    demand(Counted::made == 3 && Counted::gone == 3, "made and destroyed three times");
  });
  EXPECT_EQ(plain, 9);
}

TEST(StdTypes, PthreadKeysAreDestroyedWithTheirThread) {
  static std::atomic<int> destroyed = 0;
  pthread_key_t key{};
  ASSERT_EQ(pthread_key_create(&key, [](void* value) { destroyed += *static_cast<int*>(value); }), 0);
  in_many_orders([key] {
    destroyed = 0;
    int one = 1, two = 2;
    {
      std::jthread first([&] { pthread_setspecific(key, &one); });
      std::jthread second([&] { pthread_setspecific(key, &two); });
    }
    demand(destroyed == 3, "both values");
    demand(pthread_getspecific(key) == nullptr, "not ours");
  });
  pthread_key_delete(key);
}

TEST(StdTypes, ExceptionsInFlightDoNotMix) {
  in_many_orders([] {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([i] {
        for (int round = 0; round < 3; ++round) {
          try {
            throw i;
          } catch (int caught) {
            std::this_thread::yield();  // the others throw while this one is in its catch block
            try {
              throw std::to_string(i);
            } catch (const std::string& text) {
              std::this_thread::yield();
              demand(text == std::to_string(i), "its own string");
            }
            demand(caught == i, "its own number");
            try {
              throw;
            } catch (int again) {
              demand(again == i, "its own again");
            }
          }
          demand(std::uncaught_exceptions() == 0, "none in flight");
        }
      });
    }
  });
}

TEST(StdTypes, ManyThreadsOneAfterTheOtherUseTheLanesAgain) {
  Dice dice(1);
  const Execution execution = run({.chooser = dice}, [] {
    for (int i = 0; i < 300; ++i) std::thread([] {}).join();
  });
  EXPECT_EQ(execution.ending, Ending::finished) << execution.why;
  EXPECT_EQ(execution.threads, 301U);
  const Execution crowd = run({.chooser = dice}, [] {
    std::vector<std::jthread> threads;
    std::latch never(1000);
    for (int i = 0; i < 100; ++i) threads.emplace_back([&] { never.wait(); });
  });
  EXPECT_EQ(crowd.ending, Ending::limit);
}

}  // namespace
}  // namespace s2::sim
