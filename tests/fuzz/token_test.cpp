// The replay token: short, read back as it was written, refused with a reason, and good after the program has
// changed.
#include <gtest/gtest.h>

#include "fuzz/explore.h"
#include "tests/fuzz/canaries.h"

namespace s2::fuzz {
namespace {

Failure found_and_shrunk(const Program& program, std::uint64_t seed = 1) {
  const auto portfolio = make_portfolio();
  const Exploration found = explore(*portfolio, {.seed = seed, .max_executions = 20'000}, program);
  EXPECT_TRUE(found.failure);
  return shrink(found.failure.value_or(Failure{}), {}, program).failure;
}

TEST(Token, ReproducesEveryCanaryFromAtMost200Bytes) {
  for (const Canary& canary : canaries()) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      const Failure failure = found_and_shrunk(canary.program, seed);
      const auto token = token_of(failure.schedule);
      ASSERT_TRUE(token) << canary.name;
      EXPECT_LE(token->size(), kMostTokenBytes);
      std::string error;
      const auto schedule = schedule_of(*token, error);
      ASSERT_TRUE(schedule) << error;
      EXPECT_EQ(*schedule, failure.schedule) << *token;
      const sim::Execution again = replay(*schedule, plain_world, canary.program);
      EXPECT_EQ(again.trace_hash, failure.trace_hash) << canary.name << " " << *token;
    }
  }
}

// The queue with the bug of check_then_act, in programs that differ in what does not matter.
void queue_with(bool more_locks, bool more_threads, bool clocks) {
  std::mutex mutex, unrelated;
  int size = 0;
  std::vector<std::jthread> threads;
  if (more_locks) {
    const std::lock_guard lock(unrelated);
    if (clocks) (void)std::chrono::steady_clock::now();
  }
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      sim::name_thread("producer-" + std::to_string(i));
      if (clocks) (void)std::chrono::steady_clock::now();
      bool room = false;
      {
        const std::lock_guard lock(mutex);
        room = size == 0;
      }
      if (clocks) (void)std::chrono::steady_clock::now();
      if (!room) return;
      const std::lock_guard lock(mutex);
      if (++size > 1) sim::fail("full");
    });
  }
  if (more_threads) threads.emplace_back([&] { const std::lock_guard lock(unrelated); });
}

TEST(Token, SurvivesChangesOfTheProgramThatDoNotConcernIt) {
  const Failure failure = found_and_shrunk([] { queue_with(false, false, false); });
  ASSERT_EQ(failure.why, "full");
  for (int change = 1; change < 8; ++change) {
    const sim::Execution execution = replay(failure.schedule, plain_world, [change] {
      queue_with((change & 1) != 0, (change & 2) != 0, (change & 4) != 0);
    });
    EXPECT_EQ(execution.why, "full") << "change " << change << ", "
                                     << token_of(failure.schedule).value_or("");
  }
}

TEST(Token, KeepsEveryKindOfDeviation) {
  Schedule schedule;
  schedule.draw_seed = 0xFEDCBA9876543210;
  schedule.deviations = {{"main", sim::Kind::lock, 3, 0, sim::Source::thread, "reader", true},
                         {"reader", sim::Kind::exit, 1, 2, sim::Source::timer, "", false},
                         {"main", sim::Kind::unlocked, 12, 0, sim::Source::signal, "", true},
                         {"a.b", sim::Kind::wait, 1, 0, sim::Source::spurious, "main", false}};
  const auto token = token_of(schedule);
  ASSERT_TRUE(token);
  std::string error;
  EXPECT_EQ(schedule_of(*token, error), schedule) << *token;
}

TEST(Token, AThreadWithoutANameComesBackUnderOne) {
  Schedule schedule;
  schedule.deviations = {{"", sim::Kind::lock, 1, 0, sim::Source::thread, "main", true}};
  std::string error;
  const auto read = schedule_of(text_of(schedule), error);
  ASSERT_TRUE(read) << error;
  EXPECT_EQ(text_of(*read), text_of(schedule));
}

TEST(Token, TooManyDeviationsGiveNone) {
  Schedule schedule;
  for (std::uint32_t i = 0; i < 60; ++i) {
    schedule.deviations.push_back({"main", sim::Kind::lock, i, 0, sim::Source::thread, "reader", true});
  }
  EXPECT_FALSE(token_of(schedule));
}

TEST(Token, WhatIsNoTokenIsRefusedInOneLine) {
  for (const char* text :
       {"", "s2r1", "s2r1:", "s2r1:xyz:a:", "s2r1:1:a:0b", "s2r1:1:a:5b1-0", "s2r1:1:a:0b1=0",
        "s2r1:1:a:0b1-0.", "s2r1:1:a:0b1-0x", "s2r1:1:a:0b1-9", "s2r2:1:a:", "s2r1:1", "s2r1:1:,a:0b1-1",
        "s2r1:1:a\n:0b1-0", "s2r1:1:a:0b1-\n\n"}) {
    std::string error;
    EXPECT_FALSE(schedule_of(text, error)) << text;
    EXPECT_FALSE(error.empty());
    EXPECT_EQ(error.find('\n'), std::string::npos);
  }
  std::string error;
  EXPECT_FALSE(schedule_of(std::string(10'000, 's'), error));
}

TEST(Token, TheStoryNamesThreadsObjectsAndThePreemption) {
  const Failure failure = found_and_shrunk(check_then_act);
  const sim::Execution execution = replay(failure.schedule, plain_world, check_then_act, true);
  const std::string story = story_of(execution);
  EXPECT_NE(story.find("preempted here"), std::string::npos) << story;
  EXPECT_NE(story.find("main.2:"), std::string::npos) << story;
  EXPECT_NE(story.find("more than there is room for"), std::string::npos) << story;
}

}  // namespace
}  // namespace s2::fuzz
