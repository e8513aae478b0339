// Flush before delete, the control plane's side: what it records for every answer that a VM may give, and
// that it destroys in each case. System rule "Flush before delete".
#include "scenarios/teardown.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "emulator/emulator.h"

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kTeardownBasin = "basin-one";
constexpr const char* kSecretToken = "nobody-may-see-this";

json ranges(std::initializer_list<std::pair<std::uint64_t, json>> all) {
  json list = json::array();
  for (const auto& [from, to] : all) list.push_back({{"from", from}, {"to", to}});
  return list;
}

// A VM whose writer answers as it is told to, and a service that holds what it is told to hold.
class TeardownTest : public testing::Test {
 protected:
  TeardownTest() {
    s2.create_basin(kTeardownBasin);
    server.Get("/telemetry", [this](const httplib::Request&, httplib::Response& response) {
      if (!captures) response.status = 404;
      response.set_content(
          captures ? json{{"stream", captured}, {"seq", accepted}}.dump() : R"({"error":"it is not set"})",
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
    json records = json::array();
    for (std::uint64_t seq = from; seq <= to; ++seq) records.push_back({{"body", envelope(seq).dump()}});
    append(records);
  }
  void store(const json& one) { append({{{"body", one.dump()}}}); }
  static json envelope(std::uint64_t seq, const std::string& type = "console_log", json data = 1) {
    return {{"capture_session_id", "session-1"}, {"seq", seq}, {"event", {{"type", type}, {"data", data}}}};
  }
  static json marker(std::uint64_t seq, const std::string& type, json data = nullptr) {
    json made = envelope(seq, type, std::move(data));
    made["event"]["source"] = {{"kind", "writer"}};
    return made;
  }
  void append(const json& records) {
    httplib::Client client(s2.endpoint());
    const auto stored = client.Post("/v1/streams/session-1/records", {{"s2-basin", kTeardownBasin}},
                                    json{{"records", records}}.dump(), "application/json");
    ASSERT_TRUE(stored && stored->status == 200) << (stored ? stored->body : "no answer");
  }
  json run(std::chrono::milliseconds deadline = 20s) {
    TeardownRequest request;
    request.telemetry = vm_gone ? "http://127.0.0.1:1" : "http://127.0.0.1:" + std::to_string(port);
    request.telemetry_token = kSecretToken;
    request.service = {s2.endpoint(), basin, kSecretToken};
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
  std::string basin = kTeardownBasin, captured = "session-1";
  std::string token, destroy_problem, stream;  // which it asks for; empty: the one that the VM names
  int destroyed = 0;
};

TEST_F(TeardownTest, CompleteIsWhatTheWriterSaysAndTheStreamShows) {
  store(1, 10);
  answer = {{"through", 10}, {"tail", 10}, {"drops", 0}};
  const json record = run();
  EXPECT_EQ(record["complete"], true) << record;
  EXPECT_EQ(record["destroyed"], true);
  EXPECT_EQ(record["through"], 10);
  EXPECT_EQ(record["tail"], 10);
  EXPECT_EQ(record["drops"], 0);
  EXPECT_FALSE(record.contains("missing"));
  EXPECT_FALSE(record.contains("reason"));
  EXPECT_EQ(token, std::string("Bearer ") + kSecretToken);
  EXPECT_LT(asked_ms, 20'000);  // its answer must arrive before our own deadline
  EXPECT_GT(asked_ms, 0);
}

TEST_F(TeardownTest, WhatTheFlushNamesAsDroppedOrLostIsMissing) {
  store(2, 4), store(8, 9);
  answer = {{"through", 10},
            {"tail", 5},
            {"drops", 6},
            {"missing", ranges({{1, 1}, {4, 7}, {10, 10}})},  // 4: its outcome was unknown, and it is there
            {"unstored", json::array()}};
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["missing"], ranges({{1, 1}, {5, 7}, {10, 10}}));
  EXPECT_FALSE(record.contains("missing_more"));
  EXPECT_EQ(record["reason"], "the writer dropped or lost 5 events");
}

TEST_F(TeardownTest, OfAWriterThatOnlyCountsItsDropsTheStreamTellsWhich) {
  store(1, 3), store(6, 10);
  answer = {{"through", 10}, {"tail", 8}, {"drops", 2}};
  EXPECT_EQ(run()["missing"], ranges({{4, 5}}));
  answer["drops"] = 5;  // three more, before the first
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["missing"], ranges({{4, 5}}));
  EXPECT_EQ(record["missing_more"], 3);
}

TEST_F(TeardownTest, AHoleThatTheWriterDoesNotNameIsMissing) {
  store(1, 3), store(6, 10);
  answer = {{"through", 10}, {"tail", 8}, {"drops", 0}, {"missing", json::array()}};
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["missing"], ranges({{4, 5}}));
  EXPECT_EQ(record["reason"], "the writer says nothing of 2 events that the stream leaves out");
  answer["unstored"] = ranges({{4, 5}});  // no events of the stream
  EXPECT_EQ(run()["complete"], true);
}

TEST_F(TeardownTest, AMarkersRangeIsMissingAndTheMarkerIsNoEvent) {
  store(1, 3);
  store(marker(7, "system_events_dropped", {{"from", 4}, {"to", 7}, {"count", 4}}));
  store(8, 10);
  vm_gone = true;
  EXPECT_EQ(run(5s)["missing"], ranges({{4, 7}, {11, nullptr}}));
}

TEST_F(TeardownTest, NumbersBetweenTwoCapturesOfASessionAreAnotherStreams) {
  store(1, 3);
  store(marker(4, "system_session_ended"));
  store(8, 10);
  answer = {{"through", 10}, {"tail", 7}, {"drops", 0}, {"missing", json::array()}};
  EXPECT_EQ(run()["complete"], true);
}

TEST_F(TeardownTest, OfASessionThatEndedNothingIsMissingThatAnotherCapturedLater) {
  captured = "session-2";
  stream = "session-1";
  store(1, 3);
  store(marker(4, "system_session_ended"));
  answer = {{"through", 10}, {"tail", 6}, {"drops", 0}, {"missing", json::array()}};
  EXPECT_EQ(run()["complete"], true);
  vm_gone = true;  // with one stream for all sessions, another may have begun in it
  EXPECT_EQ(run(5s)["missing"], ranges({{5, nullptr}}));
}

TEST_F(TeardownTest, AnEventThatLooksLikeAMarkerIsAnEvent) {
  store(1, 3);
  store(envelope(4, "system_events_dropped", {{"from", 1}, {"to", 4}, {"count", 4}}));
  store(envelope(5, "system_session_ended"));
  store(8, 10);
  answer = {{"through", 10}, {"tail", 8}, {"drops", 0}, {"missing", json::array()}};
  EXPECT_EQ(run()["missing"], ranges({{6, 7}}));
}

TEST_F(TeardownTest, ABatchThatWasStoredTwiceHidesNoHole) {
  store(1, 1), store(4, 5), store(4, 5), store(6, 10);
  answer = {{"through", 10}, {"tail", 10}, {"drops", 0}, {"missing", json::array()}};
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["missing"], ranges({{2, 3}}));
}

TEST_F(TeardownTest, AnEarlierProcesssEventsAreNotThisOnes) {
  store(1, 10);
  for (std::uint64_t seq = 1; seq <= 4; ++seq) store(envelope(seq, "console_log", "a later process's"));
  answer = {{"through", 10}, {"tail", 14}, {"drops", 0}, {"missing", json::array()}};
  EXPECT_EQ(run()["missing"], ranges({{5, 10}}));
}

TEST_F(TeardownTest, ARecordsLengthIsBounded) {
  accepted = 4000;
  answer = {
      {"through", 4000}, {"tail", 2000}, {"drops", 2000}, {"missing", json::array()}, {"missing_more", 2000}};
  json records = json::array();
  for (std::uint64_t seq = 1; seq < accepted; seq += 2) {
    records.push_back({{"body", envelope(seq).dump()}});
    if (records.size() == 500) append(std::exchange(records, json::array()));
  }
  const json record = run();
  EXPECT_EQ(record["missing"].size(), kMaxMissingNamed);
  EXPECT_EQ(record["missing"].size() + record["missing_more"].get<std::size_t>(), 2000U);
  EXPECT_EQ(record["missing"].back(), (json{{"from", 4000}, {"to", 4000}}));
}

TEST_F(TeardownTest, AMistypedBasinIsNoEmptyStream) {
  store(1, 10);
  answer = {{"through", 10}, {"tail", 10}, {"drops", 0}};
  basin = "basin-two";
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["missing"], ranges({{1, nullptr}}));
  EXPECT_NE(record["reason"].get<std::string>().find("basin-two"), std::string::npos) << record;
}

TEST_F(TeardownTest, WithoutACommandTheCallerDestroysAndTheRecordSaysSo) {
  store(1, 10);
  answer = {{"through", 10}, {"tail", 10}, {"drops", 0}};
  TeardownRequest request;
  request.telemetry = "http://127.0.0.1:" + std::to_string(port);
  request.service = {s2.endpoint(), kTeardownBasin, ""};
  const json record = json::parse(to_json(tear_down(request, {})));
  EXPECT_EQ(record["complete"], true);
  EXPECT_EQ(record["destroyed"], false);
  EXPECT_EQ(record["destroy"], "left to the caller");
}

TEST_F(TeardownTest, WhoDoesNotListenIsNamed) {
  vm_gone = true;
  EXPECT_NE(run(5s)["reason"].get<std::string>().find("connection refused at http://127.0.0.1:1"),
            std::string::npos);
}

TEST(Teardown, AddressesAreLookedAtBeforeAnythingIsDone) {
  const TeardownRequest good{"http://10.0.0.7:8080", "", {"https://b.b.s2.dev", "basin", ""}, "", 1s};
  EXPECT_EQ(objection_to(good), "");
  const auto wrong = [&](const std::function<void(TeardownRequest&)>& change) {
    TeardownRequest request = good;
    change(request);
    return objection_to(request);
  };
  const std::string broken = wrong([](TeardownRequest& r) { r.service.endpoint = "http://b\n.example"; });
  EXPECT_NE(broken, "");
  EXPECT_EQ(broken.find('\n'), std::string::npos) << broken;
  for (const char* url :
       {"htp://typo", "10.0.0.7:8080", "http://", "http://host:port", "http://host:0", "http://a b"}) {
    EXPECT_NE(wrong([&](TeardownRequest& r) { r.telemetry = url; }).find("--telemetry: `"),
              std::string::npos);
    EXPECT_NE(wrong([&](TeardownRequest& r) { r.service.endpoint = url; }).find("--endpoint: `"),
              std::string::npos);
  }
  EXPECT_NE(wrong([](TeardownRequest& r) { r.telemetry += "/telemetry"; }).find("has a path"),
            std::string::npos);
  EXPECT_NE(wrong([](TeardownRequest& r) { r.deadline = 0s; }), "");
}

TEST_F(TeardownTest, AWriterThatClaimsMoreThanThereIsIsNotBelieved) {
  store(1, 7);
  answer = {{"through", 10}, {"tail", 10}, {"drops", 0}};
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["destroyed"], true);
  EXPECT_EQ(record["missing"], ranges({{8, 10}}));
  EXPECT_NE(record["reason"].get<std::string>().find("ends at 10, but it ends at 7"), std::string::npos);
}

TEST_F(TeardownTest, WhatWasPendingAtTheDeadlineIsTheMissingRange) {
  store(1, 4);
  status = 504;
  answer = {{"durable_through", 4}, {"pending", 6}};
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["missing"], ranges({{5, 10}}));
  EXPECT_NE(record["reason"].get<std::string>().find("6 events were pending"), std::string::npos);
}

TEST_F(TeardownTest, AVmThatHangsIsDestroyedAtTheDeadline) {
  store(1, 4);
  hangs = true;
  const json record = run(3s);
  EXPECT_EQ(record["destroyed"], true);
  EXPECT_EQ(record["flushed"], false);
  EXPECT_EQ(record["missing"], ranges({{5, 10}}));
}

TEST_F(TeardownTest, OfAVmThatIsGoneNobodyKnowsTheLastEvent) {
  store(1, 4);
  vm_gone = true;
  const json record = run(5s);
  EXPECT_EQ(record["destroyed"], true);
  EXPECT_EQ(record["last_stored"], 4);
  EXPECT_EQ(record["missing"], ranges({{5, nullptr}}));
}

TEST_F(TeardownTest, WhatCannotBeReadBackIsNotComplete) {
  answer = {{"through", 10}, {"tail", 10}, {"drops", 0}};
  store(1, 10);
  s2.set_faults(R"([{"match":{},"fault":{"status":403,"code":"permission_denied"}}])");
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["destroyed"], true);
  EXPECT_EQ(record["missing"], ranges({{1, nullptr}}));
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
  EXPECT_EQ(record["missing"], ranges({{1, 10}}));
  EXPECT_NE(record["reason"].get<std::string>().find("none of the 10 events"), std::string::npos) << record;
}

TEST_F(TeardownTest, WhereNobodyKnowsHowManyThereWereNothingStoredIsNotComplete) {
  captures = false;
  stream = "session-1";
  answer = {{"through", 0}, {"tail", nullptr}, {"drops", 0}};
  const json record = run();
  EXPECT_EQ(record["complete"], false);
  EXPECT_EQ(record["missing"], ranges({{1, nullptr}}));
}

TEST_F(TeardownTest, OfASessionThatIsOverTheStreamsLastEventTells) {
  captures = false;
  stream = "session-1";
  answer = {{"through", 10}, {"tail", nullptr}, {"drops", 0}};
  store(1, 9);
  const json early = run();
  EXPECT_EQ(early["complete"], false);
  EXPECT_EQ(early["missing"], ranges({{10, 10}}));
  EXPECT_NE(early["reason"].get<std::string>().find("it ends with event 9"), std::string::npos) << early;
  store(10, 10);
  EXPECT_EQ(run()["complete"], true);
}

// Stop, then delete: what the flush names is all that is known.
TEST_F(TeardownTest, OfASessionThatIsOverTheFlushNamesTheStream) {
  captures = false;
  store(1, 9);
  store(envelope(10, "system_session_ended"));
  answer = {{"through", 10},
            {"tail", 10},
            {"drops", 0},
            {"cut_off", 10},
            {"missing", json::array()},
            {"unstored", json::array()},
            {"stream", "session-1"}};
  const json record = run();
  EXPECT_EQ(record["complete"], true) << record;
  EXPECT_EQ(record["stream"], "session-1");
  EXPECT_EQ(record["last_stored"], 10);
  answer["tail"] = 11;
  EXPECT_NE(run()["reason"].get<std::string>().find("ends at 11, but it ends at 10"), std::string::npos);
  status = 504;
  answer = {{"durable_through", 9}, {"pending", 2}, {"cut_off", 12}, {"stream", "session-1"}};
  EXPECT_EQ(run()["missing"], ranges({{11, 12}}));
}

// A second session on the same VM, deleted before its first event.
TEST_F(TeardownTest, WhatEarlierSessionsPublishedIsNotMissingInAStreamWithoutAnEvent) {
  answer = {{"through", 10}, {"tail", nullptr},          {"drops", 0},
            {"cut_off", 10}, {"missing", json::array()}, {"unstored", json::array()},
            {"after", 10},   {"stream", "session-1"}};
  const json record = run();
  EXPECT_EQ(record["complete"], true) << record;
  EXPECT_FALSE(record.contains("missing"));
  answer["after"] = 8;  // the other two are its own
  EXPECT_EQ(run()["missing"], ranges({{9, 10}}));
  answer["after"] = 0;  // not known
  EXPECT_EQ(run()["missing"], ranges({{1, 10}}));
  answer["after"] = 10;
  stream = "session-2";  // it is not that stream's
  EXPECT_EQ(run()["missing"], ranges({{1, 10}}));
}

// Of an earlier process, which counted to 8 and was killed: nobody says what became of its last three.
TEST_F(TeardownTest, WhereTheStreamHasNumbersOfAnEarlierProcessTheyAreLookedAt) {
  store(1, 5);
  answer = {{"through", 10}, {"tail", nullptr}, {"drops", 0}, {"after", 10}, {"stream", "session-1"}};
  const json record = run();
  EXPECT_EQ(record["complete"], false) << record;
  EXPECT_EQ(record["missing"], ranges({{6, 10}}));
}

TEST_F(TeardownTest, WhereNothingWasEverCapturedNothingIsMissing) {
  captures = false;
  answer = {{"through", 0},     {"tail", nullptr},          {"drops", 0},
            {"cut_off", 0},     {"missing", json::array()}, {"unstored", json::array()},
            {"stream", nullptr}};
  const json record = run();
  EXPECT_EQ(record["complete"], true) << record;
  EXPECT_FALSE(record.contains("missing"));
  EXPECT_FALSE(record.contains("reason"));
  answer["cut_off"] = 3;  // accepted, and nobody knows where to
  EXPECT_EQ(run()["missing"], ranges({{1, nullptr}}));
  status = 504;
  answer = {{"durable_through", 0}, {"pending", 1}, {"cut_off", 0}, {"stream", nullptr}};  // 0: not known
  EXPECT_EQ(run()["missing"], ranges({{1, nullptr}}));
}

TEST_F(TeardownTest, AFlushThatTellsOfAStreamWithoutACutOffLeavesTheEndOpen) {
  captures = false;
  store(1, 4);
  status = 504;
  answer = {{"durable_through", 4}, {"pending", 1}, {"cut_off", 0}, {"stream", "session-1"}};
  EXPECT_EQ(run()["missing"], ranges({{5, nullptr}}));
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
