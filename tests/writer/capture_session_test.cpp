// Capture sessions: who may publish, markers, cut-offs. Mutants late-marker, ghost-marker, stamp-late,
// stranded-cursor, cutoff-too-early stand at the tests that would catch them.
#include "writer/capture_session.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/writer/rig.h"

namespace s2::writer {
namespace {

using namespace test;
using nlohmann::json;

class Sessions : public testing::Test {
 protected:
  // Every envelope in the ring, as JSON.
  std::vector<json> published() {
    std::vector<json> all;
    auto reader = ring->reader();
    while (true) {
      RingItem item = reader->next(std::chrono::steady_clock::now());
      auto* envelope = std::get_if<EnvelopeRef>(&item);
      if (envelope == nullptr) return all;
      all.push_back(json::parse((*envelope)->json));
    }
  }
  std::string error(const tl::expected<Published, std::string>& result) {
    return result ? "" : result.error();
  }

  std::unique_ptr<Ring> ring = std::move(*Ring::make({}));
  Ledger ledger;
  Durability durability{ledger};
  CaptureSessions sessions{*ring, durability, "", true};
};

TEST_F(Sessions, PublishIsRejectedWithAReasonWhereNoSessionIsActive) {
  EXPECT_EQ(error(sessions.publish("", event())), "no capture session is active");
  EXPECT_EQ(error(sessions.publish("x", event())), "this capture session is not active");
  EXPECT_EQ(ring->last_seq(), 0u);
}

TEST_F(Sessions, NumbersAreOneCounterAcrossSessionsAndRestarts) {
  sessions.start("a");
  EXPECT_EQ(sessions.publish("a", event())->seq, 1u);
  sessions.start("b");
  EXPECT_EQ(sessions.publish("b", event())->seq, 2u);
  EXPECT_EQ(sessions.end("a", in(kLong))->cut_off, 3u);
  sessions.start("a");  // the same id again
  EXPECT_EQ(sessions.publish("a", event())->seq, 4u);
}

TEST_F(Sessions, AStartThatIsRefusedChangesNotWhichSessionIsMeant) {
  for (std::size_t i = 1; i <= kMaxActiveSessions; ++i) ASSERT_TRUE(sessions.start(std::to_string(i)));
  EXPECT_FALSE(sessions.start("one too many"));
  const std::string last = std::to_string(kMaxActiveSessions);
  EXPECT_EQ(error(sessions.publish("", event())), "");
  EXPECT_EQ(published().back()["capture_session_id"], last);
  EXPECT_EQ(sessions.find("")->id, last);
  EXPECT_EQ(sessions.end("", in(kLong))->session->id, last);
}

TEST_F(Sessions, WhatCameBeforeASessionIsOtherStreamsUnlessItsOwnMayBeAmongIt) {
  EXPECT_EQ((*sessions.start("a"))->after, 0u);
  sessions.publish("a", event());
  sessions.publish("a", event());
  EXPECT_EQ((*sessions.start("b"))->after, 2u);
  sessions.end("a", in(kLong));
  EXPECT_EQ((*sessions.start("c"))->after, 3u);  // behind the marker of a
  EXPECT_EQ((*sessions.start("a"))->after, 0u);  // 1 to 3 are in its stream
  CaptureSessions fixed{*ring, durability, "one-for-all", true};
  fixed.start("x");
  fixed.publish("x", event());
  EXPECT_EQ((*fixed.start("y"))->after, 0u);
}

TEST_F(Sessions, WhereAnEndIsForgottenItMayHaveBeenOfAnyStream) {
  CaptureSessions stores_nothing{*ring, durability, "",
                                 false};  // nothing to wait for: an end can be forgotten
  const auto after_a_life_of = [&](const std::string& id) {
    const std::uint64_t after = (*stores_nothing.start(id))->after;
    stores_nothing.end(id, in(kLong));
    return after;
  };
  for (std::size_t n = 1; n <= kMaxRememberedEnds + 1; ++n)
    EXPECT_EQ(after_a_life_of(std::to_string(n)), n - 1);  // a marker each
  EXPECT_EQ(after_a_life_of("next"), 0u);
}

TEST_F(Sessions, TheDefaultSessionIsTheLastStarted) {
  sessions.start("a");
  sessions.start("b");
  sessions.publish("", event());
  EXPECT_EQ(published().back()["capture_session_id"], "b");
}

TEST_F(Sessions, TheEndMarkerIsTheLastEventOfItsSession) {
  sessions.start("a");
  sessions.publish("a", event());
  auto end = sessions.end("a", in(kLong));
  EXPECT_FALSE(sessions.publish("a", event()));
  auto all = published();
  EXPECT_EQ(all.size(), 2u);
  EXPECT_EQ(all.back()["seq"], end->cut_off);
  EXPECT_EQ(all.back()["event"]["type"], "system_session_ended");
  EXPECT_EQ(all.back()["capture_session_id"], "a");
}

TEST_F(Sessions, EndWithoutASessionPublishesNoMarker) {  // ghost-marker
  EXPECT_FALSE(sessions.end("", in(kLong)));
  EXPECT_FALSE(sessions.end("nobody", in(kLong)));
  EXPECT_EQ(ring->last_seq(), 0u);
}

TEST_F(Sessions, StartOfAnActiveSessionChangesNothing) {
  auto first = sessions.start("a");
  EXPECT_EQ(*sessions.start("a"), *first);
}

TEST_F(Sessions, AnIdThatStartsAgainIsAnotherSession) {  // stamp-late
  auto first = sessions.start("a");
  sessions.end("a", in(kLong));
  auto second = sessions.start("a");
  EXPECT_NE((*first)->ordinal, (*second)->ordinal);
  EXPECT_FALSE(sessions.active(*first));
}

TEST_F(Sessions, IdsOfNothingOrOverTheStreamNamesLimitAreRefused) {
  EXPECT_FALSE(sessions.start(""));
  EXPECT_FALSE(sessions.start(std::string(513, 'x')));
  EXPECT_TRUE(sessions.start(std::string(512, 'x')));
}

TEST_F(Sessions, TheStreamIsTheIdUnlessOneIsFixed) {
  EXPECT_EQ((*sessions.start("a"))->stream, "a");
  CaptureSessions fixed{*ring, durability, "vm-stream", true};
  EXPECT_EQ((*fixed.start("a"))->stream, "vm-stream");
}

TEST_F(Sessions, RefusedWriterRejectsPublishesWithTheReasonAndStillEndsSessions) {
  sessions.start("a");
  sessions.refuse("the writer is shutting down");
  EXPECT_EQ(error(sessions.publish("a", event())), "the writer is shutting down");
  EXPECT_FALSE(sessions.start("b"));
  EXPECT_EQ(sessions.end("a", in(kLong))->cut_off, 1u);
}

TEST_F(Sessions, NothingIsAcceptedBehindTheSeal) {
  sessions.start("a");
  EXPECT_EQ(sessions.seal(), 0u);
  EXPECT_FALSE(sessions.publish("a", event()));
  EXPECT_FALSE(sessions.end("a", in(kLong)));
  EXPECT_EQ(ring->last_seq(), 0u);
}

TEST_F(Sessions, ErrorEventsAreNeverToBeStored) {
  auto session = sessions.start("a");
  sessions.publish_error(*session, "system_durable_error", "{}");
  EXPECT_EQ(published().back()["event"]["category"], "system");
  EXPECT_TRUE(durability.standing(*session, 1).settled);
}

TEST_F(Sessions, RefusedEventsTakeNoNumber) {
  sessions.start("a");
  EXPECT_FALSE(sessions.publish("a", event("no_such_type")));
  EXPECT_EQ(sessions.publish("a", event())->seq, 1u);
}

TEST_F(Sessions, EndedSessionsAreForgottenInTheEnd) {
  for (std::size_t i = 0; i < 3 * kMaxRememberedEnds; ++i) {
    std::string id = "s" + std::to_string(i);
    sessions.start(id);
    std::uint64_t marker = sessions.end(id, in(kLong))->cut_off;
    durability.acked({&marker, 1});
  }
  EXPECT_EQ(sessions.find("s0"), nullptr);
  EXPECT_NE(sessions.find("s" + std::to_string(3 * kMaxRememberedEnds - 1)), nullptr);
}

// Publishers race with cut-offs: whatever a publisher was told before it saw a cut-off lies at or before it,
// and the numbers of each publisher rise.
TEST_F(Sessions, NoAcceptedEventIsBehindALaterCutOff) {  // cutoff-too-early
  sessions.start("a");
  constexpr int kEach = 1500;
  std::atomic<int> left{3};
  std::vector<std::jthread> threads;
  std::mutex mutex;
  std::uint64_t newest_accepted = 0;
  for (int p = 0; p < 3; ++p) {
    threads.emplace_back([&] {
      std::uint64_t before = 0;
      for (int i = 0; i < kEach; ++i) {
        std::uint64_t seq = sessions.publish("a", event())->seq;
        EXPECT_GT(seq, before);
        before = seq;
        std::lock_guard lock(mutex);
        newest_accepted = std::max(newest_accepted, seq);
      }
      --left;
    });
  }
  while (left > 0) {
    std::uint64_t accepted;
    {
      std::lock_guard lock(mutex);
      accepted = newest_accepted;
    }
    EXPECT_GE(*sessions.cut_off(in(kLong)), accepted);
  }
}

}  // namespace
}  // namespace s2::writer
