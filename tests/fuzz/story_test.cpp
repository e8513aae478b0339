// The story shows the losing order: a mark for each preemption, by a thread or by a timer, where each thread
// stands meanwhile, and objects by the names that they bear in the source.
#include <gtest/gtest.h>

#include <array>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "fuzz/source_lines.h"
#include "fuzz/turns.h"
#include "tests/fuzz/canaries.h"

namespace s2::fuzz {
namespace {

using namespace std::chrono_literals;

// One that passes something on in time, unless the timer is before it.
class Handover {
 public:
  void give() {
    const std::lock_guard lock(mutex_);
    given_ = true;
    changed_.notify_one();
  }
  void take() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, 1s, [&] { return given_; })) sim::fail("late: nothing came in time");
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool given_ = false;
};

void slow_giver() {
  Handover handover;
  std::jthread giver([&] {
    sim::name_thread("giver");
    handover.give();
  });
  handover.take();
}

struct Losing {
  Schedule followed;
  sim::Execution execution;
  std::string text;
};

Losing story_of_failure(const Program& program) {
  const auto portfolio = make_portfolio();
  const Exploration found = explore(*portfolio, {.seed = 1, .max_executions = 5000}, program);
  if (!found.failure) throw std::runtime_error("no failure was found");
  const Shrunk shrunk = shrink(*found.failure, {}, program);
  Losing losing;
  losing.execution = replay(shrunk.failure.schedule, plain_world, program, true, &losing.followed);
  const SourceLines lines(losing.execution);
  name_objects(losing.execution, lines);
  losing.text = story_of(losing.execution, &lines, &losing.followed);
  return losing;
}

std::size_t occurrences(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(Story, HasAsManyMarksAsTheScheduleHasPreemptions) {
  for (const Canary& canary : canaries()) {
    const Losing losing = story_of_failure(canary.program);
    EXPECT_EQ(occurrences(losing.text, "<- preempted here") + occurrences(losing.text, "early here"),
              losing.followed.preemptions())
        << canary.name << "\n"
        << losing.text;
    EXPECT_EQ(occurrences(losing.text, "<- ") - occurrences(losing.text, "<- it breaks here"),
              losing.followed.deviations.size())
        << losing.text;
  }
}

TEST(Story, MarksATimerThatFiresAlthoughAThreadCouldGoOn) {
  const Losing losing = story_of_failure(slow_giver);
  ASSERT_EQ(losing.followed.preemptions(), 1U) << losing.text;
  EXPECT_EQ(occurrences(losing.text, "<- a timer fires early here"), 1U) << losing.text;
}

TEST(Story, OfNoSpecialOrderSaysSoAndMarksWhereItBreaks) {
  const Losing losing = story_of_failure([] {
    sim::note("the queue is full");
    sim::fail("late: told");
  });
  ASSERT_TRUE(losing.followed.deviations.empty()) << losing.text;
  EXPECT_TRUE(losing.text.starts_with("no special order: ")) << losing.text;
  const std::string with_one = story_of_failure(slow_giver).text;
  EXPECT_EQ(with_one.find("no special order"), std::string::npos) << with_one;
  const Losing told = story_of_failure([] {
    Handover handover;
    handover.give();
    sim::fail("late: told");
  });
  EXPECT_EQ(occurrences(told.text, "<- it breaks here"), 1U) << told.text;
}

// Two threads that hand a lock to and fro, of which only the first and the last word is told.
void to_and_fro() {
  constexpr int kTurns = 20;
  std::mutex mutex;
  std::condition_variable changed;
  int turn = 0;
  sim::note("it begins");
  std::jthread other([&] {
    sim::name_thread("other");
    std::unique_lock lock(mutex);
    for (int i = 0; i < kTurns; ++i) {
      changed.wait(lock, [&] { return turn % 2 == 1; });
      ++turn;
      changed.notify_one();
    }
  });
  for (int i = 0; i < kTurns; ++i) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return turn % 2 == 0; });
    ++turn;
    changed.notify_one();
  }
  other.join();
  sim::note("it ends");
  sim::fail("late: told");
}

TEST(Story, FoldsWhatNothingWasNotedOfAndTellsWhoRan) {
  const Losing losing = story_of_failure(to_and_fro);
  ASSERT_GT(turns_of(losing.execution).size(), 20U);
  EXPECT_LT(occurrences(losing.text, "\n"), 10U) << losing.text;
  EXPECT_NE(losing.text.find("other, main, other"), std::string::npos) << losing.text;
  EXPECT_NE(losing.text.find("turns more ["), std::string::npos) << losing.text;
  EXPECT_NE(losing.text.find("it begins"), std::string::npos) << losing.text;
  EXPECT_NE(losing.text.find("it ends"), std::string::npos) << losing.text;
}

TEST(Story, SaysWhereAThreadStandsThatWaits) {
  const Losing losing = story_of_failure(lost_wakeup);
  const std::size_t end = losing.text.find("deadlock");
  ASSERT_NE(end, std::string::npos) << losing.text;
  const std::size_t wait = losing.text.rfind("wait ready (", end);
  ASSERT_NE(wait, std::string::npos) << losing.text;
  EXPECT_NE(losing.text.find("canaries.h:", wait), std::string::npos) << losing.text;
}

// Of what is inlined, line tables alone do not know the class: then an object's name is the expression.
TEST(Story, CallsObjectsWhatTheSourceCallsThem) {
  const Losing losing = story_of_failure(slow_giver);
  EXPECT_NE(losing.text.find("mutex_"), std::string::npos) << losing.text;
  EXPECT_NE(losing.text.find("changed_"), std::string::npos) << losing.text;
  EXPECT_EQ(losing.text.find("object "), std::string::npos) << losing.text;
}

TEST(Story, TellsTwoObjectsOfOneNameApart) {
  const Losing losing = story_of_failure([] {
    std::array<Handover, 2> both;
    for (Handover& each : both) each.give();
    sim::fail("late: told");
  });
  EXPECT_NE(losing.text.find("mutex_ #2"), std::string::npos) << losing.text;
  EXPECT_EQ(losing.text.find("mutex_ #3"), std::string::npos) << losing.text;
}

}  // namespace
}  // namespace s2::fuzz
