// The live stream and the stored pages over real sockets: comments, where a viewer begins, what it missed,
// and what a page says when S2 cannot be read.
#include "tests/writer/http_program.h"

namespace s2::writer {
namespace {

using namespace test;
using nlohmann::json;

class HttpStream : public HttpProgram {
 protected:
  HttpStream() {
    variables = environment();
    variables["S2_WRITER_KEEP_ALIVE"] = "50ms";
  }
  // What a viewer gets until it has `until` in it; the test fails where that does not come.
  std::string viewed(const std::string& until, const httplib::Headers& headers,
                     const std::string& query = "") {
    std::string text;
    client().Get("/telemetry/stream" + query, headers, [&](const char* bytes, std::size_t size) {
      text.append(bytes, size);
      return text.find(until) == std::string::npos;
    });
    EXPECT_NE(text.find(until), std::string::npos) << text;
    return text;
  }

  std::map<std::string, std::string> variables;
};

TEST_F(HttpStream, ASilentStreamSaysACommentEachIntervalSoThatNobodyBetweenClosesIt) {
  begin(variables);
  EXPECT_EQ(viewed(": still here\n\n: still here\n\n", {}), ": still here\n\n: still here\n\n");
}

TEST_F(HttpStream, GoesOnBehindTheLastEventIdOfTheHeader) {
  begin(variables);
  put(kConsoleOn);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(publish(), 200);
  const std::string text = viewed("id: 5\n", {{"Last-Event-ID", "3"}});
  EXPECT_EQ(text.find("id: 4\ndata: {\"capture_session_id\":\"session-1\",\"seq\":4,"), 0U) << text;
}

TEST_F(HttpStream, AViewerThatComesBackTooLateIsToldWhatItMissed) {
  variables["S2_WRITER_RING_CAPACITY"] = "4";
  begin(variables);
  put(kConsoleOn);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(publish(), 200);
  const std::string text = viewed("id: 10\n", {{"Last-Event-ID", "2"}});
  EXPECT_EQ(text.find("id: 6\nevent: drop\ndata: {\"count\":4,\"from\":3,\"to\":6}\n\nid: 7\n"), 0U) << text;
}

// What else is in a stream, and when: both are S2's to say.
TEST_F(HttpStream, APageHasTheEnvelopesOfItsTimeAndLeavesOutWhatIsNone) {
  begin(variables);
  httplib::Client anybody(s2.endpoint());
  json records = json::array();
  for (int n = 1; n <= 900; ++n) {
    const json envelope = {{"capture_session_id", "old"}, {"seq", n}, {"event", {{"type", "console_log"}}}};
    records.push_back({{"timestamp", 1000 + n}, {"body", n % 3 == 0 ? "hello" : envelope.dump()}});
  }
  ASSERT_EQ(anybody
                .Post("/v1/streams/old/records", {{"s2-basin", "basin-one"}},
                      json{{"records", records}}.dump(), kJsonType)
                ->status,
            200);
  EXPECT_EQ(stored("stream=old&limit=2"), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(stored("stream=old&limit=4&since=1800&until=1806"),
            (std::vector<std::uint64_t>{800, 802, 803, 805}));
  EXPECT_EQ(more, "false");
  EXPECT_EQ(client().Get("/telemetry/events?stream=old&limit=1000")->get_header_value("X-Foreign-Records"),
            "300");
  EXPECT_TRUE(stored("stream=old&limit=1&since=99999999999999").empty());
  EXPECT_TRUE(stored("stream=old&limit=1&until=5").empty());
  EXPECT_EQ(more, "false");
}

TEST_F(HttpStream, APageOfAnS2ThatDoesNotAnswerOrMayNotBeReadSaysWhy) {
  begin(variables);
  put(kConsoleOn);
  publish();
  EXPECT_EQ(client().Post("/telemetry/flush", R"({"deadline_ms":20000})", kJsonType)->status, 200);
  s2.set_faults(R"([{"match":{"op":"read"},"fault":{"status":403,"code":"permission_denied",)"
                R"("when":"before_commit"}}])");
  const auto refused = client().Get("/telemetry/events");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 403);
  EXPECT_NE(refused->body.find("S2_READ_TOKEN"), std::string::npos) << refused->body;
  s2.set_faults("[]");
  EXPECT_EQ(stored("").size(), 1U);
  for (const char* no_name : {"?stream=..", "?stream=%ff%fe"}) {
    const auto wrong = client().Get(std::string("/telemetry/events") + no_name);
    ASSERT_TRUE(wrong);
    EXPECT_EQ(wrong->status, 400) << wrong->body;
  }
  s2.cut(emulator::CutKind::reset);
  const auto unreachable = client().Get("/telemetry/events");
  ASSERT_TRUE(unreachable);
  EXPECT_EQ(unreachable->status, 502);
  EXPECT_NE(unreachable->body.find("S2 cannot be read"), std::string::npos) << unreachable->body;
}

}  // namespace
}  // namespace s2::writer
