// Where systems like this do it in one way or the other, there is a switch: both sides of each.
// docs/writer.md.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/writer/rig.h"
#include "writer/storage_writer.h"
#include "writer/telemetry_api.h"

namespace s2::writer {
namespace {

using namespace test;
using nlohmann::json;
using Range = Ledger::Range;

bool is_marker(const FakeProducers::Record& record) {
  return json::parse(record.body)["event"]["type"] == "system_events_dropped";
}

// What the stream says of drops.
std::vector<Range> marked(const Rig& rig) {
  std::vector<Range> ranges;
  for (const auto& record : rig.s2->stored()) {
    if (!is_marker(record)) continue;
    const json body = json::parse(record.body);
    const json& data = body["event"]["data"];
    EXPECT_EQ(body["seq"], data["to"]);
    EXPECT_EQ(body["seq"], record.seq);
    EXPECT_EQ(body["capture_session_id"], record.stream);
    ranges.push_back({body["capture_session_id"], data["from"], data["to"]});
  }
  return ranges;
}

std::vector<std::uint64_t> events_stored(const Rig& rig) {
  std::vector<std::uint64_t> seqs;
  for (const auto& record : rig.s2->stored()) {
    if (!is_marker(record)) seqs.push_back(record.seq);
  }
  return seqs;
}

// 5 events that S2 does not answer for.
void hold_up(Rig& rig, const std::string& session = "") {
  rig.s2->hang();
  rig.s2->room(4);
  rig.publish(5, session);
  ASSERT_TRUE(rig.s2->wait_held_up());
}

// And then 60, of which the ring of 16 overwrites 44, until that is told.
void overrun(Rig& rig) {
  hold_up(rig);
  rig.publish(60);
  while (rig.ledger.gone().size() < 44) std::this_thread::yield();
}

TEST(DropSwitch, AGapIsAllThatStandsInTheStreamOfADrop) {
  Rig rig({.ring = {16}});
  rig.start("a");
  overrun(rig);
  rig.s2->answer();
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
  EXPECT_FALSE(rig.ledger.drops().empty());
  EXPECT_TRUE(marked(rig).empty());
  EXPECT_EQ(rig.s2->stored().size() + rig.ledger.gone().size(), 65u);
}

TEST(DropSwitch, AMarkerStandsWhereTheDroppedEventsWouldAndSaysWhichTheyWere) {
  Rig rig({.ring = {16}, .drop_style = DropStyle::marker});
  rig.start("a");
  overrun(rig);
  rig.s2->answer();
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
  const auto markers = marked(rig);
  ASSERT_EQ(markers.size(), 1u);
  std::set<std::uint64_t> said;
  for (auto seq = markers[0].from; seq <= markers[0].to; ++seq) said.insert(seq);
  EXPECT_EQ(said, rig.ledger.gone());
  const auto all = rig.s2->stored_seqs();
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), std::less_equal<>()));
  EXPECT_EQ(events_stored(rig).size(), 65u - said.size());
}

TEST(DropSwitch, EachSessionHasItsOwnMarkerInItsOwnStream) {
  Rig rig({.ring = {8}, .drop_style = DropStyle::marker});
  rig.start("a");
  rig.start("b");
  hold_up(rig, "a");
  for (int i = 0; i < 30; ++i) rig.publish(1, i % 2 == 0 ? "a" : "b");
  while (rig.ledger.gone().size() < 22) std::this_thread::yield();
  rig.s2->answer();
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
  std::map<std::string, std::uint64_t> markers;
  for (const Range& range : marked(rig)) ++markers[range.session];
  EXPECT_EQ(markers, (std::map<std::string, std::uint64_t>{{"a", 1}, {"b", 1}}));
}

TEST(DropSwitch, AShutdownStoresTheMarkerToo) {
  Rig rig({.ring = {16}, .drop_style = DropStyle::marker});
  rig.start("a");
  overrun(rig);
  rig.s2->answer();
  const ShutdownReport report = rig.shutdown();
  const auto gone = rig.ledger.gone();
  EXPECT_EQ(report.unsaved, gone.size());
  std::set<std::uint64_t> said;
  for (const Range& range : marked(rig)) {
    for (auto seq = range.from; seq <= range.to; ++seq) said.insert(seq);
  }
  EXPECT_EQ(said, gone);
}

TEST(DropSwitch, AMarkerThatIsNotStoredIsNeitherALossNorUnsaved) {
  Rig rig({.ring = {16}, .drop_style = DropStyle::marker});
  rig.start("a");
  overrun(rig);
  rig.shutdown(std::chrono::milliseconds(100));
  std::vector<std::uint64_t> accepted;
  for (std::uint64_t seq = 1; seq <= 66; ++seq) accepted.push_back(seq);  // and the end marker
  rig.expect_exact_account(accepted);
}

TEST(DropSwitch, BehindAJournalOnlyWhatItDoesNotHaveIsMarked) {
  const std::string directory = testing::TempDir() + "/marked_" + std::to_string(::getpid());
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  std::filesystem::create_symlink("/dev/full", directory + "/console.jsonl");
  {
    Rig rig({.ring = {8}, .journal_dir = directory, .journal_wait = true, .drop_style = DropStyle::marker});
    rig.start("a");
    hold_up(rig);
    for (int i = 0; i < 40; ++i)
      ASSERT_TRUE(rig.writer->publish("", event(i % 4 < 2 ? "console_log" : "page_load")));
    rig.s2->answer();
    rig.writer->flush(in(kLong));
    std::set<std::uint64_t> said;
    for (const Range& range : marked(rig)) {
      EXPECT_EQ(range.to, range.from + 1);  // two of the console, between two of the page
      said.insert({range.from, range.to});
    }
    EXPECT_GE(said.size(), 8u);
    EXPECT_EQ(said, rig.ledger.gone());
    const auto all = rig.s2->stored_seqs();
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), std::less_equal<>()));
  }
  std::filesystem::remove_all(directory);
}

TEST(DropSwitch, WhateverHappensTheMarkersOfAStreamSayWhatWasDroppedFromIt) {
  ASSERT_TRUE(rc::check([] {
    Rig rig({.ring = {*rc::gen::inRange(1, 12)}, .drop_style = DropStyle::marker});
    rig.s2->room(*rc::gen::inRange<std::size_t>(1, 6));
    rig.start("a");
    rig.start("b");
    for (const int step : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 30))) {
      if (step == 0) rig.s2->hang();
      if (step == 1) rig.s2->answer();
      if (step >= 2) rig.publish(step, step % 2 == 0 ? "a" : "b");
    }
    rig.s2->answer();
    rig.shutdown();
    RC_ASSERT(rig.ledger.losses().empty());
    const auto all = rig.s2->stored_seqs();
    RC_ASSERT(std::is_sorted(all.begin(), all.end(), std::less_equal<>()));
    // A marker may span what another session has in between: what was stored, it does not speak of.
    std::map<std::string, std::uint64_t> told, said;
    for (const Range& range : rig.ledger.drops()) told[range.session] += range.to - range.from + 1;
    for (const auto& record : rig.s2->stored()) {
      if (is_marker(record))
        said[record.stream] += json::parse(record.body)["event"]["data"]["count"].get<std::uint64_t>();
    }
    RC_ASSERT(said == told);
  }));
}

// A writer of which one append, of event 3, fails for good.
class DurableErrorSwitch : public testing::Test {
 protected:
  void run(DurableErrors how) {
    rig = std::make_unique<Rig>(WriterOptions{.durable_errors = how});
    rig->s2->refuse(3);
    rig->start("a");
    auto viewer = rig->writer->viewer(0);
    rig->publish(5);
    rig->stop("a");
    TelemetryApi api(*rig->writer, nullptr, kLong);
    ASSERT_EQ(api.put(R"({"browser":{"console":{"enabled":true}}})").status, 201);
    said = json::parse(api.state().body)["append_failures"];
    api.refuse();
    EXPECT_EQ(rig->shutdown().unsaved, 1u);
    while (true) {
      const RingItem item = viewer->next(std::chrono::steady_clock::now());
      const EnvelopeRef* seen = std::get_if<EnvelopeRef>(&item);
      if (seen == nullptr) break;
      events += (*seen)->json.find("system_durable_error") != std::string::npos ? 1 : 0;
    }
    viewer.reset();
    EXPECT_EQ(rig->ledger.losses(), (std::vector<Range>{{"a", 3, 3}}));  // said either way
    for (const auto& record : rig->s2->stored())
      EXPECT_EQ(record.body.find("system_durable_error"), std::string::npos);
    EXPECT_NE(rig->log().find("1 append failed for good, with 1 event in it"), std::string::npos);
  }
  std::unique_ptr<Rig> rig;
  json said;
  int events = 0;
};

TEST_F(DurableErrorSwitch, AsAnEventItIsSeenByViewersOnceAndCounted) {
  run(DurableErrors::event);
  EXPECT_EQ(events, 1);
  EXPECT_EQ(said, (json{{"appends", 1}, {"events", 1}}));
}

TEST_F(DurableErrorSwitch, AsACounterItTakesNoNumberAndIsSeenInTheState) {
  run(DurableErrors::counter);
  EXPECT_EQ(events, 0);
  EXPECT_EQ(said, (json{{"appends", 1}, {"events", 1}}));
}

class CancelledRunSwitch : public testing::Test {
 protected:
  // What Run says: cancelled while it waits, or before its thread has come to it.
  tl::expected<void, std::string> cancelled(CancelledRun how, bool too_late = false) {
    Ledger ledger;
    Durability durability{ledger};
    auto ring = std::move(*Ring::make({16}));
    CaptureSessions sessions{*ring, durability, "", true};
    AppendOutcomes outcomes{durability, sessions, [](std::string_view) {}};
    FakeProducers s2{outcomes};
    StorageWriter storage{*ring, s2, durability, outcomes, {.cancelled_run = how}};
    if (too_late) {
      storage.drain(0, in(kLong));
      return storage.run();
    }
    tl::expected<void, std::string> ran;
    std::jthread run([&] { ran = storage.run(); });
    sessions.start("a");
    sessions.publish("a", event());
    EXPECT_TRUE(storage.flush(1, in(kLong)));
    storage.cancel();
    run.join();
    return ran;
  }
};

TEST_F(CancelledRunSwitch, ReturnsNothingAsATaskThatDidWhatItWasAskedFor) {
  EXPECT_TRUE(cancelled(CancelledRun::nothing));
  EXPECT_TRUE(cancelled(CancelledRun::nothing, true));
}

TEST_F(CancelledRunSwitch, ReturnsAnErrorWhereTheCallerWantsToKnow) {
  const auto ran = cancelled(CancelledRun::error);
  ASSERT_FALSE(ran);
  EXPECT_EQ(ran.error(), "the storage writer was cancelled");
  EXPECT_FALSE(cancelled(CancelledRun::error, true));
}

}  // namespace
}  // namespace s2::writer
