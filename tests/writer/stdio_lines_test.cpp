// The stdio driver's lines, in and out. Contract: "The writer under test, any language".
#include "writer/stdio_lines.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <climits>
#include <nlohmann/json.hpp>

namespace s2::writer {
namespace {

using nlohmann::json;

TEST(StdioLines, OperationsOfTheContractAreUnderstood) {
  EXPECT_EQ(std::get<StartOp>(*parse_op(R"({"op":"start","session":"s"})")).session, "s");
  PublishOp publish = std::get<PublishOp>(*parse_op(
      R"({"op":"publish","n":17,"publisher":2,"session":"s","event":{"type":"page_load","data":{"a":[1]},"source":{"metadata":{"probe":"p"}}}})"));
  EXPECT_EQ(publish.n, 17u);
  EXPECT_EQ(publish.session, "s");
  EXPECT_EQ(publish.event->type, "page_load");
  EXPECT_EQ(publish.event->data_json, R"({"a":[1]})");
  EXPECT_EQ(publish.event->source.metadata_json, R"({"probe":"p"})");
  EXPECT_EQ(std::get<FlushOp>(*parse_op(R"({"op":"flush","deadline_ms":2000})")).deadline,
            std::chrono::milliseconds(2000));
  EXPECT_FALSE(std::get<StopOp>(*parse_op(R"({"op":"stop"})")).deadline);
  EXPECT_FALSE(std::get<StorageOp>(*parse_op(R"({"op":"storage","on":false})")).on);
}

TEST(StdioLines, WhatIsWrongIsSaidInOneLine) {
  for (const char* line :
       {"", "garbage", "[]", "17", "{", "{}", R"({"op":7})", R"({"op":"dance"})",
        R"({"op":"publish","event":{}})", R"({"op":"publish","n":-1,"event":{}})", R"({"op":"storage"})",
        R"({"op":"flush","deadline_ms":-1})", R"({"op":"start","session":7})"}) {
    auto op = parse_op(line);
    ASSERT_FALSE(op) << line;
    EXPECT_EQ(op.error().find('\n'), std::string::npos);
  }
  EXPECT_FALSE(parse_op(std::string(2'000'000, '[')));
}

TEST(StdioLines, AnEventThatIsNoneIsForThePublisherToKnow) {
  EXPECT_FALSE(std::get<PublishOp>(*parse_op(R"({"op":"publish","n":1})")).event);
  EXPECT_FALSE(std::get<PublishOp>(*parse_op(R"({"op":"publish","n":1,"event":{"type":7}})")).event);
  for (const char* ts : {"18446744073709551615", "-1", "1.5", "\"abc\""}) {
    const std::string line =
        std::string(R"({"op":"publish","n":1,"event":{"type":"page_load","ts":)") + ts + "}}";
    EXPECT_FALSE(std::get<PublishOp>(*parse_op(line)).event) << ts;
  }
}

TEST(StdioLines, BytesThatAreNotUtf8AreReadWithReplacements) {
  auto op = parse_op(
      "{\"op\":\"publish\",\"n\":1,\"event\":{\"type\":\"page_load\",\"data\":\"a\xff"
      "b\"}}");
  ASSERT_TRUE(op);
  EXPECT_EQ(std::get<PublishOp>(*op).event->data_json,
            "\"a\xEF\xBF\xBD"
            "b\"");
}

TEST(StdioLines, NoInputCrashesTheParser) {
  ASSERT_TRUE(rc::check([](const std::string& line) { parse_op(line); }));
  ASSERT_TRUE(rc::check([] {
    std::string line = R"({"op":"publish","n":17,"session":"s","event":{"type":"page_load","data":"x"}})";
    for (int i = *rc::gen::inRange(1, 6); i > 0; --i) {
      line[*rc::gen::inRange<std::size_t>(0, line.size())] = static_cast<char>(*rc::gen::inRange(0, 256));
    }
    parse_op(line);
  }));
}

TEST(StdioLines, AnswersAreThoseOfTheContract) {
  EXPECT_EQ(ready_line(), R"({"ready":true})");
  EXPECT_EQ(storage_line(false), R"({"storage":false})");
  EXPECT_EQ(started_line("s"), R"({"started":"s"})");
  EXPECT_EQ(published_line(17, 18, ""), R"({"published":17,"seq":18})");
  EXPECT_EQ(rejected_line(17, "why", "s"), R"({"rejected":17,"reason":"why","session":"s"})");
  EXPECT_EQ(dropped_line("s", 3, 9), R"({"dropped":{"from":3,"to":9},"session":"s"})");
  EXPECT_EQ(acked_line("s", 18), R"({"acked":18,"session":"s"})");
  EXPECT_EQ(lost_line("s", 13, 18, "why"), R"({"lost":{"from":13,"to":18,"reason":"why"},"session":"s"})");
  FlushAnswer flushed;
  flushed.flushed = true, flushed.through = 18;
  EXPECT_EQ(json::parse(flush_line("", flushed))["flushed"]["through"], 18);
  FlushAnswer failed;
  failed.durable_through = 12, failed.pending = 6;
  EXPECT_EQ(flush_line("", failed), R"({"flush_failed":{"durable_through":12,"pending":6,"missing":[]}})");
  FlushAnswer holes = flushed;
  for (const std::uint64_t seq : {3, 4, 5, 9}) holes.told.missing.add(seq, 2);
  holes.told.missing.add(7, 2);  // one too many to be named
  EXPECT_EQ(flush_line("", holes),
            R"({"flushed":{"through":18,"drops":0,"missing":[{"from":3,"to":5},{"from":9,"to":9}],)"
            R"("missing_more":1}})");
  EXPECT_EQ(stopped_line({.session = "s", .durable_through = 18}),
            R"({"stopped":{"through":18},"session":"s"})");
  EXPECT_EQ(json::parse(stopped_line({.session = "s", .pending = 2}))["stopped"]["pending"], 2);
}

TEST(StdioLines, EveryLineFitsAPipesWholeWriteWhateverItsText) {
  FlushAnswer full_of_holes;
  full_of_holes.flushed = true, full_of_holes.through = UINT64_MAX;
  for (std::uint64_t i = 0; i < kMaxRangesTold; ++i)
    full_of_holes.told.missing.add(UINT64_MAX - (2 * i), kMaxRangesTold);
  ASSERT_TRUE(rc::check([&](std::string session, std::string reason) {
    session.resize(std::min<std::size_t>(session.size(), kMaxSessionIdBytes));
    for (const std::string& line : {lost_line(session, 1, UINT64_MAX, reason),
                                    rejected_line(1, reason, session), flush_line(session, full_of_holes)}) {
      RC_ASSERT(line.size() < PIPE_BUF);
      RC_ASSERT(line.find('\n') == std::string::npos);
      RC_ASSERT(json::accept(line));
    }
  }));
  EXPECT_LT(lost_line(std::string(kMaxSessionIdBytes, '\x01'), 1, 2, std::string(5000, '\x01')).size(),
            std::size_t{PIPE_BUF});
}

TEST(LineSplitter, GivesTheSameLinesHoweverTheBytesArrive) {
  ASSERT_TRUE(rc::check([](std::vector<std::string> texts) {
    std::string bytes;
    std::vector<std::string> expected;
    for (std::string& text : texts) {
      std::erase_if(text, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
      bytes += text + "\n";
      if (!text.empty()) expected.push_back(text);
    }
    LineSplitter splitter;
    std::vector<std::string> lines;
    while (!bytes.empty()) {
      auto size = *rc::gen::inRange<std::size_t>(1, bytes.size() + 1);
      splitter.receive(std::string_view(bytes).substr(0, size), lines);
      bytes.erase(0, size);
    }
    RC_ASSERT(lines == expected);
  }));
}

TEST(LineSplitter, LeavesOutALineOverTheLimitAndGoesOn) {
  LineSplitter splitter;
  std::vector<std::string> lines;
  for (int i = 0; i < 17; ++i) splitter.receive(std::string(1024 * 1024, 'x'), lines);
  splitter.receive("\nnext\nlast", lines);
  splitter.end(lines);
  EXPECT_EQ(lines, (std::vector<std::string>{"next", "last"}));
  EXPECT_EQ(splitter.take_overlong(), 1u);
  EXPECT_EQ(splitter.take_overlong(), 0u);
}

}  // namespace
}  // namespace s2::writer
