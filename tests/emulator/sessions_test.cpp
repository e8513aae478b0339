// Append sessions, read sessions and SSE over real sockets. S2 spec "append session", "read session", "SSE".
#include "tests/emulator/test_client.h"
#include "wire/sse.h"

namespace s2::emulator::test {
namespace {

class Sessions : public testing::TestWithParam<Http> {
 protected:
  Endpoint endpoint;
  Client client{endpoint.emulator, GetParam()};
  Client other{endpoint.emulator, Http::two};
};
INSTANTIATE_TEST_SUITE_P(Http, Sessions, testing::Values(Http::one, Http::two), [](const auto& instance) {
  return instance.param == Http::one ? "http1" : "http2";
});

wire::AppendAck ack_of(const wire::S2sFrame& frame) {
  return wire::append_ack_from_proto(frame.body).value();
}
wire::ReadBatch batch_of(const wire::S2sFrame& frame) {
  return wire::read_batch_from_proto(frame.body).value();
}

TEST_P(Sessions, AcksComeInOrderWhileTheRequestIsOpen) {
  Session session = Session::append(client, "s");
  for (std::uint64_t n = 0; n < 20; ++n) {
    session.submit({"a", "b"});
    const auto& frames = session.frames(n + 1);
    ASSERT_EQ(frames.size(), n + 1);
    EXPECT_EQ(ack_of(frames[n]).start.seq_num, 2 * n);
  }
  session.end();
  EXPECT_TRUE(client.wait(session.id()).ended);
  EXPECT_EQ(session.answer().status, 200);
  EXPECT_EQ(session.answer().header("content-type"), "s2s/proto");
}

TEST_P(Sessions, PipelinedFramesInOnePieceAreEachAcknowledged) {
  Session session = Session::append(client, "s");
  std::string many;
  for (int n = 0; n < 100; ++n) {
    wire::AppendInput input;
    input.records.resize(1);
    many += Session::frame(input);
  }
  client.send(session.id(), many, true);
  EXPECT_EQ(session.frames(100).size(), 100u);
  EXPECT_TRUE(client.wait(session.id()).ended);
}

TEST_P(Sessions, AFrameThatComesByteByByteIsTakenWhenItIsWhole) {
  Session session = Session::append(client, "s");
  wire::AppendInput input;
  input.records.push_back({.timestamp = {}, .headers = {}, .body = "slow"});
  for (const char c : Session::frame(input)) client.send(session.id(), std::string(1, c));
  EXPECT_EQ(ack_of(session.frames(1).at(0)).end.seq_num, 1u);
}

TEST_P(Sessions, AFailedConditionEndsTheSessionWithATerminalFrame) {
  Session session = Session::append(client, "s");
  wire::AppendInput input;
  input.records.resize(1);
  input.match_seq_num = 5;
  client.send(session.id(), Session::frame(input));
  const auto& frames = session.frames(1);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_TRUE(frames[0].terminal);
  EXPECT_EQ(frames[0].status, 412);
  EXPECT_EQ(frames[0].body, R"({"seq_num_mismatch":0})");
  EXPECT_TRUE(client.wait(session.id()).ended);
  EXPECT_EQ(other.tail("s"), 0u);
}

TEST_P(Sessions, AnAppendToAStreamThatWasDeletedMeanwhileIsAnswered) {
  Emulator emulator;
  emulator.create_basin(kBasin, R"({"create_stream_on_append":false})");
  Client appender(emulator, GetParam()), deleter(emulator, Http::two);
  ASSERT_EQ(deleter.request("POST", "/v1/streams", R"({"stream":"s"})").status, 201);
  Session session = Session::append(appender, "s");
  session.submit({"a"});
  ASSERT_EQ(session.frames(1).size(), 1u);
  ASSERT_EQ(deleter.request("DELETE", "/v1/streams/s").status, 202);
  session.submit({"b"});
  const auto& frames = session.frames(2);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_TRUE(frames[1].terminal);
  EXPECT_EQ(frames[1].status, 404);
}

TEST_P(Sessions, ASessionOnAMissingBasinIsRefusedBeforeItBegins) {
  endpoint.emulator.reset();
  Client fresh = endpoint.client(GetParam());
  Session session = Session::append(fresh, "s");
  EXPECT_TRUE(fresh.wait_until([&] { return session.answer().status != 0; }));
  EXPECT_EQ(session.answer().status, 404);
}

TEST_P(Sessions, ALyingLengthAndATornFrameAreBadFramesAndStoreNothing) {
  const std::string huge("\xff\xff\xff\x00", 4);
  const std::string torn("\x00\x00\x09\x00xx", 6);
  const std::string empty("\x00\x00\x00", 3);
  const std::string no_proto("\x00\x00\x04\x00\xff\xff\xff", 7);
  for (const std::string& bytes : {huge, torn, empty, no_proto}) {
    Client one = endpoint.client(GetParam());
    Session session = Session::append(one, "s");
    one.send(session.id(), bytes, true);
    const auto& frames = session.frames(1);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_TRUE(frames[0].terminal);
    EXPECT_EQ(nlohmann::json::parse(frames[0].body)["code"], "bad_frame");
  }
  EXPECT_EQ(other.tail("s"), 0u);
}

TEST_P(Sessions, AReaderFollowsWithAHeartbeatAtTheSwitchAndInSilence) {
  other.append("s", {"a", "b"});
  Session reader(client, "GET", "/v1/streams/s/records?seq_num=0");
  const auto& frames = reader.frames(2);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(batch_of(frames[0]).records.size(), 2u);
  EXPECT_TRUE(batch_of(frames[1]).records.empty());
  EXPECT_EQ(batch_of(frames[1]).tail->seq_num, 2u);
  other.append("s", {"c"});
  EXPECT_EQ(batch_of(reader.frames(3).at(2)).records.at(0).body, "c");
  endpoint.emulator.advance_clock(std::chrono::seconds(15));
  EXPECT_TRUE(batch_of(reader.frames(4).at(3)).records.empty());
}

TEST_P(Sessions, ABoundedReaderEndsAtItsBound) {
  other.append("s", {"a", "b", "c"});
  Session reader(client, "GET", "/v1/streams/s/records?seq_num=0&count=2");
  EXPECT_TRUE(client.wait(reader.id()).ended);
  EXPECT_EQ(batch_of(reader.frames(1).at(0)).records.size(), 2u);
}

TEST_P(Sessions, AReaderWithWaitEndsWhenNothingComesForSoLong) {
  other.append("s", {"a"});
  Session reader(client, "GET", "/v1/streams/s/records?seq_num=0&wait=7");
  reader.frames(2);
  EXPECT_FALSE(reader.answer().ended);
  endpoint.emulator.advance_clock(std::chrono::seconds(7));
  EXPECT_TRUE(client.wait(reader.id()).ended);
}

TEST_P(Sessions, AReaderOfADeletedStreamIsTold) {
  other.append("s", {"a"});
  Session reader(client, "GET", "/v1/streams/s/records?seq_num=0");
  reader.frames(2);
  other.request("DELETE", "/v1/streams/s");
  const auto& frames = reader.frames(3);
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_TRUE(frames[2].terminal);
  EXPECT_EQ(frames[2].status, 404);
}

TEST_P(Sessions, AReaderOfALargeStreamGetsAllOfItAcrossFlowControl) {
  const std::string body(500'000, 'x');
  for (int n = 0; n < 40; ++n) ASSERT_EQ(other.append_large("s", {body, body}).status, 200);
  Session reader(client, "GET", "/v1/streams/s/records?seq_num=0&count=80");
  EXPECT_TRUE(client.wait(reader.id()).ended);
  std::size_t records = 0;
  for (const auto& frame : reader.frames(1)) records += batch_of(frame).records.size();
  EXPECT_EQ(records, 80u);
}

std::vector<wire::SseEvent> events_of(const Answer& answer) {
  wire::SseDecoder decoder;
  std::vector<wire::SseEvent> events;
  EXPECT_TRUE(decoder.receive(answer.body, events).has_value());
  return events;
}

TEST_P(Sessions, SseGivesBatchesWithIdsThenDone) {
  other.append("s", {"a", "b"});
  const auto id =
      client.open("GET", "/v1/streams/s/records?seq_num=0&count=2", {{"accept", "text/event-stream"}}, true);
  const Answer& answer = client.wait(id);
  EXPECT_EQ(answer.header("content-type"), "text/event-stream");
  EXPECT_EQ(answer.header("cache-control"), "no-cache, no-transform");
  const auto events = events_of(answer);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].event, "batch");
  EXPECT_EQ(events[0].id, "1,2,18");
  EXPECT_EQ(nlohmann::json::parse(events[0].data)["records"][1]["body"], "b");
  EXPECT_EQ(events[1].data, "[DONE]");
}

TEST_P(Sessions, SseResumesAfterTheLastEventIdWithWhatIsLeftOfItsBounds) {
  other.append("s", {"a", "b", "c", "d"});
  const auto id = client.open("GET", "/v1/streams/s/records?seq_num=0&count=3",
                              {{"accept", "text/event-stream"}, {"last-event-id", "1,2,18"}}, true);
  const auto events = events_of(client.wait(id));
  ASSERT_EQ(events.size(), 2u);
  const auto records = nlohmann::json::parse(events[0].data)["records"];
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]["body"], "c");
}

TEST_P(Sessions, SsePingsCarryTheTailAndErrorsSayWhy) {
  other.append("s", {"a"});
  const auto id =
      client.open("GET", "/v1/streams/s/records?seq_num=0", {{"accept", "text/event-stream"}}, true);
  client.wait_until([&] { return client.answer(id).body.find("event: ping") != std::string::npos; });
  other.request("DELETE", "/v1/streams/s");
  const auto events = events_of(client.wait(id));
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(nlohmann::json::parse(events[1].data)["tail"]["seq_num"], 1);
  EXPECT_EQ(events[2].event, "error");
  EXPECT_EQ(nlohmann::json::parse(events[2].data)["code"], "stream_not_found");
}

TEST(SessionsSlowReader, ReadsNothingForALongTimeAndGetsEverythingAfterAll) {
  Endpoint endpoint;
  Client writer = endpoint.client();
  Client reader = endpoint.client();
  Session session(reader, "GET", "/v1/streams/s/records?seq_num=0&count=60&wait=60");
  const std::string body(1'000'000, 'x');
  for (int n = 0; n < 60; ++n) ASSERT_EQ(writer.append_large("s", {body}).status, 200);
  EXPECT_TRUE(reader.wait(session.id()).ended);
  std::size_t records = 0;
  for (const auto& frame : session.frames(1)) records += batch_of(frame).records.size();
  EXPECT_EQ(records, 60u);
}

// The wait passes while the last that is there is still on its way to a slow reader; at the tail it begins
// anew.
TEST(SessionsSlowReader, ThatIsStillBehindWhenItsWaitPassesIsEndedAtTheTail) {
  Endpoint endpoint;
  Client writer = endpoint.client();
  const std::string body(1'000'000, 'x');  // two of them are more than waits to be sent at once
  for (const int records : {39, 40}) {
    const std::string stream = "s" + std::to_string(records);
    for (int n = 0; n < records; ++n) ASSERT_EQ(writer.append_large(stream, {body}).status, 200);
    Client reader = endpoint.client();
    Session session(reader, "GET", "/v1/streams/" + stream + "/records?seq_num=0&wait=0");
    EXPECT_TRUE(reader.wait(session.id()).ended) << records;
  }
}

}  // namespace
}  // namespace s2::emulator::test
