// s2-writer through outages that no buffer of its own outlasts, as a process, against the emulator in this
// one.
#include <gtest/gtest.h>

#include <filesystem>

#include "emulator/emulator.h"
#include "tests/writer/committed.h"
#include "tests/writer/stdio_pipe.h"

namespace s2::writer {
namespace {

using namespace test;
using nlohmann::json;
namespace fs = std::filesystem;

class OutageProgram : public testing::Test {
 protected:
  OutageProgram() {
    s2.create_basin("basin-one");
    fs::remove_all(directory);
    s2.observe([this](const emulator::ProtocolEvent& moment) {
      const std::lock_guard lock(mutex);
      each_committed(moment, [&](const json& envelope) { stored.push_back(envelope["seq"]); });
    });
  }
  ~OutageProgram() override { fs::remove_all(directory); }

  // A ring, and a window of records in flight, far smaller than what is published.
  std::map<std::string, std::string> environment() const {
    return {{"S2_BASIN", "basin-one"},
            {"S2_ACCESS_TOKEN", "a-token"},
            {"S2_BASIN_ENDPOINT", s2.endpoint()},
            {"S2_WRITER_RING_CAPACITY", "16"},
            {"S2_WRITER_IN_FLIGHT_RECORDS", "8"},
            {"S2_WRITER_JOURNAL_DIR", directory},
            {"S2_WRITER_JOURNAL_WAIT", "on"},
            {"S2_WRITER_ACK_TIMEOUT", "200ms"},
            {"S2_WRITER_OPEN_TIMEOUT", "200ms"},
            {"S2_BATCHER_LINGER", "5ms"}};
  }
  static void publish(Program& writer, int from, int to) {
    writer.publish_many(from, to);
    writer.wait_for("published", [&](const json& line) { return line["published"] == to; });
  }
  std::vector<std::uint64_t> all_stored() {
    const std::lock_guard lock(mutex);
    return stored;
  }
  static std::vector<std::uint64_t> numbers(std::uint64_t to) {
    std::vector<std::uint64_t> all;
    for (std::uint64_t n = 1; n <= to; ++n) all.push_back(n);
    return all;
  }
  void expect_exact_account(Program& writer, std::uint64_t accepted) {
    std::set<std::uint64_t> account = writer.gone();
    for (const std::uint64_t seq : all_stored()) EXPECT_TRUE(account.insert(seq).second) << seq;
    EXPECT_EQ(account.size(), accepted);
  }

  const std::string directory = testing::TempDir() + "/outage-journal-" + std::to_string(::getpid());
  std::mutex mutex;
  std::vector<std::uint64_t> stored;
  emulator::Emulator s2;  // goes first: its observer uses the above
};

TEST_F(OutageProgram, WhatTheRingLostMeanwhileIsStoredFromTheJournalAndNothingIsTold) {
  Program writer(environment());
  writer.start("a");
  publish(writer, 1, 20);
  s2.cut(emulator::CutKind::silent);
  publish(writer, 21, 1500);
  s2.heal();
  publish(writer, 1501, 1600);
  writer.send({{"op", "stop"}, {"deadline_ms", 20000}});
  EXPECT_EQ(writer.expect("stopped")["stopped"]["through"], 1601);
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_EQ(all_stored(), numbers(1601));
  EXPECT_TRUE(writer.all("dropped").empty());
}

TEST_F(OutageProgram, SigtermInTheMidstOfItEndsInItsBudgetAndReportsExactly) {
  auto variables = environment();
  variables["S2_WRITER_SHUTDOWN_BUDGET"] = "700ms";
  Program writer(variables);
  writer.start("a");
  publish(writer, 1, 20);
  s2.cut(emulator::CutKind::silent);
  publish(writer, 21, 800);
  writer.signal(SIGTERM);
  EXPECT_EQ(writer.wait_end(), 1);
  expect_exact_account(writer, 801);  // and the end marker
  EXPECT_FALSE(writer.all("lost").empty());
}

TEST_F(OutageProgram, WhatItsShutdownCouldNotSaveTheNextStartDelivers) {
  auto variables = environment();
  variables["S2_WRITER_SHUTDOWN_BUDGET"] = "500ms";
  {
    Program writer(variables);
    writer.start("a");
    publish(writer, 1, 20);
    s2.cut(emulator::CutKind::reset);
    publish(writer, 21, 500);
    writer.signal(SIGTERM);
    EXPECT_EQ(writer.wait_end(), 1);
  }
  s2.heal();
  Program next(environment());
  next.expect("ready");
  EXPECT_EQ(next.finish(), 0);
  EXPECT_EQ(all_stored(), numbers(501));
}

}  // namespace
}  // namespace s2::writer
