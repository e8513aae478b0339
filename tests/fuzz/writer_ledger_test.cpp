// The ledger inside the world says which promise is broken, and says nothing of a right history.
#include "fuzz/writer_ledger.h"

#include <gtest/gtest.h>

#include <functional>

#include "fuzz/explore.h"

namespace s2::fuzz {
namespace {

using std::chrono::milliseconds;
using wire::AppendInput;
using wire::AppendRecord;

struct Story {
  WriterLedger ledger{4, milliseconds(100), false};
  std::uint64_t place = 0;
  writer::SessionIdentity session{1, "s1", "s1"};

  std::uint64_t offer(std::size_t stream = 0) { return ledger.offered({.stream = stream}); }
  void accept(std::uint64_t n, std::uint64_t seq) { ledger.accepted(n, seq); }
  void publish(std::uint64_t events) {
    for (std::uint64_t i = 0; i < events; ++i) {
      const std::uint64_t n = offer();
      accept(n, n);
    }
  }
  static AppendRecord record(std::uint64_t seq, std::uint64_t n, const std::string& session = "s1",
                             const std::string& type = "console_log") {
    AppendRecord record;
    record.body = R"({"capture_session_id":")" + session + R"(","seq":)" + std::to_string(seq) +
                  R"(,"event":{"ts":1,"type":")" + type +
                  R"(","category":"console","source":{"metadata":{"n":)" + std::to_string(n) +
                  R"(}},"data":1}})";
    return record;
  }
  std::uint64_t send(std::vector<AppendRecord> records, const std::string& stream = "s1") {
    AppendInput input;
    input.records = std::move(records);
    input.match_seq_num = place;
    return ledger.sent(stream, input);
  }
  void store(std::vector<AppendRecord> records, const std::string& stream = "s1") {
    const std::uint64_t size = records.size();
    ledger.committed(send(std::move(records), stream));
    place += size;
  }
};

// What the ledger says of it: the first words up to the colon; "" where it holds.
std::string verdict(const std::function<void(Story&)>& happens) {
  const sim::Execution execution = replay({}, plain_world, [&] {
    Story story;
    happens(story);
  });
  if (execution.ending == sim::Ending::finished) return "";
  return execution.why.substr(0, execution.why.find(':'));
}

TEST(WriterLedger, ARightHistoryHolds) {
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(3);
              story.store({Story::record(1, 1), Story::record(2, 2)});
              story.ledger.acked(story.session, 2);
              story.store({Story::record(3, 3), Story::record(4, 0, "s1", "system_session_ended")});
              story.ledger.judge_end({.time_left = true, .unsaved = 0, .ended = 1});
            }),
            "");
}

TEST(WriterLedger, AnEventLeftOutIsLostWhenWhatIsBehindItIsStored) {
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(2);
              story.store({Story::record(2, 2)});
            }),
            "I4 lost");
}

TEST(WriterLedger, AnEventAcceptedOnlyAfterwardsIsLostToo) {
  EXPECT_EQ(verdict([](Story& story) {
              const std::uint64_t slow = story.offer();
              story.accept(story.offer(), 2);
              story.store({Story::record(2, 2)});
              story.accept(slow, 1);
            }),
            "I4 lost");
}

TEST(WriterLedger, AHoleThatWasToldIsNone) {
  EXPECT_EQ(
      verdict([](Story& story) {
        story.publish(8);
        story.ledger.dropped(story.session, 1, 4);
        story.store({Story::record(5, 5), Story::record(6, 6), Story::record(7, 7), Story::record(8, 8)});
        story.ledger.judge_end({.unsaved = 4});
      }),
      "");
}

TEST(WriterLedger, EachPromiseIsNamedWhenItIsBroken) {
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(1);
              story.ledger.acked(story.session, 1);
            }),
            "I1 lost_acked");
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(1);
              story.store({Story::record(1, 7)});
            }),
            "I2 false_ack");
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(2);
              story.store({Story::record(1, 1)});
              story.store({Story::record(2, 2)});
              story.store({Story::record(2, 2)});
            }),
            "I5 duplicated");
  EXPECT_EQ(verdict([](Story& story) {
              story.accept(story.offer(1), 1);
              story.publish(1);
              story.store({Story::record(2, 2)});
              story.store({Story::record(1, 1)});
            }),
            "I3 reordered");
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(1);
              const std::uint64_t began = story.ledger.accepted_so_far();
              story.ledger.flush_answered(began, {.flushed = true, .through = 1});
            }),
            "I6 false_ack");
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(1);
              story.ledger.judge_end({});
            }),
            "I7 unreported_loss");
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(1);
              story.store({Story::record(1, 1)});
              story.ledger.lost(story.session, 1, 1, "why");
            }),
            "I7 false_failure");
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(1);
              story.store({Story::record(1, 1)}, "s2");
            }),
            "I9 wrong_stream");
  EXPECT_EQ(verdict([](Story& story) {
              story.ledger.storing_changes(false);
              story.ledger.storing_changed();
              story.publish(1);
              story.store({Story::record(1, 1)});
            }),
            "I11 stored_while_off");
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(1);
              story.ledger.lost(story.session, 1, 1, "not sent by the deadline");
              story.ledger.judge_end({.time_left = true, .unsaved = 1});
            }),
            "I4 lost");
}

// What is on its way may land in any order across sessions: a resend beside the first attempt, without a
// guard.
TEST(WriterLedger, WhatIsOnItsWayIsJudgedAsIfItLandedNow) {
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(2);
              const std::uint64_t first = story.send({Story::record(1, 1)});
              story.ledger.under_way({{first}, {story.send({Story::record(1, 1)})}});
            }),
            "");  // the guards let only one of them in
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(2);
              AppendInput blind;
              blind.records = {Story::record(1, 1)};
              const std::uint64_t first = story.send({Story::record(1, 1)});
              story.ledger.under_way({{first}, {story.ledger.sent("s1", blind)}});
            }),
            "I5 duplicated");
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(2);
              story.ledger.under_way({{story.send({Story::record(2, 2)})}});
            }),
            "I4 lost");
}

// Four sessions with an append each may land in 24 orders; five in 120.
TEST(WriterLedger, TheFirstTwentyFourOrdersAreJudgedAndASendWithMoreIsCounted) {
  EXPECT_EQ(verdict([](Story& story) {
              std::vector<std::vector<std::uint64_t>> sessions;
              for (int i = 0; i < 4; ++i) sessions.push_back({story.ledger.sent("s1", {})});
              story.ledger.under_way(sessions);
              EXPECT_EQ(story.ledger.branches(), 24U);
              EXPECT_EQ(story.ledger.cut(), 0U);
              sessions.push_back({story.ledger.sent("s1", {})});
              story.ledger.under_way(sessions);
              EXPECT_EQ(story.ledger.branches(), 48U);
              EXPECT_EQ(story.ledger.cut(), 1U);
            }),
            "");
}

// What still lands of a writer that is gone is judged by what it had said; what it says afterwards is
// nothing.
TEST(WriterLedger, WhatLandsAfterADeathIsJudgedByWhatWasSaidBefore) {
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(2);
              story.ledger.died();
              story.ledger.acked(story.session, 2);
              story.ledger.lost(story.session, 2, 2, "not sent");
              story.store({Story::record(1, 1)});
              story.store({Story::record(2, 2)});
            }),
            "");
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(2);
              story.ledger.lost(story.session, 2, 2, "not sent");
              story.ledger.died();
              story.store({Story::record(1, 1)});
              story.store({Story::record(2, 2)});
            }),
            "I7 false_failure");
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(2);
              story.ledger.died();
              story.ledger.lost(story.session, 1, 1, "not sent");
              story.store({Story::record(2, 2)});
            }),
            "I4 lost");
  EXPECT_EQ(verdict([](Story& story) {
              story.publish(1);
              story.store({Story::record(1, 1)});
              story.ledger.died();
              story.store({Story::record(1, 1)});
            }),
            "I5 duplicated");
}

}  // namespace
}  // namespace s2::fuzz
