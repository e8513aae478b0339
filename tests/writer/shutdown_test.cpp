// The table of shutdown's steps and its runner. Mutant budget-inversion.
#include "writer/shutdown.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <filesystem>
#include <set>
#include <thread>

#include "tests/writer/rig.h"

namespace s2::writer {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

TEST(ShutdownTable, InnerBudgetsSumToLessThanTheOuterOne) {
  EXPECT_LT(shutdown_budget_sum(), 1000);
}

TEST(ShutdownTable, StepsRunOnceInTheirOrderAlsoBehindOneThatFailed) {
  std::vector<ShutdownStep> ran;
  auto outcomes = run_shutdown(milliseconds(100), kTableShares, [&](ShutdownStep step, Clock::time_point) {
    ran.push_back(step);
    return step != ShutdownStep::drain;
  });
  ASSERT_EQ(ran.size(), kShutdownTable.size());
  for (std::size_t i = 0; i < ran.size(); ++i) {
    EXPECT_EQ(ran[i], kShutdownTable[i].step);
    EXPECT_EQ(outcomes[i].done, ran[i] != ShutdownStep::drain);
  }
}

TEST(ShutdownTable, EveryStepUsingAllOfItsTimeStillEndsWithinTheWhole) {
  auto begin = Clock::now();
  run_shutdown(milliseconds(400), kTableShares, [](ShutdownStep, Clock::time_point deadline) {
    std::this_thread::sleep_until(deadline);
    return false;
  });
  EXPECT_GE(Clock::now() - begin, milliseconds(300));
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(5));
}

// No step starves a later one: whatever each takes within its deadline, the next has at least its own share.
TEST(ShutdownTable, EachStepHasAtLeastItsOwnShareLeft) {
  ASSERT_TRUE(rc::check([] {
    const auto whole =
        std::chrono::hours(*rc::gen::inRange(1, 1000));  // so large that running takes nothing of it
    auto last = Clock::now();
    std::size_t row = 0;
    run_shutdown(whole, kTableShares, [&](ShutdownStep, Clock::time_point deadline) {
      auto share = std::chrono::duration_cast<Clock::duration>(whole) * kShutdownTable[row].budget / 1000;
      RC_ASSERT(deadline - last >= share - std::chrono::microseconds(10));
      last = deadline;
      ++row;
      return true;
    });
  }));
}

std::set<ShutdownStep> not_done(const ShutdownReport& report) {
  std::set<ShutdownStep> steps;
  for (const ShutdownOutcome& outcome : report.steps) {
    if (!outcome.done) steps.insert(outcome.step);
  }
  return steps;
}

// Each step does its own work: what it could not do is told of it, and of no step that had nothing to do with
// it.
TEST(ShutdownSteps, AreToldAsNotDoneWhereTheyWereNot) {
  using enum ShutdownStep;
  using Steps = std::set<ShutdownStep>;
  const milliseconds brief(200);
  {
    test::Rig rig;
    rig.start("a");
    rig.publish(3);
    EXPECT_EQ(not_done(rig.shutdown()), Steps());
  }
  {
    test::Rig rig;
    rig.s2->hang();
    rig.start("a");
    rig.publish(3);
    EXPECT_EQ(not_done(rig.shutdown(brief)), (Steps{await_acks, close}));
  }
  {
    test::Rig rig;
    rig.s2->hang();
    rig.s2->room(1);
    rig.start("a");
    rig.publish(3);
    EXPECT_EQ(not_done(rig.shutdown(brief)), (Steps{drain, await_acks, close}));
  }
  const std::string directory = testing::TempDir() + "/shutdown_steps";
  std::filesystem::create_directories(directory);
  std::filesystem::create_symlink("/dev/full", directory + "/console.jsonl");
  {
    test::Rig rig({.journal_dir = directory});
    rig.start("a");
    rig.publish(3);
    EXPECT_EQ(not_done(rig.shutdown()), Steps{files});
  }
  std::filesystem::remove_all(directory);
}

// The close goes on with what the producers have, and with nothing else to tell behind its deadline.
TEST(ShutdownSteps, WhatNoProducerTookIsToldAsLostBeforeTheCloseWaits) {
  ShutdownShares shares{};
  for (std::size_t i = 0; i < shares.size(); ++i) {
    using enum ShutdownStep;
    const ShutdownStep step = kShutdownTable[i].step;
    shares[i] = step == close ? kWholeShare * 9 / 10 : step == drain || step == await_acks ? 40'000 : 0;
  }
  test::Rig rig({.shutdown_shares = shares});
  rig.s2->hang();
  rig.s2->room(1);
  rig.start("a");
  rig.publish(3);
  ASSERT_TRUE(rig.s2->wait_taken(1));
  std::jthread ending([&] { rig.shutdown(milliseconds(10'000)); });
  const auto latest = test::in(test::kLong);
  while (rig.ledger.losses().empty() && Clock::now() < latest) std::this_thread::yield();
  rig.s2->answer();
  ending.join();
  EXPECT_EQ(rig.ledger.losses(), (std::vector<test::Ledger::Range>{{"a", 2, 4}}));  // and the end marker
  EXPECT_EQ(rig.s2->stored_seqs(), std::vector<std::uint64_t>{1});
}

// Each deadline has passed before its step begins, and the disk is fine.
TEST(ShutdownSteps, WithoutTimeForThemTheJournalsDiskIsNotBlamed) {
  const std::string directory = testing::TempDir() + "/shutdown_without_time";
  for (int i = 0; i < 20; ++i) {
    test::Rig rig({.journal_dir = directory});
    rig.start("a");
    rig.publish(50);
    EXPECT_FALSE(rig.shutdown(milliseconds(0)).journal_left);
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace s2::writer
