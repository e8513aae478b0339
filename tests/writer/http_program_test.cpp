// s2-writer --driver http as a process, as a VM's supervisor and its viewers meet it.
#include <gtest/gtest.h>
#include <httplib.h>
#include <poll.h>

#include <cstring>

#include "emulator/emulator.h"
#include "tests/writer/stdio_pipe.h"
#include "writer/http_driver.h"
#include "writer/live_stream.h"
#include "writer/telemetry_api.h"

namespace s2::writer {
namespace {

using namespace test;
using nlohmann::json;

constexpr const char* kJsonType = "application/json";
constexpr const char* kConsoleOn =
    R"({"browser":{"console":{"enabled":true}},"capture_session_id":"session-1"})";
constexpr const char* kLogEvent = R"({"type":"console_log","data":"probe"})";

class HttpProgram : public testing::Test {
 protected:
  HttpProgram() { s2.create_basin("basin-one"); }
  std::map<std::string, std::string> environment() const {
    return {{"S2_BASIN", "basin-one"}, {"S2_ACCESS_TOKEN", "a-token"}, {"S2_BASIN_ENDPOINT", s2.endpoint()}};
  }
  void begin(std::map<std::string, std::string> variables) {
    writer = std::make_unique<Program>(std::move(variables), std::vector<std::string>{"--driver", "http"});
    url = writer->expect("ready").value("url", "");
  }
  void begin() { begin(environment()); }
  httplib::Client client() const {
    httplib::Client made(url);
    made.set_read_timeout(20);
    return made;
  }
  int put(const char* body) {
    const auto answer = client().Put("/telemetry", body, kJsonType);
    return answer ? answer->status : 0;
  }
  int publish(const std::string& body = kLogEvent) {
    const auto answer = client().Post("/telemetry/events", body, kJsonType);
    return answer ? answer->status : 0;
  }
  int connected(std::chrono::seconds within = std::chrono::seconds(20)) const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval limit = {within.count(), 0};
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  // Sends the parts one behind the other, each once the server has answered or a while has passed; all that
  // comes until it closes an idle connection.
  std::string talk(const std::vector<std::string>& parts) const {
    const int fd = connected();
    std::string answers;
    const auto hear = [&](int patience_ms) {
      pollfd wait{fd, POLLIN, 0};
      char buffer[4096];
      if (::poll(&wait, 1, patience_ms) <= 0) return false;
      const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got > 0) answers.append(buffer, static_cast<std::size_t>(got));
      return got > 0;
    };
    for (const std::string& part : parts) {
      if (::send(fd, part.data(), part.size(), MSG_NOSIGNAL) < 0) break;
      hear(150);
    }
    while (hear(20'000)) {
    }
    ::close(fd);
    return answers;
  }
  // The sequence numbers of a stored page.
  std::vector<std::uint64_t> stored(const std::string& query) {
    const auto answer = client().Get("/telemetry/events?" + query);
    EXPECT_TRUE(answer && answer->status == 200) << (answer ? answer->body : "no answer");
    std::vector<std::uint64_t> seqs;
    if (!answer || answer->status != 200) return seqs;
    for (const json& envelope : json::parse(answer->body)) seqs.push_back(envelope["seq"]);
    more = answer->get_header_value("X-Has-More");
    next = answer->get_header_value("X-Next-Offset");
    return seqs;
  }

  std::string url, more, next;
  emulator::Emulator s2;
  std::unique_ptr<Program> writer;
};

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

// A request in the body of another, as a page may send one: its bytes carry whatever headers the page likes.
TEST_F(HttpProgram, WhatStandsInABodyIsNeverTakenForARequest) {
  begin();
  const std::string hidden =
      "PUT /telemetry HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(std::strlen(kConsoleOn)) +
      "\r\n\r\n" + kConsoleOn;
  const std::string length = "Content-Length: " + std::to_string(hidden.size()) + "\r\n\r\n";
  const std::string origin = "Host: x\r\nOrigin: http://evil.example\r\n";
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
      talk({"POST /telemetry/events HTTP/1.1\r\nHost: x\r\n" + length, kLogEvent,
            "GET /telemetry HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer the-api-token\r\n\r\n"});
  EXPECT_TRUE(answers.starts_with("HTTP/1.1 401")) << answers;
  EXPECT_NE(answers.find("HTTP/1.1 404"), std::string::npos) << answers;  // nothing is captured
}

TEST_F(HttpProgram, ManyConnectAtOnceThoughTheWriterIsNotRunningJustThen) {
  begin();
  writer->signal(SIGSTOP);
  std::vector<int> waiting;
  for (std::size_t i = 0; i < 2 * kMaxViewers && !HasFailure(); ++i)
    waiting.push_back(connected(std::chrono::seconds(2)));
  writer->signal(SIGCONT);
  EXPECT_EQ(client().Get("/telemetry")->status, 404);
  for (const int fd : waiting) ::close(fd);
}

TEST_F(HttpProgram, SixtyFourViewersAndIdleConnectionsDelayNeitherAFlushNorTheEnd) {
  begin();
  put(kConsoleOn);
  std::atomic<std::size_t> seen{0}, ended{0};
  std::vector<std::thread> viewers;
  for (std::size_t i = 0; i < kMaxViewers; ++i) {
    viewers.emplace_back([&] {
      client().Get("/telemetry/stream?replay=all", [&, first = true](const char*, std::size_t) mutable {
        seen += std::exchange(first, false);
        return true;
      });
      ++ended;
    });
  }
  EXPECT_EQ(publish(), 200);
  for (int i = 0; i < 4000 && seen < kMaxViewers; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(seen, kMaxViewers);
  EXPECT_EQ(client().Get("/telemetry/stream")->status, 503);  // one more
  std::vector<int> idle;                                      // connected, and silent
  for (int i = 0; i < 32; ++i) idle.push_back(connected());
  EXPECT_EQ(client().Post("/telemetry/flush", R"({"deadline_ms":20000})", kJsonType)->status, 200);
  writer->signal(SIGTERM);
  EXPECT_EQ(writer->wait_end(), 0);
  for (std::thread& viewer : viewers) viewer.join();
  EXPECT_EQ(ended, kMaxViewers);
  for (const int fd : idle) ::close(fd);
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
