// The explorer finds, shrinks and replays; every strategy is deterministic; the reduced search leaves nothing
// out.
#include "fuzz/explore.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

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
          }};
}

// For ever: the reduced searches visit the same classes as the full one.
TEST(Explore, TheReducedSearchesVisitTheSameClassesAsTheFullOne) {
  std::size_t number = 0;
  for (const Observable& program : programs_with_classes()) {
    std::set<std::pair<sim::Ending, Observed>> classes[3];
    std::uint64_t executions[3] = {0, 0, 0};
    for (const std::size_t way : {0, 1, 2}) {
      const auto dfs =
          make_dfs({.preemptions = DfsOptions::kNoBound, .reduced = way == 1, .before_operations = way == 2});
      bool more = true;
      while (more) {
        Observed seen;
        dfs->begin(0);
        const sim::Execution execution = sim::run({.chooser = *dfs}, [&] { program(seen); });
        more = dfs->end(execution);
        ++executions[way];
        ASSERT_LT(executions[way], 3'000'000U);
        if (execution.ending != sim::Ending::abandoned)
          classes[way].emplace(execution.ending, std::move(seen));
      }
    }
    EXPECT_EQ(classes[0], classes[1]) << "program " << number;
    EXPECT_EQ(classes[0], classes[2]) << "program " << number;
    EXPECT_GT(classes[0].size(), 1U);
    EXPECT_LT(executions[1], executions[0]) << "program " << number;
    EXPECT_LT(executions[2], executions[0]) << "program " << number;
    RecordProperty("program_" + std::to_string(number),
                   std::to_string(executions[0]) + " -> " + std::to_string(executions[1]));
    std::printf("program %zu: %zu classes, %llu executions, %llu reduced, %llu before operations\n", number,
                classes[0].size(), static_cast<unsigned long long>(executions[0]),
                static_cast<unsigned long long>(executions[1]),
                static_cast<unsigned long long>(executions[2]));
    ++number;
  }
}

}  // namespace
}  // namespace s2::fuzz
