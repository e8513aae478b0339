// Class `fork`, as the judge sees it: each branch stores its own, what was pending is stored once, and told
// as lost by the branch that leaves it; and each way to get that wrong has its name.
#include <gtest/gtest.h>

#include "scenarios/ledger_json.h"
#include "tests/scenarios/story.h"

namespace s2::scenarios {
namespace {

// A source in session s that has stored 1 and 2 and holds 3 and 4, and its two branches: the first, in
// session a, inherits; the second is in session b.
class Fork : public Story {
 public:
  Fork() : Story(Teardown::fork) {
    publish(2).append({1, 2}).say(Kind::acked, 2).publish(2);
    const std::int64_t taken = tick();
    killed();
    for (const int epoch : {1, 2}) {
      successor();
      Branch branch;
      branch.epoch = epoch;
      branch.inherits = epoch == 1;
      branch.session = epoch == 1 ? "a" : "b";
      branch.taken_ns = taken;
      l.branches.push_back(branch);
      say(Kind::ask_identity, 0, branch.session);
    }
    l.stored.push_back({"a", {}});
    l.stored.push_back({"b", {}});
  }
  Fork& is(int epoch, std::uint64_t pending = 2) {
    of_process(epoch).say(Kind::identified, 4, epoch == 1 ? "a" : "b");
    l.statements.back().pending = pending;
    return *this;
  }
  Fork& leaves(std::uint64_t from, std::uint64_t to) {
    of_process(2).say_range(Kind::lost, from, to);
    return *this;
  }
  // Each branch's own event: 5 of the first, 6 of the second, each with its own seq 5.
  Fork& own(const std::string& firsts = "a", const std::string& seconds = "b") {
    of_process(1).publish(1, "a").append({5}, Outcome::acked, true, true, firsts);
    of_process(2).publish(1, "b").append({6}, Outcome::acked, true, true, seconds);
    event(6).seq = 5;
    return *this;
  }
  Fork& inherited() {
    of_process(1).append({3, 4}).say(Kind::acked, 4);
    return *this;
  }
  std::string end(int first = 0, int second = 1) {
    of_process(1).exits(first).of_process(2).exits(second);
    return told();
  }
};

TEST(JudgeBranches, EachStoresItsOwnAndTheHeirWhatWasPending) {
  EXPECT_EQ(Fork().is(1).leaves(3, 4).is(2).inherited().own().end(), "");
  EXPECT_EQ(Fork().is(1).is(2, 0).leaves(3, 4).inherited().own().end(0, 0),
            "I7/unreported_loss");  // none were left, and two were told
}

TEST(JudgeBranches, WhatNobodyStoresIsLostAndWhatBothStoreIsDuplicated) {
  EXPECT_EQ(Fork().is(1).leaves(3, 4).is(2).own().end(1), "I4/lost 3,4; I7/unreported_loss 3,4");
  EXPECT_EQ(Fork().is(1).leaves(3, 4).is(2).own().end(0),
            "I4/lost 3,4; I7/false_ack 3,4; I7/unreported_loss 3,4");
  Fork twice;
  twice.is(1).leaves(3, 4).is(2).inherited().own().of_process(2).append({3, 4});
  EXPECT_EQ(twice.end(), "I5/duplicated 3,4");
}

TEST(JudgeBranches, AnEventInAnothersStreamIsNamed) {
  EXPECT_EQ(Fork().is(1).leaves(3, 4).is(2).inherited().own("s", "s").end(), "I9/wrong_stream 5,6");
  EXPECT_EQ(Fork().is(1).leaves(3, 4).is(2).inherited().own("b", "b").end(), "I9/wrong_stream 5");
}

TEST(JudgeBranches, AFixedStreamIsTheSourcesAndEachBranchHasItsOwn) {
  const auto fixed = [](const std::string& firsts) {
    Fork fork;
    fork.l.fixed_stream = "s";
    fork.l.branches[0].stream = "a";
    fork.l.branches[1].stream = "b";
    return fork.is(1).leaves(3, 4).is(2).inherited().own(firsts).end();
  };
  EXPECT_EQ(fixed("a"), "");
  EXPECT_EQ(fixed("s"), "I9/wrong_stream 5");
}

TEST(JudgeBranches, WhatIsLeftIsToldExactly) {
  EXPECT_EQ(Fork().is(1).is(2).inherited().own().end(), "I7/unreported_loss 3,4; I7/unreported_loss");
  EXPECT_EQ(Fork().is(1).leaves(3, 3).is(2, 1).inherited().own().end(), "I7/unreported_loss 4");
  // Of what its source had called durable it knew better.
  EXPECT_EQ(Fork().is(1).leaves(2, 4).is(2, 3).inherited().own().end(), "I7/false_failure 2");
  // What landed before it was told may have been known to it, or not.
  EXPECT_EQ(Fork().is(1).inherited().is(2, 0).own().end(0, 0), "");
}

TEST(JudgeBranches, TheExitCodeOfABranchThatLeftSomethingSaysSo) {
  EXPECT_EQ(Fork().is(1).leaves(3, 4).is(2).inherited().own().end(0, 0), "I7/false_ack");
  EXPECT_EQ(Fork().is(1).leaves(3, 4).is(2).inherited().own().end(1, 1), "I7/false_failure");
}

TEST(JudgeBranches, AnHeirsClaimCoversItsSourcesEvents) {
  EXPECT_EQ(Fork().is(1).of_process(1).say(Kind::acked, 4).told(), "I1/lost_acked 3,4; I4/lost 3,4; I8/hung");
}

TEST(JudgeBranches, OneThatDoesNotAnswerOrCountsFromTheStartIsNamed) {
  EXPECT_EQ(Fork().is(1).inherited().own().end(0, 0), "I8/hung");
  Fork refused;
  refused.is(1).inherited().own().of_process(2).say(Kind::not_identified, 0, "b");
  EXPECT_EQ(refused.end(0, 0), "I8/false_failure");
  Fork again;
  again.is(1).leaves(3, 4).is(2).inherited().own().event(6).seq = 4;
  EXPECT_EQ(again.end(), "I3/reordered 6");
}

TEST(JudgeBranches, StandInTheTimelineAndGiveTheSameVerdict) {
  Fork fork;
  fork.is(1).leaves(3, 4).is(2).inherited().own("a", "s").end();
  const auto again = ledger_from_json(ledger_to_json(fork.l));
  ASSERT_TRUE(again) << again.error();
  ASSERT_EQ(judge(*again).violations.size(), 1U);
  EXPECT_EQ(judge(*again).violations[0].detail, judge(fork.l).violations[0].detail);
}

}  // namespace
}  // namespace s2::scenarios
