// The judge on the record of a delete: complete, or what is missing, no more and no less. System rule "Flush
// before delete".
#include <gtest/gtest.h>

#include "scenarios/judge.h"
#include "scenarios/ledger_json.h"
#include "tests/scenarios/story.h"

namespace s2::scenarios {
namespace {

// Five accepted, so many of them stored, then the delete and its record.
class Delete {
 public:
  explicit Delete(const Ns& stored) : story_(Teardown::browser_delete) {
    story_.publish(5).append(stored);
    record_.asked_ns = story_.tick();
    record_.t_ns = story_.tick();
  }
  Delete& complete() {
    record_.complete = true;
    return *this;
  }
  Delete& missing(std::uint64_t from, std::optional<std::uint64_t> to) {
    record_.missing.push_back({from, to});
    return *this;
  }
  Delete& more(std::uint64_t unnamed) {
    record_.missing_more = unnamed;
    return *this;
  }
  Delete& dropped(std::uint64_t from, std::uint64_t to) {
    story_.l.ring_capacity = 1;  // so that it can have been overrun
    story_.say_range(Kind::dropped, from, to);
    return *this;
  }
  Delete& then(const Ns& committed_late) {
    story_.append(committed_late, Outcome::unknown);
    return *this;
  }
  Delete& unseen(const Ns& committed_late) {
    story_.store(committed_late);
    return *this;
  }
  std::string told() {
    story_.l.deletion = record_;
    story_.killed();
    const auto again = ledger_from_json(ledger_to_json(story_.l));
    EXPECT_TRUE(again);
    story_.l = *again;  // and a file tells the same
    return story_.told();
  }

 private:
  Story story_;
  DeletionRecord record_;
};

TEST(Deletion, ACompleteRecordMeansThatNothingAcceptedBeforeItIsMissing) {
  EXPECT_EQ(Delete({1, 2, 3, 4, 5}).complete().told(), "");
  EXPECT_EQ(Delete({1, 2, 3}).complete().told(), "I7/unreported_loss 4,5");
}

TEST(Deletion, AMissingRangeIsWhatIsMissing) {
  EXPECT_EQ(Delete({1, 2, 3}).missing(4, 5).told(), "");
  EXPECT_EQ(Delete({1, 2, 3}).missing(5, 5).told(), "I7/unreported_loss 4");
  EXPECT_EQ(Delete({1, 2, 3}).missing(4, 4).told(), "I7/unreported_loss 5");
  EXPECT_EQ(Delete({1, 2, 3}).missing(3, 5).told(), "I7/false_failure 3");
  EXPECT_EQ(Delete({1, 2, 3}).told(), "I7/unreported_loss 4,5");
}

TEST(Deletion, WhatTheDeadVmSaidOfDropsExcusesNoRecord) {
  EXPECT_EQ(Delete({1, 4, 5}).dropped(2, 3).missing(2, 3).told(), "");
  EXPECT_EQ(Delete({1, 4, 5}).dropped(2, 3).complete().told(), "I7/unreported_loss 2,3");
  EXPECT_EQ(Delete({1, 4, 5}).dropped(2, 3).missing(2, 2).told(), "I7/unreported_loss 3");
}

TEST(Deletion, EveryRangeOfARecordCounts) {
  EXPECT_EQ(Delete({1, 3}).dropped(2, 2).missing(2, 2).missing(4, 5).told(), "");
  EXPECT_EQ(Delete({1, 3}).dropped(2, 2).missing(2, 2).missing(3, 5).told(), "I7/false_failure 3");
}

TEST(Deletion, WhatItCountsAndCannotNameMayBeAnyOfThem) {
  EXPECT_EQ(Delete({1, 4, 5}).dropped(2, 3).more(2).told(), "");
  EXPECT_EQ(Delete({1, 4, 5}).dropped(2, 3).more(1).told(), "I7/unreported_loss 2,3");
}

TEST(Deletion, WhereNobodyKnewTheLastOneTheRangeIsOpen) {
  EXPECT_EQ(Delete({1, 2, 3}).missing(4, std::nullopt).told(), "");
  EXPECT_EQ(Delete({1, 2, 3}).missing(2, std::nullopt).told(), "I7/false_failure 2,3");
}

TEST(Deletion, AnAppendThatLandedAfterTheRecordMakesItNoLie) {
  EXPECT_EQ(Delete({1, 2, 3}).missing(4, 5).then({4}).told(), "");
  EXPECT_EQ(Delete({1, 2, 3}).missing(4, 5).unseen({4}).told(), "");  // behind the last look at the service
}

TEST(Deletion, NothingElseIsExcusedByARecord) {
  EXPECT_EQ(Delete({1, 2, 4}).missing(3, 5).told(), "I4/lost 3; I7/false_failure 4");
}

}  // namespace
}  // namespace s2::scenarios
