// The fault proxy between a client and an endpoint: what passes, what is seen, what goes wrong as planned.
#include "tests/scenarios/proxied.h"

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;

class FaultProxyTest : public Proxied {};
INSTANTIATE_TEST_SUITE_P(InBothProtocols, FaultProxyTest, testing::Values(Http::one, Http::two), protocol_of);

TEST_P(FaultProxyTest, AnAppendPassesAndItsMomentsAreSeenInOrder) {
  Client one = client();
  const Answer answer = one.append("s", {"a", "b"});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json()["end"]["seq_num"], 2);
  EXPECT_EQ(stored(), 2U);
  ASSERT_TRUE(seen.wait(Moment::ack_sent));
  EXPECT_EQ(seen.order(), (std::vector{Moment::append_received, Moment::committed, Moment::ack_sent}));
  const ProtocolEvent acked = seen.last(Moment::ack_sent);
  EXPECT_EQ(acked.basin, kBasin);
  EXPECT_EQ(acked.stream, "s");
  EXPECT_EQ(acked.start->seq_num, 0U);
  EXPECT_EQ(acked.end->seq_num, 2U);
  EXPECT_EQ(seen.count(Moment::connection_opened), 1U);
}

TEST_P(FaultProxyTest, FramesOfASessionAreAnsweredWhileItIsOpen) {
  Client one = client();
  Session session = Session::append(one, "s");
  for (int i = 0; i < 5; ++i) session.submit({"a", "b"});
  auto& frames = session.frames(5);
  ASSERT_EQ(frames.size(), 5U);
  EXPECT_EQ(wire::append_ack_from_proto(frames[4].body)->end.seq_num, 10U);
  EXPECT_FALSE(session.answer().ended);
  session.end();
  EXPECT_TRUE(one.wait(session.id()).ended);
  EXPECT_EQ(session.answer().header("content-type"), "s2s/proto");
  EXPECT_TRUE(seen.wait(Moment::ack_sent, 5));
  EXPECT_EQ(seen.order().size(), 15U);
  EXPECT_EQ(proxy.appends_under_way(), 0U);
}

TEST_P(FaultProxyTest, WhatIsNoAppendPassesAsItIs) {
  Client one = client();
  EXPECT_EQ(one.request("POST", "/v1/streams", R"({"stream":"made"})").status, 201);
  EXPECT_EQ(one.request("GET", "/v1/streams/missing").status, 404);
  EXPECT_EQ(one.request("GET", "/no/such/page").status, 404);
  EXPECT_EQ(one.append("made", {std::string(700'000, 'x')}).status, 200);
  EXPECT_EQ(one.tail("made"), 1U);
  const Answer read = one.request("GET", "/v1/streams/made/records?seq_num=0");
  EXPECT_EQ(read.status, 200);
  EXPECT_GT(read.body.size(), 700'000U);
  EXPECT_EQ(one.request("DELETE", "/v1/streams/made").status, 202);
}

TEST_P(FaultProxyTest, TheEndpointsOwnRefusalsPass) {
  Client one = client();
  const Answer refused = one.append("s", {"a"}, {{"match_seq_num", 7}});
  EXPECT_EQ(refused.status, 412);
  EXPECT_EQ(refused.json()["seq_num_mismatch"], 0);
  ASSERT_TRUE(seen.wait(Moment::append_refused));
  EXPECT_EQ(one.request("POST", "/v1/streams/s/records", "no JSON").status, 400);
  Session session = Session::append(one, "s");
  wire::AppendInput input{{wire::AppendRecord{{}, {}, "a"}}, 7, {}};
  one.send(session.id(), Session::frame(input));
  auto& frames = session.frames(1);
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_TRUE(frames[0].terminal);
  EXPECT_EQ(frames[0].status, 412);
  EXPECT_TRUE(one.wait(session.id()).ended);
  Client two = client();
  const Session nowhere = Session::append(two, std::string(wire::kMaxStreamNameBytes + 1, 'x'));
  two.send(nowhere.id(), "", true);
  EXPECT_GE(two.wait(nowhere.id()).status, 400);
  EXPECT_EQ(seen.count(Moment::committed), 0U);
}

TEST_P(FaultProxyTest, ALostAckIsStoredAndNeverTold) {
  plan(R"({"cut":"after_commit"})");
  Client one = client();
  EXPECT_TRUE(one.append("s", {"a"}).broken);
  EXPECT_EQ(one.socket().end(), RawSocket::End::reset);
  EXPECT_EQ(stored(), 1U);
  Client two = client();
  Session session = Session::append(two, "s");
  session.submit({"b"});
  EXPECT_TRUE(two.wait(session.id()).broken);
  EXPECT_EQ(stored(), 2U);
  EXPECT_EQ(seen.count(Moment::committed), 2U);
  EXPECT_EQ(seen.count(Moment::ack_sent), 0U);
  EXPECT_NE(proxy.faults().find("\"fired\":1"), std::string::npos);
}

TEST_P(FaultProxyTest, ACutBeforeTheCommitNeverReachesTheEndpoint) {
  plan(R"({"cut":"before_commit"})");
  Client one = client();
  EXPECT_TRUE(one.append("s", {"a"}).broken);
  Client two = client();
  Session session = Session::append(two, "s");
  session.submit({"b"});
  EXPECT_TRUE(two.wait(session.id()).broken);
  EXPECT_EQ(seen.count(Moment::append_received), 2U);
  EXPECT_EQ(seen.count(Moment::committed), 0U);
  EXPECT_EQ(stored(), 0U);
}

TEST_P(FaultProxyTest, ACutInTheAnswerNeverGivesItWhole) {
  plan(R"({"cut":"mid_response"})");
  Client one = client();
  const Answer answer = one.append("s", {"a"});
  EXPECT_TRUE(answer.broken);
  EXPECT_FALSE(answer.ended);
  EXPECT_EQ(stored(), 1U);
}

TEST_P(FaultProxyTest, ErrorsBeforeTheCommitAreToldInTheWordsOfThePlan) {
  for (const int status : {429, 500, 503}) {
    plan(R"({"status":)" + std::to_string(status) + "}");
    Client one = client();
    EXPECT_EQ(one.append("s", {"a"}).status, status);
    Session session = Session::append(one, "s");
    session.submit({"b"});
    auto& frames = session.frames(1);
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_TRUE(frames[0].terminal);
    EXPECT_EQ(frames[0].status, status);
    EXPECT_TRUE(one.wait(session.id()).ended);
  }
  EXPECT_EQ(seen.count(Moment::committed), 0U);
  EXPECT_TRUE(seen.wait(Moment::append_refused, 6));
}

TEST_P(FaultProxyTest, AnErrorAfterTheCommitIsToldOfWhatIsStored) {
  plan(R"({"status":503,"code":"unavailable","when":"after_commit"})");
  Client one = client();
  EXPECT_EQ(one.append("s", {"a"}).status, 503);
  EXPECT_EQ(stored(), 1U);
  Session session = Session::append(one, "s");
  session.submit({"b"});
  ASSERT_EQ(session.frames(1).size(), 1U);
  EXPECT_EQ(session.frames(1)[0].status, 503);
  EXPECT_EQ(stored(), 2U);
}

TEST_P(FaultProxyTest, ADelayHoldsTheEffectOrTheAnswerBack) {
  plan(R"({"delay":"150ms","when":"before_commit"})");
  Client one = client();
  Session session = Session::append(one, "s");
  const auto begun = std::chrono::steady_clock::now();
  session.submit({"a"});
  ASSERT_TRUE(seen.wait(Moment::append_received));
  EXPECT_EQ(seen.count(Moment::committed), 0U);
  ASSERT_EQ(session.frames(1).size(), 1U);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 150ms);
  plan(R"({"delay":"150ms","when":"after_commit"})");
  const auto again = std::chrono::steady_clock::now();
  session.submit({"b"});
  ASSERT_TRUE(seen.wait(Moment::committed, 2));
  EXPECT_EQ(seen.count(Moment::ack_sent), 1U);
  ASSERT_EQ(session.frames(2).size(), 2U);
  EXPECT_GE(std::chrono::steady_clock::now() - again, 150ms);
}

TEST_P(FaultProxyTest, WhatWasDelayedTakesEffectThoughItsWriterHasDied) {
  plan(R"({"delay":"100ms","when":"before_commit"})");
  {
    Client one = client();
    Session session = Session::append(one, "s");
    session.submit({"a"});
    ASSERT_TRUE(seen.wait(Moment::append_received));
    one.socket().abort();
  }
  EXPECT_TRUE(comes_to_be_stored(1));
  EXPECT_TRUE(seen.wait(Moment::committed));
  EXPECT_EQ(seen.count(Moment::ack_sent), 0U);
}

TEST_P(FaultProxyTest, AHangAnswersNothingBeforeOrAfterTheCommit) {
  plan(R"({"hang":"before_commit"})");
  Client one = client();
  Session first = Session::append(one, "s");
  first.submit({"a"});
  ASSERT_TRUE(seen.wait(Moment::fault_fired));
  EXPECT_FALSE(one.wait_until([&] { return first.answer().broken || !first.answer().body.empty(); }, 100ms));
  EXPECT_EQ(seen.count(Moment::committed), 0U);
  plan(R"({"hang":"after_commit"})");
  Client two = client();
  Session second = Session::append(two, "s");
  second.submit({"b"});
  ASSERT_TRUE(seen.wait(Moment::committed));
  EXPECT_FALSE(
      two.wait_until([&] { return second.answer().broken || !second.answer().body.empty(); }, 100ms));
  EXPECT_EQ(stored(), 1U);
}

TEST_P(FaultProxyTest, AResetTakesEveryConnectionUntilItIsHealed) {
  Client one = client();
  ASSERT_EQ(one.append("s", {"a"}).status, 200);
  proxy.cut(CutKind::reset);
  EXPECT_TRUE(one.append("s", {"b"}).broken);
  Client two = client();
  EXPECT_TRUE(two.append("s", {"c"}).broken);
  proxy.heal();
  Client three = client();
  EXPECT_EQ(three.append("s", {"d"}).status, 200);
  EXPECT_EQ(stored(), 2U);
}

TEST_P(FaultProxyTest, SilenceTakesNothingAndEndsNothingUntilItIsHealed) {
  Client one = client();
  Session session = Session::append(one, "s");
  session.submit({"a"});
  ASSERT_EQ(session.frames(1).size(), 1U);
  proxy.cut(CutKind::silent);
  session.submit({"b"});
  EXPECT_FALSE(one.wait_until([&] { return session.answer().broken; }, 100ms));
  EXPECT_EQ(stored(), 1U);
  EXPECT_EQ(seen.count(Moment::append_received), 1U);
  proxy.heal();
  EXPECT_EQ(session.frames(2).size(), 2U);
  EXPECT_EQ(stored(), 2U);
}

TEST_P(FaultProxyTest, ADrainTellsSessionsRefusesForAWhileAndServesAgain) {
  Client one = client();
  Session session = Session::append(one, "s");
  session.submit({"a"});
  ASSERT_EQ(session.frames(1).size(), 1U);
  proxy.drain(200ms);
  EXPECT_FALSE(RawSocket(proxy.endpoint()).connected());
  ASSERT_EQ(session.frames(2).size(), 2U);
  EXPECT_TRUE(session.frames(2)[1].terminal);
  EXPECT_TRUE(session.frames(2)[1].reconnect_advised);
  EXPECT_NE(session.frames(2)[1].body.find("server_draining"), std::string::npos);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline && !RawSocket(proxy.endpoint()).connected()) {
    std::this_thread::sleep_for(5ms);
  }
  Client two = client();
  EXPECT_EQ(two.append("s", {"b"}).status, 200);
  EXPECT_EQ(stored(), 2U);
}

TEST_P(FaultProxyTest, NothingGoesOnWhileAnObserverIsCalled) {
  struct Instant {
    Moment moment;
    std::uint64_t stored;
    std::size_t told;
  };
  for (const auto& [instant, there, told] :
       {Instant{Moment::append_received, 1, 1}, Instant{Moment::committed, 2, 1},
        Instant{Moment::ack_sent, 2, 2}}) {
    Endpoint service;
    FaultProxy before(service.emulator.endpoint());
    std::uint64_t stored_then = 0;
    bool cut_then = false;
    before.observe([&, wanted = instant](const ProtocolEvent& event) {
      if (event.moment != wanted || event.ordinal != 2) return;
      std::this_thread::sleep_for(30ms);  // what was under way would arrive
      stored_then = service.client().tail("s");
      before.cut(CutKind::reset);
      cut_then = true;
    });
    Client one(before.endpoint(), GetParam());
    Session session = Session::append(one, "s");
    for (int i = 0; i < 4; ++i) session.submit({"a"});
    one.wait(session.id());
    session.decode();
    before.observe(nullptr);
    EXPECT_TRUE(cut_then);
    EXPECT_EQ(stored_then, there);
    // A reset may take what was told with it.
    EXPECT_LE(session.frames(0).size(), told) << static_cast<int>(instant);
    EXPECT_LE(service.client().tail("s"), 2U);
  }
}

TEST_P(FaultProxyTest, BytesAreTakenUpToTheChosenOneExactly) {
  std::mutex mutex;
  std::vector<std::uint64_t> bytes;
  proxy.observe([&](const ProtocolEvent& event) {
    const std::lock_guard lock(mutex);
    if (event.moment == Moment::bytes_received) bytes.push_back(event.bytes);
  });
  proxy.stop_reading_at(57);
  Client one = client();
  EXPECT_EQ(one.append("s", {"a"}).status, 200);
  proxy.observe(nullptr);
  EXPECT_NE(std::find(bytes.begin(), bytes.end(), 57U), bytes.end());
}

TEST(FaultProxy, KeepsThePathOfTheEndpoint) {
  const Endpoint behind;
  const FaultProxy proxy(behind.emulator.endpoint() + "/some/path/");
  EXPECT_TRUE(proxy.endpoint().ends_with("/some/path")) << proxy.endpoint();
}

TEST(FaultProxy, AnAddressThatLeadsNowhereIsOneLine) {
  for (const char* bad : {"", "127.0.0.1:1", "ftp://host", "http://", "http://host:port", "http://u@host"}) {
    try {
      FaultProxy proxy(bad);
      ADD_FAILURE() << bad;
    } catch (const std::exception& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("is no URL"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace s2::scenarios
