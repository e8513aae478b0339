// The fault proxy and its endpoint: several appends there at once, and an endpoint that fails by itself.
#include "tests/scenarios/proxied.h"

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;

class EndpointBehindProxy : public Proxied {};
INSTANTIATE_TEST_SUITE_P(InBothProtocols, EndpointBehindProxy, testing::Values(Http::one, Http::two),
                         protocol_of);

TEST_P(EndpointBehindProxy, WithLeaveToGoAheadSeveralAppendsAreAtTheEndpointAtOnceAndAnsweredInOrder) {
  proxy.let_ahead(4);
  behind.emulator.set_faults(
      R"([{"match":{"op":"append_session","times":1},"fault":{"delay":"300ms","when":"before_commit"}}])");
  Client one = client();
  Session session = Session::append(one, "s");
  for (int i = 0; i < 6; ++i) session.submit({"a"});
  ASSERT_TRUE(seen.wait(Moment::append_received, 4));
  EXPECT_EQ(seen.count(Moment::committed), 0U);
  EXPECT_EQ(proxy.appends_under_way(), 4U);
  auto& frames = session.frames(6);
  ASSERT_EQ(frames.size(), 6U);
  for (std::uint64_t i = 0; i < 6; ++i) {
    EXPECT_EQ(wire::append_ack_from_proto(frames[i].body)->end.seq_num, i + 1);
  }
  session.end();
  EXPECT_TRUE(one.wait(session.id()).ended);
  EXPECT_EQ(proxy.appends_under_way(), 0U);
}

TEST_P(EndpointBehindProxy, TheFirstRefusalEndsASessionThatWentAhead) {
  proxy.let_ahead(4);
  behind.emulator.set_faults(
      R"([{"match":{"op":"append_session","after":1,"times":1},"fault":{"status":429,"code":"rate_limited"}}])");
  Client one = client();
  Session session = Session::append(one, "s");
  for (int i = 0; i < 4; ++i) session.submit({"a"});
  auto& frames = session.frames(2);
  ASSERT_EQ(frames.size(), 2U);
  EXPECT_FALSE(frames[0].terminal);
  EXPECT_TRUE(frames[1].terminal);
  EXPECT_EQ(frames[1].status, 429);
  EXPECT_TRUE(one.wait(session.id()).ended);
  EXPECT_EQ(stored(), 1U);
  EXPECT_EQ(proxy.appends_under_way(), 0U);
}

TEST_P(EndpointBehindProxy, AFaultThatMayStillFireKeepsAppendsApart) {
  proxy.let_ahead(4);
  plan(R"({"cut":"before_commit"})", R"(,"after":2,"times":1)");
  Client one = client();
  Session session = Session::append(one, "s");
  for (int i = 0; i < 4; ++i) session.submit({"a"});
  EXPECT_TRUE(one.wait(session.id()).broken);
  EXPECT_EQ(stored(), 2U);
  EXPECT_EQ(seen.count(Moment::ack_sent), 2U);
}

TEST_P(EndpointBehindProxy, AnAnswerThatTheEndpointNeverGaveIsUnknownToTheWriterToo) {
  behind.emulator.set_faults(R"([{"match":{"op":"append_session"},"fault":{"cut":"after_commit"}}])");
  Client one = client();
  Session session = Session::append(one, "s");
  session.submit({"a"});
  EXPECT_TRUE(one.wait(session.id()).broken);
  EXPECT_EQ(one.socket().end(), RawSocket::End::reset);
  EXPECT_EQ(stored(), 1U);
  EXPECT_EQ(seen.count(Moment::append_received), 1U);
  EXPECT_EQ(seen.count(Moment::committed), 0U);
  EXPECT_EQ(seen.last(Moment::fault_fired).detail, "endpoint lost");
  EXPECT_EQ(proxy.appends_under_way(), 0U);
}

TEST_P(EndpointBehindProxy, TheEndpointsOwnDrainPasses) {
  Client one = client();
  Session session = Session::append(one, "s");
  session.submit({"a"});
  ASSERT_EQ(session.frames(1).size(), 1U);
  behind.emulator.drain(0ms);
  ASSERT_EQ(session.frames(2).size(), 2U);
  EXPECT_TRUE(session.frames(2)[1].reconnect_advised);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  Answer answer;
  while (answer.status != 200 && std::chrono::steady_clock::now() < deadline) {
    Client two = client();
    answer = two.append("s", {"b"});
  }
  EXPECT_EQ(answer.status, 200);
}

TEST_P(EndpointBehindProxy, WithNobodyBehindItEveryConnectionIsReset) {
  std::string nobody;
  {
    emulator::Emulator gone;
    nobody = gone.endpoint();
  }
  FaultProxy before(nobody);
  Client one(before.endpoint(), GetParam());
  EXPECT_TRUE(one.append("s", {"a"}).broken);
  Client two(before.endpoint(), GetParam());
  Session session = Session::append(two, "s");
  session.submit({"a"});
  EXPECT_TRUE(two.wait(session.id()).broken);
  Client three(before.endpoint(), GetParam());
  EXPECT_TRUE(three.request("GET", "/v1/streams").broken);
}

TEST_P(EndpointBehindProxy, ManyAtOnceAndOneAfterAnotherAreKeptApart) {
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      Client one = client();
      const std::string stream = "s" + std::to_string(w);
      for (int i = 0; i < 25; ++i) {
        const Answer answer = one.append(stream, {"a"}, {{"match_seq_num", i}});
        EXPECT_EQ(answer.status, 200) << answer.body;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  for (int w = 0; w < 4; ++w) EXPECT_EQ(stored("s" + std::to_string(w)), 25U);
  EXPECT_TRUE(seen.wait(Moment::ack_sent, 100));
}

}  // namespace
}  // namespace s2::scenarios
