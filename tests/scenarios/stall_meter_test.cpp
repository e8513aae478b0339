// A machine that keeps the harness from running is seen, and blames no writer.
#include "scenarios/stall_meter.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include <latch>
#include <thread>

#include "scenarios/suite_run.h"

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;
using Clock = StallMeter::Clock;

// Beyond what the meter's own thread sees here.
const Clock::time_point kLater = Clock::now() + 24h;

TEST(StallMeter, KnowsTheLongestStallSinceAMoment) {
  StallMeter meter;
  meter.woke(kLater, kLater + 499ms);  // none
  EXPECT_EQ(meter.longest_since(kLater), 0ms);
  meter.woke(kLater + 1s, kLater + 4s);
  meter.woke(kLater + 5s, kLater + 6s);
  EXPECT_EQ(meter.longest_since(kLater), 3s);
  EXPECT_EQ(meter.longest_since(kLater + 4s), 3s);  // it ended then
  EXPECT_EQ(meter.longest_since(kLater + 5s), 1s);
  EXPECT_EQ(meter.longest_since(kLater + 7s), 0ms);
  meter.woke(kLater + 3s, kLater + 4s);  // another processor's, told late
  EXPECT_EQ(meter.longest_since(kLater + 5s), 1s);
}

// A thread that nothing may interrupt keeps one processor from all others that are there. The kernel leaves
// them 50 ms of each second.
TEST(StallMeter, SeesWhatStallsOneProcessorAlone) {
  cpu_set_t usable;
  ASSERT_EQ(::sched_getaffinity(0, sizeof usable, &usable), 0);
  if (CPU_COUNT(&usable) < 2) GTEST_SKIP() << "there is but one";
  for (int cpu = 0, stalled = 0; stalled < 2; ++cpu) {
    if (!CPU_ISSET(cpu, &usable)) continue;
    ++stalled;
    StallMeter meter;
    std::this_thread::sleep_for(100ms);
    const auto before = Clock::now();
    bool allowed = false;
    std::jthread([&] {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      const sched_param above_all = {1};
      allowed = ::pthread_setaffinity_np(::pthread_self(), sizeof one, &one) == 0 &&
                ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &above_all) == 0;
      while (allowed && Clock::now() - before < 800ms) {
      }
    }).join();
    if (!allowed) GTEST_SKIP() << "no right to stall a processor";
    EXPECT_GE(meter.longest_since(before), StallMeter::kLeastStall) << "of processor " << cpu;
  }
}

class ServicePulses : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(, ServicePulses, testing::Bool());

TEST_P(ServicePulses, KnowHowLongTheServiceAnsweredNobodyWhereItCounts) {
  const bool counts = GetParam();
  std::latch asked(1), answers(1), asked_again(2);
  std::atomic<int> beats{0};
  ServicePulse pulse([&] {
    if (++beats == 1) {
      asked.count_down();
      answers.wait();
    } else if (beats <= 3) {
      asked_again.count_down();
    }
    return counts;
  });
  asked.wait();
  EXPECT_EQ(pulse.longest(), 0ms);
  std::this_thread::sleep_for(600ms);
  answers.count_down();
  asked_again.wait();
  if (counts) {
    EXPECT_GE(pulse.longest(), 600ms);
  } else {
    EXPECT_EQ(pulse.longest(), 0ms);
  }
}

class AStalledMachine : public testing::Test {
 protected:
  // A run that breaks I4, of a writer that leaves at SIGTERM: on a busy machine now and then before its first
  // append, which proves nothing.
  FinishedRun broken_run() {
    RealmOptions options;
    options.writer = {SCENARIO_TESTS_DIR "/tiny_writer.py"};
    Scenario scenario;
    scenario.name = "test";
    scenario.workloads = {{WorkloadKind::burst, {60, 60}, {2, 2}, {2000, 2000}, {10'000, 10'000}}};
    scenario.teardown.kind = Teardown::term;
    scenario.config.max_records = {5, 5};
    scenario.config.environment["TINY_BUG"] = "no-drain";
    scenario.faults = {{FaultKind::delay_before_commit, {0, 0}, {1000, 1000}, {1'000'000, 1'000'000}}};
    PlannedRun planned;
    planned.drawn = draw(scenario, 0, 1);
    const std::atomic<bool> not_cancelled{false};
    const ProcessRealm realm(options, not_cancelled);
    FinishedRun run;
    for (int tries = 0; tries < 20; ++tries) {
      testing::internal::CaptureStderr();
      run = make_run(realm, planned, meter, not_cancelled);
      said = testing::internal::GetCapturedStderr();
      if (run.verdict.outcome != Verdict::Outcome::invalid) break;
    }
    return run;
  }
  std::size_t times_again() const {
    std::size_t count = 0;
    for (auto at = said.find("made again"); at != std::string::npos; at = said.find("made again", at + 1))
      ++count;
    return count;
  }
  StallMeter meter;
  std::string said;
};

TEST_F(AStalledMachine, HasABrokenRunMadeAgainAndTheLastVerdictCounts) {
  meter.woke(kLater, kLater + 2s);
  const FinishedRun run = broken_run();
  EXPECT_EQ(run.verdict.outcome, Verdict::Outcome::broken) << run.outcome.ledger.invalid;
  EXPECT_EQ(times_again(), kMaxRepeats) << said;
  EXPECT_NE(said.find("from running for 2000 ms"), std::string::npos) << said;
}

}  // namespace
}  // namespace s2::scenarios
