// A writer that is killed while its disk lives, and what comes after it: `s2-writer` at its next start, and
// `s2-writer recover`. System rule "Recovery"; deaths "respawn".
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "emulator/emulator.h"
#include "tests/writer/committed.h"
#include "tests/writer/stdio_pipe.h"
#include "writer/journal_scan.h"

namespace s2::writer {
namespace {

using namespace test;
using namespace std::chrono_literals;
using nlohmann::json;
namespace fs = std::filesystem;

class RecoveryProgram : public testing::Test {
 protected:
  RecoveryProgram() {
    s2.create_basin("basin-one");
    fs::remove_all(directory);
    s2.observe([this](const emulator::ProtocolEvent& moment) {
      const std::lock_guard lock(mutex);
      if (moment.moment == emulator::Moment::fault_fired) ++faults;
      each_committed(moment, [&](const json& envelope) {
        if (envelope["event"]["type"] == "console_log")
          stored[moment.stream].push_back(envelope["event"]["data"]);
      });
    });
  }
  ~RecoveryProgram() override { fs::remove_all(directory); }

  std::map<std::string, std::string> environment() const {
    return {{"S2_BASIN", "basin-one"},
            {"S2_ACCESS_TOKEN", "a-token"},
            {"S2_BASIN_ENDPOINT", s2.endpoint()},
            {"S2_WRITER_JOURNAL_DIR", directory},
            {"S2_WRITER_JOURNAL_WAIT", "on"},
            {"S2_BATCHER_LINGER", "100ms"}};
  }
  // A writer that accepts `count` events of session "a" and is killed. Nothing is stored of them where `cut`.
  void live_and_die(int from, int to, bool cut = true) {
    Program writer(environment());
    writer.expect("ready");
    if (cut) s2.cut(emulator::CutKind::reset);
    writer.start("a");
    for (int n = from; n <= to; ++n) writer.publish(static_cast<std::uint64_t>(n), n);
    for (int n = from; n <= to; ++n)
      writer.wait_for("published", [&](const json& line) { return line["published"] == n; });
    writer.kill();
    s2.heal();
  }
  std::vector<int> stored_in(const std::string& stream) {
    const std::lock_guard lock(mutex);
    return stored[stream];
  }
  static bool until(const std::function<bool()>& holds) {
    const auto by = std::chrono::steady_clock::now() + kLong;
    while (!holds() && std::chrono::steady_clock::now() < by) std::this_thread::sleep_for(5ms);
    return holds();
  }
  // Of another process, for as long as the lock lives.
  JournalLock another_recovery() const {
    fs::create_directories(directory);
    JournalLock lock;
    EXPECT_TRUE(lock.take_alone(directory));
    return lock;
  }
  void expect_in_use() const {
    Program recover(environment(), {"recover"});
    EXPECT_EQ(recover.wait_end(), 3);
    EXPECT_NE(recover.log().find("in use by a writer that is alive"), std::string::npos) << recover.log();
  }
  static bool waits_for_a_recovery(const Program& program) {
    return until([&] { return program.log().find("waits for it to end") != std::string::npos; });
  }
  static std::vector<int> numbers(int from, int to) {
    std::vector<int> all;
    for (int n = from; n <= to; ++n) all.push_back(n);
    return all;
  }

  const std::string directory = testing::TempDir() + "/recovery-journal-" + std::to_string(::getpid());
  std::mutex mutex;
  std::map<std::string, std::vector<int>> stored;
  std::atomic<int> faults{0};  // of the plan, that have come
  emulator::Emulator s2;       // goes first: its observer uses the above
};

TEST_F(RecoveryProgram, TheNextStartStoresWhatTheKilledOneHadAcceptedAndGoesOn) {
  live_and_die(1, 40);
  EXPECT_TRUE(stored_in("a").empty());
  live_and_die(41, 60);
  EXPECT_EQ(stored_in("a"), numbers(1, 40));
  Program third(environment());
  third.expect("ready");
  EXPECT_EQ(stored_in("a"), numbers(1, 60));
  third.start("a");
  third.publish(61, 61);
  EXPECT_EQ(third.finish(), 0);
  EXPECT_NE(third.log().find("were missing and are stored now"), std::string::npos) << third.log();
  EXPECT_EQ(stored_in("a"), numbers(1, 61));
  // It ended well: there is nothing to look at for the next one.
  Program fourth(environment());
  fourth.expect("ready");
  EXPECT_EQ(fourth.finish(), 0);
  EXPECT_EQ(fourth.log().find("recovery:"), std::string::npos) << fourth.log();
  EXPECT_EQ(stored_in("a"), numbers(1, 61));
}

TEST_F(RecoveryProgram, AStartWithoutAReachableServiceSaysWhatIsMissingAndServes) {
  live_and_die(1, 5);
  s2.cut(emulator::CutKind::reset);
  auto impatient = environment();
  impatient["S2_WRITER_RECOVERY_BUDGET"] = "200ms";
  Program writer(impatient);
  writer.expect("ready");
  s2.heal();
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_NE(writer.log().find("still missing"), std::string::npos) << writer.log();
  Program next(environment());
  next.expect("ready");
  EXPECT_EQ(stored_in("a"), numbers(1, 5));
}

TEST_F(RecoveryProgram, TheCommandStoresItAndSaysSo) {
  live_and_die(1, 30);
  Program recover(environment(), {"recover"});
  const json said = recover.expect("recovered")["recovered"];
  EXPECT_EQ(recover.wait_end(), 0);
  EXPECT_EQ(said["stream"], "a");
  EXPECT_EQ(said["missing"], 0);
  EXPECT_GE(said["delivered"], 30);  // and the session's begin, if there is one
  EXPECT_EQ(stored_in("a"), numbers(1, 30));
  Program again(environment(), {"recover", "--journal-dir", directory});
  EXPECT_EQ(again.wait_end(), 0);
  EXPECT_TRUE(again.all("recovered").empty());
  EXPECT_NE(again.log().find("nothing is left to deliver in " + directory), std::string::npos) << again.log();
  EXPECT_EQ(stored_in("a"), numbers(1, 30));
}

TEST_F(RecoveryProgram, OfLinesThatNobodySignedItIsNotSaidThatTheyAreStored) {
  fs::create_directories(directory);
  std::ofstream(directory + "/console.jsonl") << R"({"capture_session_id":"a","seq":1,"event":{}})" << "\n";
  Program recover(environment(), {"recover"});
  EXPECT_EQ(recover.wait_end(), 1);
  EXPECT_NE(recover.log().find("1 line that no process has signed is left alone"), std::string::npos)
      << recover.log();
}

TEST_F(RecoveryProgram, WhatIsOfAnotherBasinIsNotSaidToBeStored) {
  live_and_die(1, 30);
  auto mistyped = environment();
  mistyped["S2_BASIN"] = "basin-tow";
  Program recover(mistyped, {"recover"});
  const json said = recover.expect("left_alone")["left_alone"];
  EXPECT_EQ(recover.wait_end(), 1);
  EXPECT_EQ(said["basin"], "basin-one");
  EXPECT_EQ(said["stream"], "a");
  EXPECT_GE(said["events"], 30);
  EXPECT_NE(recover.log().find("S2_BASIN is `basin-tow`"), std::string::npos) << recover.log();
  Program right(environment(), {"recover"});  // and it still can be
  EXPECT_EQ(right.wait_end(), 0);
  EXPECT_EQ(stored_in("a"), numbers(1, 30));
}

TEST_F(RecoveryProgram, TheCommandTouchesNothingOfAWriterThatIsAlive) {
  Program writer(environment());
  writer.expect("ready");
  writer.start("a");
  writer.publish(1, 1);
  expect_in_use();
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_EQ(stored_in("a"), numbers(1, 1));
}

// A mark holds until the next one: the lines of one writer stood behind the other's, and were settled with
// it.
TEST_F(RecoveryProgram, WhatOneOfTwoLivingWritersLosesIsDeliveredThoughTheOtherEndsWell) {
  Program first(environment());
  first.expect("ready");
  s2.cut(emulator::CutKind::reset);
  first.start("a");
  first.publish(1, 1);
  first.wait_for("published", [](const json& line) { return line["published"] == 1; });
  Program second(environment());
  second.expect("ready");
  second.start("b");
  second.publish(1, 100);
  second.wait_for("published", [](const json& line) { return line["published"] == 1; });
  first.publish(2, 2);
  first.wait_for("published", [](const json& line) { return line["published"] == 2; });
  first.kill();
  s2.heal();
  EXPECT_EQ(second.finish(), 0) << second.log();
  EXPECT_NE(second.log().find("this one has files of its own"), std::string::npos) << second.log();
  Program next(environment());
  next.expect("ready");
  EXPECT_EQ(next.finish(), 0);
  EXPECT_EQ(next.log().find("files of its own"), std::string::npos) << next.log();
  EXPECT_EQ(stored_in("a"), numbers(1, 2)) << next.log();
  EXPECT_EQ(stored_in("b"), numbers(100, 100));
}

TEST_F(RecoveryProgram, AStartWaitsForARecoveryAndIsThenKnownToBeAlive) {
  JournalLock recovery = another_recovery();
  Program writer(environment());
  EXPECT_TRUE(waits_for_a_recovery(writer)) << writer.log();
  EXPECT_TRUE(writer.all("ready").empty());
  recovery = JournalLock();
  writer.expect("ready");
  writer.start("a");
  writer.publish(1, 1);
  expect_in_use();
  writer.publish(2, 2);
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_EQ(stored_in("a"), numbers(1, 2));
}

TEST_F(RecoveryProgram, ASignalEndsAStartThatWaitsForARecovery) {
  JournalLock recovery = another_recovery();
  Program writer(environment());
  EXPECT_TRUE(waits_for_a_recovery(writer)) << writer.log();
  writer.signal(SIGTERM);
  EXPECT_EQ(writer.wait_end(), 0);
  EXPECT_TRUE(writer.all("ready").empty());
}

TEST_F(RecoveryProgram, ASignalEndsTheRecoveryOfAStartWhateverItWaitsFor) {
  live_and_die(1, 5);
  auto patient = environment();
  patient["S2_WRITER_RECOVERY_BUDGET"] = patient["S2_WRITER_ACK_TIMEOUT"] = "1m";
  for (const char* call : {"append_session", "read"}) {
    s2.set_faults(fmt::format(R"([{{"match":{{"op":"{}"}},"fault":{{"hang":"before_commit"}}}}])", call));
    const int before = faults;
    Program writer(patient);
    EXPECT_TRUE(until([&] { return faults > before; }));
    const auto signalled = std::chrono::steady_clock::now();
    writer.signal(SIGTERM);
    EXPECT_EQ(writer.wait_end(), 0);
    EXPECT_LT(std::chrono::steady_clock::now() - signalled, kLong) << call;
    EXPECT_TRUE(writer.all("ready").empty());
    EXPECT_NE(writer.log().find("still missing"), std::string::npos) << writer.log();
  }
  s2.set_faults("[]");
  Program next(environment());
  next.expect("ready");
  EXPECT_EQ(stored_in("a"), numbers(1, 5));
}

TEST_F(RecoveryProgram, AJournalThatIsNotReadInTimeIsLeftForTheNextStart) {
  live_and_die(1, 5);
  std::ifstream written(directory + "/console.jsonl");
  std::string first, line;
  std::getline(written, first);
  std::getline(written, line);
  {
    std::ofstream more(directory + "/network.jsonl");
    more << first << "\n";
    for (int i = 0; i < 20'000; ++i) more << line << "\n";
  }
  auto hasty = environment();
  hasty["S2_WRITER_RECOVERY_BUDGET"] = "1ms";
  Program writer(hasty);
  writer.expect("ready");
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_NE(writer.log().find("not read to its end in time"), std::string::npos) << writer.log();
  EXPECT_TRUE(stored_in("a").empty());
  Program command(hasty, {"recover"});
  EXPECT_EQ(command.wait_end(), 1);
  EXPECT_NE(command.log().find("not read to its end in time"), std::string::npos) << command.log();
  EXPECT_TRUE(stored_in("a").empty());
  auto patient = environment();
  patient["S2_WRITER_RECOVERY_BUDGET"] = "60s";
  Program next(patient);
  next.expect("ready");
  EXPECT_EQ(stored_in("a"), numbers(1, 5));
}

TEST_F(RecoveryProgram, WhatTheRingDroppedIsSaidToBeLeftOutAndNotStored) {
  auto small = environment();
  small["S2_WRITER_JOURNAL_BACKLOG"] = "0";
  small["S2_WRITER_RING_CAPACITY"] = small["S2_WRITER_IN_FLIGHT_RECORDS"] = "10";
  small["S2_BATCHER_MAX_RECORDS"] = "5";
  Program writer(small);
  writer.expect("ready");
  s2.cut(emulator::CutKind::reset);
  writer.start("a");
  writer.publish_many(1, 100);
  writer.wait_for("published", [](const json& line) { return line["published"] == 100; });
  s2.heal();
  writer.send({{"op", "flush"}, {"deadline_ms", 20'000}});
  writer.expect("flushed");
  writer.kill();
  const std::size_t there = stored_in("a").size();
  ASSERT_LT(there, 50U);
  Program recover(environment(), {"recover"});
  const json said = recover.expect("recovered")["recovered"];
  EXPECT_EQ(recover.wait_end(), 0);
  EXPECT_EQ(said["stored_before"], there) << said;
  EXPECT_EQ(said["left_out"], 100 - there) << said;
  EXPECT_EQ(said["delivered"], 0);
  EXPECT_EQ(said["missing"], 0);
  EXPECT_EQ(stored_in("a").size(), there);
}

TEST_F(RecoveryProgram, EveryWrongCallIsOneClearLine) {
  const auto line = [&](std::map<std::string, std::string> variables, std::vector<std::string> arguments,
                        int code) {
    Program program(std::move(variables), std::move(arguments));
    EXPECT_EQ(program.wait_end(), code) << program.log();
    std::string log = program.log();
    EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
    return log;
  };
  auto bare = environment();
  bare.erase("S2_WRITER_JOURNAL_DIR");
  EXPECT_NE(line(bare, {"recover"}, 2).find("recover needs --journal-dir"), std::string::npos);
  EXPECT_NE(line(bare, {"recover", "--journal-dir", "/nowhere/at/all"}, 3).find("/nowhere/at/all"),
            std::string::npos);
  fs::create_directories(directory);
  EXPECT_NE(line(environment(), {"recover"}, 3).find("no journal in " + directory), std::string::npos);
  live_and_die(1, 3);
  EXPECT_NE(line(environment(), {"recover", "--session", "b"}, 3).find("is of session `b`"),
            std::string::npos);
  EXPECT_NE(line(bare, {"--session", "a"}, 2).find("goes with recover"), std::string::npos);
  auto nowhere = environment();
  nowhere.erase("S2_BASIN");
  nowhere.erase("S2_ACCESS_TOKEN");
  EXPECT_NE(line(nowhere, {"recover"}, 2).find("S2_BASIN"), std::string::npos);
}

}  // namespace
}  // namespace s2::writer
