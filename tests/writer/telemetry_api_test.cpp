// The telemetry API's answers, route by route and status by status, without a socket.
#include "writer/telemetry_api.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "tests/writer/rig.h"

namespace s2::writer {
namespace {

using nlohmann::json;
using namespace test;

constexpr const char* kConsole = R"({"browser":{"console":{"enabled":true}}})";
constexpr const char* kNothing = R"({"browser":{"console":{"enabled":false}}})";

struct Api : testing::Test {
  Rig rig;
  TelemetryApi api{*rig.writer, nullptr, std::chrono::milliseconds(500)};

  json body(const ApiAnswer& answer) { return json::parse(answer.body); }
  bool captures(const std::string& category) {
    return body(api.state())["config"]["browser"][category]["enabled"].get<bool>();
  }
};

TEST_F(Api, IsUnsetUntilAPutSetsIt) {
  EXPECT_EQ(api.state().status, 404);
  EXPECT_EQ(api.patch(kConsole).status, 404);
  const ApiAnswer set = api.put(kConsole);
  EXPECT_EQ(set.status, 201);
  const json state = body(api.state());
  EXPECT_EQ(state["seq"], 0);
  EXPECT_EQ(state["durable_through"], 0);
  EXPECT_EQ(state["stream"], state["capture_session_id"]);
  EXPECT_EQ(state["stream"].get<std::string>().rfind("session-", 0), 0U);
  EXPECT_EQ(state["applied_at"].get<std::string>().size(), std::string("2026-01-01T00:00:00.000Z").size());
  EXPECT_TRUE(captures("console"));
  EXPECT_FALSE(captures("network"));
}

TEST_F(Api, APutReplacesAndAPatchMergesWithinOneSession) {
  const json first = body(api.put(kConsole));
  EXPECT_EQ(api.patch(R"({"browser":{"network":{"enabled":true}}})").status, 200);
  EXPECT_TRUE(captures("console") && captures("network"));
  EXPECT_EQ(api.put(R"({"browser":{"page":{"enabled":true}}})").status, 200);
  EXPECT_TRUE(captures("page"));
  EXPECT_FALSE(captures("console") || captures("network"));
  EXPECT_EQ(body(api.state())["stream"], first["stream"]);
}

TEST_F(Api, NothingEnabledClearsAndEndsTheSessionWithItsMarker) {
  const json first = body(api.put(kConsole));
  EXPECT_EQ(api.publish(R"({"type":"console_log"})").status, 200);
  EXPECT_EQ(api.put(kNothing).status, 200);
  EXPECT_EQ(api.state().status, 404);
  EXPECT_EQ(rig.writer->last_seq(), 2U);  // the end marker
  EXPECT_EQ(api.publish(R"({"type":"console_log"})").status, 204);
  EXPECT_EQ(api.put(kNothing).status, 200);  // again: as it is
  const json second = body(api.put(kConsole));
  EXPECT_NE(second["stream"], first["stream"]);
  EXPECT_EQ(api.patch(kNothing).status, 200);
  EXPECT_EQ(api.state().status, 404);
}

TEST_F(Api, WhatIsWrongIsSaidAndTheOldStateIsKept) {
  api.put(kConsole);
  const std::string before = api.state().body;
  for (const char* wrong :
       {"", "nonsense", "[]", "{}", R"({"browser":[]})", R"({"browser":{"konsole":{"enabled":true}}})",
        R"({"browser":{"console":true}})", R"({"browser":{"console":{"enabled":1}}})",
        R"({"browser":{"console":{}}})", R"({"browser":{},"more":1})", "{\"browser\":{\"\xff\":{}}}",
        R"({"browser":{},"capture_session_id":""})"}) {
    for (const ApiAnswer& answer : {api.put(wrong), api.patch(wrong)}) {
      EXPECT_EQ(answer.status, 400) << wrong;
      EXPECT_FALSE(body(answer)["error"].get<std::string>().empty()) << wrong;
    }
  }
  EXPECT_EQ(api.put(R"({"browser":{"page":{"enabled":true}},"capture_session_id":"another"})").status, 400);
  EXPECT_EQ(api.state().body, before);
}

TEST_F(Api, ASessionThatNoStreamCanBeNamedByIsRefused) {
  for (const char* id : {".", ".."}) {
    const ApiAnswer answer =
        api.put(std::string(R"({"browser":{"page":{"enabled":true}},"capture_session_id":")") + id + "\"}");
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_NE(answer.body.find("no stream can be named"), std::string::npos) << answer.body;
  }
  EXPECT_EQ(api.state().status, 404);
  EXPECT_EQ(api.put(R"({"browser":{"page":{"enabled":true}},"capture_session_id":"..."})").status, 201);
}

TEST_F(Api, ASessionThatCannotStartLeavesTelemetryUnsetAndIsAFailureOfOurs) {
  for (std::size_t i = 0; i < kMaxActiveSessions; ++i) rig.start("busy-" + std::to_string(i));
  EXPECT_EQ(api.put(kConsole).status, 500);
  EXPECT_EQ(api.state().status, 404);
  rig.stop("busy-0");
  EXPECT_EQ(api.put(kConsole).status, 201);
}

TEST_F(Api, AnEventIsAnsweredWithItsEnvelopeOnlyWhereItWasAccepted) {
  EXPECT_EQ(api.publish(R"({"type":"console_log"})").status, 204);  // nothing is captured yet
  api.put(R"({"browser":{"console":{"enabled":true}},"capture_session_id":"cap"})");
  const json envelope = body(
      api.publish(R"({"type":"console_log","category":"network","data":{"a":[1]},"source":{"kind":"cdp"}})"));
  EXPECT_EQ(envelope["seq"], 1);
  EXPECT_EQ(envelope["capture_session_id"], "cap");
  EXPECT_EQ(envelope["event"]["category"], "console");  // a known type's category is the server's
  EXPECT_EQ(envelope["event"]["data"]["a"][0], 1);
  EXPECT_EQ(envelope["event"]["source"]["kind"], "cdp");
  EXPECT_EQ(api.publish(R"({"type":"odd","category":"console"})").status, 200);
  EXPECT_EQ(api.publish(R"({"type":"network_request"})").status, 204);  // filtered out
  for (const char* wrong :
       {"", "[]", "{", R"({"type":"odd"})", R"({"type":"odd","category":"konsole"})", R"({"type":7})",
        R"({"type":"console_log","source":"x"})", "{\"type\":\"console_\xff\"}",
        R"({"type":"system_events_dropped","category":"console","source":{"kind":"writer"}})"}) {
    EXPECT_EQ(api.publish(wrong).status, 400) << wrong;
  }
  EXPECT_EQ(rig.writer->last_seq(), 2U);
}

TEST_F(Api, ATimestampIsAWholeNumberOfMicrosecondsOrNotGiven) {
  api.put(kConsole);
  for (const char* wrong :
       {"18446744073709551615", "9223372036854775808", "-1", "1.5", "1e30", "\"abc\"", "[]", "true"}) {
    const ApiAnswer answer = api.publish(std::string(R"({"type":"console_log","ts":)") + wrong + "}");
    EXPECT_EQ(answer.status, 400) << wrong;
    EXPECT_NE(answer.body.find("ts must be a whole number of microseconds"), std::string::npos)
        << answer.body;
  }
  EXPECT_EQ(rig.writer->last_seq(), 0U);
  for (const char* right : {"1", "1700000000000000", "9223372036854775807"}) {
    const ApiAnswer answer = api.publish(std::string(R"({"type":"console_log","ts":)") + right + "}");
    EXPECT_EQ(body(answer)["event"]["ts"].dump(), right);
  }
  for (const char* none : {"0", "null"}) {
    const ApiAnswer answer = api.publish(std::string(R"({"type":"console_log","ts":)") + none + "}");
    EXPECT_GT(body(answer)["event"]["ts"], 1'700'000'000'000'000) << none;
  }
}

TEST_F(Api, AFlushSaysHowFarOrWhatIsPendingAndMayBeAskedAgain) {
  EXPECT_EQ(api.flush("").status, 200);  // no session: nothing was accepted, so nothing is missing
  api.put(kConsole);
  rig.s2->hang();
  api.publish(R"({"type":"console_log"})");
  const ApiAnswer late = api.flush(R"({"deadline_ms":0})");
  EXPECT_EQ(late.status, 504);
  EXPECT_EQ(body(late)["durable_through"], 0);
  EXPECT_EQ(body(late)["pending"], 1);
  rig.s2->answer();
  for (int i = 0; i < 2; ++i) {
    const ApiAnswer flushed = api.flush(R"({"deadline_ms":20000})");
    EXPECT_EQ(flushed.status, 200);
    EXPECT_EQ(body(flushed)["through"], 1);
    EXPECT_EQ(body(flushed)["drops"], 0);
    EXPECT_TRUE(body(flushed)["tail"].is_number());
  }
  for (const char* wrong :
       {"[]", "x", R"({"deadline_ms":-1})", R"({"deadline_ms":"1"})", R"({"deadline":1})"})
    EXPECT_EQ(api.flush(wrong).status, 400) << wrong;
}

TEST_F(Api, AFlushNamesWhatIsNotStored) {
  Rig small({.ring = {4}});
  TelemetryApi full(*small.writer, nullptr, std::chrono::milliseconds(500));
  full.put(kConsole);
  small.s2->hang();
  small.s2->room(4);  // with more, a quick reader leaves nothing for the ring to overwrite
  for (int i = 0; i < 30; ++i) full.publish(R"({"type":"console_log"})");
  while (small.ledger.gone().empty()) std::this_thread::yield();
  const json late = body(full.flush(R"({"deadline_ms":0})"));
  EXPECT_EQ(late["cut_off"], 30);
  EXPECT_FALSE(late["missing"].empty());
  small.s2->answer();
  const json flushed = body(full.flush(R"({"deadline_ms":20000})"));
  std::set<std::uint64_t> named;
  for (const json& range : flushed["missing"]) {
    for (std::uint64_t seq = range["from"]; seq <= range["to"].get<std::uint64_t>(); ++seq) named.insert(seq);
  }
  EXPECT_EQ(named, small.ledger.gone());
  EXPECT_EQ(flushed["drops"], named.size());
  EXPECT_FALSE(flushed.contains("missing_more"));
  EXPECT_EQ(flushed["unstored"], json::array());
}

// Stop, then delete.
TEST_F(Api, AFlushNamesTheStreamAndItsEndAlsoOnceTheSessionHasEnded) {
  EXPECT_EQ(body(api.flush(""))["stream"], nullptr);  // nothing was ever captured
  api.put(R"({"browser":{"console":{"enabled":true}},"capture_session_id":"cap"})");
  for (int i = 0; i < 3; ++i) api.publish(R"({"type":"console_log"})");
  EXPECT_EQ(body(api.flush(R"({"deadline_ms":20000})"))["stream"], "cap");
  EXPECT_EQ(api.put(kNothing).status, 200);
  const json ended = body(api.flush(R"({"deadline_ms":20000})"));
  EXPECT_EQ(rig.s2->removed(), std::vector<std::string>{"cap"});
  EXPECT_EQ(ended["through"], 4);
  EXPECT_EQ(ended["stream"], "cap");
  EXPECT_EQ(ended["tail"], 4);
  rig.s2->hang();
  const json next = body(api.put(R"({"browser":{"console":{"enabled":true}},"capture_session_id":"next"})"));
  EXPECT_EQ(next["after"], 4);  // three events, and the marker
  api.publish(R"({"type":"console_log"})");
  const json late = body(api.flush(R"({"deadline_ms":0})"));
  EXPECT_EQ(late["stream"], "next");
  EXPECT_EQ(late["after"], 4);
  rig.s2->answer();
}

TEST_F(Api, TheEndsOfTheLastEndedStreamsAreKnownAndNoMore) {
  const auto session = [](std::size_t n) { return "session-" + std::to_string(n); };
  for (std::size_t n = 0; n <= kMaxPastTails; ++n) {
    rig.start(session(n));
    rig.publish(1);
    rig.stop(session(n));
  }
  EXPECT_EQ(rig.writer->tail_of(session(0)), std::nullopt);
  EXPECT_EQ(rig.writer->tail_of(session(1)), 4U);
  EXPECT_EQ(rig.writer->tail_of(session(kMaxPastTails)), 2 * (kMaxPastTails + 1));
  rig.start(session(1));  // once more: its end is the newest
  rig.publish(1);
  rig.stop(session(1));
  EXPECT_EQ(rig.writer->tail_of(session(1)), 2 * (kMaxPastTails + 2));
  EXPECT_NE(rig.writer->tail_of(session(2)), std::nullopt);
}

TEST_F(Api, TheLogSaysOfAFlushWhatWasTold) {
  Rig small({.ring = {4}});
  TelemetryApi full(*small.writer, nullptr, std::chrono::milliseconds(500));
  full.put(kConsole);
  small.s2->refuse(1);
  full.publish(R"({"type":"console_log"})");
  while (small.ledger.gone().empty()) std::this_thread::yield();
  EXPECT_EQ(body(full.flush(R"({"deadline_ms":20000})"))["through"], 0);
  EXPECT_NE(small.log().find("flush: nothing is stored: all was told as dropped or lost (1 event)\n"),
            std::string::npos)
      << small.log();
  full.publish(R"({"type":"console_log"})");
  const json flushed = body(full.flush(R"({"deadline_ms":20000})"));
  EXPECT_NE(small.log().find("flush: stored but for what was told as dropped or lost (through event " +
                             flushed["through"].dump() + ", 1 event told)\n"),
            std::string::npos)
      << small.log();
  EXPECT_EQ(small.log().find("all is stored"), std::string::npos);
  EXPECT_EQ(small.log().find("no event had to be stored"), std::string::npos);
}

TEST_F(Api, OnceShuttingDownItRefusesEventsAndStatesAndStillFlushes) {
  api.put(kConsole);
  api.refuse();
  EXPECT_EQ(api.publish(R"({"type":"console_log"})").status, 503);
  EXPECT_EQ(api.put(kConsole).status, 503);
  EXPECT_EQ(api.patch(kNothing).status, 503);
  EXPECT_EQ(api.state().status, 200);
  EXPECT_EQ(api.flush("").status, 200);
}

TEST_F(Api, WithoutDurableStorageThereIsNoStoredStream) {
  EXPECT_EQ(api.stored({"some-stream", "", "", "", ""}).status, 404);
}

TEST_F(Api, AnyBodyGetsAnAnswerInJson) {
  api.put(kConsole);
  ASSERT_TRUE(rc::check([&](const std::string& any) {
    for (const ApiAnswer& answer : {api.put(any), api.patch(any), api.publish(any), api.flush(any)}) {
      RC_ASSERT(answer.status >= 200 && answer.status < 600);
      RC_ASSERT(answer.status == 204 || !json::parse(answer.body, nullptr, false).is_discarded());
    }
  }));
}

}  // namespace
}  // namespace s2::writer
