// The judge on the cases where a rule could be a little too strict or a little too lenient: each is one small
// run, told step by step, and all that the judge says of it.
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <tuple>
#include <vector>

#include "scenarios/judge.h"
#include "tests/scenarios/story.h"

namespace s2::scenarios {
namespace {

TEST(JudgeCases, AnOfferedEventBreaksNoPromiseStoredOrNot) {
  EXPECT_EQ(Story(Teardown::term).publish(2).offer().append({1, 2}).term().exits(0).told(), "");
  EXPECT_EQ(Story(Teardown::term).publish(2).offer().append({1, 2, 3}).term().exits(0).told(), "");
  EXPECT_EQ(Story(Teardown::term).offer().publish(2).append({2, 3, 1}).term().exits(0).told(), "");
  EXPECT_EQ(Story(Teardown::term).publish(1).offer().append({1, 2}).append({2}).term().exits(0).told(),
            "I5/duplicated 2");
}

TEST(JudgeCases, AnAckCoversItsOwnSessionOnly) {
  Story run(Teardown::kill);
  run.publish(2, "a")
      .publish(2, "b")
      .append({3, 4}, Outcome::acked, true, true, "b")
      .say(Kind::acked, 4, "b")
      .killed();
  EXPECT_EQ(run.told(), "");
  EXPECT_EQ(run.say(Kind::acked, 2, "a").told(), "I1/lost_acked 1,2");
}

TEST(JudgeCases, AClaimBeforeTheCommitIsFalseEvenIfTheCommitComes) {
  EXPECT_EQ(Story(Teardown::kill).publish(3).say(Kind::acked, 2).append({1, 2, 3}).killed().told(),
            "I1/false_ack 1,2");
  EXPECT_EQ(Story(Teardown::kill).publish(3).append({1}).say(Kind::acked, 1).append({2, 3}).killed().told(),
            "");
  Story beyond(Teardown::kill);  // of events that were never given out yet
  EXPECT_EQ(beyond.publish(1).append({1}).say(Kind::acked, 9).publish(2).append({2, 3}).killed().told(),
            "I1/false_ack 2,3");
}

TEST(JudgeCases, OrderAndCopiesAreJudgedInEveryDeath) {
  for (const Teardown death : kTeardowns) {
    Story reversed(death);
    reversed.publish(2).append({2, 1}).say(Kind::ask_stop).say(Kind::stopped, 2).term().exits(0);
    EXPECT_NE(reversed.told().find("I3/reordered"), std::string::npos) << name(death);
    Story doubled(death);
    doubled.publish(2).append({1, 2}).append({1, 2}).term().exits(0);
    EXPECT_NE(doubled.told().find("I5/duplicated"), std::string::npos) << name(death);
  }
}

TEST(JudgeCases, AWriterThatGaveUpIsNotExcusedByTheFaultThatWasStillToCome) {
  Story gave_up(Teardown::server_drain);
  gave_up.l.faults_ended = false;
  gave_up.publish(3).append({1}).fault(1).term().exits(1);
  EXPECT_NE(gave_up.told().find("I10/lost 2,3"), std::string::npos) << gave_up.told();
  Story tried_on(Teardown::server_drain);
  tried_on.l.faults_ended = false;
  tried_on.publish(3).append({1}).fault(1).term().wait(1500).exits(1);
  EXPECT_EQ(tried_on.told().find("I10"), std::string::npos) << tried_on.told();
}

TEST(JudgeCases, AnExitAtTheStopOfOneSessionIsACrashWhileAnotherGoesOnOrIsStillToCome) {
  const auto at_its_stop = [](Story story) {
    story.say(Kind::ask_start).publish(1).append({1}).say(Kind::ask_stop).say(Kind::stopped, 1);
    story.l.processes[0].exit_code = 0;
    story.l.processes[0].exited_ns = story.tick();
    return story;
  };
  EXPECT_EQ(at_its_stop(Story(Teardown::stop)).told(), "");
  EXPECT_EQ(at_its_stop(Story(Teardown::stop)).say(Kind::ask_start, 0, "t").told(), "I8/crashed");
  EXPECT_EQ(at_its_stop(Story(Teardown::stop).say(Kind::ask_start, 0, "t")).told(), "I8/crashed");
}

TEST(JudgeCases, ADropIsBelievedOnlyWhereTheRingCanHaveBeenFull) {
  Story run(Teardown::overflow);
  run.l.ring_capacity = 16;
  run.publish(40);
  Ns rest;
  for (std::uint64_t n = 6; n <= 40; ++n) rest.push_back(n);
  run.say_range(Kind::dropped, 1, 5).append(rest).say(Kind::acked, 40).exits(0);
  EXPECT_EQ(run.told(), "");
  run.l.processes[0].exit_code = 1;  // a drop may count as unsaved, or as long reported
  EXPECT_EQ(run.told(), "");
  run.l.ring_capacity = 1000;
  EXPECT_EQ(run.told(), "I1/lost_acked 1,2,3,4,5; I4/lost 1,2,3,4,5");
}

TEST(JudgeCases, ADropThatWasNotReportedIsAHole) {
  Story run(Teardown::overflow);
  run.l.ring_capacity = 16;
  run.publish(40);
  Ns rest;
  for (std::uint64_t n = 6; n <= 40; ++n) rest.push_back(n);
  EXPECT_EQ(run.append(rest).exits(1).told(), "I4/lost 1,2,3,4,5; I7/unreported_loss 1,2,3,4,5");
}

TEST(JudgeCases, ARecordThatS2RefusesForItsSizeMayBeReportedAndSkipped) {
  Story run(Teardown::term);
  run.publish(3).append({1, 3}).say_range(Kind::dropped, 2, 2).term().exits(0);
  EXPECT_EQ(run.told(), "I4/lost 2");
  run.event(2).bytes = 2'000'000;  // its data may be truncated
  EXPECT_EQ(run.told(), "I4/lost 2");
  run.event(2).kept_bytes = 1'100'000;
  EXPECT_EQ(run.told(), "");
}

TEST(JudgeCases, ACopyIsExcusedOnlyByAnOutcomeThatStayedUnknown) {
  const auto two = [](Outcome first, bool match) {
    return Story(Teardown::cut_heal)
        .publish(1)
        .append({1}, first, true, match)
        .append({1}, Outcome::acked, true, match)
        .exits(0);
  };
  EXPECT_EQ(two(Outcome::unknown, false).told(), "");
  EXPECT_EQ(two(Outcome::unknown, true).told(), "I5/duplicated 1");  // match_seq_num would have refused it
  EXPECT_EQ(two(Outcome::acked, false).told(), "I5/duplicated 1");
  EXPECT_EQ(two(Outcome::unknown, false).store({1}).told(),
            "I5/duplicated 1");  // one unknown append, two copies too many
}

TEST(JudgeCases, AnAckThatACutSwallowedLeavesTheOutcomeUnknown) {
  Story run(Teardown::cut_heal);
  run.publish(1)
      .append({1}, Outcome::acked, true, false)
      .fault(50)
      .append({1}, Outcome::acked, true, false)
      .exits(0);
  EXPECT_EQ(run.told(), "");
  run.l.faults[0].outcome_unknown = false;  // a 503 on something else explains nothing
  EXPECT_EQ(run.told(), "I5/duplicated 1");
}

TEST(JudgeCases, AStopIsExactlyOnceWhateverAnAnswerLeftOpen) {
  Story run(Teardown::stop);
  run.publish(1).append({1}, Outcome::unknown, true, false).append({1}, Outcome::acked, true, false).exits(0);
  EXPECT_EQ(run.told(), "I5/duplicated 1");
}

TEST(JudgeCases, OnlyEventsOfOnePublisherAndSessionAreOrdered) {
  EXPECT_EQ(Story(Teardown::stop).publish(1, "s", 0).publish(1, "s", 1).append({2, 1}).exits(0).told(), "");
  EXPECT_EQ(Story(Teardown::stop).publish(2).append({2, 1}).exits(0).told(), "I3/reordered 1");
  EXPECT_EQ(Story(Teardown::cut_heal)
                .publish(3)
                .append({1, 2, 3}, Outcome::unknown, true, false)
                .append({1, 2, 3}, Outcome::acked, true, false)
                .exits(0)
                .told(),
            "");  // first occurrences count
}

TEST(JudgeCases, SequenceNumbersFollowTheOrderOfPublishing) {
  Story run(Teardown::stop);
  run.publish(2).append({1, 2}).exits(0);
  std::swap(run.event(1).seq, run.event(2).seq);
  EXPECT_EQ(run.told(), "I3/reordered 1,2");
  run.event(1).seq = run.event(2).seq = 1;
  EXPECT_EQ(run.told(), "I3/reordered 1,2");
}

TEST(JudgeCases, AFlushReachesWhatWasAcceptedBeforeItWasAskedFor) {
  const auto flush = [](std::uint64_t through) {
    return Story(Teardown::flush_then_kill)
        .publish(2)
        .append({1, 2})
        .say(Kind::ask_flush)
        .publish(1)
        .say(Kind::flushed, through)
        .killed();
  };
  EXPECT_EQ(flush(2).told(), "");
  EXPECT_EQ(flush(1).told(), "I6/false_ack 2");
  EXPECT_EQ(flush(0).told(), "I6/false_ack 1,2");
  EXPECT_EQ(flush(3).told(), "I6/false_ack 3");  // answered when merely queued
}

TEST(JudgeCases, AFailedFlushStillHasToTellTheTruth) {
  Story run(Teardown::flush_then_kill);
  run.publish(2).append({1}).say(Kind::ask_flush).say(Kind::flush_failed, 1).killed();
  EXPECT_EQ(run.told(), "");
  run.l.statements.back().through = 2;
  EXPECT_EQ(run.told(), "I6/false_ack 2");
  Story late(Teardown::flush_then_kill);
  late.publish(1).append({1}).say(Kind::ask_flush).wait(1500).say(Kind::flush_failed, 0).killed();
  EXPECT_EQ(late.told(), "I6/false_failure 1");  // acknowledged for 1.5 s
}

TEST(JudgeCases, AClaimPassesOverWhatWasToldAsLostBeforeItAndOverNothingElse) {
  // S2 refuses the first append while its link is cut, then takes the next.
  const auto claimed = [](Kind ask, Kind answer, std::uint64_t told_through, bool told_first) {
    Story run(Teardown::cut_kill);
    run.fault(0).publish(3).append({3}).say(ask);
    if (told_first) run.say_range(Kind::lost, 1, told_through);
    run.say(answer, 3);
    if (!told_first) run.say_range(Kind::lost, 1, told_through);
    return run.killed().told();
  };
  for (const auto& [ask, answer, broken] : {std::tuple{Kind::ask_stop, Kind::stopped, "I1/false_ack"},
                                            {Kind::ask_flush, Kind::flushed, "I6/false_ack"}}) {
    EXPECT_EQ(claimed(ask, answer, 2, true).find(broken), std::string::npos) << claimed(ask, answer, 2, true);
    EXPECT_NE(claimed(ask, answer, 2, false).find(broken + std::string(" 1,2")), std::string::npos);
    EXPECT_NE(claimed(ask, answer, 1, true).find(broken + std::string(" 2")), std::string::npos);
  }
}

TEST(JudgeCases, InTermShortTheLossIsASuffixHoweverItIsReported) {
  EXPECT_EQ(Story(Teardown::term_short).publish(4).append({1, 2}).term().killed().told(), "");
  EXPECT_EQ(Story(Teardown::term_short)
                .publish(4)
                .append({1, 2})
                .term()
                .say_range(Kind::lost, 3, 4)
                .exits(1)
                .told(),
            "");
  EXPECT_EQ(Story(Teardown::term_short)
                .publish(4)
                .append({1, 4})
                .term()
                .say_range(Kind::lost, 2, 3)
                .exits(1)
                .told(),
            "I4/lost 2,3");
  EXPECT_EQ(Story(Teardown::term_short).publish(4).append({1, 2}).term().exits(1).told(),
            "I7/unreported_loss 3,4");
}

TEST(JudgeCases, AnAnsweredStopHasSavedWhatWasAcceptedBeforeItEvenIfItClaimsNothing) {
  const auto story = [] {
    return Story(Teardown::flush_then_kill).publish(2).append({1}).say(Kind::ask_stop);
  };
  EXPECT_EQ(story().say(Kind::stopped, 1).killed().told(), "I4/lost 2");
  EXPECT_EQ(story().say(Kind::stopped, 0).killed().told(), "I4/lost 2");
  EXPECT_EQ(story().append({2}).say(Kind::stopped, 1).killed().told(), "");
  EXPECT_EQ(story().killed().told(), "");                                               // not answered
  EXPECT_EQ(story().publish(1).append({2}).say(Kind::stopped, 2).killed().told(), "");  // 3 came later
  EXPECT_EQ(story().fault(1).say(Kind::stopped, 1).killed().told(), "");
  Story out_of_time = story();
  out_of_time.l.statements.back().deadline_ms = 50;
  EXPECT_EQ(Story(out_of_time).wait(60).say(Kind::stopped, 1).killed().told(), "");
  EXPECT_EQ(Story(out_of_time).say(Kind::stopped, 1).killed().told(), "I4/lost 2");
}

TEST(JudgeCases, AHandshakeThatFailsWhileTheWriterIsIdleAndNothingIsInTheWayIsStuck) {
  const auto story = [](Kind ask) {
    return Story(Teardown::flush_then_kill).publish(3).append({1}).say(ask);
  };
  EXPECT_EQ(story(Kind::ask_flush).wait(1100).say(Kind::flush_failed, 1).killed().told(),
            "I6/false_failure 2,3");
  EXPECT_EQ(story(Kind::ask_flush).wait(100).say(Kind::flush_failed, 1).killed().told(), "");  // no time
  EXPECT_EQ(
      story(Kind::ask_flush).wait(1000).append({2}).wait(100).say(Kind::flush_failed, 1).killed().told(),
      "");  // slow, not stuck
  EXPECT_EQ(story(Kind::ask_flush).fault(5, false).wait(1100).say(Kind::flush_failed, 1).killed().told(), "");
  EXPECT_EQ(story(Kind::ask_flush)
                .append({2, 3}, Outcome::unknown, false)
                .wait(1100)
                .say(Kind::flush_failed, 1)
                .killed()
                .told(),
            "");  // the service holds the answer back
  Story stop = story(Kind::ask_stop);
  stop.l.statements.back().deadline_ms = 1000;
  EXPECT_EQ(Story(stop).wait(1100).say(Kind::stopped, 1).killed().told(), "I8/hung 2,3");
  Story too_large = stop;
  too_large.event(2).kept_bytes = too_large.event(3).kept_bytes = 1'100'000;
  EXPECT_EQ(too_large.wait(1100).say(Kind::stopped, 1).killed().told(), "");
}

TEST(JudgeCases, AKillMayTakeWhatIsYoungerThanTheAgeBound) {
  const auto killed_after = [](std::int64_t ms) {
    return Story(Teardown::kill).publish(1).wait(ms).killed();
  };
  EXPECT_EQ(killed_after(1990).told(), "");
  EXPECT_EQ(killed_after(2010).told(), "I10/lost 1");
  Story slow = killed_after(2010);
  slow.l.linger_ns = 2100 * kMs;
  EXPECT_EQ(slow.told(), "");
  Story faulty = Story(Teardown::kill).publish(1).fault(10, false).wait(5000).killed();
  EXPECT_EQ(faulty.told(), "");
  Story slow_acks = Story(Teardown::kill).publish(1).append({1}).publish(1).wait(2500).killed();
  EXPECT_EQ(slow_acks.told(), "I10/lost 2");
  slow_acks.l.appends[0].answered_ns += 300 * kMs;  // 10 × 300 ms
  EXPECT_EQ(slow_acks.told(), "");
}

TEST(JudgeCases, InCutKillOnlyWhatCameSinceTheCutMayBeLost) {
  EXPECT_EQ(Story(Teardown::cut_kill).publish(1).append({1}).fault(-1).publish(1).wait(9000).killed().told(),
            "");
  EXPECT_EQ(Story(Teardown::cut_kill).publish(1).wait(3000).fault(-1).killed().told(), "I10/lost 1");
  EXPECT_EQ(Story(Teardown::cut_kill)
                .publish(1)
                .fault(-1)
                .say(Kind::ask_stop)
                .say(Kind::stopped, 1)
                .killed()
                .told(),
            "I1/false_ack 1");
  EXPECT_EQ(Story(Teardown::cut_kill)
                .publish(1)
                .fault(-1)
                .say(Kind::ask_stop)
                .say(Kind::stopped, 0)
                .killed()
                .told(),
            "");
}

TEST(JudgeCases, WhatAWriterCannotKnowItMayReportAsLost) {
  const auto reported = [](Outcome outcome, std::int64_t later) {
    return Story(Teardown::term)
        .publish(1)
        .append({1}, outcome)
        .term()
        .wait(later)
        .say_range(Kind::lost, 1, 1)
        .exits(1);
  };
  EXPECT_EQ(reported(Outcome::unknown, 1500).told(), "");
  EXPECT_EQ(reported(Outcome::acked, 10).told(), "");  // the ack may still be on its way
  EXPECT_EQ(reported(Outcome::acked, 1500).told(), "I7/false_failure 1");
}

TEST(JudgeCases, TheExitCodeIsAReportToo) {
  EXPECT_EQ(Story(Teardown::stop).publish(2).append({1}).exits(0).told(), "I4/lost 2; I7/false_ack 2");
  EXPECT_EQ(Story(Teardown::stop).publish(1).append({1}).exits(1).told(), "I7/false_failure");
  EXPECT_EQ(Story(Teardown::stop).publish(1).append({1}).exits(3).told(), "I8/crashed");
}

TEST(JudgeCases, ADeathBySignalIsACrashUnlessTheSignalWasSent) {
  const auto dies = [](int signal, bool term) {
    Story run(Teardown::term);
    run.publish(1).append({1});
    if (term) run.term();
    run.l.processes[0].exit_signal = signal;
    run.l.processes[0].exited_ns = run.tick();
    return run;
  };
  EXPECT_EQ(dies(SIGTERM, true).told(), "");
  EXPECT_EQ(dies(SIGTERM, false).told(), "I8/crashed");
  EXPECT_EQ(dies(SIGPIPE, true).told(), "I8/crashed");
  EXPECT_EQ(dies(SIGKILL, true).told(), "I8/crashed");
  EXPECT_EQ(Story(Teardown::term).publish(1).append({1}).term().exits(143).told(), "");
  Story early(Teardown::term);
  early.publish(1).append({1});
  early.l.processes[0].exit_code = 0;
  early.l.processes[0].exited_ns = early.tick();
  EXPECT_EQ(early.told(), "I8/crashed");
}

TEST(JudgeCases, AllSessionsShareAFixedStream) {
  Story run(Teardown::stop);
  run.l.fixed_stream = "vm";
  run.publish(1, "a").publish(1, "b").append({1, 2}, Outcome::acked, true, true, "vm").exits(0);
  EXPECT_EQ(run.told(), "");
  run.l.fixed_stream.clear();
  EXPECT_EQ(run.told(), "I9/wrong_stream 1,2");
}

TEST(JudgeCases, WhatCannotBeDecidedIsShownAsNotChecked) {
  Story mute(Teardown::overflow);
  mute.l.acks_observed = false;
  const Verdict a = judge(mute.publish(2).append({1}).exits(1).l);
  ASSERT_EQ(a.not_checked.size(), 1U);
  EXPECT_EQ(a.not_checked[0].invariant, Invariant::I7);
  EXPECT_EQ(a.outcome, Verdict::Outcome::held);
  Story cut(Teardown::cut_heal);
  cut.l.faults_ended = false;
  const Verdict b = judge(cut.publish(2).append({1}).term().wait(1500).exits(1).l);
  ASSERT_EQ(b.not_checked.size(), 1U);
  EXPECT_EQ(b.not_checked[0].invariant, Invariant::I10);
  const Verdict c = judge(Story(Teardown::flush_then_kill).publish(1).say(Kind::ask_flush).killed().l);
  ASSERT_EQ(c.not_checked.size(), 1U);
  EXPECT_EQ(c.not_checked[0].invariant, Invariant::I6);
}

TEST(JudgeCases, CountsSayWhatTheReportShows) {
  Story run(Teardown::kill);
  run.publish(3).offer().append({1, 2}).say(Kind::acked, 2).killed();
  const Verdict v = judge(run.l);
  EXPECT_EQ(v.published, 3U);
  EXPECT_EQ(v.offered, 1U);
  EXPECT_EQ(v.stored, 2U);
  EXPECT_EQ(v.acked, 2U);
  EXPECT_EQ(v.lost, 1U);
  EXPECT_EQ(v.lost_events, Ns{3});
  EXPECT_EQ(v.unacked_at_death, 1U);
  EXPECT_EQ(v.shutdown_ms, -1);
  EXPECT_EQ(judge(Story(Teardown::term).publish(1).append({1}).term().wait(41).exits(0).l).shutdown_ms, 42);
}

TEST(JudgeCases, ARespawnMayLoseWhatWasNotAckedAndTheSuccessorNothing) {
  const auto respawned = [] {
    return Story(Teardown::respawn).publish(4).append({1, 2}).say(Kind::acked, 2).killed();
  };
  EXPECT_EQ(respawned().successor().publish(2).append({5, 6}).exits(0).told(), "");
  EXPECT_EQ(respawned().successor().publish(2).append({5}).exits(0).told(), "I4/lost 6; I7/false_ack 6");
  Story hole(Teardown::respawn);  // the prefix is each process's own
  hole.publish(3).append({1, 3}).killed().successor().publish(1).append({4}).exits(0);
  EXPECT_EQ(hole.told(), "I4/lost 2");
  Story forgotten(Teardown::respawn);
  forgotten.publish(2).say(Kind::acked, 2).killed().successor().publish(1).append({3}).exits(0);
  EXPECT_EQ(forgotten.told(), "I1/lost_acked 1,2");
  // A kill of the successor was not part of it.
  EXPECT_EQ(respawned().successor().publish(1).append({5}).wait(8000).killed().told(), "I8/hung");
}

TEST(JudgeCases, WhereAJournalWasKeptTheSuccessorRecoversAllOfIt) {
  const auto respawned = [] {
    Story story(Teardown::respawn);
    story.l.journalled = true;
    story.l.journal = {1, 2, 3, 4, 5, 6};
    return story.publish(4).append({1, 2}).say(Kind::acked, 2).killed();
  };
  EXPECT_EQ(respawned().successor().append({3, 4}).publish(2).append({5, 6}).exits(0).told(), "");
  EXPECT_EQ(respawned().successor().append({3}).publish(2).append({5, 6}).exits(0).told(), "I4/lost 4");
  EXPECT_EQ(respawned().successor().append({3, 4}).publish(3).append({5, 6, 7}).exits(0).told(), "I4/lost 7");
}

TEST(JudgeCases, ADropOfWhatTheJournalHoldsIsNoExcuse) {
  const auto overrun = [](std::vector<std::uint64_t> journal) {
    Story story(Teardown::cut_heal);
    story.l.ring_capacity = 4;
    story.l.journalled = true;
    story.l.journal = std::move(journal);
    std::vector<std::uint64_t> rest;
    for (std::uint64_t n = 4; n <= 20; ++n) rest.push_back(n);
    return story.publish(20).append({1}).say_range(Kind::dropped, 2, 3).append(rest).exits(1).told();
  };
  std::vector<std::uint64_t> all;
  for (std::uint64_t n = 1; n <= 20; ++n) all.push_back(n);
  EXPECT_EQ(overrun(all), "I10/lost 2,3; I4/lost 2,3");
  all.erase(all.begin() + 1, all.begin() + 3);
  EXPECT_EQ(overrun(all), "I4/lost 2,3");  // of the journal: it never had them
}

TEST(JudgeCases, AZombieThatStoresBehindItsSuccessorIsNamed) {
  const auto succeeded = [] {
    return Story(Teardown::zombie).publish(3).append({1, 2}).successor().publish(1).append({4});
  };
  // What it could not store any more is lost, and it says so.
  EXPECT_EQ(succeeded().exits(0).of_process(0).publish(1).say_range(Kind::lost, 3, 5).exits(1).told(), "");
  EXPECT_EQ(succeeded().of_process(0).publish(1).append({3, 5}).exits(0).of_process(1).exits(0).told(),
            "I3/reordered 3,5");
  EXPECT_EQ(succeeded().publish(1).exits(0).of_process(0).exits(1).told(), "I4/lost 5; I7/false_ack 5");
}

}  // namespace
}  // namespace s2::scenarios
