// s2-writer --driver http as a process, as a VM's supervisor and its viewers meet it.
#include "tests/writer/http_program.h"

#include <gtest/gtest.h>

#include <cstring>

#include "writer/http_driver.h"
#include "writer/live_stream.h"
#include "writer/telemetry_api.h"

namespace s2::writer {
namespace {

using namespace test;
using nlohmann::json;

TEST_F(HttpProgram, StoresWhatItAcceptedAndEndsWithZeroAtSigterm) {
  auto variables = environment();
  variables["S2_BATCHER_LINGER"] = "1m";
  begin(variables);
  EXPECT_EQ(put(kConsoleOn), 201);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(publish(), 200);
  writer->signal(SIGTERM);
  EXPECT_EQ(writer->wait_end(), 0);
  // Another writer, later: the stream's name is all that is needed.
  begin();
  EXPECT_EQ(stored("stream=session-1&limit=12").size(), 12U);
  EXPECT_EQ(more, "true");
  EXPECT_EQ(stored("stream=session-1&limit=12&offset=" + next).size(), 9U);  // and the end marker
  EXPECT_EQ(more, "false");
  EXPECT_TRUE(stored("stream=session-1&since=99999999999999").empty());
  EXPECT_EQ(stored("stream=session-1&until=99999999999999").size(), 21U);
  for (const char* wrong : {"limit=0", "limit=1001", "limit=x", "offset=-1", "since=now"}) {
    EXPECT_EQ(client().Get(std::string("/telemetry/events?stream=session-1&") + wrong)->status, 400) << wrong;
  }
  EXPECT_EQ(client().Get("/telemetry/events")->status, 404);  // no session yet
}

TEST_F(HttpProgram, AFlushMakesDurableWhatWasAcceptedAndTheStateSaysSo) {
  auto variables = environment();
  variables["S2_BATCHER_LINGER"] = "1m";
  begin(variables);
  put(kConsoleOn);
  for (int i = 0; i < 3; ++i) publish();
  const auto flushed = client().Post("/telemetry/flush", R"({"deadline_ms":20000})", kJsonType);
  ASSERT_TRUE(flushed);
  EXPECT_EQ(flushed->status, 200) << flushed->body;
  EXPECT_EQ(json::parse(flushed->body)["through"], 3);
  EXPECT_EQ(json::parse(flushed->body)["tail"], 4);  // and the fence command
  EXPECT_EQ(json::parse(client().Get("/telemetry")->body)["durable_through"], 3);
  EXPECT_EQ(stored("").size(), 3U);
  EXPECT_EQ(client().Post("/telemetry/flush")->status, 200);  // no body, and once more
  s2.cut(emulator::CutKind::silent);
  publish();
  const auto late = client().Post("/telemetry/flush", R"({"deadline_ms":100})", kJsonType);
  EXPECT_EQ(late->status, 504);
  EXPECT_EQ(json::parse(late->body)["pending"], 1);
}

TEST_F(HttpProgram, PagesAndStrangersAreRefusedAndBigBodiesToo) {
  auto variables = environment();
  variables["S2_WRITER_API_TOKEN"] = "the-api-token";
  begin(variables);
  auto anybody = client();
  EXPECT_EQ(anybody.Get("/telemetry")->status, 401);
  EXPECT_EQ(anybody.Get("/telemetry", {{"Authorization", "Bearer the-api-tokem"}})->status, 401);
  const httplib::Headers good = {{"Authorization", "Bearer the-api-token"}};
  EXPECT_EQ(anybody.Get("/telemetry", good)->status, 404);
  httplib::Headers page = good;
  page.emplace("Origin", "http://evil.example");
  EXPECT_EQ(anybody.Post("/telemetry/events", page, kLogEvent, kJsonType)->status, 403);
  EXPECT_EQ(anybody.Get("/nowhere", good)->status, 404);
  EXPECT_EQ(anybody.Put("/telemetry", good, kConsoleOn, kJsonType)->status, 201);
  const std::string big = R"({"type":"console_log","data":")" + std::string(kMaxApiBodyBytes, 'x') + "\"}";
  EXPECT_EQ(client().Post("/telemetry/events", good, big, kJsonType)->status, 413);
  EXPECT_EQ(anybody.Get("/telemetry", good)->status, 200);
  writer->signal(SIGTERM);
  writer->wait_end();
  EXPECT_EQ(writer->log().find("the-api-token"), std::string::npos);
}

// `curl -d` says that its body is a form.
TEST_F(HttpProgram, ABodyIsTakenWholeWhateverTypeItIsSaidToHave) {
  begin();
  EXPECT_EQ(client().Put("/telemetry", kConsoleOn, "application/x-www-form-urlencoded")->status, 201);
  const std::string event = R"({"type":"console_log","data":")" + std::string(100'000, 'x') + "\"}";
  for (const char* type : {"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}) {
    const auto answer = client().Post("/telemetry/events", event, type);
    ASSERT_TRUE(answer) << type;
    ASSERT_EQ(answer->status, 200) << type << ": " << answer->body;
    EXPECT_EQ(json::parse(answer->body)["event"]["data"].get<std::string>().size(), 100'000U) << type;
  }
}

// Under a name of its own that leads to loopback a page needs no Origin.
TEST_F(HttpProgram, OnLoopbackItAnswersToLoopbackNamesOnlyUnlessTheTokenIsGiven) {
  begin();
  const std::string port = url.substr(url.rfind(':'));
  for (const std::string& host :
       {"localhost" + port, "127.0.0.1" + port, std::string("LocalHost"), "[::1]" + port})
    EXPECT_EQ(client().Get("/telemetry", {{"Host", host}})->status, 404) << host;
  for (const std::string& host :
       {std::string("evil.example"), "evil.example" + port, std::string("127.evil.example"),
        std::string("localhost.evil.example"), std::string("[evil")}) {
    EXPECT_EQ(client().Get("/telemetry", {{"Host", host}})->status, 421) << host;
    EXPECT_EQ(client().Put("/telemetry", {{"Host", host}}, kConsoleOn, kJsonType)->status, 421) << host;
  }
  EXPECT_EQ(client().Get("/telemetry")->status, 404);
  auto variables = environment();
  variables["S2_WRITER_API_TOKEN"] = "the-api-token";
  begin(variables);
  EXPECT_EQ(client().Get("/telemetry", {{"Host", "vm.example"}})->status, 401);
  EXPECT_EQ(
      client().Get("/telemetry", {{"Host", "vm.example"}, {"Authorization", "Bearer the-api-token"}})->status,
      404);
}

TEST_F(HttpProgram, AMethodThatARouteDoesNotTakeGets405AndTheOnesItTakes) {
  begin();
  const auto removed = client().Delete("/telemetry");
  EXPECT_EQ(removed->status, 405) << removed->body;
  EXPECT_EQ(removed->get_header_value("Allow"), "GET, HEAD, PUT, PATCH");
  EXPECT_EQ(client().Post("/telemetry", kConsoleOn, kJsonType)->status, 405);
  EXPECT_EQ(client().Get("/telemetry/flush")->status, 405);
  EXPECT_EQ(client().Options("/telemetry/events")->get_header_value("Allow"), "GET, HEAD, POST");
  EXPECT_EQ(client().Delete("/nowhere")->status, 404);
  EXPECT_EQ(talk({"POST /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"}).substr(0, 12), "HTTP/1.1 404");
  EXPECT_EQ(talk({"PUT /telemetry HTTP/1.1\r\nHost: localhost\r\n\r\n"}).substr(0, 12), "HTTP/1.1 411");
}

// A request in the body of another, as a page may send one: its bytes carry whatever headers the page likes.
TEST_F(HttpProgram, WhatStandsInABodyIsNeverTakenForARequest) {
  begin();
  const std::string hidden = "PUT /telemetry HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                             std::to_string(std::strlen(kConsoleOn)) + "\r\n\r\n" + kConsoleOn;
  const std::string length = "Content-Length: " + std::to_string(hidden.size()) + "\r\n\r\n";
  const std::string origin = "Host: localhost\r\nOrigin: http://evil.example\r\n";
  const std::string form = "Content-Type: multipart/form-data\r\n";
  for (const std::string& head :
       {"POST /telemetry/events HTTP/1.1\r\n" + origin, "POST /nowhere HTTP/1.1\r\n" + origin,
        "POST /telemetry/events HTTP/1.1\r\n" + origin + form, "DELETE /telemetry HTTP/1.1\r\n" + origin,
        "GET /telemetry HTTP/1.1\r\n" + origin, "OPTIONS /telemetry HTTP/1.1\r\n" + origin,
        "TRACE /telemetry HTTP/1.1\r\n" + origin,
        "POST /telemetry/events HTTP/1.1\r\nContent-Encoding: gzip\r\n" + origin}) {
    const std::string answers = talk({head + length, hidden});
    EXPECT_EQ(answers.find("HTTP/1.1 20"), std::string::npos) << head << answers;
    EXPECT_EQ(answers.find("HTTP/1.1 4"), answers.rfind("HTTP/1.1 4"))
        << "a second answer: " << head << answers;
    EXPECT_EQ(client().Get("/telemetry")->status, 404) << head;
  }
}

TEST_F(HttpProgram, ARefusedRequestSpoilsNotTheNextOneOnItsConnection) {
  auto variables = environment();
  variables["S2_WRITER_API_TOKEN"] = "the-api-token";
  begin(variables);
  const std::string length = "Content-Length: " + std::to_string(std::strlen(kLogEvent)) + "\r\n\r\n";
  const std::string answers =
      talk({"POST /telemetry/events HTTP/1.1\r\nHost: localhost\r\n" + length, kLogEvent,
            "GET /telemetry HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer the-api-token\r\n\r\n"});
  EXPECT_TRUE(answers.starts_with("HTTP/1.1 401")) << answers;
  EXPECT_NE(answers.find("HTTP/1.1 404"), std::string::npos) << answers;  // nothing is captured
}

TEST_F(HttpProgram, WhileItShutsDownEventsGet503AndWhatIsLostIsSaid) {
  auto variables = environment();
  variables["S2_WRITER_SHUTDOWN_BUDGET"] = "1500ms";
  begin(variables);
  put(kConsoleOn);
  publish();
  client().Post("/telemetry/flush", R"({"deadline_ms":20000})", kJsonType);
  s2.cut(emulator::CutKind::silent);
  publish();
  writer->signal(SIGTERM);
  int status = 200;
  for (int i = 0; i < 400 && status == 200; ++i) status = publish();
  EXPECT_EQ(status, 503);
  EXPECT_EQ(client().Get("/telemetry")->status, 200);
  EXPECT_EQ(writer->wait_end(), 1);
  EXPECT_TRUE(writer->gone().contains(2));
  EXPECT_FALSE(writer->gone().contains(1));
}

TEST_F(HttpProgram, AnAddressThatIsTakenIsSaidInOneLine) {
  begin();
  Program second(environment(), {"--driver", "http", "--listen", url.substr(7)});
  EXPECT_EQ(second.wait_end(), 3);
  EXPECT_NE(second.log().find("cannot listen on " + url.substr(7)), std::string::npos) << second.log();
}

TEST(SameSecret, IsTheSameTextAndNothingElse) {
  EXPECT_TRUE(same_secret("", ""));
  EXPECT_TRUE(same_secret("token", "token"));
  for (const char* other : {"", "tokem", "Token", "toke", "token1", "tokentoken"})
    EXPECT_FALSE(same_secret(other, "token")) << other;
  EXPECT_FALSE(same_secret("token", ""));
}

}  // namespace
}  // namespace s2::writer
