// Flush before delete, the control plane's side: what it records for every answer that a VM may give, and
// that it destroys in each case. System rule "Flush before delete".
#include "scenarios/teardown.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "emulator/emulator.h"

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kTeardownBasin = "basin-one";
constexpr const char* kSecretToken = "nobody-may-see-this";

// A VM whose writer answers as it is told to, and a service that holds what it is told to hold.
class TeardownTest : public testing::Test {
 protected:
  TeardownTest() {
    s2.create_basin(kTeardownBasin);
    server.Get("/telemetry", [this](const httplib::Request&, httplib::Response& response) {
      if (!captures) response.status = 404;
      response.set_content(
          captures ? json{{"stream", "session-1"}, {"seq", accepted}}.dump() : R"({"error":"it is not set"})",
          "application/json");
    });
    server.Post("/telemetry/flush", [this](const httplib::Request& request, httplib::Response& response) {
      asked_ms = json::parse(request.body)["deadline_ms"];
      token = request.get_header_value("authorization");
      for (int i = 0; hangs && i < 2000 && !stopping; ++i) std::this_thread::sleep_for(5ms);
      response.status = status;
      response.set_content(answer.dump(), "application/json");
    });
    port = server.bind_to_any_port("127.0.0.1");
    thread = std::thread([this] { server.listen_after_bind(); });
    while (!server.is_running()) std::this_thread::sleep_for(1ms);
  }
  ~TeardownTest() override {
    stopping = true;
    server.stop();
    thread.join();
  }

  void store(std::uint64_t from, std::uint64_t to) {
    httplib::Client client(s2.endpoint());
    json records = json::array();
    for (std::uint64_t seq = from; seq <= to; ++seq)
      records.push_back({{"body", json{{"capture_session_id", "session-1"}, {"seq", seq}}.dump()}});
    const auto stored = client.Post("/v1/streams/session-1/records", {{"s2-basin", kTeardownBasin}},
                                    json{{"records", records}}.dump(), "application/json");
    ASSERT_TRUE(stored && stored->status == 200) << (stored ? stored->body : "no answer");
  }
  json run(std::chrono::milliseconds deadline = 20s) {
    TeardownRequest request;
    request.telemetry = vm_gone ? "http://127.0.0.1:1" : "http://127.0.0.1:" + std::to_string(port);
    request.telemetry_token = kSecretToken;
    request.service = {s2.endpoint(), kTeardownBasin, kSecretToken};
    request.stream = vm_gone ? "session-1" : stream;
    request.deadline = deadline;
    const std::string line = to_json(tear_down(request, [this]() -> tl::expected<void, std::string> {
      ++destroyed;
      if (!destroy_problem.empty()) return tl::unexpected(destroy_problem);
      return {};
    }));
    EXPECT_EQ(std::exchange(destroyed, 0), 1) << line;
    EXPECT_EQ(line.find(kSecretToken), std::string::npos);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    return json::parse(line);
  }

  emulator::Emulator s2;
  httplib::Server server;
  int port = 0;
  std::thread thread;
  std::atomic<bool> stopping{false};
  bool hangs = false, vm_gone = false, captures = true;
  int status = 200;
  json answer;
  std::uint64_t accepted = 10;
  int asked_ms = 0;
  std::string token, destroy_problem, stream;  // which it asks for; empty: the one that the VM names
  int destroyed = 0;
};

TEST_F(TeardownTest, CompleteIsWhatTheWriterSaysAndTheStreamShows) {
  store(1, 10);
  answer = {{"through", 10}, {"tail", 10}, {"drops", 2}};
  const json record = run(1000ms);
  EXPECT_EQ(record["complete"], true);
  EXPECT_EQ(record["destroyed"], true);
  EXPECT_EQ(record["through"], 10);
  EXPECT_EQ(record["tail"], 10);
  EXPECT_EQ(record["drops"], 2);
  EXPECT_FALSE(record.contains("missing"));
  EXPECT_FALSE(record.contains("reason"));
  EXPECT_EQ(token, std::string("Bearer ") + kSecretToken);
  EXPECT_LT(asked_ms, 1000);  // its answer must arrive before our own deadline
  EXPECT_GT(asked_ms, 0);
}

TEST_F(TeardownTest, AWriterThatClaimsMoreThanThereIsIsNotBelieved) {
  store(1, 7);
  answer = {{"through", 10}, {"tail", 10}, {"drops", 0}};
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["destroyed"], true);
  EXPECT_EQ(record["missing"], (json{{"from", 8}, {"to", 10}}));
  EXPECT_NE(record["reason"].get<std::string>().find("ends at 10, but it ends at 7"), std::string::npos);
}

TEST_F(TeardownTest, WhatWasPendingAtTheDeadlineIsTheMissingRange) {
  store(1, 4);
  status = 504;
  answer = {{"durable_through", 4}, {"pending", 6}};
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["missing"], (json{{"from", 5}, {"to", 10}}));
  EXPECT_NE(record["reason"].get<std::string>().find("6 events were pending"), std::string::npos);
}

TEST_F(TeardownTest, AVmThatHangsIsDestroyedAtTheDeadline) {
  store(1, 4);
  hangs = true;
  const json record = run(300ms);
  EXPECT_EQ(record["destroyed"], true);
  EXPECT_EQ(record["flushed"], false);
  EXPECT_EQ(record["missing"], (json{{"from", 5}, {"to", 10}}));
}

TEST_F(TeardownTest, OfAVmThatIsGoneNobodyKnowsTheLastEvent) {
  store(1, 4);
  vm_gone = true;
  const json record = run(2s);
  EXPECT_EQ(record["destroyed"], true);
  EXPECT_EQ(record["last_stored"], 4);
  EXPECT_EQ(record["missing"], (json{{"from", 5}, {"to", nullptr}}));
}

TEST_F(TeardownTest, WhatCannotBeReadBackIsNotComplete) {
  answer = {{"through", 10}, {"tail", 10}, {"drops", 0}};
  store(1, 10);
  s2.set_faults(R"([{"match":{"op":"check_tail"},"fault":{"status":403,"code":"permission_denied"}}])");
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["destroyed"], true);
  EXPECT_EQ(record["missing"]["to"], nullptr);
  EXPECT_NE(record["reason"].get<std::string>().find("403"), std::string::npos);
}

TEST_F(TeardownTest, AnEmptySessionIsComplete) {
  accepted = 0;
  answer = {{"through", 0}, {"tail", nullptr}, {"drops", 0}};
  EXPECT_EQ(run()["complete"], true);
}

TEST_F(TeardownTest, AWriterThatStoredNothingOfWhatItAcceptedIsNotComplete) {  // such as one without storage
  answer = {{"through", 0}, {"tail", nullptr}, {"drops", 0}};
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["flushed"], true);
  EXPECT_EQ(record["missing"], (json{{"from", 1}, {"to", 10}}));
  EXPECT_NE(record["reason"].get<std::string>().find("none of the 10 events"), std::string::npos) << record;
}

TEST_F(TeardownTest, WhereNobodyKnowsHowManyThereWereNothingStoredIsNotComplete) {
  captures = false;
  stream = "session-1";
  answer = {{"through", 0}, {"tail", nullptr}, {"drops", 0}};
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["missing"], (json{{"from", 1}, {"to", nullptr}}));
}

TEST_F(TeardownTest, OfASessionThatIsOverTheStreamsLastEventTells) {
  captures = false;
  stream = "session-1";
  answer = {{"through", 10}, {"tail", nullptr}, {"drops", 0}};
  store(1, 9);
  const json early = run();
  EXPECT_EQ(early["complete"], false);
  EXPECT_EQ(early["missing"], (json{{"from", 10}, {"to", 10}}));
  EXPECT_NE(early["reason"].get<std::string>().find("it ends with event 9"), std::string::npos) << early;
  store(10, 10);
  EXPECT_EQ(run()["complete"], true);
}

TEST_F(TeardownTest, TheEndOfAnotherSessionsStreamProvesNothing) {
  stream = "session-0";  // and the flush tells of session-1, which is captured
  answer = {{"through", 10}, {"tail", 0}, {"drops", 0}};
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["stream"], "session-0");
  EXPECT_NE(record["reason"].get<std::string>().find("it has no event"), std::string::npos) << record;
}

TEST_F(TeardownTest, ADestroyThatFailsIsSaid) {
  store(1, 10);
  answer = {{"through", 10}, {"tail", 10}, {"drops", 0}};
  destroy_problem = "the host does not answer";
  const json record = run();
  EXPECT_EQ(record["complete"], true);
  EXPECT_EQ(record["destroyed"], false);
  EXPECT_EQ(record["reason"], "the host does not answer");
}

}  // namespace
}  // namespace s2::scenarios
