// The planner of a shutdown's budgets: what fits gets its shares, what does not is refused with the sum.
// System rule "Shutdown"; what went wrong elsewhere, 3.
#include "writer/budget.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <numeric>

namespace s2::writer {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

milliseconds budget_of(const ShutdownPlan& plan, std::string_view key) {
  for (std::size_t i = 0; i < kShutdownTable.size(); ++i) {
    if (kShutdownTable[i].key == key)
      return std::chrono::duration_cast<milliseconds>(std::chrono::microseconds(plan.whole) * plan.shares[i] /
                                                      kWholeShare);
  }
  ADD_FAILURE() << key;
  return {};
}

BudgetWishes wishes(const std::string& graces, const std::string& steps) {
  BudgetWishes made;
  EXPECT_TRUE(graces.empty() || parse_graces(graces, made));
  EXPECT_TRUE(steps.empty() || parse_step_budgets(steps, made));
  return made;
}

TEST(Budget, WithNothingGivenTheTableHolds) {
  const auto plan = plan_shutdown({});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->whole, 10s);
  EXPECT_EQ(budget_of(*plan, "drain"), 3500ms);
  EXPECT_EQ(budget_of(*plan, "acks"), 3000ms);
}

// The real inverted case: three stages of 10 s inside a supervisor's 25 s inside a host that gives 2 s.
TEST(Budget, InsideOutIsRefusedWithTheArithmetic) {
  const auto plan = plan_shutdown(wishes("25s,2s", "drain=10s,acks=10s,close=10s"));
  ASSERT_FALSE(plan);
  EXPECT_EQ(
      plan.error(),
      "budgets inside out: drain 10s + acks 10s + close 10s = 30s inside a grace of 25s inside a grace of "
      "2s: each must be less than what is around it; all steps together have at most 1710ms");
}

TEST(Budget, EachLevelIsHeldAgainstTheNext) {
  EXPECT_FALSE(plan_shutdown(wishes("25s,2s", "")));
  EXPECT_FALSE(plan_shutdown(wishes("10s", "drain=4s,acks=4s,close=4s")));
  BudgetWishes whole = wishes("2s", "");
  whole.whole = 10s;
  const auto plan = plan_shutdown(whole);
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().find("S2_WRITER_SHUTDOWN_BUDGET 10s inside a grace of 2s"), std::string::npos);
  EXPECT_TRUE(plan_shutdown(wishes("25s,30s", "drain=10s,acks=4s")));
}

TEST(Budget, AShortGraceMakesAShortShutdown) {
  const auto plan = plan_shutdown(wishes("2s", ""));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->whole, 1800ms);
  EXPECT_EQ(budget_of(*plan, "drain"), 630ms);
}

TEST(Budget, AShortBudgetIsNobodysMistakeWhileLatencyIsNotKnown) {
  BudgetWishes short_one;
  short_one.whole = 400ms;
  short_one.ring_events = 1'000'000;
  EXPECT_TRUE(plan_shutdown(short_one));
}

TEST(Budget, WhatTheAcksNeedIsReserved) {
  BudgetWishes slow;
  slow.whole = 2s;
  slow.ack_latency = 500ms;
  slow.ring_bytes = 4'000'000;  // less than what may be on its way at once
  slow.fencing = false;
  slow.ring_events = 12'801;  // 257 batches: three rounds
  auto plan = plan_shutdown(slow);
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().find("12801 events / 50 a batch = 257 batches, 128 at once: 3 x 500ms"),
            std::string::npos)
      << plan.error();
  slow.ring_events = 6'400;  // one round: 500 ms and 1 s of 1.9 s
  plan = plan_shutdown(slow);
  ASSERT_TRUE(plan) << plan.error();
  EXPECT_GE(budget_of(*plan, "drain"), 500ms);
  EXPECT_GE(budget_of(*plan, "acks"), 1000ms);
  EXPECT_GT(budget_of(*plan, "close"), 0ms);
  BudgetWishes too_little = wishes("", "acks=300ms");
  too_little.ack_latency = 200ms;
  plan = plan_shutdown(too_little);
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().find("acks has 300ms, and needs 400ms"), std::string::npos) << plan.error();
}

TEST(Budget, LargeEventsAmongSmallOnesWaitForBothLimits) {
  BudgetWishes mixed;
  mixed.whole = 2s;
  mixed.ack_latency = 500ms;
  mixed.ring_events = 12'801;  // 257 batches: three rounds
  mixed.ring_bytes = 40 * 1024 * 1024;
  const auto plan = plan_shutdown(mixed);
  ASSERT_FALSE(plan);
  EXPECT_NE(
      plan.error().find("drain 3s (the fence: 1 x 500ms, 12801 events / 50 a batch = 257 batches, 128 at "
                        "once: 3 x 500ms, 40MiB / 15MiB at once: 2 x 500ms more)"),
      std::string::npos)
      << plan.error();
}

TEST(Budget, ThePlanSaysWhatItsNeedsAreMadeOf) {
  BudgetWishes wish;
  EXPECT_NE(plan_text(*plan_shutdown(wish), wish).find("is not known: S2_WRITER_ACK_LATENCY"),
            std::string::npos);
  wish.ack_latency = 500ms;
  const std::string text = plan_text(*plan_shutdown(wish), wish);
  EXPECT_NE(text.find("drain needs 3s: the fence: 1 x 500ms, "), std::string::npos) << text;
  EXPECT_NE(text.find("acks needs 1s: an append and one more try: 2 x 500ms"), std::string::npos) << text;
}

TEST(Budget, WhateverIsPlannedFitsAndGivesEachItsWish) {
  ASSERT_TRUE(rc::check([] {
    const auto time = [](int most) { return milliseconds(*rc::gen::inRange(1, most)); };
    BudgetWishes some;
    if (*rc::gen::arbitrary<bool>()) some.whole = time(20'000);
    const int graces = *rc::gen::inRange(0, 3);
    for (int i = 0; i < graces; ++i) some.around.push_back(time(40'000));
    for (std::size_t i = 0; i < kShutdownTable.size(); ++i) {
      if (kShutdownTable[i].budget > 0 && *rc::gen::inRange(0, 4) == 0) some.steps[i] = time(5'000);
    }
    if (*rc::gen::arbitrary<bool>()) some.ack_latency = time(2'000);
    some.ring_events = *rc::gen::inRange<std::int64_t>(1, 100'000);
    some.ring_bytes = *rc::gen::inRange<std::int64_t>(1, 1'000'000'000);
    some.batch_records = *rc::gen::inRange<std::int64_t>(1, 1000);
    some.fencing = *rc::gen::arbitrary<bool>();
    const auto plan = plan_shutdown(some);
    RC_CLASSIFY(plan.has_value(), "fits");
    if (!plan) return;
    for (const milliseconds grace : some.around) RC_ASSERT(plan->whole < grace);
    RC_ASSERT(std::accumulate(plan->shares.begin(), plan->shares.end(), 0) < kWholeShare);
    for (std::size_t i = 0; i < kShutdownTable.size(); ++i) {
      RC_ASSERT(plan->shares[i] >= 0);
      const auto gets = std::chrono::microseconds(plan->whole) * plan->shares[i] / kWholeShare;
      if (some.steps[i]) RC_ASSERT(gets + 1ms >= *some.steps[i] && gets <= *some.steps[i]);
    }
  }));
}

TEST(Budget, WhatCannotBeReadSaysWhatWasExpected) {
  BudgetWishes into;
  for (const char* wrong : {"", "10", "5s,", ",5s", "0s", "-1s"})
    EXPECT_FALSE(parse_graces(wrong, into)) << wrong;
  for (const char* wrong : {"", "drain", "drain=", "drain=x", "cutoff=1s", "drain=0s", "drain=1s,,acks=1s"})
    EXPECT_FALSE(parse_step_budgets(wrong, into)) << wrong;
  EXPECT_EQ(parse_step_budgets("drain=2s,drain=3s", into).error(), "drain is given twice");
  EXPECT_NE(parse_step_budgets("dance=1s", into).error().find("steps are publishes, markers, cancel, drain"),
            std::string::npos);
}

}  // namespace
}  // namespace s2::writer
