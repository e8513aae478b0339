// An outage longer than the ring: what it overwrote is stored from the journal, in order and exactly once,
// and what the journal does not have either is told as dropped, exactly. System rules "Producer", "Ring"; I4,
// I7, I9, I11.
#include "writer/backlog.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/writer/rig.h"

namespace s2::writer {
namespace {

using namespace test;
namespace fs = std::filesystem;

constexpr std::array<const char*, 4> kTypes = {"console_log", "network_request", "page_load",
                                               "interaction_click"};

class BacklogTest : public testing::Test {
 protected:
  void SetUp() override {
    directory = testing::TempDir() + "/backlog_" +
                testing::UnitTest::GetInstance()->current_test_info()->name() + std::to_string(::getpid());
    fs::remove_all(directory);
  }
  void TearDown() override { fs::remove_all(directory); }
  // The journal is never lapped: what is accepted is in it.
  WriterOptions options(std::int64_t ring = 16) const {
    return {.ring = {ring}, .journal_dir = directory, .journal_wait = true};
  }
  std::string file(const std::string& category) const { return directory + "/" + category + ".jsonl"; }

  std::string directory;
};

std::uint64_t publish_one(Rig& rig, const std::string& session, const char* type) {
  auto published = rig.writer->publish(session, event(type));
  EXPECT_TRUE(published) << (published ? "" : published.error());
  return published ? published->seq : 0;
}

// `count` events of all categories, one of each after another.
std::vector<std::uint64_t> publish_mixed(Rig& rig, int count, const std::string& session = "") {
  std::vector<std::uint64_t> seqs;
  for (int i = 0; i < count; ++i) seqs.push_back(publish_one(rig, session, kTypes[i % kTypes.size()]));
  return seqs;
}

void begin_outage(Rig& rig) {
  rig.s2->hang();
  rig.s2->room(4);
}

void expect_in_order(const Rig& rig) {
  const auto seqs = rig.s2->stored_seqs();
  EXPECT_TRUE(std::is_sorted(seqs.begin(), seqs.end(), std::less_equal<>()));
}

TEST_F(BacklogTest, WhatTheRingOverwroteIsStoredInOrderAsItWasPublishedAndNothingIsTold) {
  Rig rig(options());
  begin_outage(rig);
  rig.start("a");
  const auto accepted = publish_mixed(rig, 700);
  rig.s2->answer();
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
  EXPECT_EQ(rig.s2->stored_seqs(), accepted);
  for (const auto& record : rig.s2->stored()) {
    const auto body = nlohmann::json::parse(record.body);
    EXPECT_EQ(body["seq"], record.seq);
    EXPECT_EQ(body["event"]["type"], kTypes[(record.seq - 1) % kTypes.size()]);
  }
  EXPECT_TRUE(rig.ledger.drops().empty());
  EXPECT_EQ(rig.shutdown().unsaved, 0u);
}

TEST_F(BacklogTest, WithoutAJournalTheSameOutageDropsWhatTheRingOverwrote) {
  Rig rig({.ring = {16}});
  begin_outage(rig);
  rig.start("a");
  const auto accepted = publish_mixed(rig, 700);
  rig.s2->answer();
  rig.writer->flush(in(kLong));
  EXPECT_GT(rig.ledger.gone().size(), 600u);
  rig.expect_exact_account(accepted);
}

TEST_F(BacklogTest, OneOutageAfterAnotherAndBetweenThemTheRingGoesOn) {
  Rig rig(options(8));
  rig.start("a");
  std::vector<std::uint64_t> accepted;
  for (int round = 0; round < 5; ++round) {
    begin_outage(rig);
    for (const auto seq : publish_mixed(rig, 100)) accepted.push_back(seq);
    rig.s2->answer();
    if (round % 2 == 0) {
      EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
    }
    for (const auto seq : publish_mixed(rig, 5)) accepted.push_back(seq);
  }
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
  EXPECT_EQ(rig.s2->stored_seqs(), accepted);
  EXPECT_TRUE(rig.ledger.drops().empty());
}

TEST_F(BacklogTest, EachEventComesIntoItsOwnSessionsStream) {  // I9, also where an id begins anew
  Rig rig(options());
  begin_outage(rig);
  rig.start("a");
  rig.start("b");
  for (int i = 0; i < 200; ++i) publish_one(rig, i % 3 == 0 ? "a" : "b", kTypes[i % kTypes.size()]);
  ASSERT_TRUE(rig.writer->end("a", in(kShort)));
  rig.start("a");
  publish_mixed(rig, 50, "a");
  rig.s2->answer();
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
  EXPECT_EQ(rig.s2->stored().size(), 251u);
  for (const auto& record : rig.s2->stored())
    EXPECT_EQ(nlohmann::json::parse(record.body)["capture_session_id"], record.stream);
  expect_in_order(rig);
}

TEST_F(BacklogTest, WhatWasPublishedWhileStorageWasOffStaysOut) {  // I11
  Rig rig(options());
  begin_outage(rig);
  rig.start("a");
  std::vector<std::uint64_t> on;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(rig.writer->set_storing(i % 2 == 0));
    const auto seqs = publish_mixed(rig, 40);
    if (i % 2 == 0) on.insert(on.end(), seqs.begin(), seqs.end());
  }
  rig.s2->answer();
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
  EXPECT_EQ(rig.s2->stored_seqs(), on);
  EXPECT_TRUE(rig.ledger.drops().empty());
}

TEST_F(BacklogTest, WhatTheJournalCouldNotWriteIsToldAsDroppedExactlyAndTheRestIsStored) {
  fs::create_directories(directory);
  fs::create_symlink("/dev/full", file("console"));
  Rig rig(options());
  begin_outage(rig);
  rig.start("a");
  const auto accepted = publish_mixed(rig, 400);
  rig.s2->answer();
  rig.writer->flush(in(kLong));
  rig.expect_exact_account(accepted);
  const auto gone = rig.ledger.gone();
  EXPECT_GE(gone.size(), 90u);
  for (const auto seq : gone) EXPECT_EQ((seq - 1) % kTypes.size(), 0u) << seq;  // console's
  expect_in_order(rig);
}

TEST_F(BacklogTest, LinesThatCannotBeReadAnyMoreAreDroppedExactlyAndSaidOnce) {
  Rig rig(options());
  begin_outage(rig);
  rig.start("a");
  const auto accepted = publish_mixed(rig, 400);
  fs::resize_file(file("network"), fs::file_size(file("network")) / 2 + 10);  // within a line
  rig.s2->answer();
  rig.writer->flush(in(kLong));
  rig.expect_exact_account(accepted);
  const auto gone = rig.ledger.gone();
  EXPECT_GT(gone.size(), 20u);
  EXPECT_LT(gone.size(), 80u);
  for (const auto seq : gone) EXPECT_EQ((seq - 1) % kTypes.size(), 1u) << seq;
  expect_in_order(rig);
  const std::string log = rig.log();
  const std::size_t said = log.find("cannot be read back");
  EXPECT_NE(said, std::string::npos) << log;
  EXPECT_EQ(log.find("cannot be read back", said + 1), std::string::npos) << log;
}

TEST_F(BacklogTest, AFileThatWasChangedInPlaceGivesNoStranger) {  // I2
  Rig rig(options());
  begin_outage(rig);
  rig.start("a");
  const auto accepted = publish_mixed(rig, 200);
  {
    std::fstream page(file("page"), std::ios::in | std::ios::out);
    std::string text((std::istreambuf_iterator<char>(page)), {});
    std::replace(text.begin(), text.end(), '1', '7');
    page.seekp(0);
    page << text;
  }
  rig.s2->answer();
  rig.writer->flush(in(kLong));
  rig.expect_exact_account(accepted);
  for (const auto& record : rig.s2->stored())
    EXPECT_EQ(nlohmann::json::parse(record.body)["seq"], record.seq);
}

TEST_F(BacklogTest, AFileThatWasDeletedIsStillRead) {  // the writer holds it open
  Rig rig(options());
  begin_outage(rig);
  rig.start("a");
  const auto accepted = publish_mixed(rig, 200);
  fs::remove_all(directory);
  rig.s2->answer();
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
  EXPECT_EQ(rig.s2->stored_seqs(), accepted);
}

TEST_F(BacklogTest, BeyondItsLimitTheOldestAreToldAsDropped) {
  auto limited = options(4);
  limited.journal_backlog = 50;
  Rig rig(limited);
  begin_outage(rig);
  rig.start("a");
  const auto first = publish_mixed(rig, 8);
  ASSERT_TRUE(rig.s2->wait_held_up());
  const auto rest = publish_mixed(rig, 400);
  while (rig.ledger.gone().empty()) std::this_thread::yield();  // told although nothing moves
  rig.s2->answer();
  rig.writer->flush(in(kLong));
  auto accepted = first;
  accepted.insert(accepted.end(), rest.begin(), rest.end());
  rig.expect_exact_account(accepted);
  const auto stored = rig.s2->stored_seqs();
  EXPECT_GE(stored.size(), 50u);
  // The newest are there, whatever was dropped before them.
  EXPECT_TRUE(std::equal(accepted.end() - 50, accepted.end(), stored.end() - 50));
}

TEST_F(BacklogTest, EventsOfAMegabyteAreReadOneByOne) {
  Rig rig(options(1));
  begin_outage(rig);
  rig.start("a");
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(rig.writer->publish("", event("page_load", '"' + std::string(700'000, 'x') + '"')));
  rig.s2->answer();
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
  EXPECT_EQ(rig.s2->stored().size(), 20u);
}

TEST_F(BacklogTest, AShutdownDrainsItToo) {
  Rig rig(options());
  begin_outage(rig);
  rig.start("a");
  const auto accepted = publish_mixed(rig, 500);
  rig.s2->answer();
  EXPECT_EQ(rig.shutdown().unsaved, 0u);
  EXPECT_EQ(rig.s2->stored().size(), accepted.size() + 1);
  EXPECT_TRUE(rig.ledger.gone().empty());
}

TEST_F(BacklogTest, WhatTheBudgetDoesNotAllowIsToldAsLostExactly) {  // I7
  Rig rig(options());
  rig.start("a");
  auto accepted = publish_mixed(rig, 5);
  ASSERT_TRUE(rig.s2->wait_stored(5));
  begin_outage(rig);
  for (const auto seq : publish_mixed(rig, 500)) accepted.push_back(seq);
  const ShutdownReport report = rig.shutdown(std::chrono::milliseconds(300));
  rig.expect_exact_account(accepted);
  EXPECT_EQ(report.unsaved, 501u);  // and the end marker
  EXPECT_TRUE(rig.ledger.drops().empty());
  EXPECT_FALSE(rig.ledger.losses().empty());
}

// Whatever the ring's size, the backlog's limit, the journal's lag and the outages: what was accepted is
// stored or told as gone, exactly, once, in order; and where the journal has all of it, none of it is gone.
TEST_F(BacklogTest, AccountIsExactWhateverHappens) {
  ASSERT_TRUE(rc::check([&] {
    fs::remove_all(directory);
    auto given = options(*rc::gen::inRange(1, 40));
    given.journal_wait = *rc::gen::arbitrary<bool>();
    given.journal_backlog = *rc::gen::element<std::size_t>(0, 3, 40, kDefaultBacklogEvents);
    Rig rig(given);
    rig.s2->room(*rc::gen::inRange<std::size_t>(1, 20));
    std::vector<std::uint64_t> accepted, off;
    bool storing = true, spoiled = false;
    rig.start("0");
    for (const int step : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 60))) {
      if (step == 0) rig.s2->hang();
      if (step == 1) rig.s2->answer();
      if (step == 2) rig.start(std::to_string(accepted.size()));
      if (step == 3) RC_ASSERT(rig.writer->set_storing(storing = !storing));
      if (step == 4 && fs::exists(file("console"))) {
        fs::resize_file(file("console"), fs::file_size(file("console")) / 2);
        spoiled = true;
      }
      if (step >= 5) {
        for (const auto seq : publish_mixed(rig, step)) (storing ? accepted : off).push_back(seq);
      }
    }
    const bool healed = *rc::gen::arbitrary<bool>();
    if (healed) rig.s2->answer();
    rig.shutdown(healed ? kLong : std::chrono::milliseconds(30));
    rig.expect_exact_account(accepted);
    expect_in_order(rig);
    const auto stored = rig.s2->stored_seqs();
    for (const auto seq : off) RC_ASSERT(!std::binary_search(stored.begin(), stored.end(), seq));
    // End markers wait for nobody: in a ring of one event the next may overwrite one before the journal has
    // it.
    const auto gone = rig.ledger.gone();
    const bool kept =
        healed && given.journal_wait && given.journal_backlog == kDefaultBacklogEvents && !spoiled;
    for (const auto seq : accepted) RC_ASSERT(!kept || !std::binary_search(gone.begin(), gone.end(), seq));
    RC_ASSERT(!testing::Test::HasFailure());
  }));
}

}  // namespace
}  // namespace s2::writer
