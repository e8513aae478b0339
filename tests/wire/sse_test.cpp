// Server-sent events: the standard's examples, every line end, every cut, and limits.
// WHATWG HTML 9.2.5 "Parsing an event stream", 9.2.6 "Interpreting an event stream".
#include "wire/sse.h"

#include <gtest/gtest.h>

#include "tests/wire/damage.h"

namespace s2::wire {
namespace {

using namespace std::string_literals;
using generators::Exact;
using generators::expect_kind;

constexpr std::size_t kLimit = 1000;

struct SseOutcome {
  std::vector<SseEvent> events;
  std::optional<DecodeError> error;
};

SseOutcome decode_sse(std::string_view bytes, std::size_t piece = std::string_view::npos) {
  SseOutcome outcome;
  SseDecoder decoder(kLimit);
  while (!bytes.empty() && !outcome.error) {
    const Exact part(bytes.substr(0, piece));
    bytes.remove_prefix(part.view().size());
    if (const auto result = decoder.receive(part.view(), outcome.events); !result)
      outcome.error = result.error();
  }
  return outcome;
}

std::vector<SseEvent> events(std::string_view bytes) {
  const SseOutcome outcome = decode_sse(bytes);
  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(decode_sse(bytes, 1).events, outcome.events);
  return outcome.events;
}

TEST(Sse, EventsHaveTheseBytes) {
  EXPECT_EQ(encode_sse({"batch", "{\"a\":1}", "5,2,30"}), "event: batch\nid: 5,2,30\ndata: {\"a\":1}\n\n");
  EXPECT_EQ(encode_sse({"", "[DONE]", std::nullopt}), "data: [DONE]\n\n");
  EXPECT_EQ(encode_sse({"", "a\nb\r\nc\rd\n", ""}), "id: \ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
  EXPECT_EQ(encode_sse({"", "", std::nullopt}), "data: \n\n");
  EXPECT_EQ(encode_sse_comment("still here"), ": still here\n\n");
  EXPECT_EQ(encode_sse_comment("a\ndata: b"), ": a\n: data: b\n\n");
}

// 9.2.6, the examples of the standard.
TEST(Sse, TheExamplesOfTheStandardHold) {
  EXPECT_EQ(events("data: YHOO\ndata: +2\ndata: 10\n\n"), (std::vector<SseEvent>{{"", "YHOO\n+2\n10", {}}}));
  EXPECT_EQ(
      events(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"),
      (std::vector<SseEvent>{{"", "first event", "1"}, {"", "second event", ""}, {"", " third event", {}}}));
  EXPECT_EQ(events("data\n\ndata\ndata\n\ndata:"), (std::vector<SseEvent>{{"", "", {}}, {"", "\n", {}}}));
  EXPECT_EQ(events("data:test\n\ndata: test\n\n"),
            (std::vector<SseEvent>{{"", "test", {}}, {"", "test", {}}}));
}

TEST(Sse, EveryLineEndEndsALine) {
  const std::vector<SseEvent> expected = {{"e", "a\nb", "7"}, {"", "c", {}}};
  EXPECT_EQ(events("event: e\nid: 7\ndata: a\ndata: b\n\ndata: c\n\n"), expected);
  EXPECT_EQ(events("event: e\rid: 7\rdata: a\rdata: b\r\rdata: c\r\r"), expected);
  EXPECT_EQ(events("event: e\r\nid: 7\r\ndata: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n"), expected);
  EXPECT_EQ(events("event: e\rid: 7\ndata: a\r\ndata: b\n\rdata: c\n\r\n"), expected);
}

TEST(Sse, OneByteOrderMarkAtTheStartIsNotSeen) {
  EXPECT_EQ(events("\xEF\xBB\xBF"
                   "data: a\n\n"),
            (std::vector<SseEvent>{{"", "a", {}}}));
  EXPECT_EQ(events("\xEF\xBB\xBF\xEF\xBB\xBF"
                   "data: a\n\ndata: b\n\n"),
            (std::vector<SseEvent>{{"", "b", {}}}));
  EXPECT_EQ(events("\n\xEF\xBB\xBF"
                   "data: a\n\n"),
            std::vector<SseEvent>{});
}

TEST(Sse, WhatIsNoEventGivesNone) {
  EXPECT_EQ(events("event: e\nid: 1\n\n"), std::vector<SseEvent>{});  // no data
  EXPECT_EQ(events("event: e\n\ndata: a\n\n"), (std::vector<SseEvent>{{"", "a", {}}}));
  EXPECT_EQ(events("data: a"), std::vector<SseEvent>{});
  EXPECT_EQ(events("data: a\n"), std::vector<SseEvent>{});
  EXPECT_EQ(events("retry: 10\nunknown: x\n Data: y\nDATA: z\n: comment\n::\n\n\n"), std::vector<SseEvent>{});
}

TEST(Sse, AnIdWithNulIsIgnoredAndTheLastOneCounts) {
  EXPECT_EQ(events("id: 1\nid: a\0b\ndata: x\n\n"s), (std::vector<SseEvent>{{"", "x", "1"}}));
  EXPECT_EQ(events("id: 1\nid: 2\nevent: a\nevent: b\ndata: x\n\n"),
            (std::vector<SseEvent>{{"b", "x", "2"}}));
}

TEST(Sse, EveryCutGivesTheSameEvents) {
  const std::string bytes =
      "\xEF\xBB\xBF: hello\r\n\r\nevent: batch\r\nid: 1,2,3\r\ndata: {\r\ndata: }\r\n\r\ndata: [DONE]\r\r\n";
  const std::vector<SseEvent> expected = {{"batch", "{\n}", "1,2,3"}, {"", "[DONE]", {}}};
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    SseDecoder decoder;
    std::vector<SseEvent> out;
    const Exact first(bytes.substr(0, cut));
    const Exact second(bytes.substr(cut));
    ASSERT_TRUE(decoder.receive(first.view(), out));
    ASSERT_TRUE(decoder.receive(second.view(), out));
    EXPECT_EQ(out, expected) << cut;
  }
}

TEST(Sse, RoundTripInPieces) {
  ASSERT_TRUE(rc::check([] {
    const auto one_line = rc::gen::map(generators::bytes(), [](std::string bytes) {
      bytes.erase(std::remove_if(bytes.begin(), bytes.end(),
                                 [](char c) { return c == '\r' || c == '\n' || c == '\0'; }),
                  bytes.end());
      return bytes;
    });
    std::vector<SseEvent> sent;
    std::string bytes;
    for (int i = *rc::gen::inRange(0, 5); i > 0; --i) {
      SseEvent event{*one_line, *one_line, *generators::optionally<std::string>(one_line)};
      for (int line = *rc::gen::inRange(0, 3); line > 0; --line) event.data += "\n" + *one_line;
      if (*rc::gen::arbitrary<bool>()) bytes += encode_sse_comment(*generators::bytes());
      bytes += encode_sse(event);
      sent.push_back(std::move(event));
    }
    for (const std::size_t piece :
         {std::string::npos, std::size_t{1}, *rc::gen::inRange<std::size_t>(2, 30)}) {
      const SseOutcome outcome = decode_sse(bytes, piece);
      RC_ASSERT(!outcome.error);
      RC_ASSERT(outcome.events == sent);
    }
  }));
}

TEST(Sse, AnEventOverTheLimitIsRefusedAndTheErrorStays) {
  for (const std::string& line : {std::string(kLimit + 1, 'x'), "data: " + std::string(kLimit, 'x') + "\n"}) {
    for (const std::size_t piece : {std::string::npos, std::size_t{1}, std::size_t{64}}) {
      const SseOutcome outcome = decode_sse(line, piece);
      ASSERT_TRUE(outcome.error);
      EXPECT_EQ(outcome.error->kind, DecodeErrorKind::bad_frame);
    }
  }
  std::string many;
  for (int i = 0; i < 100; ++i) many += "data: 0123456789\n";
  EXPECT_TRUE(decode_sse(many).error);
  std::string small;
  for (int i = 0; i < 100; ++i) small += "data: 0123456789\n\n";
  EXPECT_EQ(events(small).size(), 100u);

  SseDecoder decoder(10);
  std::vector<SseEvent> out;
  ASSERT_FALSE(decoder.receive("data: 0123456789", out));
  EXPECT_FALSE(decoder.receive("\n\ndata: a\n\n", out));
  EXPECT_TRUE(out.empty());
}

TEST(Sse, DamagedBytesMeanTheSameHoweverTheyAreCut) {
  ASSERT_TRUE(rc::check([] {
    const std::string bytes =
        generators::damaged("event: batch\nid: 1,2,3\ndata: abc\r\ndata: def\n\n: c\n\ndata: [DONE]\r\r");
    const SseOutcome whole = decode_sse(bytes);
    if (whole.error) expect_kind(*whole.error, DecodeErrorKind::bad_frame);
    const SseOutcome pieces = decode_sse(bytes, *rc::gen::inRange<std::size_t>(1, 10));
    RC_ASSERT(whole.events == pieces.events);
    RC_ASSERT(whole.error.has_value() == pieces.error.has_value());
  }));
}

}  // namespace
}  // namespace s2::wire
