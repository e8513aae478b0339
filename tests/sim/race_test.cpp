// In a ThreadSanitizer build a world finds data races, although one thread runs at a time: the order that the
// scheduler gives is none of the program's. What the program orders itself is no race. Elsewhere there is
// nothing to test.
#if defined(__SANITIZE_THREAD__)
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "sim/world.h"
#include "tests/sim/dice.h"

namespace {

bool expected = false;
int reports = 0;

}  // namespace

// ThreadSanitizer asks it before it prints a report: true keeps the report back.
namespace __tsan {
class ReportDesc;
bool OnReport(const ReportDesc* report, bool suppressed);
__attribute__((no_sanitize("thread"))) bool OnReport(const ReportDesc*, bool suppressed) {
  if (expected) ++reports;
  return suppressed || expected;
}
}  // namespace __tsan

namespace s2::sim {
namespace {

using namespace std::chrono_literals;

// How many reports ten orders of `body` bring.
template <class Body>
int races_of(Body body) {
  reports = 0;
  expected = true;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Dice dice(seed);
    const Execution execution = run({.chooser = dice}, body);
    EXPECT_EQ(execution.ending, Ending::finished) << execution.why;
  }
  expected = false;
  return reports;
}

TEST(Races, AnUnlockedCounterIsFound) {
  EXPECT_GT(races_of([] {
              int counter = 0;
              std::jthread other([&] { ++counter; });
              ++counter;
            }),
            0);
}

TEST(Races, ThatOneRunsLongBeforeTheOtherIsNoOrder) {
  EXPECT_GT(races_of([] {
              int counter = 0;
              std::jthread other([&] { ++counter; });
              std::this_thread::sleep_for(1h);
              ++counter;
            }),
            0);
}

TEST(Races, TheLockOfAnotherMutexIsNoOrder) {
  EXPECT_GT(races_of([] {
              int counter = 0;
              std::mutex first, second;
              std::jthread other([&] {
                const std::lock_guard lock(first);
                ++counter;
              });
              const std::lock_guard lock(second);
              ++counter;
            }),
            0);
}

TEST(Races, MutexesJoinsConditionsTimersAndStartsOrder) {
  EXPECT_EQ(races_of([] {
              int counter = 0, before = 1, timed = 0;
              bool ready = false;
              std::mutex mutex;
              std::condition_variable condition;
              timed = 1;
              after(1ms, [&] {
                const std::lock_guard lock(mutex);
                counter += timed;
                ready = true;
                condition.notify_one();
              });
              {
                std::jthread other([&] {
                  const std::lock_guard lock(mutex);
                  counter += before;
                });
                std::unique_lock lock(mutex);
                condition.wait(lock, [&] { return ready; });
                ++counter;
              }
              if (counter != 3) fail("all have counted");
            }),
            0);
}

}  // namespace
}  // namespace s2::sim
#endif
