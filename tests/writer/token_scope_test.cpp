// What the writer's access token must allow: `append` on its sessions' streams, and nothing else, for a whole
// life; what more it may be given, and what is said where a token does not suffice. System rules
// "Credentials", "Recovery".
#include <gtest/gtest.h>
#include <httplib.h>

#include <filesystem>

#include "emulator/emulator.h"
#include "tests/writer/committed.h"
#include "tests/writer/stdio_pipe.h"

namespace s2::writer {
namespace {

using namespace test;
using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kRootToken = "the-root-token";

class TokenScope : public testing::Test {
 protected:
  TokenScope() {
    s2.create_basin("basin-one");
    s2.observe([this](const emulator::ProtocolEvent& moment) {
      const std::lock_guard lock(mutex);
      if (moment.moment == emulator::Moment::committed)
        commands[moment.stream] += wire::is_command(moment.input->records[0].headers);
      each_committed(moment, [&](const json& envelope) { stored[moment.stream].push_back(envelope["seq"]); });
    });
    fs::remove_all(directory);
    append_only = issue("append-only", {"append"});
  }
  ~TokenScope() override { fs::remove_all(directory); }

  // A token for streams that begin with `session-`.
  std::string issue(const std::string& id, const std::vector<std::string>& ops) {
    const json body = {
        {"id", id},
        {"scope",
         {{"basins", {{"exact", "basin-one"}}}, {"streams", {{"prefix", "session-"}}}, {"ops", ops}}}};
    const auto answer = client(kRootToken).Post("/v1/access-tokens", body.dump(), "application/json");
    EXPECT_TRUE(answer && answer->status == 201) << (answer ? answer->body : "no answer");
    return answer ? json::parse(answer->body)["access_token"].get<std::string>() : "";
  }
  httplib::Client client(const std::string& token) const {
    httplib::Client made(s2.endpoint());
    made.set_default_headers({{"Authorization", "Bearer " + token}, {"s2-basin", "basin-one"}});
    return made;
  }
  std::map<std::string, std::string> environment(const std::string& token) const {
    return {{"S2_BASIN", "basin-one"},
            {"S2_ACCESS_TOKEN", token},
            {"S2_BASIN_ENDPOINT", s2.endpoint()},
            {"S2_WRITER_JOURNAL_DIR", directory},
            {"S2_WRITER_JOURNAL_WAIT", "on"},
            {"S2_BATCHER_LINGER", "50ms"}};
  }
  std::vector<std::uint64_t> stored_in(const std::string& stream) {
    const std::lock_guard lock(mutex);
    return stored[stream];
  }
  static std::vector<std::uint64_t> numbers(std::uint64_t to) {
    std::vector<std::uint64_t> all;
    for (std::uint64_t n = 1; n <= to; ++n) all.push_back(n);
    return all;
  }
  // A writer that accepts events 1 to 20 of a session, of which S2 gets the first `reached`, and is killed.
  void live_and_die(const std::string& session, std::uint64_t reached) {
    Program writer(environment(append_only));
    writer.start(session);
    writer.publish_many(1, reached);
    if (reached > 0) {
      writer.send({{"op", "flush"}});
      writer.expect("flushed");
    }
    s2.cut(emulator::CutKind::reset);
    writer.publish_many(reached + 1, 20);
    writer.wait_for("published", [](const json& line) { return line["published"] == 20; });
    writer.kill();
    s2.heal();
  }

  const std::string directory = testing::TempDir() + "/token-scope-" + std::to_string(::getpid());
  std::string append_only;
  std::mutex mutex;
  std::map<std::string, std::vector<std::uint64_t>> stored;
  std::map<std::string, int> commands;  // batches that begin with one
  emulator::Emulator s2{{.auth = emulator::Auth::enforced, .root_token = kRootToken}};  // goes first: its
                                                                                        // observer uses these
};

TEST_F(TokenScope, AppendOnTheSessionsStreamsIsAllThatAWholeLifeNeeds) {
  Program writer(environment(append_only));
  writer.start("session-1");
  writer.publish_many(1, 120);
  writer.send({{"op", "flush"}});
  EXPECT_EQ(writer.expect("flushed")["flushed"]["through"], 120);
  EXPECT_EQ(stored_in("session-1"), numbers(120));
  writer.send({{"op", "stop"}});
  EXPECT_EQ(writer.expect("stopped")["stopped"]["through"], 121);
  writer.start("session-2");
  writer.publish(121);
  writer.wait_for("published", [](const json& line) { return line["published"] == 121; });
  writer.signal(SIGTERM);
  EXPECT_EQ(writer.wait_end(), 0) << writer.log();
  EXPECT_EQ(stored_in("session-1"), numbers(121));
  EXPECT_EQ(stored_in("session-2").size(), 2u);
  EXPECT_EQ(commands["session-1"], 0);  // it may not fence, and need not
  EXPECT_TRUE(writer.gone().empty());
}

TEST_F(TokenScope, WhatHadNoAnswerIsStoredOnceAndToldAsUnknownWhereItMayNeitherFenceNorRead) {
  s2.set_faults(R"([{"match":{"op":"append_session","times":3},"fault":{"cut":"after_commit"}}])");
  Program writer(environment(append_only));
  writer.start("session-1");
  writer.publish_many(1, 60);
  EXPECT_EQ(writer.finish(), 1) << writer.log();
  const std::set<std::uint64_t> told = writer.gone();
  EXPECT_EQ(stored_in("session-1"), numbers(61));
  EXPECT_FALSE(told.empty());
}

TEST_F(TokenScope, OtherStreamsAndReadingAreRefused) {
  Program writer(environment(append_only));
  writer.start("other-1");
  writer.publish(1);
  const json lost = writer.expect("lost");
  EXPECT_NE(lost.dump().find("permission_denied"), std::string::npos) << lost;
  writer.start("session-1");  // and the process goes on
  writer.publish(2);
  EXPECT_EQ(writer.finish(), 1);
  EXPECT_TRUE(stored_in("other-1").empty());
  EXPECT_FALSE(stored_in("session-1").empty());
  for (const char* path : {"/v1/streams/session-1/records?seq_num=0", "/v1/streams/session-1/records/tail",
                           "/v1/streams/session-1", "/v1/streams"}) {
    const auto answer = client(append_only).Get(path);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 403) << path;
  }
}

TEST_F(TokenScope, RecoveryNamesTheTokenThatItLacksAndIsDoneWithIt) {
  live_and_die("session-1", 10);
  {
    Program next(environment(append_only));
    next.expect("ready");
    EXPECT_EQ(next.finish(), 0);
    EXPECT_NE(next.log().find("S2_READ_TOKEN"), std::string::npos) << next.log();
    EXPECT_EQ(stored_in("session-1"), numbers(10));
  }
  auto variables = environment(append_only);
  variables["S2_READ_TOKEN"] = issue("read-only", {"read"});
  Program last(variables);
  last.expect("ready");
  EXPECT_EQ(last.finish(), 0);
  EXPECT_EQ(stored_in("session-1"), numbers(20)) << last.log();
  EXPECT_EQ(commands["session-1"], 0);
}

TEST_F(TokenScope, AStreamThatNothingReachedIsRecoveredWithoutReading) {
  live_and_die("session-1", 0);
  Program next(environment(append_only));
  next.expect("ready");
  EXPECT_EQ(next.finish(), 0);
  EXPECT_EQ(stored_in("session-1"), numbers(20)) << next.log();
}

TEST_F(TokenScope, ATokenThatMayFenceIsUsedToFence) {
  Program writer(environment(issue("fences", {"append", "fence"})));
  writer.start("session-1");
  writer.publish(1);
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_EQ(stored_in("session-1"), numbers(2));
  EXPECT_EQ(commands["session-1"], 1);
}

}  // namespace
}  // namespace s2::writer
