// The explorer finds, shrinks and replays; every strategy is deterministic; the reduced search leaves nothing
// out.
#include "fuzz/explore.h"

#include <gtest/gtest.h>
#include <semaphore.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <thread>

#include "tests/fuzz/canaries.h"

namespace s2::fuzz {
namespace {

using namespace std::chrono_literals;

std::vector<std::unique_ptr<Strategy>> all_strategies() {
  std::vector<std::unique_ptr<Strategy>> all;
  all.push_back(make_random());
  all.push_back(make_urw());
  for (unsigned depth = 2; depth <= 5; ++depth) all.push_back(make_pct(depth));
  all.push_back(make_dfs({.preemptions = 2}));
  all.push_back(make_portfolio());
  return all;
}

TEST(Explore, ThePortfolioFindsEveryCanaryQuicklyAndShrinksItToTheFewestPreemptions) {
  for (const Canary& canary : canaries()) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      const auto portfolio = make_portfolio();
      const Exploration found = explore(*portfolio, {.seed = seed, .max_executions = 5000}, canary.program);
      ASSERT_TRUE(found.failure) << canary.name << ", seed " << seed;
      ASSERT_EQ(found.failure->ending, canary.ending) << canary.name << ": " << found.failure->why;
      const Shrunk shrunk = shrink(*found.failure, {}, canary.program);
      EXPECT_TRUE(shrunk.fewest) << canary.name;
      EXPECT_EQ(shrunk.failure.schedule.preemptions(), canary.fewest) << canary.name << ", seed " << seed;
      EXPECT_EQ(replay(shrunk.failure.schedule, plain_world, canary.program).trace_hash,
                shrunk.failure.trace_hash);
    }
  }
}

// One bug, two effects: in most orders it loops, in some it breaks what has a name.
TEST(Explore, AnOrderThatDoesNotEndIsToldOnlyWhereNoneThatBreaksAPromiseIsFound) {
  const auto program = [](std::uint64_t breaks) {
    return [breaks] {
      const std::uint64_t drawn = sim::choose(16);
      if (drawn < breaks) sim::fail("I4 lost: an event");
      while (drawn > 13) std::this_thread::yield();
    };
  };
  const World world = [](sim::Chooser& chooser) {
    sim::WorldOptions options = plain_world(chooser);
    options.max_points = 1000;
    return options;
  };
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto both = make_random(), one = make_random();
    const Exploration found =
        explore(*both, {.seed = seed, .max_executions = 5000, .world = world}, program(4));
    ASSERT_TRUE(found.failure);
    EXPECT_EQ(found.failure->why, "I4 lost: an event");
    const Exploration loops =
        explore(*one, {.seed = seed, .max_executions = 5000, .world = world}, program(0));
    ASSERT_TRUE(loops.failure);
    EXPECT_EQ(loops.failure->ending, sim::Ending::limit);
    EXPECT_LT(loops.executions, 1000U);
  }
}

TEST(Explore, EveryStrategyFindsTheUnguardedQueue) {
  for (const auto& strategy : all_strategies()) {
    const Exploration found = explore(*strategy, {.seed = 7, .max_executions = 20'000}, check_then_act);
    EXPECT_TRUE(found.failure) << strategy->name();
  }
}

TEST(Explore, NoStrategyFindsAnythingInACleanProgram) {
  for (const auto& strategy : all_strategies()) {
    const Exploration found =
        explore(*strategy, {.seed = 3, .max_executions = 3000, .rerun_one_in = 10}, clean_ring);
    EXPECT_FALSE(found.failure) << strategy->name() << ": " << found.failure->why;
    EXPECT_GE(found.reruns, found.executions / 10);
    EXPECT_EQ(found.differing, 0U);
  }
}

// Right as long as nobody wakes without a reason: an if where a loop belongs.
void waits_in_no_loop() {
  std::mutex mutex;
  std::condition_variable ready;
  bool done = false;
  std::jthread setter([&] {
    sim::name_thread("setter");
    const std::lock_guard lock(mutex);
    done = true;
    ready.notify_one();
  });
  std::unique_lock lock(mutex);
  if (!done) ready.wait(lock);
  if (!done) sim::fail("went on: nothing was done");
}

TEST(Explore, AWaitInNoLoopIsFoundShrunkAndReplayedInThePlainWorld) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto portfolio = make_portfolio();
    const Exploration found = explore(*portfolio, {.seed = seed, .max_executions = 5000}, waits_in_no_loop);
    ASSERT_TRUE(found.failure) << "seed " << seed;
    EXPECT_EQ(found.differing, 0U) << found.failure->why;
    const Shrunk shrunk = shrink(*found.failure, {}, waits_in_no_loop);
    EXPECT_EQ(
        std::count_if(shrunk.failure.schedule.deviations.begin(), shrunk.failure.schedule.deviations.end(),
                      [](const Deviation& one) { return one.source == sim::Source::spurious; }),
        1);
    const auto token = token_of(shrunk.failure.schedule);
    ASSERT_TRUE(token);
    std::string error;
    const auto read = schedule_of(*token, error);
    ASSERT_TRUE(read) << error;
    EXPECT_EQ(replay(*read, plain_world, waits_in_no_loop).trace_hash, shrunk.failure.trace_hash);
  }
}

// At every point every waiter would be one alternative more: what is exhausted is said to be without them.
TEST(Explore, DepthFirstTriesNoSpuriousWakeUps) {
  const auto dfs = make_dfs({.preemptions = DfsOptions::kNoBound});
  const Exploration found = explore(*dfs, {.seed = 1, .max_executions = 100'000}, waits_in_no_loop);
  EXPECT_TRUE(found.exhausted);
  EXPECT_FALSE(found.failure) << found.failure->why;
}

// Its work takes 200 points, and a timer that may fire at any of them: early ones must come to an end.
TEST(Explore, AProgramThatBeginsAnewAfterEachTimeOutComesToItsEnd) {
  const auto random = make_random();
  const Exploration found = explore(*random, {.seed = 9, .max_executions = 60}, [] {
    std::mutex mutex;
    std::condition_variable ready;
    int attempt = 0;
    bool done = false;
    std::jthread worker([&] {
      for (int begun = -1, steps = 0; !done;) {
        const std::lock_guard lock(mutex);
        steps = begun == attempt ? steps + 1 : 0;
        begun = attempt;
        done = steps == 100;
        if (done) ready.notify_one();
      }
    });
    std::unique_lock lock(mutex);
    while (!done) {
      if (ready.wait_for(lock, 1s) == std::cv_status::timeout) ++attempt;
    }
  });
  EXPECT_FALSE(found.failure) << found.failure->why;
  EXPECT_EQ(found.executions, 60U);
}

TEST(Explore, IsBoundByTheTimeForWhichItHasACore) {
  const auto random = make_random();
  const Exploration found =
      explore(*random, {.seed = 1, .max_executions = ~0ULL, .max_core_time = 50ms}, clean_ring);
  EXPECT_GE(found.core_time, 50ms);
  EXPECT_LT(found.core_time, 5s);  // it ends; one execution takes some hundred microseconds
  EXPECT_GT(found.executions, 1U);
}

TEST(Explore, OneSeedGivesOneCampaign) {
  for (std::size_t k = 0; k < all_strategies().size(); ++k) {
    std::uint64_t points[2] = {0, 0};
    for (std::uint64_t& sum : points) {
      const auto strategy = std::move(all_strategies()[k]);
      const Exploration explored = explore(*strategy, {.seed = 11, .max_executions = 500}, clean_ring);
      sum = explored.points * 31 + explored.switches;
    }
    EXPECT_EQ(points[0], points[1]) << all_strategies()[k]->name();
  }
}

TEST(Explore, ShardsOfACampaignRunDifferentExecutions) {
  std::set<std::uint64_t> seen;
  for (unsigned shard = 0; shard < 4; ++shard) {
    const auto random = make_random();
    ExploreOptions options{.seed = 5, .max_executions = 2000, .shard = shard, .shards = 4};
    seen.insert(explore(*random, options, clean_ring).switches);
  }
  EXPECT_EQ(seen.size(), 4U);
}

TEST(Explore, WhatComesFromOutsideTheWorldIsNoticed) {
  int outside = 0;
  const auto random = make_random();
  const Exploration found = explore(*random, {.seed = 1, .max_executions = 100, .rerun_one_in = 1}, [&] {
    ++outside;
    for (int i = 0; i < outside % 3; ++i) std::this_thread::yield();
  });
  ASSERT_TRUE(found.failure);
  EXPECT_EQ(found.failure->ending, sim::Ending::escaped);
  EXPECT_EQ(found.differing, 1U);
}

TEST(Explore, DepthFirstCountsEverySchedule) {
  // Two threads of two steps that do not block: with the body's own steps, a tree that can be counted by hand
  // is too much to ask; but a bound that is not reached must give what no bound gives, and a rising one what
  // a fixed one does.
  const auto count = [](const DfsOptions& options) {
    const auto dfs = make_dfs(options);
    const Exploration all = explore(*dfs, {.max_executions = 2'000'000, .rerun_one_in = 0}, [] {
      std::mutex mutex;
      std::jthread other([&] { const std::lock_guard lock(mutex); });
      const std::lock_guard lock(mutex);
    });
    EXPECT_TRUE(all.exhausted);
    EXPECT_FALSE(all.failure) << all.failure->why;
    return all.executions;
  };
  const std::uint64_t everything = count({.preemptions = DfsOptions::kNoBound});
  EXPECT_EQ(count({.preemptions = 50}), everything);
  EXPECT_LT(count({.preemptions = 1}), everything);
  EXPECT_LT(count({.preemptions = 0}), count({.preemptions = 1}));
  EXPECT_GT(everything, 10U);
}

// Programs whose classes are told apart by what happened under each mutex, in order.
struct Observed {
  std::array<std::vector<int>, 4> under;  // by mutex: who
  void at(std::size_t mutex, int who) { under[mutex].push_back(who); }
  void visit(std::mutex& mutex, std::size_t index, int who) {
    const std::lock_guard lock(mutex);
    at(index, who);
  }
  auto operator<=>(const Observed& other) const = default;
};
using Observable = std::function<void(Observed&)>;

std::vector<Observable> programs_with_classes() {
  return {[](Observed& seen) {  // two mutexes, each used by two of three threads
            std::mutex a, b;
            std::jthread first([&] {
              seen.visit(a, 0, 1);
              seen.visit(b, 1, 1);
            });
            std::jthread second([&] { seen.visit(b, 1, 2); });
            const std::lock_guard lock(a);
            seen.at(0, 0);
          },
          [](Observed& seen) {  // nested
            std::mutex a, b;
            std::jthread first([&] {
              const std::lock_guard outer(a);
              seen.at(0, 1);
              const std::lock_guard inner(b);
              seen.at(1, 1);
            });
            std::jthread second([&] { seen.visit(b, 1, 2); });
            seen.visit(a, 0, 0);
          },
          [](Observed& seen) {  // what is done depends on what was seen; and one that only tries
            std::mutex a, b;
            int value = 0;
            std::jthread writer([&] {
              const std::lock_guard lock(a);
              value = 1;
              seen.at(0, 1);
            });
            std::jthread taker([&] {
              if (b.try_lock()) {
                seen.at(1, 2);
                b.unlock();
              } else {
                seen.visit(a, 0, 9);
              }
            });
            int got = 0;
            {
              const std::lock_guard lock(a);
              got = value;
              seen.at(0, 10 + got);
            }
            if (got == 0) seen.visit(b, 1, 0);
          },
          [](Observed& seen) {  // with a condition variable
            std::mutex a, b;
            std::condition_variable ready;
            bool set = false;
            std::jthread setter([&] {
              seen.visit(b, 1, 1);
              const std::lock_guard lock(a);
              set = true;
              seen.at(0, 1);
              ready.notify_one();
            });
            seen.visit(b, 1, 0);
            std::unique_lock lock(a);
            ready.wait(lock, [&] { return set; });
            seen.at(0, 0);
          },
          [](Observed& seen) {  // deadlocks in some orders
            std::mutex a, b;
            std::jthread other([&] {
              const std::lock_guard x(b);
              seen.at(1, 1);
              const std::lock_guard y(a);
              seen.at(0, 1);
            });
            const std::lock_guard x(a);
            seen.at(0, 0);
            const std::lock_guard y(b);
            seen.at(1, 0);
          },
          [](Observed& seen) {  // which of two waiters a notification reaches
            std::mutex a;
            std::condition_variable ready;
            int tokens = 0;
            const auto take = [&](int who) {
              std::unique_lock lock(a);
              ready.wait(lock, [&] { return tokens > 0; });
              --tokens;
              seen.at(0, who);
            };
            std::jthread first(take, 1), second(take, 2);
            for (int i = 0; i < 2; ++i) {
              const std::lock_guard lock(a);
              ++tokens;
              ready.notify_one();
            }
          },
          [](Observed& seen) {  // a timer against a notification
            std::mutex a;
            std::condition_variable ready;
            bool set = false;
            std::jthread setter([&] {
              std::this_thread::sleep_for(2ms);
              const std::lock_guard lock(a);
              set = true;
              seen.at(0, 1);
              ready.notify_one();
            });
            std::unique_lock lock(a);
            while (!set && ready.wait_for(lock, 1ms) == std::cv_status::no_timeout) {
            }
            seen.at(0, set ? 2 : 3);
          },
          [](Observed& seen) {  // an atomic that is a point, and a thread that a thread makes
            std::atomic<int> value{0};
            std::mutex a;
            std::jthread first([&] {
              std::jthread inner([&] {
                sim::point(sim::Kind::atomic, "value");
                value.fetch_add(1);
              });
              seen.visit(a, 0, 1);
            });
            sim::point(sim::Kind::atomic, "value");
            const int got = value.fetch_add(1);
            seen.visit(a, 0, 10 + got);
          },
          [](Observed& seen) {  // an observer that nothing guards
            std::mutex a, b;
            std::jthread other([&] {
              {
                const std::lock_guard lock(a);
              }
              sim::touches_unguarded(1);
              seen.at(0, 1);
            });
            {
              const std::lock_guard lock(b);
            }
            sim::touches_unguarded(1);
            seen.at(0, 0);
          },
          [](Observed& seen) {  // a lock of readers
            std::shared_mutex shared;
            int value = 0;
            std::jthread writer([&] {
              const std::unique_lock lock(shared);
              seen.at(0, 1 + value++);
            });
            int got = 0;
            {
              const std::shared_lock lock(shared);
              got = value;
            }
            const std::unique_lock lock(shared);
            seen.at(0, 10 * got + value);
          },
          [](Observed& seen) {  // a semaphore
            sem_t room;
            sem_init(&room, 0, 1);
            const auto visit = [&](int who) {
              sem_wait(&room);
              seen.at(0, who);
              sem_post(&room);
            };
            std::jthread other([&] { visit(1); });
            visit(0);
          },
          [](Observed& seen) {  // once: who is the one
            std::once_flag flag;
            std::mutex a;
            std::jthread other([&] { std::call_once(flag, [&] { seen.visit(a, 0, 1); }); });
            std::call_once(flag, [&] { seen.visit(a, 0, 0); });
          }};
}

struct Visited {
  std::set<std::pair<sim::Ending, Observed>> classes;
  std::uint64_t executions = 0;
};

Visited visit_all(const Observable& program, const DfsOptions& options) {
  Visited visited;
  const auto dfs = make_dfs(options);
  for (bool more = true; more && visited.executions < 3'000'000; ++visited.executions) {
    Observed seen;
    dfs->begin(0);
    const sim::Execution execution = sim::run({.chooser = *dfs}, [&] { program(seen); });
    more = dfs->end(execution);
    if (execution.ending != sim::Ending::abandoned)
      visited.classes.emplace(execution.ending, std::move(seen));
  }
  EXPECT_LT(visited.executions, 3'000'000U);
  return visited;
}

// For ever: the reduced search visits the same classes as the full one, whatever the bound.
TEST(Explore, TheReducedSearchVisitsTheSameClassesAsTheFullOne) {
  std::size_t number = 0;
  for (const Observable& program : programs_with_classes()) {
    for (const unsigned bound : {0U, 1U, 2U, 3U, DfsOptions::kNoBound}) {
      const Visited full = visit_all(program, {.preemptions = bound});
      const Visited reduced = visit_all(program, {.preemptions = bound, .reduced = true});
      EXPECT_TRUE(full.classes == reduced.classes)
          << full.classes.size() << " classes, and " << reduced.classes.size() << " reduced: program "
          << number << ", bound " << bound;
      EXPECT_LE(reduced.executions, full.executions) << "program " << number << ", bound " << bound;
      if (bound != DfsOptions::kNoBound) continue;
      EXPECT_GT(full.classes.size(), 1U) << "program " << number;
      EXPECT_LT(reduced.executions, full.executions) << "program " << number;
      std::printf("program %zu: %zu classes, %llu executions, %llu reduced\n", number, full.classes.size(),
                  static_cast<unsigned long long>(full.executions),
                  static_cast<unsigned long long>(reduced.executions));
    }
    ++number;
  }
}

}  // namespace
}  // namespace s2::fuzz
