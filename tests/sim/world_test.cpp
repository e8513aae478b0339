// The world: unmodified std:: code runs in it, in an order that one seed decides, in virtual time.
#include "sim/world.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include "tests/sim/dice.h"

namespace s2::sim {
namespace {

using namespace std::chrono_literals;

int ring(int each) {
  std::mutex mutex;
  std::condition_variable not_empty, not_full;
  std::deque<int> queue;
  std::vector<std::thread> producers;
  for (int k = 0; k < 3; ++k) {
    producers.emplace_back([&, k] {
      for (int i = 0; i < each; ++i) {
        std::unique_lock lock(mutex);
        not_full.wait(lock, [&] { return queue.size() < 4; });
        queue.push_back(k * 1000 + i);
        not_empty.notify_one();
      }
    });
  }
  int got = 0;
  while (got < 3 * each) {
    std::unique_lock lock(mutex);
    not_empty.wait(lock, [&] { return !queue.empty(); });
    queue.pop_front();
    ++got;
    not_full.notify_one();
  }
  for (auto& producer : producers) producer.join();
  return got;
}

TEST(World, RunsUnmodifiedThreadsToTheirEnd) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Dice dice(seed);
    int got = 0;
    const Execution execution = run({.chooser = dice}, [&] { got = ring(10); });
    ASSERT_EQ(execution.ending, Ending::finished) << execution.why;
    EXPECT_EQ(got, 30);
    EXPECT_EQ(execution.threads, 4U);
    EXPECT_GT(execution.points, 100U);
  }
}

TEST(World, OneSeedGivesOneHashAndOtherSeedsOthers) {
  std::set<std::uint64_t> hashes;
  constexpr std::uint64_t kSeeds = 3000;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Dice first(seed), second(seed);
    const Execution once = run({.chooser = first}, [] { ring(4); });
    const Execution again = run({.chooser = second}, [] { ring(4); });
    ASSERT_EQ(once.trace_hash, again.trace_hash) << "seed " << seed;
    ASSERT_EQ(once.points, again.points);
    hashes.insert(once.trace_hash);
  }
  EXPECT_EQ(hashes.size(), kSeeds);
}

TEST(World, AnHourOfVirtualTimeTakesNoRealTime) {
  Dice dice(1);
  const auto begin = std::chrono::steady_clock::now();
  std::chrono::nanoseconds seen{};
  const Execution execution = run({.chooser = dice}, [&] {
    const auto start = std::chrono::steady_clock::now();
    std::thread sleeper([] {
      for (int i = 0; i < 60; ++i) std::this_thread::sleep_for(1min);
    });
    sleeper.join();
    seen = std::chrono::steady_clock::now() - start;
  });
  ASSERT_EQ(execution.ending, Ending::finished) << execution.why;
  EXPECT_GE(seen, 1h);
  EXPECT_LT(seen, 1h + 1ms);
  EXPECT_GE(execution.virtual_time, 1h);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST(World, ADeadlockEndsWithTheNamesOfThoseWhoStand) {
  Dice dice(1);
  const Execution execution = run({.chooser = dice}, [] {
    std::mutex mutex;
    std::condition_variable never;
    name_object(never.native_handle(), "never");
    std::jthread waiter([&] {
      name_thread("waiter");
      std::unique_lock lock(mutex);
      never.wait(lock);
    });
  });
  EXPECT_EQ(execution.ending, Ending::deadlock);
  EXPECT_NE(execution.why.find("waiter stands at wait of never"), std::string::npos) << execution.why;
}

TEST(World, AThreadThatOutlivesTheBodyIsLeaked) {
  Dice dice(1);
  const Execution execution =
      run({.chooser = dice}, [] { std::thread([] { std::this_thread::sleep_for(1s); }).detach(); });
  EXPECT_EQ(execution.ending, Ending::leaked_thread);
  const Execution ended = run({.chooser = dice}, [] { std::thread([] {}).detach(); });
  EXPECT_EQ(ended.ending, Ending::finished) << ended.why;
}

TEST(World, AQueueWithWorkAndASleepingConsumerIsIdle) {
  Dice dice(1);
  const Execution execution = run({.chooser = dice}, [] {
    std::mutex mutex;
    std::condition_variable work;
    bool has_work = false, stop = false;
    const WatchId watched = watch("the queue", [&] { return has_work; }, "consumer");
    std::thread consumer([&] {
      name_thread("consumer");
      std::unique_lock lock(mutex);
      work.wait(lock, [&] { return stop; });  // forgets has_work
    });
    {
      const std::lock_guard lock(mutex);
      has_work = true;
      work.notify_one();
    }
    std::this_thread::sleep_for(1min);  // a later close would wake everyone and hide it
    {
      const std::lock_guard lock(mutex);
      stop = true;
      work.notify_one();
    }
    consumer.join();
    unwatch(watched);
  });
  EXPECT_EQ(execution.ending, Ending::idle) << execution.why;
  EXPECT_NE(execution.why.find("the queue"), std::string::npos);
}

TEST(World, FailAndExceptionsAndEndlessnessEndAnExecution) {
  Dice dice(1);
  EXPECT_EQ(run({.chooser = dice}, [] { fail("no"); }).why, "no");
  const Execution thrown = run({.chooser = dice}, [] { throw std::runtime_error("oops"); });
  EXPECT_EQ(thrown.ending, Ending::uncaught);
  EXPECT_NE(thrown.why.find("oops"), std::string::npos);
  EXPECT_EQ(run({.chooser = dice, .max_points = 1000},
                [] {
                  for (;;) std::this_thread::yield();
                })
                .ending,
            Ending::limit);
  EXPECT_EQ(run({.chooser = dice}, [] { std::this_thread::sleep_for(24h * 10000); }).ending, Ending::limit);
  EXPECT_EQ(run({.chooser = dice}, [] { std::thread unjoined([] {}); }).ending, Ending::uncaught);
}

TEST(World, TheHookSeesEveryPointAndMayFail) {
  Dice dice(1);
  std::uint64_t seen = 0;
  WorldOptions options{.chooser = dice};
  options.on_point = [&](const Point& point) { seen = point.number; };
  const Execution execution = run(options, [] { ring(2); });
  EXPECT_EQ(seen, execution.points);
  options.on_point = [&](const Point& point) {
    if (point.number == 20) fail("killed here");
  };
  const Execution killed = run(options, [] { ring(2); });
  EXPECT_EQ(killed.ending, Ending::failed);
  EXPECT_EQ(killed.why, "killed here");
  EXPECT_EQ(killed.points, 20U);
}

TEST(World, TheTraceNamesThreadsAndObjects) {
  Dice dice(1);
  const Execution execution = run({.chooser = dice, .keep_trace = true}, [] {
    std::mutex mutex;
    name_object(mutex.native_handle(), "door");
    std::thread other([&] { const std::lock_guard lock(mutex); });
    other.join();
  });
  ASSERT_EQ(execution.ending, Ending::finished);
  ASSERT_EQ(execution.trace.size(), execution.points);
  bool found = false;
  for (const TraceStep& step : execution.trace) {
    if (step.kind != Kind::lock || step.thread != 1) continue;
    found = true;
    EXPECT_EQ(execution.object_names[step.object], "door");
    EXPECT_EQ(execution.thread_names[step.thread], "main.1");
    EXPECT_NE(step.frames[0], nullptr);
  }
  EXPECT_TRUE(found);
}

TEST(World, TimersRunOnThreadsOfTheirOwnAndCanBeCancelled) {
  Dice dice(1);
  std::vector<int> order;
  const Execution execution = run({.chooser = dice}, [&] {
    after(2s, [&] { order.push_back(2); });
    after(1s, [&] { order.push_back(1); });
    const TimerId gone = after(1500ms, [&] { order.push_back(0); });
    EXPECT_TRUE(cancel(gone));
    EXPECT_FALSE(cancel(gone));
    std::this_thread::sleep_for(3s);
    std::this_thread::yield();
  });
  EXPECT_EQ(execution.ending, Ending::finished) << execution.why;
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(World, OutsideEverythingPassesThrough) {
  EXPECT_FALSE(inside());
  EXPECT_EQ(ring(50), 150);
  const auto begin = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(20ms);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 20ms);
  std::mutex mutex;
  std::condition_variable condition;
  std::unique_lock lock(mutex);
  EXPECT_EQ(condition.wait_for(lock, 1ms), std::cv_status::timeout);
}

TEST(World, ObjectsMayBeUsedInsideAndThenOutside) {
  std::mutex mutex;
  std::condition_variable condition;
  bool flag = false;
  const auto use = [&] {
    std::thread setter([&] {
      const std::lock_guard lock(mutex);
      flag = true;
      condition.notify_all();
    });
    std::unique_lock lock(mutex);
    condition.wait(lock, [&] { return std::exchange(flag, false); });
    lock.unlock();
    setter.join();
  };
  for (int i = 0; i < 3; ++i) {
    Dice dice(static_cast<std::uint64_t>(i));
    EXPECT_EQ(run({.chooser = dice}, use).ending, Ending::finished);
    use();
  }
}

TEST(World, SeveralOsThreadsEachHaveTheirOwn) {
  std::vector<std::thread> threads;
  std::vector<std::uint64_t> hashes(4);
  for (std::size_t k = 0; k < hashes.size(); ++k) {
    threads.emplace_back([&, k] {
      std::uint64_t sum = 0;
      for (std::uint64_t seed = 0; seed < 100; ++seed) {
        Dice dice(seed);
        sum ^= run({.chooser = dice}, [] { ring(3); }).trace_hash;
      }
      hashes[k] = sum;
    });
  }
  for (auto& thread : threads) thread.join();
  for (const std::uint64_t hash : hashes) EXPECT_EQ(hash, hashes[0]);
}

TEST(World, AWorldInAWorldIsRefused) {
  Dice dice(1);
  const Execution execution =
      run({.chooser = dice}, [&] { EXPECT_THROW(run({.chooser = dice}, [] {}), std::logic_error); });
  EXPECT_EQ(execution.ending, Ending::finished) << execution.why;
}

}  // namespace
}  // namespace s2::sim
