// The picture of an execution: its order is marked, hostile names stay text, and it stays small whatever the
// execution was. And the lines of source behind the points.
#include "fuzz/picture.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fuzz/source_lines.h"
#include "fuzz/turns.h"
#include "fuzz/writer_world.h"
#include "tests/fuzz/canaries.h"

namespace s2::fuzz {
namespace {

// A failure of a program, shrunk, and its execution with the trace.
struct Told {
  sim::Execution execution;
  Picture about;
};

Told told(const Program& program) {
  const auto portfolio = make_portfolio();
  const Exploration found = explore(*portfolio, {.seed = 1, .max_executions = 5000}, program);
  if (!found.failure) throw std::runtime_error("no failure was found");
  const Shrunk shrunk = shrink(*found.failure, {}, program);
  Told one;
  one.execution = replay(shrunk.failure.schedule, plain_world, program, true, &one.about.followed);
  one.about.title = shrunk.failure.why;
  one.about.replay = "s2-fuzz replay " + token_of(shrunk.failure.schedule).value_or("");
  return one;
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

// Two threads that pass a token to and fro, by hand.
sim::Execution made_up(std::size_t turns, std::size_t points_of_a_turn) {
  sim::Execution execution;
  execution.ending = sim::Ending::deadlock;
  execution.thread_names = {"left", "right"};
  execution.object_names = {"", "token", "door"};
  std::uint32_t ordinal = 0;
  for (std::size_t turn = 0; turn < turns; ++turn) {
    for (std::size_t i = 0; i < points_of_a_turn; ++i) {
      const auto thread = static_cast<std::uint32_t>(turn % 2);
      const auto kind = i % 2 == 0 ? sim::Kind::lock : sim::Kind::unlocked;
      execution.trace.push_back(
          {.thread = thread, .kind = kind, .object = 1 + thread, .ordinal = ++ordinal, .frames = {}});
    }
  }
  execution.points = execution.trace.size();
  return execution;
}

TEST(Picture, EveryCanarysLosingOrderIsMarkedAndEndsWithTheFailure) {
  for (const Canary& canary : canaries()) {
    const Told one = told(canary.program);
    const std::string page = picture_of(one.execution, one.about);
    const std::size_t marks = marks_of(one.execution, one.about.followed).size();
    EXPECT_GE(marks, canary.fewest) << canary.name;
    EXPECT_EQ(count_of(page, "<em id=m"), marks) << canary.name;
    EXPECT_EQ(count_of(page, "<li><a href=\"#m"), marks) << canary.name;
    EXPECT_GE(count_of(page, " m\"></i>"), canary.fewest) << canary.name;  // the ways of preemptions
    EXPECT_EQ(count_of(page, "<div class=turn"), turns_of(one.execution).size()) << canary.name;
    EXPECT_NE(page.find(one.about.replay), std::string::npos) << canary.name;
    EXPECT_NE(page.find(sim::name_of(canary.ending)), std::string::npos) << canary.name;
    EXPECT_LT(page.size(), 40'000U) << canary.name;
  }
}

TEST(Picture, WhereTheFailureLeftTheThreadsIsTold) {
  const Told one = told(lost_wakeup);
  const std::string page = picture_of(one.execution, one.about);
  EXPECT_NE(page.find("<li><b>main</b> at <b class=w>wait</b>"), std::string::npos);
  EXPECT_EQ(page.find("<li><b>setter</b> at"), std::string::npos);  // it has ended
}

TEST(Picture, TheMarksAreTheDeviationsThatWereFollowed) {
  for (const Canary& canary : canaries()) {
    const Told one = told(canary.program);
    const std::vector<Mark> marks = marks_of(one.execution, one.about.followed);
    std::size_t next = 0;
    for (const Mark& mark : marks) {
      ASSERT_NE(mark.deviation, nullptr) << canary.name;
      EXPECT_EQ(mark.deviation, &one.about.followed.deviations[next++]) << canary.name;
      const sim::TraceStep& step = one.execution.trace[mark.step];
      EXPECT_EQ(step.kind, mark.deviation->kind);
      EXPECT_EQ(step.ordinal, mark.deviation->ordinal);
    }
    EXPECT_EQ(next, one.about.followed.deviations.size()) << canary.name;
  }
}

TEST(Picture, WithoutAScheduleThePreemptionsOfTheTraceAreMarked) {
  Told one = told(abba);
  one.about.followed = {};
  const std::string page = picture_of(one.execution, one.about);
  EXPECT_EQ(count_of(page, "<em id=m"), 1U);
  EXPECT_NE(page.find(" goes first"), std::string::npos);
}

TEST(Picture, HostileNamesAndWordsStayText) {
  sim::Execution execution = made_up(4, 2);
  const std::string hostile = "</b><script>alert(1)</script>\"'&\x01\xff{{title}}{{body}}\xE2\x80\xAE";
  execution.thread_names = {hostile, hostile};
  execution.object_names = {"", hostile, hostile};
  execution.why = hostile;
  execution.trace[1].preempted = true;
  execution.notes = {{.step = 1, .thread = 0, .now = {}, .text = hostile}};
  const Picture about{.title = hostile,
                      .lost = hostile + "\n" + hostile,
                      .replay = hostile,
                      .followed = {},
                      .place_of = [&](const sim::TraceStep&) { return hostile; }};
  const std::string page = picture_of(execution, about);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("\xE2\x80\xAE"), std::string::npos);
  EXPECT_EQ(page.find('\xff'), std::string::npos);
  EXPECT_EQ(count_of(page, "<body>"), 1U);
  EXPECT_EQ(count_of(page, "<main>"), 1U);
  EXPECT_NE(page.find("&lt;script&gt;alert(1)&lt;/script&gt;"), std::string::npos);
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
}

TEST(Picture, AnEndlessExecutionStaysBelowAMegabyteAndKeepsMarksAndEnd) {
  sim::Execution execution = made_up(20'000, 30);
  const std::string longest = std::string(5000, '&');
  execution.thread_names = {longest, longest};
  execution.object_names = {"", longest, longest};
  execution.why = longest;
  execution.trace[30 * 700 + 29].preempted = true;
  for (std::size_t i = 0; i < 300'000; ++i)
    execution.notes.push_back({.step = i, .thread = 0, .now = {}, .text = longest});
  const Picture about{.title = longest, .lost = std::string(50'000, '\n'), .replay = longest, .followed = {}};
  const std::string page = picture_of(execution, about);
  EXPECT_LT(page.size(), kMostPictureBytes);
  EXPECT_GT(page.size(), 300'000U);
  EXPECT_EQ(count_of(page, "<em id=m1>"), 1U);
  EXPECT_NE(page.find("turns, "), std::string::npos);
}

TEST(Picture, ManyMarksManyThreadsAndNamesOfEveryByteStayBelowAMegabyte) {
  sim::Execution execution = made_up(6000, 2);
  execution.thread_names.clear();
  std::string bytes;
  for (int c = 0; c < 256; ++c) bytes += static_cast<char>(c);
  for (std::uint32_t i = 0; i < 500; ++i) execution.thread_names.push_back(bytes);
  execution.object_names = {"", bytes, bytes};
  std::uint32_t at = 0;
  for (sim::TraceStep& step : execution.trace) {
    step.thread = at++ / 2 % 500;
    step.preempted = at % 2 == 0;
  }
  const Picture about{.title = "many",
                      .lost = bytes,
                      .replay = bytes,
                      .followed = {},
                      .place_of = [&](const sim::TraceStep&) { return bytes; }};
  const std::string page = picture_of(execution, about);
  EXPECT_LT(page.size(), kMostPictureBytes);
  EXPECT_NE(page.find("484 others"), std::string::npos);
  EXPECT_NE(page.find("choices more"), std::string::npos);
}

TEST(Picture, ALongTurnIsFoldedAroundItsMark) {
  sim::Execution execution = made_up(2, 60);
  execution.trace[30].preempted = true;  // as at a point where a timer went first
  const std::string page = picture_of(execution, {.title = "t", .lost = "", .replay = "", .followed = {}});
  EXPECT_EQ(count_of(page, "<details>"), 3U);
  EXPECT_EQ(count_of(page, "<summary>24 points: 12 lock, 12 unlocked</summary>"), 1U);  // 30 before the mark
  EXPECT_EQ(count_of(page, "<em id=m1>"), 1U);
}

TEST(Picture, WhatTheProgramNotedStandsInItsTurnAndThePointsAreFolded) {
  sim::Execution execution = made_up(3, 9);
  execution.notes = {{.step = 4, .thread = 0, .now = {}, .text = "publishes <event> #1"},
                     {.step = 9, .thread = 0, .now = {}, .text = "said late"},
                     {.step = 27, .thread = 1, .now = {}, .text = "said last"}};
  const std::string page = picture_of(execution, {.title = "t", .lost = "", .replay = "", .followed = {}});
  const std::size_t first = page.find("<p class=n>publishes &lt;event&gt; #1</p>");
  ASSERT_NE(first, std::string::npos);
  EXPECT_NE(page.find("<summary>4 points: 2 lock, 2 unlocked</summary>"), std::string::npos);
  EXPECT_GT(page.find("<p class=n>left: said late</p>"), first);  // in a turn of the other thread
  EXPECT_NE(page.find("<p class=n>right: said last</p>"), std::string::npos);
  EXPECT_EQ(count_of(page, "<p class=n>"), 3U);
}

TEST(Picture, AnExecutionWithoutATraceSaysSo) {
  const std::string page = picture_of({}, {.title = "t", .lost = "", .replay = "", .followed = {}});
  EXPECT_NE(page.find("No trace was kept"), std::string::npos);
}

// For looking at, and for a check in a browser: S2_PICTURE_DIR says where.
TEST(Picture, IsWrittenToDisk) {
  const char* given = std::getenv("S2_PICTURE_DIR");
  const std::string folder = given != nullptr ? given : testing::TempDir();
  const auto write = [&](const std::string& name, const std::string& page) {
    std::ofstream file(std::filesystem::path(folder) / (name + ".html"), std::ios::binary);
    file << page;
    file.close();
    EXPECT_TRUE(file) << name;
    if (given == nullptr) std::filesystem::remove(std::filesystem::path(folder) / (name + ".html"));
  };
  const auto placed = [&](const std::string& name, const sim::Execution& execution, Picture about) {
    const SourceLines lines(execution);
    about.place_of = [&](const sim::TraceStep& step) { return lines.of(step); };
    write(name, picture_of(execution, about));
  };
  for (const Canary& canary : canaries()) {
    const Told one = told(canary.program);
    placed(canary.name, one.execution, one.about);
  }
  const auto random = make_random();
  random->begin(3);
  sim::WorldOptions options = writer_world(*random);
  options.keep_trace = true;
  WriterShape shape;
  shape.publishers = 3;
  const sim::Execution writer = sim::run(options, [&] { run_writer(shape, WriterWay::http2); });
  placed("writer", writer, {.title = "The writer as it is", .lost = "", .replay = "", .followed = {}});

  sim::Execution execution = made_up(12, 30);
  const std::string hostile =
      "</p></script><img src=x onerror=alert('owned')><script>alert('owned')</script>";
  execution.thread_names = execution.object_names = {hostile, hostile, hostile};
  execution.why = hostile;
  execution.trace[31].preempted = true;
  execution.notes = {{.step = 3, .thread = 0, .now = {}, .text = hostile}};
  write("hostile", picture_of(execution, {.title = hostile,
                                          .lost = hostile,
                                          .replay = hostile,
                                          .followed = {},
                                          .place_of = [&](const sim::TraceStep&) { return hostile; }}));
}

// -- The lines of source. --

TEST(SourceLines, NamesAreShortenedToTheFunctionAndItsScope) {
  EXPECT_EQ(short_name("s2::writer::Ring::publish(s2::writer::Event const&) const"), "Ring::publish");
  EXPECT_EQ(short_name("main"), "main");
  EXPECT_EQ(short_name("a::f[abi:cxx11](int)"), "a::f");
  EXPECT_EQ(short_name("a::f[abi:"), "a::f");
  EXPECT_EQ(short_name("void run<int, std::vector<int> >(int (*)(int))"), "run");
  EXPECT_EQ(short_name("std::vector<int>::operator[](unsigned long)"), "vector::operator[]");
  EXPECT_EQ(short_name("a::B::operator()(int) const"), "B::operator()");
  EXPECT_EQ(short_name("a::operator<<(std::ostream&, a::B const&)"), "a::operator<<");
  EXPECT_EQ(
      short_name("a::(anonymous namespace)::f(int)::{lambda(int, char)#1}::operator()(int, char) const"),
      "a::f::{lambda#1}");
  EXPECT_EQ(short_name("f(int) [clone .cold]"), "f");
  EXPECT_EQ(short_name(""), "");
  EXPECT_EQ(short_name("f<((("), "f");
}

TEST(SourceLines, EachPointOfTheProgramHasAPlaceInIt) {
  const Told one = told(abba);
  const SourceLines lines(one.execution);
  std::size_t known = 0;
  for (const sim::TraceStep& step : one.execution.trace) {
    const std::string place = lines.of(step);
    EXPECT_EQ(place.find("sim/"), std::string::npos) << place;
    EXPECT_EQ(place.find("Engine::"), std::string::npos) << place;
    EXPECT_EQ(place.find("std::"), std::string::npos) << place;
    EXPECT_EQ(place.find("pthread_"), std::string::npos) << place;
    if (step.kind != sim::Kind::lock) continue;
    ++known;
    // Where there is debug information, its line; else where in the program.
    EXPECT_TRUE(place.find("canaries.h:") != std::string::npos ||
                place.find("fuzz_tests+0x") != std::string::npos)
        << sim::name_of(step.kind) << " #" << step.ordinal << ": " << place;
  }
  EXPECT_GE(known, 3U);
}

TEST(SourceLines, WithoutTheToolTheModuleAndTheOffsetAreSaid) {
  const Told one = told(abba);
  for (const char* tool : {"/nowhere/addr2line", "false", "true", "echo"}) {
    const SourceLines lines(one.execution, tool);
    std::size_t known = 0;
    for (const sim::TraceStep& step : one.execution.trace)
      known += lines.of(step).find("fuzz_tests+0x") != std::string::npos ? 1U : 0U;
    EXPECT_GT(known, 0U) << tool;
  }
}

}  // namespace
}  // namespace s2::fuzz
