// s2-writer itself, as a process, against the emulator in this one: exit codes, signals, and what is stored
// afterwards.
#include <gtest/gtest.h>

#include "emulator/emulator.h"
#include "tests/writer/committed.h"
#include "tests/writer/stdio_pipe.h"

namespace s2::writer {
namespace {

using namespace test;
using nlohmann::json;

constexpr const char* kToken = "a-token-nobody-may-see";

class ProgramTest : public testing::Test {
 protected:
  ProgramTest() { s2.create_basin("basin-one"); }
  std::map<std::string, std::string> environment() const {
    return {{"S2_BASIN", "basin-one"}, {"S2_ACCESS_TOKEN", kToken}, {"S2_BASIN_ENDPOINT", s2.endpoint()}};
  }
  // Appends that were committed, as the emulator's observer saw them: bodies by stream, in order.
  void watch() {
    s2.observe([this](const emulator::ProtocolEvent& moment) {
      std::lock_guard lock(mutex);
      each_committed(moment, [&](const json& envelope) { stored[moment.stream].push_back(envelope["seq"]); });
    });
  }
  std::vector<std::uint64_t> stored_in(const std::string& stream) {
    std::lock_guard lock(mutex);
    return stored[stream];
  }

  std::mutex mutex;
  std::map<std::string, std::vector<std::uint64_t>> stored;
  emulator::Emulator s2;  // goes first: its observer uses the above
};

std::vector<std::uint64_t> numbers(std::uint64_t to) {
  std::vector<std::uint64_t> all;
  for (std::uint64_t n = 1; n <= to; ++n) all.push_back(n);
  return all;
}

TEST_F(ProgramTest, StoresWhatItAcceptedAndEndsWithZero) {
  watch();
  Program writer(environment());
  writer.expect("ready");
  writer.start("cap-1");
  writer.publish_many(1, 300);
  writer.send({{"op", "stop"}});
  EXPECT_EQ(writer.expect("stopped")["stopped"]["through"], 301);
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_EQ(stored_in("cap-1"), numbers(301));
}

TEST_F(ProgramTest, SigtermStoresWhatLingers) {
  watch();
  auto variables = environment();
  variables["S2_BATCHER_LINGER"] = "1m";
  variables["S2_BATCHER_MAX_RECORDS"] = "1000";
  Program writer(variables);
  writer.start("cap-1");
  writer.publish_many(1, 120);
  writer.wait_for("published", [](const json& line) { return line["published"] == 120; });
  writer.signal(SIGTERM);
  writer.signal(SIGTERM);
  EXPECT_EQ(writer.wait_end(), 0);
  EXPECT_EQ(stored_in("cap-1"), numbers(121));
}

TEST_F(ProgramTest, SigtermAgainstASilentPeerEndsInItsBudgetAndReportsExactly) {
  watch();
  auto variables = environment();
  variables["S2_WRITER_SHUTDOWN_BUDGET"] = "500ms";
  Program writer(variables);
  writer.start("cap-1");
  writer.publish_many(1, 10);
  writer.send({{"op", "flush"}});
  EXPECT_EQ(writer.expect("flushed")["flushed"]["through"], 10);
  s2.cut(emulator::CutKind::silent);
  writer.publish_many(11, 30);
  writer.wait_for("published", [](const json& line) { return line["published"] == 30; });
  writer.signal(SIGTERM);
  EXPECT_EQ(writer.wait_end(), 1);
  std::set<std::uint64_t> account = writer.gone();
  for (std::uint64_t seq : stored_in("cap-1")) EXPECT_TRUE(account.insert(seq).second) << seq;
  EXPECT_EQ(account.size(), 31u);  // and the end marker
}

TEST_F(ProgramTest, AStopThatComesTwiceOrTooEarlyStoresNothingAndLosesNothing) {
  watch();
  Program writer(environment());
  writer.send({{"op", "stop"}});
  writer.expect("stopped");
  writer.start("cap-1");
  writer.publish(1);
  for (int i = 0; i < 2; ++i) {
    writer.send({{"op", "stop"}});
    EXPECT_EQ(writer.expect("stopped")["stopped"]["through"], 2);
  }
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_EQ(stored_in("cap-1"), numbers(2));
  EXPECT_TRUE(writer.gone().empty());
}

TEST_F(ProgramTest, WhatComesBeforeItsSessionIsRejectedAndWhatComesRightBehindTheStartIsStored) {
  watch();
  Program writer(environment());
  writer.publish(1, 1, "cap-1");
  writer.send({{"op", "start"}, {"session", "cap-1"}});
  writer.publish(2);
  EXPECT_EQ(writer.expect("rejected")["rejected"], 1);
  EXPECT_EQ(writer.expect("published")["published"], 2);
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_EQ(stored_in("cap-1"), numbers(2));  // and the end marker
}

TEST_F(ProgramTest, SigtermWhileItStillDialsStoresWhatItAcceptedOnceThePeerIsThere) {
  watch();
  s2.drain(std::chrono::milliseconds(500));
  Program writer(environment());
  writer.start("cap-1");
  writer.publish_many(1, 20);
  writer.wait_for("published", [](const json& line) { return line["published"] == 20; });
  writer.signal(SIGTERM);
  EXPECT_EQ(writer.wait_end(), 0);
  EXPECT_EQ(stored_in("cap-1"), numbers(21));
}

TEST_F(ProgramTest, RefusedCredentialsLoseEventsAndNotTheProcess) {
  watch();
  s2.set_faults(R"([{"match":{"op":"append_session"},"fault":{"status":403,"code":"permission_denied",)"
                R"("when":"before_commit"}}])");
  Program writer(environment());
  writer.start("cap-1");
  writer.publish_many(1, 3);
  writer.expect("lost");
  writer.publish(4);
  writer.wait_for("published", [](const json& line) { return line["published"] == 4; });
  writer.signal(SIGTERM);
  EXPECT_EQ(writer.wait_end(), 1);
  std::set<std::uint64_t> gone = writer.gone();
  for (const std::uint64_t seq : writer.accepted()) EXPECT_TRUE(gone.contains(seq)) << seq;
  EXPECT_TRUE(stored_in("cap-1").empty());
}

TEST_F(ProgramTest, KilledWithSigkillWhatItAckedIsStored) {
  watch();
  Program writer(environment());
  writer.start("cap-1");
  writer.publish_many(1, 1000);  // no more than the ring holds: nothing is dropped
  writer.expect("acked");
  writer.kill();
  auto kept = stored_in("cap-1");
  EXPECT_GE(kept.size(), writer.all("acked").back()["acked"].get<std::size_t>());
  EXPECT_EQ(kept, numbers(kept.size()));
}

TEST_F(ProgramTest, AClosedStdoutShutsItDown) {
  watch();
  int in[2], out[2];
  ASSERT_EQ(::pipe(in), 0);
  ASSERT_EQ(::pipe(out), 0);
  ::close(out[0]);
  StdioOptions options{.in_fd = in[0], .out_fd = out[1], .log = [](std::string_view) {}};
  EXPECT_EQ(run_stdio(options), 0);  // `ready` finds nobody
  for (int fd : {in[0], in[1], out[1]}) ::close(fd);
}

TEST_F(ProgramTest, TheTokenStandsInNothingItSays) {
  auto variables = environment();
  variables["S2_BASIN_ENDPOINT"] = "http://127.0.0.1:1";  // nobody
  variables["S2_WRITER_SHUTDOWN_BUDGET"] = "200ms";
  Program writer(variables);
  writer.start("cap-1");
  writer.publish(1);
  EXPECT_EQ(writer.finish(), 1);
  EXPECT_EQ(writer.log().find(kToken), std::string::npos);
  EXPECT_FALSE(writer.log().empty());
  for (const json& line : writer.all("lost")) EXPECT_EQ(line.dump().find(kToken), std::string::npos);
}

TEST(Program, ExitsWithTwoAndOneLineOnBadUsage) {
  for (auto& [variables, arguments] :
       std::vector<std::pair<std::map<std::string, std::string>, std::vector<std::string>>>{
           {{}, {"--driver", "grpc"}},
           {{}, {"--listen", "here"}},
           {{}, {"--bogus"}},
           {{{"S2_BASIN", "basin-one"}}, {}},
           {{{"S2_ACCESS_TOKEN", kToken}}, {}},
           {{{"S2_BATCHER_LINGER", "soon"}}, {}},
           {{{"S2_BASIN", "basin-one"}, {"S2_ACCESS_TOKEN", "a\nb"}}, {}},
           {{{"S2_BASIN", "basin-one"}, {"S2_ACCESS_TOKEN", kToken}, {"S2_BASIN_ENDPOINT", "ftp://x"}},
            {}}}) {
    Program writer(variables, arguments);
    EXPECT_EQ(writer.finish(), 2);
    std::string log = writer.log();
    EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
    EXPECT_EQ(log.find(kToken), std::string::npos);
  }
}

TEST(Program, CannotRunWithoutItsJournalsDirectory) {
  Program writer({}, {"--journal-dir", "/dev/null/x"});
  EXPECT_EQ(writer.finish(), 3);
}

TEST(Program, WithoutBasinAndTokenRunsWithoutDurableStorage) {
  Program writer({});
  writer.start("a");
  writer.publish(1);
  writer.expect("published");
  EXPECT_EQ(writer.finish(), 0);
}

}  // namespace
}  // namespace s2::writer
