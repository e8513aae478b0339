// Each kind of fault, as a client meets it, and what it leaves in the stream. Source: the contract, "Faults".
#include "tests/emulator/test_client.h"

namespace s2::emulator::test {
namespace {

using namespace std::chrono_literals;

class Faults : public testing::Test {
 protected:
  void plan(const std::string& match, const std::string& fault) {
    endpoint.emulator.set_faults(R"([{"match":)" + match + R"(,"fault":)" + fault + "}]");
  }
  int fired(std::size_t rule = 0) { return nlohmann::json::parse(endpoint.emulator.faults())[rule]["fired"]; }
  std::uint64_t stored() { return endpoint.client().tail("s"); }

  Endpoint endpoint;
  Client client{endpoint.emulator, Http::two};
};

TEST_F(Faults, StatusBeforeCommitRefusesAndStoresNothing) {
  plan(R"({"op":"append","times":1})", R"({"status":429,"code":"rate_limited"})");
  const Answer answer = client.append("s", {"a"});
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.json()["code"], "rate_limited");
  EXPECT_EQ(stored(), 0u);
  EXPECT_EQ(client.append("s", {"a"}).status, 200);
  EXPECT_EQ(fired(), 1);
}

TEST_F(Faults, StatusAfterCommitRefusesWhatIsStored) {
  plan(R"({"op":"append"})", R"({"status":503,"code":"unavailable","when":"after_commit"})");
  EXPECT_EQ(client.append("s", {"a"}).status, 503);
  EXPECT_EQ(stored(), 1u);
}

TEST_F(Faults, CutBeforeCommitResetsTheConnectionAndStoresNothing) {
  plan(R"({"op":"append"})", R"({"cut":"before_commit"})");
  EXPECT_TRUE(client.append("s", {"a"}).broken);
  EXPECT_EQ(client.socket().end(), RawSocket::End::reset);
  EXPECT_EQ(stored(), 0u);
}

TEST_F(Faults, CutAfterCommitIsTheLostAck) {
  plan(R"({"op":"append"})", R"({"cut":"after_commit"})");
  const Answer answer = client.append("s", {"a"});
  EXPECT_TRUE(answer.broken);
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(stored(), 1u);
}

TEST_F(Faults, CutMidResponseNeverGivesAWholeAnswer) {
  plan(R"({"op":"append"})", R"({"cut":"mid_response"})");
  for (const Http version : {Http::one, Http::two}) {
    Client one = endpoint.client(version);
    const Answer answer = one.append("s", {"a"});
    EXPECT_TRUE(answer.broken);
    EXPECT_FALSE(answer.ended);
    EXPECT_EQ(one.socket().end(), RawSocket::End::reset);
  }
  EXPECT_EQ(stored(), 2u);
}

TEST_F(Faults, TruncateGivesThatMuchOfTheBodyThenTheEnd) {
  plan(R"({"op":"append"})", R"({"truncate":10})");
  for (const Http version : {Http::one, Http::two}) {
    Client one = endpoint.client(version);
    const Answer answer = one.append("s", {"a"});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, R"({"start":{)");
    EXPECT_TRUE(answer.broken);
    EXPECT_EQ(one.socket().end(), RawSocket::End::fin);
  }
}

TEST_F(Faults, HangBeforeCommitAnswersNothingAndStoresNothing) {
  plan(R"({"op":"append"})", R"({"hang":"before_commit"})");
  const auto id = client.open("POST", "/v1/streams/s/records", {{"content-type", "application/json"}}, false);
  client.send(id, R"({"records":[{"body":"a"}]})", true);
  EXPECT_FALSE(client.wait_until([&] { return client.answer(id).status != 0; }, 100ms));
  EXPECT_EQ(client.socket().end(), RawSocket::End::none);
  EXPECT_EQ(stored(), 0u);
  EXPECT_EQ(fired(), 1);
}

TEST_F(Faults, HangAfterCommitAnswersNothingOfWhatIsStored) {
  plan(R"({"op":"append"})", R"({"hang":"after_commit"})");
  const auto id = client.open("POST", "/v1/streams/s/records", {{"content-type", "application/json"}}, false);
  client.send(id, R"({"records":[{"body":"a"}]})", true);
  EXPECT_FALSE(client.wait_until([&] { return client.answer(id).status != 0; }, 100ms));
  EXPECT_EQ(stored(), 1u);
}

TEST_F(Faults, AHungConnectionIsForgottenWhenItsClientLeaves) {
  plan(R"({"op":"append"})", R"({"hang":"before_commit"})");
  const auto id = client.open("POST", "/v1/streams/s/records", {{"content-type", "application/json"}}, false);
  client.send(id, R"({"records":[{"body":"a"}]})", true);
  client.wait_until([&] { return fired() == 1; });
  ASSERT_EQ(endpoint.emulator.open_connections(), 1u);
  client.socket().close();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (endpoint.emulator.open_connections() > 0 && std::chrono::steady_clock::now() < deadline) {
    endpoint.emulator.advance_clock(1s);
  }
  EXPECT_EQ(endpoint.emulator.open_connections(), 0u);
}

TEST_F(Faults, DelayBeforeCommitHoldsTheEffectBack) {
  plan(R"({"op":"append"})", R"({"delay":"1h","when":"before_commit"})");
  const auto id = client.open("POST", "/v1/streams/s/records", {{"content-type", "application/json"}}, false);
  client.send(id, R"({"records":[{"body":"a"}]})", true);
  client.wait_until([&] { return fired() == 1; });
  EXPECT_EQ(stored(), 0u);
  endpoint.emulator.advance_clock(1h);
  EXPECT_EQ(client.wait(id).status, 200);
  EXPECT_EQ(stored(), 1u);
}

TEST_F(Faults, DelayAfterCommitHoldsTheAnswerBack) {
  plan(R"({"op":"append"})", R"({"delay":"1h","when":"after_commit"})");
  const auto id = client.open("POST", "/v1/streams/s/records", {{"content-type", "application/json"}}, false);
  client.send(id, R"({"records":[{"body":"a"}]})", true);
  client.wait_until([&] { return fired() == 1; });
  EXPECT_EQ(stored(), 1u);
  EXPECT_EQ(client.answer(id).status, 0);
  endpoint.emulator.advance_clock(1h);
  EXPECT_EQ(client.wait(id).status, 200);
}

TEST_F(Faults, AnAppendThatWasReceivedLandsThoughItsClientLeftInTheDelay) {
  plan(R"({"op":"append"})", R"({"delay":"1h"})");
  const auto id = client.open("POST", "/v1/streams/s/records", {{"content-type", "application/json"}}, false);
  client.send(id, R"({"records":[{"body":"a"}]})", true);
  client.wait_until([&] { return fired() == 1; });
  client.socket().abort();
  endpoint.emulator.advance_clock(1h);
  EXPECT_EQ(stored(), 1u);
}

TEST_F(Faults, ALateTwinCutsFirstAndLandsLater) {
  plan(R"({"op":"append"})", R"({"late_twin":"1h"})");
  EXPECT_TRUE(client.append("s", {"a"}).broken);
  EXPECT_EQ(stored(), 0u);
  endpoint.emulator.advance_clock(1h);
  EXPECT_EQ(stored(), 1u);
}

TEST_F(Faults, AResetForgetsALateTwin) {
  plan(R"({"op":"append"})", R"({"late_twin":"1h"})");
  EXPECT_TRUE(client.append("s", {"a"}).broken);
  endpoint.emulator.reset();
  endpoint.emulator.create_basin(kBasin);
  endpoint.emulator.advance_clock(1h);
  EXPECT_EQ(endpoint.client().request("GET", "/v1/streams/s").status, 404);
}

TEST_F(Faults, GoawayEndsTheConnectionAfterTheAnswer) {
  plan(R"({"op":"append","times":1})", R"({"goaway":true})");
  EXPECT_EQ(client.append("s", {"a"}).status, 200);
  client.wait_until([&] { return client.saw_goaway(); });
  EXPECT_TRUE(client.saw_goaway());
  Client one = endpoint.client(Http::one);
  plan(R"({"op":"append","times":1})", R"({"goaway":true})");
  EXPECT_EQ(one.append("s", {"b"}).status, 200);
  one.wait_until([] { return false; });
  EXPECT_EQ(one.socket().end(), RawSocket::End::fin);
}

TEST_F(Faults, BandwidthSlowsTheConnectionAndLosesNothing) {
  client.append("s", {std::string(20'000, 'x')});
  plan(R"({"op":"read"})", R"({"bandwidth":"64KiB"})");
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(client.request("GET", "/v1/streams/s/records?seq_num=0")
                .json()["records"][0]["body"]
                .get<std::string>()
                .size(),
            20'000u);
  EXPECT_GT(std::chrono::steady_clock::now() - begun, 200ms);  // 20,000 bytes at 64 KiB a second: 300 ms
}

TEST_F(Faults, SessionsMeetFaultsFrameByFrame) {
  plan(R"({"op":"append_session","after":2,"times":1})",
       R"({"status":503,"code":"unavailable","when":"after_commit"})");
  Session session = Session::append(client, "s");
  for (int n = 0; n < 3; ++n) session.submit({"x"});
  const auto& frames = session.frames(3);
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_FALSE(frames[1].terminal);
  EXPECT_TRUE(frames[2].terminal);
  EXPECT_EQ(frames[2].status, 503);
  EXPECT_EQ(stored(), 3u);
}

TEST_F(Faults, ADelayedFrameHoldsBackThoseBehindIt) {
  plan(R"({"op":"append_session","after":1,"times":1})", R"({"delay":"1h"})");
  Session session = Session::append(client, "s");
  for (int n = 0; n < 4; ++n) session.submit({"x"});
  EXPECT_EQ(session.frames(1).size(), 1u);
  client.wait_until([&] { return fired() == 1; });
  EXPECT_EQ(stored(), 1u);
  endpoint.emulator.advance_clock(1h);
  EXPECT_EQ(session.frames(4).size(), 4u);
  EXPECT_EQ(stored(), 4u);
}

TEST_F(Faults, ADelayOfEveryFrameIsLatencyAndNotARate) {
  plan(R"({"op":"append_session"})", R"({"delay":"1h","when":"after_commit"})");
  Session session = Session::append(client, "s");
  for (int n = 0; n < 4; ++n) session.submit({"x"});
  client.wait_until([&] { return fired() == 1; });
  endpoint.emulator.advance_clock(1h);
  EXPECT_EQ(session.frames(4).size(), 4u);
}

TEST_F(Faults, ACutOfASessionLosesTheAckOfWhatIsStored) {
  plan(R"({"op":"append_session","after":1})", R"({"cut":"after_commit"})");
  Session session = Session::append(client, "s");
  session.submit({"a"});
  EXPECT_EQ(session.frames(1).size(), 1u);
  session.submit({"b"});
  session.frames(2);
  EXPECT_TRUE(session.answer().broken);
  EXPECT_EQ(stored(), 2u);
}

TEST_F(Faults, OtherOperationsMeetThemToo) {
  client.append("s", {"a"});
  plan(R"({"op":"check_tail","stream":"s*"})", R"({"status":500})");
  EXPECT_EQ(client.request("GET", "/v1/streams/s/records/tail").json()["code"], "other");
  plan(R"({"op":"read_session"})", R"({"status":503})");
  Session reader(client, "GET", "/v1/streams/s/records?seq_num=0");
  EXPECT_EQ(client.wait(reader.id()).status, 503);
  plan(R"({"op":"create_stream"})", R"({"status":503,"when":"after_commit"})");
  EXPECT_EQ(client.request("POST", "/v1/streams", R"({"stream":"n"})").status, 503);
  EXPECT_EQ(client.request("GET", "/v1/streams/n").status, 200);
}

TEST_F(Faults, AMatchNamesStreamsByGlob) {
  plan(R"({"op":"append","stream":"no*"})", R"({"status":503})");
  EXPECT_EQ(client.append("s", {"a"}).status, 200);
  EXPECT_EQ(client.append("nosuch", {"a"}).status, 503);
}

}  // namespace
}  // namespace s2::emulator::test
