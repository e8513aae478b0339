// The storage writer and the writer around it, row by row of the table "The reference writer", over fake
// producers.
#include "writer/storage_writer.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "tests/writer/rig.h"

namespace s2::writer {
namespace {

using namespace test;
using Range = Ledger::Range;

// The storage writer alone, its Run driven by the test.
class StorageWriterTest : public testing::Test {
 protected:
  void publish(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(sessions.publish("a", event()));
  }
  void SetUp() override { sessions.start("a"); }

  std::unique_ptr<Ring> ring = std::move(*Ring::make({64}));
  Ledger ledger;
  Durability durability{ledger};
  CaptureSessions sessions{*ring, durability, "", true};
  AppendOutcomes outcomes{durability, sessions, [](std::string_view) {}};
  FakeProducers s2{outcomes};
  StorageWriter storage{*ring, s2, durability, outcomes, {}};
};

TEST_F(StorageWriterTest, RunsOnce) {
  storage.cancel();
  EXPECT_TRUE(storage.run());
  EXPECT_FALSE(storage.run());
}

TEST_F(StorageWriterTest,
       CancelledRunConsumesNothingAndDrainTakesTheRest) {  // dead-context-consume, no-drain
  publish(20);
  storage.cancel();
  ASSERT_TRUE(storage.run());
  EXPECT_TRUE(s2.stored().empty());
  EXPECT_TRUE(storage.drain(20, in(kLong)));
  EXPECT_EQ(storage.close(in(kLong)), 0u);
  EXPECT_EQ(s2.stored().size(), 20u);
}

TEST_F(StorageWriterTest, CancelWhileItWaitsForRoomKeepsTheEnvelopeInHand) {
  s2.hang();
  s2.room(3);
  std::jthread run([&] { ASSERT_TRUE(storage.run()); });
  publish(10);
  while (!storage.flush(3, in(kLong))) {
  }
  storage.cancel();
  run.join();
  s2.answer();
  EXPECT_TRUE(storage.drain(10, in(kLong)));
  EXPECT_EQ(storage.close(in(kLong)), 0u);
  EXPECT_EQ(s2.stored_seqs(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
}

TEST_F(StorageWriterTest, WhatIsDroppedBehindARunInHandIsToldAndTheRunIsStored) {
  s2.hang();
  s2.room(3);
  std::jthread run([&] { ASSERT_TRUE(storage.run()); });
  publish(10);
  ASSERT_TRUE(s2.wait_held_up());
  publish(200);  // the ring holds 64
  storage.cancel();
  run.join();
  s2.answer();
  EXPECT_TRUE(storage.drain(210, in(kLong)));
  EXPECT_EQ(storage.close(in(kLong)), 0u);
  std::set<std::uint64_t> either = ledger.gone();
  EXPECT_FALSE(either.empty());
  const std::vector<std::uint64_t> stored = s2.stored_seqs();
  EXPECT_TRUE(std::ranges::is_sorted(stored));
  EXPECT_EQ(either.size() + stored.size(), 210U);
  either.insert(stored.begin(), stored.end());
  EXPECT_EQ(either.size(), 210U);
}

// SIGTERM right after the start: the thread of Run may come to it when the drain is under way.
TEST_F(StorageWriterTest, ARunThatComesTooLateLeavesTheDrainAlone) {  // stop-sees-unstarted
  s2.hang();
  s2.room(3);
  publish(10);
  storage.cancel();
  bool drained = false;
  std::jthread drain([&] { drained = storage.drain(10, in(kLong)); });
  ASSERT_TRUE(s2.wait_held_up());
  ASSERT_TRUE(storage.run());
  s2.answer();
  drain.join();
  EXPECT_TRUE(drained);
  EXPECT_EQ(storage.close(in(kLong)), 0u);
  EXPECT_EQ(s2.stored().size(), 10u);
}

TEST_F(StorageWriterTest, DrainEndsAtItsDeadlineAndCloseHasABudgetOfItsOwn) {  // shared-deadline
  s2.hang();
  s2.room(3);
  publish(10);
  storage.cancel();
  ASSERT_TRUE(storage.run());
  EXPECT_FALSE(storage.drain(10, in(kShort)));
  s2.answer();  // in time for close
  EXPECT_EQ(storage.close(in(kLong)), 7u);
  EXPECT_EQ(s2.stored_seqs(), (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(ledger.losses(), (std::vector<Range>{{"a", 4, 10}}));
}

TEST_F(StorageWriterTest, DrainStopsAtTheCutOff) {  // endless-drain
  publish(10);
  storage.cancel();
  ASSERT_TRUE(storage.run());
  EXPECT_TRUE(storage.drain(4, in(kLong)));
  EXPECT_EQ(s2.wait_acked(10, in(kLong)), 0u);
  EXPECT_EQ(s2.stored().size(), 4u);
}

TEST_F(StorageWriterTest, DrainWithoutEndOfRunGivesUpAndCloseStillTellsAll) {  // stop-timeout-skip
  s2.hang();
  std::jthread run([&] { ASSERT_TRUE(storage.run()); });
  publish(5);
  ASSERT_TRUE(storage.flush(5, in(kLong)));
  EXPECT_FALSE(storage.drain(5, in(kShort)));
  EXPECT_EQ(storage.close(in(kShort)), 5u);
  EXPECT_EQ(ledger.losses(), (std::vector<Range>{{"a", 1, 5}}));
  storage.cancel();
}

// --- the whole writer ---

TEST(Writer, WhatIsPublishedIsStoredInOrderInItsSessionsStream) {
  Rig rig;
  rig.start("a");
  rig.start("b");
  for (int i = 0; i < 50; ++i) rig.publish(1, i % 2 == 0 ? "a" : "b");
  EXPECT_TRUE(rig.stop("a").complete);
  EXPECT_TRUE(rig.stop("b").complete);
  std::uint64_t before = 0;
  for (const auto& record : rig.s2->stored()) {
    EXPECT_GT(record.seq, before);
    before = record.seq;
    EXPECT_EQ(nlohmann::json::parse(record.body)["capture_session_id"], record.stream);
  }
  EXPECT_EQ(before, 52u);
}

TEST(Writer, StopForgetsTheSessionsProducer) {  // "so the map never grows"
  Rig rig;
  for (int i = 0; i < 5; ++i) {
    rig.start("s" + std::to_string(i));
    rig.publish(2);
    rig.stop("s" + std::to_string(i));
  }
  EXPECT_EQ(rig.s2->streams(), 0u);
  EXPECT_EQ(rig.s2->removed().size(), 5u);
}

TEST(Writer, AFixedStreamKeepsItsProducerOverSessions) {
  Rig rig({.fixed_stream = "vm"});
  rig.start("a");
  rig.publish(1);
  rig.stop("a");
  EXPECT_EQ(rig.s2->streams(), 1u);
  EXPECT_EQ(rig.s2->stored()[0].stream, "vm");
}

TEST(Writer, StopThatCannotFinishSaysSoAndTheWriterGoesOn) {
  Rig rig;
  rig.s2->hang();
  rig.start("a");
  rig.publish(3);
  Stopped stopped = rig.stop("a", in(kShort));
  EXPECT_FALSE(stopped.complete);
  EXPECT_EQ(stopped.durable_through, 0u);
  EXPECT_EQ(stopped.pending, 4u);
  rig.s2->answer();
  EXPECT_EQ(rig.shutdown().unsaved, 0u);
  EXPECT_EQ(rig.s2->stored().size(), 4u);
}

TEST(Writer, StopOfAStoppedSessionIsAnsweredTheSameAgain) {
  Rig rig;
  rig.start("a");
  rig.publish(3);
  EXPECT_EQ(rig.stop("a").durable_through, 4u);
  Stopped again = rig.stop("a");
  EXPECT_TRUE(again.complete);
  EXPECT_EQ(again.durable_through, 4u);
  EXPECT_EQ(rig.s2->stored().size(), 4u);  // one marker
}

TEST(Writer, ASessionStoresAgainAfterItsStop) {  // stop-is-forever
  Rig rig;
  rig.start("a");
  rig.publish(2);
  rig.stop("a");
  rig.start("a");
  rig.publish(2);
  EXPECT_TRUE(rig.stop("a").complete);
  EXPECT_EQ(rig.s2->stored_seqs(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6}));
}

TEST(Writer, OverrunRingIsToldOnceWhileStorageHangsAndNothingElseIsLost) {  // silent-drop, drop-livelock
  Rig rig({.ring = {16}});
  rig.s2->hang();
  rig.s2->room(4);
  rig.start("a");
  auto accepted = rig.publish(5);
  ASSERT_TRUE(rig.s2->wait_held_up());
  for (int i = 0; i < 40; ++i) {
    auto more = rig.publish(5);
    accepted.insert(accepted.end(), more.begin(), more.end());
  }
  while (rig.ledger.drops().empty()) std::this_thread::yield();  // told although nothing moves
  rig.s2->answer();
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
  rig.expect_exact_account(accepted);
  EXPECT_FALSE(rig.ledger.drops().empty());
  EXPECT_TRUE(rig.ledger.losses().empty());
}

TEST(Writer, AppendThatFailsForGoodMakesOneErrorEventThatIsNeverStored) {  // error-livelock, advance-on-error
  auto directory = testing::TempDir() + "/error_event";
  std::filesystem::remove_all(directory);
  Rig rig({.journal_dir = directory});
  rig.s2->refuse(3);
  rig.start("a");
  auto accepted = rig.publish(5);
  EXPECT_TRUE(rig.stop("a").durable_through >= 5);
  EXPECT_EQ(rig.shutdown().unsaved, 1u);
  rig.expect_exact_account(accepted);
  EXPECT_EQ(rig.ledger.losses(), (std::vector<Range>{{"a", 3, 3}}));
  for (const auto& record : rig.s2->stored())
    EXPECT_EQ(record.body.find("system_durable_error"), std::string::npos);
  std::ifstream file(directory + "/system.jsonl");
  std::string system((std::istreambuf_iterator<char>(file)), {});
  std::size_t first = system.find("system_durable_error");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(system.find("system_durable_error", first + 1), std::string::npos);
}

TEST(Writer, OversizedRecordIsSkippedToldAndTheNextIsProcessed) {  // poison-record
  Rig rig;
  rig.s2->limit_body(2000);
  rig.start("a");
  rig.publish(1);
  Event large = event();
  large.url.assign(5000, 'u');
  ASSERT_TRUE(rig.writer->publish("", large));
  rig.publish(1);
  EXPECT_EQ(rig.stop("a").pending, 0u);
  ASSERT_EQ(rig.s2->stored().size(), 3u);  // and the end marker
  EXPECT_EQ(rig.ledger.losses(), (std::vector<Range>{{"a", 2, 2}}));
}

TEST(Writer, FencedStreamLosesItsEventsAndSaysSo) {
  Rig rig;
  rig.start("a");
  rig.s2->supersede();
  auto accepted = rig.publish(3);
  EXPECT_EQ(rig.shutdown().unsaved, 4u);  // and the end marker
  rig.expect_exact_account(accepted);
}

TEST(Writer, WhatIsPublishedWhileStorageIsOffIsNeverStored) {  // pre-enable-leak, off-window-drain, I11
  Rig rig;
  rig.start("a");
  auto on = rig.publish(3);
  ASSERT_TRUE(rig.writer->set_storing(false));
  auto off = rig.publish(3);
  ASSERT_TRUE(rig.writer->set_storing(true));
  auto on_again = rig.publish(2);
  EXPECT_EQ(rig.shutdown().unsaved, 0u);
  auto stored = rig.s2->stored_seqs();
  EXPECT_EQ(stored, (std::vector<std::uint64_t>{1, 2, 3, 7, 8, 9}));
}

TEST(Writer, SwitchingOffKeepsThePromiseOfWhatWasAcceptedBefore) {
  Rig rig;
  rig.s2->linger();
  rig.start("a");
  rig.publish(3);
  ASSERT_TRUE(rig.writer->set_storing(false));
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
  EXPECT_EQ(rig.s2->stored().size(), 3u);
}

TEST(Writer, WithoutDurableStorageEverythingElseIsUnchanged) {  // "Off"
  auto directory = testing::TempDir() + "/off";
  std::filesystem::remove_all(directory);
  Rig rig({.journal_dir = directory}, false);
  rig.start("a");
  rig.publish(3);
  EXPECT_EQ(rig.writer->flush(in(kLong)).through, 0u);  // nothing is durable, and it says so
  EXPECT_FALSE(rig.writer->set_storing(true));
  EXPECT_EQ(rig.stop("a").pending, 0u);
  EXPECT_EQ(rig.shutdown().unsaved, 0u);
  std::ifstream file(directory + "/console.jsonl");
  EXPECT_EQ(std::count(std::istreambuf_iterator<char>(file), {}, '\n'), 3);
}

TEST(Writer, PublishIsAnsweredWhileStorageHangs) {
  Rig rig;
  rig.s2->hang();
  rig.s2->room(1);
  rig.start("a");
  EXPECT_EQ(rig.publish(5000).size(), 5000u);
  rig.shutdown(std::chrono::milliseconds(200));
}

// --- the flush handshake ---

TEST(Flush, SendsThePartialBatchWithoutLingerAndAnswersTheCutOff) {
  Rig rig;
  rig.s2->linger();
  rig.start("a");
  rig.publish(7);
  FlushAnswer answer = rig.writer->flush(in(kLong));
  EXPECT_TRUE(answer.flushed);
  EXPECT_EQ(answer.through, 7u);
  EXPECT_EQ(rig.s2->stored().size(), 7u);
}

TEST(Flush, IsIdempotentAndAnsweredAtOnceWhenNothingIsLeft) {
  Rig rig;
  rig.start("a");
  rig.publish(3);
  EXPECT_EQ(rig.writer->flush(in(kLong)).through, 3u);
  EXPECT_EQ(rig.writer->flush(in(kLong)).through, 3u);
  EXPECT_EQ(rig.s2->stored().size(), 3u);
}

TEST(Flush, FailsAtItsDeadlineAndSaysWhatIsDurableAndWhatPends) {
  Rig rig;
  rig.start("a");
  rig.publish(2);
  ASSERT_TRUE(rig.writer->flush(in(kLong)).flushed);
  rig.s2->hang();
  rig.publish(3);
  FlushAnswer answer = rig.writer->flush(in(kShort));
  EXPECT_FALSE(answer.flushed);
  EXPECT_EQ(answer.durable_through, 2u);
  EXPECT_EQ(answer.pending, 3u);
  rig.s2->answer();
}

TEST(Flush, BeforeAnythingWasPublishedClaimsNothing) {
  Rig rig;
  EXPECT_EQ(rig.writer->flush(in(kLong)).through, 0u);
}

TEST(Flush, FailsWhereSomethingItWaitedForIsLost) {
  Rig rig;
  rig.s2->hang();
  rig.s2->refuse(2);
  rig.start("a");
  rig.publish(3);
  std::jthread heals([&] {
    std::this_thread::sleep_for(kShort);
    rig.s2->answer();
  });
  EXPECT_FALSE(rig.writer->flush(in(kLong)).flushed);
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);  // the loss has been told
}

// --- shutdown ---

TEST(Shutdown, SavesWhatLingersAndReportsNothing) {  // signal-bound-session, cancel-before-flush
  Rig rig;
  rig.s2->linger();
  rig.start("a");
  auto accepted = rig.publish(123);
  ShutdownReport report = rig.shutdown();
  EXPECT_EQ(report.unsaved, 0u);
  for (const ShutdownOutcome& outcome : report.steps) EXPECT_TRUE(outcome.done);
  rig.expect_exact_account(accepted);
  EXPECT_EQ(rig.s2->stored().size(), 124u);
}

TEST(Shutdown, PublishesAnEndMarkerForEachActiveSessionInsideThePromise) {  // late-marker
  Rig rig;
  rig.start("a");
  rig.start("b");
  rig.publish(1, "a");
  rig.shutdown();
  auto stored = rig.s2->stored();
  ASSERT_EQ(stored.size(), 3u);
  EXPECT_EQ(stored[1].stream, "a");
  EXPECT_NE(stored[1].body.find("system_session_ended"), std::string::npos);
  EXPECT_EQ(stored[2].stream, "b");
}

TEST(Shutdown, ReportsExactlyWhatIsUnsavedWhenS2Hangs) {  // I7
  Rig rig({.ring = {32}});
  rig.start("a");
  auto accepted = rig.publish(5);
  ASSERT_TRUE(rig.s2->wait_stored(5));
  rig.s2->hang();
  rig.s2->room(6);
  for (int i = 0; i < 3; ++i) {
    auto more = rig.publish(10);
    accepted.insert(accepted.end(), more.begin(), more.end());
  }
  auto begin = std::chrono::steady_clock::now();
  ShutdownReport report = rig.shutdown(std::chrono::milliseconds(400));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  rig.expect_exact_account(accepted);
  EXPECT_EQ(report.unsaved, rig.ledger.gone().size());
  EXPECT_GE(report.unsaved, 30u);
}

TEST(Shutdown, EndsWhilePublishersGoOnForEver) {  // endless-drain
  Rig rig({.ring = {64}});
  rig.start("a");
  std::vector<std::jthread> publishers;
  std::mutex mutex;
  std::vector<std::uint64_t> accepted;
  for (int i = 0; i < 2; ++i) {
    publishers.emplace_back([&](std::stop_token stop) {
      while (!stop.stop_requested()) {
        auto published = rig.writer->publish("a", event());
        std::lock_guard lock(mutex);
        if (published) accepted.push_back(published->seq);
      }
    });
  }
  ASSERT_TRUE(rig.s2->wait_stored(20));
  rig.shutdown();
  publishers.clear();
  rig.expect_exact_account(accepted);
}

TEST(Shutdown, IsNotDelayedByAFlushInProgressAndAnswersIt) {
  Rig rig;
  rig.s2->hang();
  rig.start("a");
  rig.publish(3);
  std::jthread flushing([&] {
    FlushAnswer answer = rig.writer->flush(Deadline::max());
    EXPECT_FALSE(answer.flushed);
  });
  rig.shutdown(std::chrono::milliseconds(200));
}

TEST(Shutdown, WithoutAnySessionIsDoneAtOnce) {
  Rig rig;
  EXPECT_EQ(rig.shutdown().unsaved, 0u);
}

// Any publishes, sizes of ring and room, refusals and hangs, and then a shutdown with a short budget: what
// was accepted is stored or told as gone, exactly, once.
TEST(Shutdown, AccountIsExactWhateverHappensBefore) {
  ASSERT_TRUE(rc::check([] {
    Rig rig({.ring = {*rc::gen::inRange(1, 40)}});
    rig.s2->room(*rc::gen::inRange<std::size_t>(1, 20));
    for (int i = *rc::gen::inRange(0, 4); i > 0; --i) rig.s2->refuse(*rc::gen::inRange<std::uint64_t>(1, 60));
    std::vector<std::uint64_t> accepted;
    rig.start("0");
    for (int step : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 8))) {
      if (step == 0) rig.s2->hang();
      if (step == 1) rig.s2->answer();
      if (step == 2) rig.start(std::to_string(accepted.size()));
      if (step >= 3) {
        auto more = rig.publish(step);
        accepted.insert(accepted.end(), more.begin(), more.end());
      }
    }
    ShutdownReport report = rig.shutdown(std::chrono::milliseconds(30));
    rig.expect_exact_account(accepted);
    RC_ASSERT(!testing::Test::HasFailure());
    RC_ASSERT(report.unsaved == rig.ledger.gone().size());
  }));
}

}  // namespace
}  // namespace s2::writer
