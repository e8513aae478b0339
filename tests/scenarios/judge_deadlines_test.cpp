// The judge's clock: from when a deadline counts, when it stands still, and what proves nothing about time.
// I8.
#include <gtest/gtest.h>

#include "tests/scenarios/story.h"

namespace s2::scenarios {
namespace {

TEST(JudgeDeadlines, DeadlinesStandStillWhileTheProcessIsPaused) {
  const auto stops = [](std::int64_t takes, bool paused) {
    Story run(Teardown::pause);
    run.publish(1).append({1}).say(Kind::ask_stop);
    run.l.statements.back().deadline_ms = 1000;
    if (paused) run.l.processes[0].pause_ns = run.tick();
    run.wait(takes);
    if (paused) run.l.processes[0].resume_ns = run.tick();
    return run.say(Kind::stopped, 1).exits(0);
  };
  EXPECT_EQ(stops(5000, false).told(), "");  // within the slack
  EXPECT_EQ(stops(7000, false).told(), "I8/late");
  EXPECT_EQ(stops(7000, true).told(), "");
}

// The harness may be kept from looking: what it has not seen alive after the deadline was not late.
TEST(JudgeDeadlines, AWriterIsLateOnlyWhereItWasSeenAlive) {
  const auto ends = [](bool seen_alive_late) {
    Story run(Teardown::term);
    run.publish(1).append({1}).term();
    if (!seen_alive_late) run.l.processes[0].alive_ns = run.tick();
    run.wait(9'000);
    if (seen_alive_late) run.l.processes[0].alive_ns = run.tick();
    return run.exits(0).told();
  };
  EXPECT_EQ(ends(false), "");
  EXPECT_EQ(ends(true), "I8/late");
}

TEST(JudgeDeadlines, ASlowMachineMayAddTheSlackThatItWasGiven) {
  Story run(Teardown::stop);
  run.publish(1).append({1}).say(Kind::ask_stop);
  run.l.statements.back().deadline_ms = 1000;
  run.wait(30'000).say(Kind::stopped, 1).exits(0);
  EXPECT_EQ(run.told(), "I8/late");
  run.l.slack_ns = 60'000'000'000;
  EXPECT_EQ(run.told(), "");
}

// What is asked waits behind what was published: a writer that still answers that is not late yet.
TEST(JudgeDeadlines, ADeadlineBeginsWhenTheWriterHasReadWhatWasPublishedBefore) {
  const auto answered_late = [](std::int64_t ms, Kind ask) {
    Story run(Teardown::stop);
    run.publish(1).say(ask);
    run.l.statements.back().deadline_ms = ask == Kind::ask_stop ? 1000 : -1;
    run.wait(ms);
    run.event(1).answered_ns = run.tick();
    run.append({1}).wait(5000);
    if (ask == Kind::ask_stop) run.say(Kind::stopped, 1);
    return run.exits(0).told();
  };
  Story signalled(Teardown::term);
  signalled.publish(1).term().wait(9'000);
  signalled.event(1).answered_ns = signalled.tick();
  EXPECT_EQ(signalled.append({1}).exits(0).told(), "I8/late");  // a signal waits behind nothing
  for (const Kind ask : {Kind::ask_stop, Kind::stdin_closed}) {
    EXPECT_EQ(answered_late(9'000, ask), "");
    EXPECT_EQ(answered_late(33'000, ask), "I8/late");  // it hangs in its input
  }
}

TEST(JudgeDeadlines, AKillBeforeTheDeadlineProvesNothingAboutTime) {
  const auto short_grace = [](std::int64_t ms) {
    return Story(Teardown::term_short).publish(1).append({1}).term().wait(ms).killed();
  };
  EXPECT_EQ(short_grace(500).told(), "");
  EXPECT_EQ(short_grace(8000).told(), "I8/hung");
  EXPECT_EQ(Story(Teardown::term).publish(1).append({1}).term().wait(500).killed().told(),
            "I8/hung");  // the last resort
  EXPECT_EQ(Story(Teardown::stop).publish(1).append({1}).say(Kind::ask_stop).wait(8000).killed().told(),
            "I8/hung; I8/hung");
}

}  // namespace
}  // namespace s2::scenarios
