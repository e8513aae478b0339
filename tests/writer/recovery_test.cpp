// Recovery against a scripted S2: what the journal holds and S2 lacks is stored once and in order, whatever
// the network does meanwhile; and what must be left alone is. System rules "Recovery", I3, I5, I11.
#include "writer/recovery.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/writer/fake_s2.h"
#include "writer/epoch.h"
#include "writer/recover_command.h"
#include "writer/wake.h"

namespace s2::writer {
namespace {

using namespace test;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kOwnBasin = "basin-one";

std::string envelope(const std::string& session, std::uint64_t seq, const std::string& data = "1") {
  return R"({"capture_session_id":")" + session + R"(","seq":)" + std::to_string(seq) +
         R"(,"event":{"ts":1700000000000000,"type":"console_log","data":)" + data + R"(,"truncated":false}})";
}

// A journal that processes which are dead by now have left.
class LeftJournal {
 public:
  explicit LeftJournal(const std::string& name)
      : directory_(fmt::format("{}/left_{}_{}", testing::TempDir(), name, getpid())) {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  ~LeftJournal() { std::filesystem::remove_all(directory_); }
  LeftJournal(const LeftJournal&) = delete;
  LeftJournal& operator=(const LeftJournal&) = delete;

  // A process begins; later ones later.
  void process(const std::string& epoch, const std::string& basin = kOwnBasin,
               const std::string& stream = "") {
    mark_ = {epoch, ++processes_, basin, stream};
    marked_.clear();
  }
  void line(const std::string& text, const std::string& category = "console") {
    if (marked_.insert(category).second) raw(line_of(mark_) + "\n", category);
    raw(text + "\n", category);
  }
  void raw(const std::string& bytes, const std::string& category = "console") {
    std::ofstream(path(category), std::ios::app | std::ios::binary) << bytes;
  }
  std::string path(const std::string& category) const { return directory_ + "/" + category + ".jsonl"; }
  const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
  JournalMark mark_;
  std::uint64_t processes_ = 0;
  std::set<std::string> marked_;
};

class Recovering {
 public:
  explicit Recovering(const std::string& name) : journal(name) {
    options.basin = kOwnBasin;
    options.epoch_token = "successor";
    options.open_timeout = options.ack_timeout = 40ms;
    options.backoff_base = 1ms;
    options.backoff_cap = 4ms;
  }

  void stored(const std::string& body) {
    wire::AppendInput input;
    input.records.emplace_back().body = body;
    s2.foreign_append(std::move(input));
  }
  std::vector<RecoveredStream> run(const std::string& session = "", std::chrono::milliseconds within = 20s) {
    const Log into = [this](std::string_view line) { log += std::string(line) + "\n"; };
    auto scan = JournalScan::read(journal.directory(), kOwnBasin, session, into);
    EXPECT_TRUE(scan) << (scan ? "" : scan.error());
    if (!scan) return {};
    return recover(*scan, session.empty() ? journal.directory() : "", options, s2, Clock::now() + within,
                   into);
  }
  std::vector<std::string> bodies() const {
    std::vector<std::string> all;
    for (const wire::AppendRecord& record : s2.stored()) all.emplace_back(record.body);
    return all;
  }

  LeftJournal journal;
  FakeS2 s2;
  RecoveryOptions options;
  std::string log;
};

std::vector<std::string> envelopes(const std::string& session, std::uint64_t from, std::uint64_t to) {
  std::vector<std::string> all;
  for (std::uint64_t seq = from; seq <= to; ++seq) all.push_back(envelope(session, seq));
  return all;
}

TEST(Recovery, DeliversWhatIsBehindTheLastStoredLineInTheOrderOfItsNumbers) {
  Recovering it("order");
  it.journal.process("dead");
  for (std::uint64_t seq = 1; seq <= 9; ++seq)
    it.journal.line(envelope("a", seq), seq % 3 == 0 ? "network" : "console");
  for (const std::string& body : envelopes("a", 1, 4)) it.stored(body);
  const auto report = it.run();
  ASSERT_EQ(report.size(), 1U);
  EXPECT_EQ(report[0].stored_before, 4U);
  EXPECT_EQ(report[0].delivered, 5U);
  EXPECT_EQ(report[0].missing, 0U);
  EXPECT_EQ(it.bodies(), envelopes("a", 1, 9));
  EXPECT_EQ(it.s2.token(), "successor.r");
  EXPECT_EQ(it.s2.stored().back().timestamp, 1700000000000U);
  // It is settled: another start need not ask S2 again.
  EXPECT_TRUE(it.run().empty());
}

TEST(Recovery, RepeatedItDeliversNothingTwice) {
  Recovering it("twice");
  it.journal.process("dead");
  for (const std::string& body : envelopes("a", 1, 50)) it.journal.line(body);
  EXPECT_EQ(it.run()[0].delivered, 50U);
  std::filesystem::remove(it.journal.directory() + "/settled.jsonl");
  const auto again = it.run();
  EXPECT_EQ(again[0].stored_before, 50U);
  EXPECT_EQ(again[0].delivered, 0U);
  EXPECT_EQ(it.bodies(), envelopes("a", 1, 50));
}

TEST(Recovery, WhatWasDroppedBeforeTheLastStoredLineStaysOut) {
  Recovering it("holes");
  it.journal.process("dead");
  for (const std::string& body : envelopes("a", 1, 6)) it.journal.line(body);
  it.stored(envelope("a", 1));
  it.stored(envelope("a", 4));
  const auto report = it.run();
  EXPECT_EQ(report[0].stored_before, 2U);
  EXPECT_EQ(report[0].left_out, 2U);
  EXPECT_EQ(report[0].delivered, 2U);
  EXPECT_EQ(report[0].missing, 0U);
  EXPECT_NE(it.log.find("2 events left out"), std::string::npos) << it.log;
  EXPECT_EQ(it.bodies(),
            (std::vector{envelope("a", 1), envelope("a", 4), envelope("a", 5), envelope("a", 6)}));
}

TEST(Recovery, TheDeadProcessStoresNothingMoreBehindIt) {
  Recovering it("fence");
  wire::AppendInput fence;
  fence.records.push_back(wire::fence_command("dead.1"));
  it.s2.foreign_append(fence);
  it.journal.process("dead");
  it.journal.line(envelope("a", 1));
  it.run();
  wire::AppendInput late;
  late.records.emplace_back().body = envelope("a", 1);
  late.fencing_token = "dead.1";
  it.s2.foreign_append(late);
  EXPECT_EQ(it.bodies(), envelopes("a", 1, 1));
}

TEST(Recovery, LeavesTheStreamToAProcessThatBeganLater) {
  Recovering it("later");
  it.options.epoch_token = make_epoch_token("boot", 1000, 1000, 1);
  const std::string later = make_epoch_token("boot", 2000, 2000, 2) + ".1";
  wire::AppendInput fence;
  fence.records.push_back(wire::fence_command(later));
  it.s2.foreign_append(fence);
  it.journal.process("dead");
  it.journal.line(envelope("a", 1));
  const auto report = it.run();
  EXPECT_EQ(report[0].missing, 1U);
  EXPECT_NE(report[0].problem.find("began later"), std::string::npos) << report[0].problem;
  EXPECT_TRUE(it.bodies().empty());
  EXPECT_EQ(it.s2.token(), later);
}

TEST(Recovery, IsExactWithoutTheRightToFence) {
  Recovering it("nofence");
  it.s2.may_fence = false;
  it.journal.process("dead");
  for (const std::string& body : envelopes("a", 1, 5)) it.journal.line(body);
  it.stored(envelope("a", 1));
  int appends = 0;
  it.s2.before_each_append =
      [&](FakeS2& s2) {  // the dead process's last batch, which lands between look and append
        if (++appends != 3) return;
        wire::AppendInput late;
        late.records.emplace_back().body = envelope("a", 2);
        s2.foreign_append(std::move(late));
      };
  EXPECT_EQ(it.run()[0].missing, 0U) << it.log;
  EXPECT_GE(appends, 3);
  EXPECT_EQ(it.bodies(), envelopes("a", 1, 5));
}

TEST(Recovery, ATokenThatMayNotReadIsToldWhichOneIsMissing) {
  Recovering it("noread");
  it.s2.may_read = false;
  it.journal.process("dead");
  it.journal.line(envelope("a", 1));
  const auto report = it.run();
  EXPECT_EQ(report[0].missing, 1U);
  EXPECT_NE(report[0].problem.find("S2_READ_TOKEN"), std::string::npos);
  it.s2.may_read = true;
  EXPECT_EQ(it.run()[0].delivered, 1U);  // nothing was settled
}

TEST(Recovery, AStreamWhoseBeginningWasTrimmedIsLeftAlone) {
  Recovering it("trimmed");
  it.journal.process("dead");
  for (const std::string& body : envelopes("a", 1, 3)) it.journal.line(body);
  for (const std::string& body : envelopes("a", 1, 2)) it.stored(body);
  for (int i = 0; i < 3; ++i) it.stored("of somebody else");
  it.s2.trimmed_below = 3;
  const auto report = it.run();
  EXPECT_EQ(report[0].missing, 3U);
  EXPECT_NE(report[0].problem.find("trimmed"), std::string::npos);
  EXPECT_EQ(it.bodies().size(), 5U);
}

TEST(Recovery, ALongStreamIsReadNoFurtherThanNeeded) {
  Recovering it("backwards");
  it.journal.process("dead");
  for (const std::string& body : envelopes("a", 1, 2600)) it.journal.line(body);
  for (const std::string& body : envelopes("a", 1, 2500)) it.stored(body);
  it.s2.trimmed_below = 1400;  // would be left alone if it were looked at
  EXPECT_EQ(it.run()[0].delivered, 100U) << it.log;
  EXPECT_EQ(it.bodies(), envelopes("a", 1, 2600));
}

TEST(Recovery, OnlyWhatIsFoundInTheStreamIsSaidToBeStored) {
  const auto left = [](Recovering& it) {
    it.journal.process("dead");
    for (const std::string& body : envelopes("a", 1, 3600)) it.journal.line(body);
    for (std::uint64_t seq = 1; seq <= 3500; ++seq) {
      if (seq <= 100 || seq > 150) it.stored(envelope("a", seq));
    }
    return it.run().at(0);
  };
  Recovering hasty("hasty");  // looks no further than it must: the last page has 999 events and the fence
  EXPECT_EQ(left(hasty).stored_before, 999U);
  Recovering whole("whole");
  whole.options.account = true;
  whole.s2.plan.assign(8, Hurt::none);
  whole.s2.plan.push_back(Hurt::read_fails);
  const RecoveredStream all = left(whole);
  EXPECT_EQ(all.stored_before, 3450U) << whole.log;
  EXPECT_EQ(all.left_out, 50U);
  EXPECT_EQ(all.unknown, 0U);
  EXPECT_EQ(all.delivered, 100U);
  EXPECT_EQ(all.missing, 0U);
  Recovering trimmed("trimmed_account");
  trimmed.options.account = true;
  trimmed.s2.trimmed_below = 1450;  // 1500 is the first that is left
  const RecoveredStream some = left(trimmed);
  EXPECT_EQ(some.stored_before, 2000U) << trimmed.log;
  EXPECT_EQ(some.left_out, 0U);
  EXPECT_EQ(some.unknown, 1500U);
  EXPECT_EQ(some.delivered, 100U);
  EXPECT_TRUE(some.settled);
}

TEST(Recovery, WhatS2NeverTakesIsSaidOnceAndTheRestIsStored) {
  Recovering it("too_large");
  it.journal.process("dead");
  const std::string huge = envelope("a", 2, '"' + std::string(1024 * 1024, 'x') + '"');
  it.journal.line(envelope("a", 1));
  it.journal.line(huge);
  it.journal.line(envelope("a", 3));
  const auto report = it.run();
  EXPECT_EQ(report[0].delivered, 2U);
  EXPECT_EQ(report[0].missing, 1U);
  EXPECT_EQ(report[0].problem, "event 2: larger than S2 takes");
  EXPECT_EQ(it.bodies(), (std::vector{envelope("a", 1), envelope("a", 3)}));
  EXPECT_TRUE(it.run().empty());
}

TEST(Recovery, SeveralProcessesAreDeliveredInTheOrderOfTheirBegin) {
  Recovering it("processes");
  it.journal.process("first");
  for (std::uint64_t seq = 1; seq <= 3; ++seq) it.journal.line(envelope("a", seq, "\"first\""));
  it.journal.process("second");
  for (std::uint64_t seq = 1; seq <= 3; ++seq) it.journal.line(envelope("a", seq, "\"second\""), "network");
  it.stored(envelope("a", 1, "\"first\""));
  it.stored(envelope("a", 1, "\"second\""));
  EXPECT_EQ(it.run()[0].delivered, 4U);
  EXPECT_EQ(it.bodies(), (std::vector{envelope("a", 1, "\"first\""), envelope("a", 1, "\"second\""),
                                      envelope("a", 2, "\"first\""), envelope("a", 3, "\"first\""),
                                      envelope("a", 2, "\"second\""), envelope("a", 3, "\"second\"")}));
}

TEST(Recovery, LeavesAloneWhatIsNotItsOwn) {
  Recovering it("foreign");
  it.journal.raw(envelope("a", 1) + "\n");  // of nobody: no mark
  it.journal.process("elsewhere", "another-basin");
  it.journal.line(envelope("a", 1));
  it.journal.process("no-storage", "");
  it.journal.line(envelope("a", 1));
  it.journal.process("dead");
  it.journal.line(journal_line(envelope("a", 1), false));  // accepted while storage was off
  it.journal.line(envelope("b", 2));
  EXPECT_TRUE(it.run("a").empty());  // of session a nothing is to be stored
  EXPECT_TRUE(it.bodies().empty());
  EXPECT_NE(it.log.find("another-basin"), std::string::npos);
  EXPECT_EQ(it.run("b").size(), 1U);
  EXPECT_EQ(it.bodies(), envelopes("b", 2, 2));
}

// Whatever it looks at, not a byte of another's file changes, torn or not.
TEST(Recovery, ATornLineIsCutFromItsOwnJournalOnly) {
  const std::string torn = envelope("a", 2).substr(0, 40);
  const auto left = [&](const std::string& name, const std::function<void(LeftJournal&)>& fill,
                        const std::string& session = "") {
    Recovering it(name);
    fill(it.journal);
    it.journal.raw(torn);
    const auto before = std::filesystem::file_size(it.journal.path("console"));
    it.run(session);
    return before - std::filesystem::file_size(it.journal.path("console"));
  };
  const auto of_basin = [](const std::string& basin) {
    return [basin](LeftJournal& journal) { journal.process("dead", basin), journal.line(envelope("a", 1)); };
  };
  for (const char* session : {"", "a"}) EXPECT_EQ(left("own", of_basin(kOwnBasin), session), torn.size());
  EXPECT_EQ(left("session", of_basin(kOwnBasin), "b"), 0U);
  for (const char* basin : {"another-basin", ""}) EXPECT_EQ(left("basin", of_basin(basin)), 0U) << basin;
  EXPECT_EQ(left("unsigned", [](LeftJournal& journal) { journal.raw(envelope("a", 1) + "\n"); }), 0U);
}

TEST(Recovery, WhatIsSettledIsNotParsedAgain) {
  Recovering it("settled");
  it.journal.process("settled");
  it.journal.line("what is no event");
  it.journal.line(envelope("a", 1));
  ASSERT_TRUE(settle_epoch(it.journal.directory(), "settled"));
  it.journal.process("dead");
  it.journal.line(envelope("b", 2));
  EXPECT_EQ(it.run().size(), 1U);
  EXPECT_EQ(it.bodies(), envelopes("b", 2, 2));
  EXPECT_EQ(it.log.find("no whole event"), std::string::npos) << it.log;
}

TEST(Recovery, ATornLastLineIsCutAndSaid) {
  Recovering it("torn");
  it.journal.process("dead");
  it.journal.line(envelope("a", 1));
  const auto whole = std::filesystem::file_size(it.journal.path("console"));
  it.journal.raw(envelope("a", 2).substr(0, 40));
  EXPECT_EQ(it.run()[0].delivered, 1U);
  EXPECT_NE(it.log.find("a torn last line of 40 bytes was cut"), std::string::npos) << it.log;
  EXPECT_EQ(std::filesystem::file_size(it.journal.path("console")), whole);
  EXPECT_EQ(it.bodies(), envelopes("a", 1, 1));
}

// The next process ends the torn line with a newline where no recovery has cut it.
TEST(Recovery, ALineThatWasTornBehindABraceIsNoEvent) {
  Recovering it("brace");
  it.journal.process("dead");
  it.journal.line(envelope("a", 1));
  const std::string torn = envelope("a", 2, R"({"k":1})");
  it.journal.raw(torn.substr(0, torn.find('}') + 1) + "\n");
  const std::string not_stored = journal_line(envelope("a", 3), false);
  it.journal.raw(not_stored.substr(0, not_stored.find('}') + 1) + "\n");
  const std::string deep = std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']');
  it.journal.line(envelope("a", 4, deep));
  it.run();
  EXPECT_EQ(it.bodies(), (std::vector{envelope("a", 1), envelope("a", 4, deep)}));
  EXPECT_NE(it.log.find("2 lines are no whole events"), std::string::npos) << it.log;
}

TEST(Recovery, AnOutageBeyondItsTimeIsSaidAndNothingIsSettled) {
  Recovering it("outage");
  it.journal.process("dead");
  it.journal.line(envelope("a", 1));
  it.s2.plan.assign(100'000, Hurt::open_fails);
  const auto report = it.run("", 50ms);
  EXPECT_EQ(report[0].missing, 1U);
  EXPECT_NE(report[0].problem.find("not done in time"), std::string::npos);
  it.s2.plan.clear();
  EXPECT_EQ(it.run()[0].delivered, 1U);
}

TEST(Recovery, IsStoppedAtOnceWhateverItWaitsFor) {
  for (const Hurt hurt : {Hurt::silent, Hurt::open_fails}) {  // for an answer; between two attempts
    Recovering it("stopped");
    it.journal.process("dead");
    it.journal.line(envelope("a", 1));
    it.options.ack_timeout = it.options.backoff_base = it.options.backoff_cap = 60s;
    it.s2.plan = {hurt};
    Wake stop;
    it.options.stop_fd = stop.fd();
    const std::jthread stopper([&] {
      std::this_thread::sleep_for(20ms);
      stop.set();
    });
    const auto begin = Clock::now();
    const auto report = it.run("", 120s);
    EXPECT_LT(Clock::now() - begin, 20s) << hurt;
    EXPECT_EQ(report[0].missing, 1U);
    EXPECT_EQ(report[0].problem, "a signal ended it");
    it.options.stop_fd = -1;
    EXPECT_EQ(it.run()[0].delivered, 1U);
  }
}

// Placed where the first acknowledgement says, the first batch would wait there, and land when the stream
// came by.
TEST(Recovery, AnAckOfTheFenceThatNamesAnotherPlaceMovesNothing) {
  Recovering it("garbled_fence");
  it.journal.process("dead");
  for (const std::string& body : envelopes("a", 1, 12)) it.journal.line(body);
  it.stored(envelope("a", 1));
  it.options.max_batch_records = 7;
  it.s2.plan = {Hurt::late_twin, Hurt::none,      Hurt::cut_before_commit, Hurt::garbled_ack,
                Hurt::late_twin, Hurt::late_twin, Hurt::late_twin};
  EXPECT_EQ(it.run()[0].delivered, 11U) << it.log;
  EXPECT_EQ(it.bodies(), envelopes("a", 1, 12));
}

// However the network hurts, and however often the recovery itself is cut short: at any time the stream holds
// a prefix of what was accepted, and in the end all of it, once.
TEST(Recovery, StoresEveryLineOnceWhateverTheNetworkDoes) {
  ASSERT_TRUE(rc::check([] {
    const auto below = [](std::uint64_t most) {
      return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::uint64_t>(0, most));
    };
    Recovering it("property");
    it.options.ack_timeout = 4ms;
    it.options.account = true;
    it.s2.may_fence = below(4) != 0;
    it.s2.late_by = 1 + below(6);
    it.options.max_batch_records = 1 + below(20);
    const std::uint64_t lines = 1 + below(200);
    const std::uint64_t before = below(lines + 1);
    it.journal.process("dead");
    for (const std::string& body : envelopes("a", 1, lines)) it.journal.line(body);
    for (const std::string& body : envelopes("a", 1, before)) it.stored(body);
    const int hurts = static_cast<int>(below(12));
    for (int i = 0; i < hurts; ++i)
      it.s2.plan.push_back(below(3) == 0 ? Hurt::late_twin : static_cast<Hurt>(below(13)));
    std::uint64_t missing = 1;
    for (int run = 0; run < 30 && missing > 0; ++run) {
      const auto report = it.run("", std::chrono::milliseconds(below(3) == 0 ? 3 : 20'000));
      missing = report.empty() ? 0 : report[0].missing;
      const auto bodies = it.bodies();
      RC_ASSERT(bodies == envelopes("a", 1, bodies.size()));
      if (!report.empty()) {
        RC_ASSERT(report[0].left_out == 0U);
        RC_ASSERT(report[0].stored_before + report[0].unknown + report[0].delivered + missing == lines);
      }
    }
    RC_ASSERT(missing == 0U);
    it.s2.plan.clear();
    std::filesystem::remove(it.journal.directory() + "/settled.jsonl");
    for (int run = 0; run < 3; ++run) it.run();  // what is late lands meanwhile
    RC_ASSERT(it.bodies() == envelopes("a", 1, lines));
  }));
}

TEST(Recovery, AStartThatWaitsInVainForAnothersRecoveryIsRefused) {
  LeftJournal journal("in_vain");
  JournalLock other;
  ASSERT_TRUE(other.take_alone(journal.directory()));
  Config config;
  config.journal_dir = journal.directory();
  std::string log;
  const Log into = [&](std::string_view line) { log += std::string(line) + "\n"; };
  const auto refused = recover_at_start(config, nullptr, -1, into, 30ms);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), 3);
  EXPECT_NE(log.find("still being recovered by another process"), std::string::npos) << log;
  other = JournalLock();
  EXPECT_TRUE(recover_at_start(config, nullptr, -1, into, 30ms));
}

TEST(JournalLock, IsForManyWritersOrOneRecovery) {
  LeftJournal journal("lock");
  JournalLock writer, other, recovery;
  EXPECT_TRUE(writer.take_shared(journal.directory()));
  EXPECT_TRUE(other.take_shared(journal.directory()));
  EXPECT_FALSE(recovery.take_alone(journal.directory()));
  writer = JournalLock();
  other = JournalLock();
  EXPECT_TRUE(recovery.take_alone(journal.directory()));
  EXPECT_FALSE(writer.take_shared(journal.directory()));
  EXPECT_TRUE(recovery.take_shared(journal.directory()));
  EXPECT_TRUE(writer.take_shared(journal.directory()));
}

}  // namespace
}  // namespace s2::writer
