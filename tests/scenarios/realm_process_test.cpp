// Whole runs against a writer of eighty lines: the promises hold, a planted bug is seen, a kill is exact.
#include "scenarios/realm_process.h"

#include <gtest/gtest.h>

#include "emulator/emulator.h"
#include "scenarios/judge.h"
#include "scenarios/promises.h"
#include "scenarios/reader.h"

namespace s2::scenarios {
namespace {

const std::atomic<bool> kNotCancelled{false};

struct Made {
  RunOutcome outcome;
  Verdict verdict;
  const Ledger& ledger() const { return outcome.ledger; }
};

Made run(Scenario scenario, const std::string& bug = "", std::uint64_t seed = 1,
         const emulator::Emulator* elsewhere = nullptr) {
  RealmOptions options;
  if (elsewhere) options.external = ServiceAddress{elsewhere->endpoint(), "some-basin", "secret-token"};
  options.writer = {SCENARIO_TESTS_DIR "/tiny_writer.py"};
  if (!bug.empty()) scenario.config.environment["TINY_BUG"] = bug;
  if (scenario.faults.empty()) scenario.faults = {Fault{}};
  Made made;
  made.outcome = ProcessRealm(options, kNotCancelled).run({draw(scenario, 0, seed), seed, "token"});
  made.verdict = judge(made.outcome.ledger);
  return made;
}

Scenario scenario(Teardown kind, WorkloadKind workload = WorkloadKind::steady, std::uint64_t events = 30) {
  Scenario s;
  s.name = "test";
  s.workloads = {{workload, exactly(events), exactly(2), exactly(2000), exactly(10'000)}};
  s.teardown.kind = kind;
  s.config.max_records = exactly(5);
  return s;
}

std::string text(const Verdict& verdict) {
  std::string all = verdict.invalid;
  for (const Violation& v : verdict.violations)
    all += std::string(name(v.invariant)) + ": " + v.detail + "\n";
  return all;
}

bool found(const Verdict& verdict, ViolationKind kind) {
  for (const Violation& v : verdict.violations) {
    if (v.kind == kind) return true;
  }
  return false;
}

TEST(RealmProcess, AStopIsPlayedJudgedAndHeld) {
  const Made made = run(scenario(Teardown::stop));
  EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::held) << text(made.verdict);
  EXPECT_EQ(made.verdict.published, 30U);
  EXPECT_EQ(made.verdict.stored, 30U);
  EXPECT_EQ(made.ledger().processes.at(0).exit_code, 0);
  EXPECT_FALSE(made.outcome.histories.empty());
  ASSERT_EQ(made.ledger().stored.size(), 1U);
  EXPECT_EQ(made.ledger().stored[0].name, made.ledger().run + "-1");
}

TEST(RealmProcess, AnEmulatorWhoseAnswersFitNoOrderMakesARunInvalid) {
  const Made made = run(scenario(Teardown::stop));
  EXPECT_EQ(made.outcome.harness_fault, "");
  ASSERT_EQ(made.outcome.histories.size(), 1U);
  std::string history = made.outcome.histories[0];
  EXPECT_EQ(fault_of_service(history, "s"), "");
  EXPECT_NE(history.find("record_hashes\":["), std::string::npos);
  // The same, from a service that acknowledges a place that it gives away again.
  const std::size_t first = history.find("AppendSuccess\":{\"tail\":");
  ASSERT_NE(first, std::string::npos);
  history.insert(history.find('}', first), "0");
  const std::string fault = fault_of_service(history, "s");
  EXPECT_NE(fault.find("are not linearizable, a fault of the harness: "), std::string::npos) << fault;
  EXPECT_NE(fault_of_service("{", "s").find("history:1: "), std::string::npos);
}

TEST(RealmProcess, EveryWorkloadIsStoredWholeAfterAStop) {
  for (int kind = 0; kind < 17; ++kind) {
    if (static_cast<WorkloadKind>(kind) == WorkloadKind::browser) continue;  // it scripts nothing
    const auto workload = static_cast<WorkloadKind>(kind);
    const Made made = run(scenario(Teardown::stop, workload, workload == WorkloadKind::sizes ? 5 : 16));
    EXPECT_NE(made.verdict.outcome, Verdict::Outcome::invalid)
        << name(workload) << ": " << text(made.verdict);
    EXPECT_EQ(made.verdict.lost, 0U) << name(workload) << ": " << text(made.verdict);
    EXPECT_GT(made.verdict.stored, 0U) << name(workload);
  }
}

TEST(RealmProcess, ALostAckFiresAndDuplicatesNothing) {
  Scenario s = scenario(Teardown::stop);
  s.faults = {{FaultKind::lost_ack, exactly(1), exactly(1), exactly(0)}};
  const Made made = run(s);
  EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::held) << text(made.verdict);
  EXPECT_EQ(made.ledger().fault, "lost-ack");
  ASSERT_EQ(made.ledger().faults.size(), 1U);
  EXPECT_EQ(made.ledger().faults[0].what, "cut after_commit");
  EXPECT_TRUE(made.ledger().faults[0].outcome_unknown);
}

TEST(RealmProcess, AServiceThatIsNotThereYetLosesNothing) {
  Scenario s = scenario(Teardown::term, WorkloadKind::burst, 10);
  s.teardown.grace = exactly(10'000'000);
  s.faults = {{FaultKind::down, exactly(0), exactly(1), exactly(300'000)}};
  const Made made = run(s);
  EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::held) << text(made.verdict);
  EXPECT_EQ(made.verdict.stored, 10U);
  ASSERT_FALSE(made.ledger().faults.empty());
  const FiredFault& down = made.ledger().faults[0];
  EXPECT_EQ(down.what, "down at the start");
  for (const ServiceAppend& append : made.ledger().appends)
    EXPECT_GT(append.received_ns, down.begin_ns + 250'000'000);
}

TEST(RealmProcess, AWriterWithoutATelemetryApiIsDrivenOverStdioWhereAScenarioWouldRatherHaveHttp) {
  Scenario s = scenario(Teardown::stop);
  s.config.http = true;
  const Made made = run(s);
  EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::held) << text(made.verdict);
  EXPECT_EQ(made.verdict.stored, 30U);
}

TEST(RealmProcess, AFaultThatNeverFiresMakesTheRunInvalid) {
  Scenario s = scenario(Teardown::stop);
  s.faults = {{FaultKind::lost_ack, exactly(5000), exactly(1), exactly(0)}};
  const Made made = run(s);
  EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::invalid);
  EXPECT_EQ(made.verdict.invalid, "the fault `lost-ack` did not fire");
}

constexpr std::int64_t kMuchLess = 2'000'000'000;  // than the 5 s after which no fault is waited for any more

TEST(RealmProcess, AnEndOnceFaultedWaitsForTheFaultsHoweverLateTheFirstAppend) {
  Scenario s = scenario(Teardown::term_short, WorkloadKind::burst, 30);
  s.faults = {{FaultKind::delay_before_commit, exactly(0), exactly(1000), exactly(60'000'000)}};
  s.teardown.grace = exactly(5'000);
  EXPECT_EQ(run(s, "late-sender").verdict.invalid, "the fault `delay-before-commit` did not fire");
  s.teardown.once_faulted = true;
  const Made made = run(s, "late-sender");
  EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::held) << text(made.verdict);
  EXPECT_EQ(made.verdict.stored, 0U);
  EXPECT_EQ(made.ledger().kill.instant, "grace 5ms");
  ASSERT_FALSE(made.ledger().faults.empty());
  const std::int64_t waited_on = made.ledger().processes.at(0).term_ns - made.ledger().faults[0].begin_ns;
  EXPECT_GE(waited_on, 0);
  EXPECT_LT(waited_on, kMuchLess);
}

TEST(RealmProcess, AnEndOnceFaultedWaitsForNoFaultWhereAllIsStored) {
  Scenario s = scenario(Teardown::term_short, WorkloadKind::burst, 10);
  s.faults = {{FaultKind::delay, exactly(1000), exactly(1), exactly(0)}};
  s.teardown.once_faulted = true;
  const Made made = run(s);
  EXPECT_EQ(made.verdict.invalid, "the fault `delay` did not fire");
  std::int64_t last_ns = 0;
  std::size_t committed = 0;
  for (const ServiceAppend& append : made.ledger().appends) {
    last_ns = std::max(last_ns, append.committed_ns);
    if (append.committed) committed += append.probes.size();
  }
  EXPECT_EQ(committed, 10U);
  EXPECT_LT(made.ledger().processes.at(0).term_ns - last_ns, kMuchLess);
}

TEST(RealmProcess, PublishersThatGoOnThroughAShutdownGoOnWhileItWaitsForTheFaults) {
  Scenario s = scenario(Teardown::term_short, WorkloadKind::through_shutdown, 20);
  s.faults = {{FaultKind::delay_before_commit, exactly(0), exactly(1000), exactly(60'000'000)}};
  s.teardown.at = exactly(50);
  s.teardown.grace = exactly(5'000);
  s.teardown.once_faulted = true;
  const Made made = run(s, "late-sender");
  EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::held) << text(made.verdict);
  std::size_t before = 0;
  for (const Publication& each : made.ledger().publications)
    before += each.sent_ns < made.ledger().processes.at(0).term_ns;
  EXPECT_GT(before, 20U);  // the ten of the second half, and others after them
}

TEST(RealmProcess, AWriterThatDoesNotDrainOnTermIsCaught) {
  Scenario s = scenario(Teardown::term, WorkloadKind::burst, 60);
  s.faults = {
      {FaultKind::delay_before_commit, exactly(0), exactly(1000), exactly(1'000'000)}};  // so that much waits
  const Made made = run(s, "no-drain");
  EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::broken);
  EXPECT_TRUE(found(made.verdict, ViolationKind::lost)) << text(made.verdict);
}

TEST(RealmProcess, ADyingWriterIsNotAskedForItsEndWhichWouldExcuseIt) {
  for (const Teardown kind : {Teardown::stop, Teardown::term, Teardown::server_drain}) {
    Scenario s = scenario(kind);
    s.workloads[0].rate = exactly(50);  // it is dead before all is published
    const Made made = run(s, "die-slowly");
    EXPECT_TRUE(found(made.verdict, ViolationKind::crashed)) << name(kind) << ": " << text(made.verdict);
  }
}

TEST(RealmProcess, AnAckBeforeItIsDurableIsCaughtByAKill) {
  Scenario s = scenario(Teardown::kill);
  s.teardown.instants = {InstantKind::byte};  // in the middle of the first append, which it has acknowledged
  s.teardown.bytes = exactly(700);
  const Made made = run(s, "early-ack");
  EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::broken);
  EXPECT_TRUE(found(made.verdict, ViolationKind::lost_acked)) << text(made.verdict);
}

TEST(RealmProcess, AProcessThatOutlivesTheWriterIsLeaked) {
  const Made made = run(scenario(Teardown::stop), "leave-child");
  EXPECT_TRUE(found(made.verdict, ViolationKind::leaked)) << text(made.verdict);
}

// From the chosen instant until the writer is reaped the service neither takes, commits nor sends anything.
// (An append that it had taken in whole it may still commit afterwards, as S2 would.)
TEST(RealmProcess, AKillInProtocolTimeIsExact) {
  for (const std::uint64_t n : {1U, 3U}) {
    Scenario s = scenario(Teardown::kill);
    s.teardown.ordinal = exactly(n);
    const auto count = [&](InstantKind kind) {
      s.teardown.instants = {kind};
      const Made made = run(s);
      EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::held) << text(made.verdict);
      EXPECT_TRUE(made.ledger().kill.fired && made.ledger().kill.protocol_time);
      struct Counts {
        std::size_t received = 0, committed = 0, acked = 0;
      } counts;
      for (const ServiceAppend& append : made.ledger().appends) {
        ++counts.received;
        counts.committed += append.committed && append.committed_ns <= made.ledger().kill.t_ns;
        counts.acked +=
            append.outcome == ServiceAppend::Outcome::acked && append.answered_ns <= made.ledger().kill.t_ns;
      }
      return counts;
    };
    const auto received = count(InstantKind::append_received);
    EXPECT_EQ(received.received, n);
    EXPECT_EQ(received.committed, n - 1);
    const auto committed = count(InstantKind::committed);
    EXPECT_EQ(committed.committed, n);
    EXPECT_EQ(committed.acked, n - 1);
    const auto acked = count(InstantKind::ack_sent);
    EXPECT_EQ(acked.acked, n);
    EXPECT_EQ(acked.received, n);
  }
}

TEST(RealmProcess, TheSameSeedIsKilledInTheSamePlaceEachTime) {
  Scenario s = scenario(Teardown::kill);
  s.teardown.instants = {InstantKind::byte};
  s.teardown.bytes = exactly(900);
  for (int i = 0; i < 3; ++i) {
    const Made made = run(s, "", 7);
    EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::held) << text(made.verdict);
    EXPECT_EQ(made.ledger().kill.instant, "byte 900");
  }
}

TEST(RealmProcess, AnInstantThatIsNotReachedMakesTheRunInvalid) {
  Scenario s = scenario(Teardown::kill, WorkloadKind::single, 1);
  s.teardown.instants = {InstantKind::connection_opened};
  s.teardown.ordinal = exactly(100'000);
  const Made made = run(s);
  EXPECT_EQ(made.verdict.invalid, "the kill at `connection_opened 100000` did not fire");
}

template <class Run>
void expect_played_to_its_end(Teardown kind, const Run& run_it) {
  Scenario s = scenario(kind, WorkloadKind::steady, 60);
  s.teardown.at = exactly(50);
  s.teardown.instants = {InstantKind::wall};
  s.teardown.wall = exactly(20'000);
  s.teardown.lasts = exactly(100'000);
  if (kind == Teardown::term_short) s.teardown.grace = exactly(20'000);
  const Made made = run_it(s);
  EXPECT_NE(made.verdict.outcome, Verdict::Outcome::invalid) << name(kind) << ": " << text(made.verdict);
  EXPECT_GT(made.verdict.published, 0U) << name(kind);
  EXPECT_FALSE(found(made.verdict, ViolationKind::hung)) << name(kind) << ": " << text(made.verdict);
}

TEST(RealmProcess, EveryClassIsPlayedToItsEnd) {
  for (const Teardown kind : kTeardowns)
    // ci/tests/browser-delete and ci/tests/fork: these take a browser, and CRIU.
    if (kind != Teardown::browser_delete && kind != Teardown::fork)
      expect_played_to_its_end(kind, [](const Scenario& s) { return run(s); });
}

TEST(RealmProcess, AnEndBeginsWhenTheWriterHasReadWhatWasPublishedBefore) {
  for (const EndBy how : {EndBy::stop, EndBy::end_of_input}) {
    Scenario s = scenario(Teardown::stop, WorkloadKind::steady, 40);
    s.teardown.ends = {how};
    s.teardown.grace = exactly(3'000'000);  // less than the writer takes to read
    const Made made = run(s, "slow-reader");
    EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::held) << text(made.verdict);
    EXPECT_EQ(made.verdict.published, 40U);
  }
}

TEST(RealmProcess, AnEndpointOfAnotherProcessIsReadByPrefixAndKeepsItsOtherStreams) {
  emulator::Emulator elsewhere;
  elsewhere.create_basin("some-basin");
  RealmOptions options;
  options.writer = {SCENARIO_TESTS_DIR "/tiny_writer.py"};
  options.external = ServiceAddress{elsewhere.endpoint(), "some-basin", "secret-token"};
  const ProcessRealm realm(options, kNotCancelled);
  ASSERT_TRUE(realm.preflight());
  Scenario s = scenario(Teardown::stop);
  s.faults = {Fault{}};
  for (int i = 0; i < 2; ++i) {
    const RunOutcome outcome = realm.run({draw(s, 0, 1), 1, "token"});
    const Verdict verdict = judge(outcome.ledger);
    EXPECT_EQ(verdict.outcome, Verdict::Outcome::held) << text(verdict);
    EXPECT_EQ(outcome.ledger.stored.size(), 1U);
  }
}

// Behind the fault proxy everything is as with an emulator of the run's own.
class BehindTheProxy : public testing::Test {
 protected:
  BehindTheProxy() { elsewhere.create_basin("some-basin"); }
  Made run_there(const Scenario& s, const std::string& bug = "") { return run(s, bug, 1, &elsewhere); }
  emulator::Emulator elsewhere;
};

TEST_F(BehindTheProxy, DeathsOfTheNetworkArePlayedToTheirEnd) {
  for (const Teardown kind : {Teardown::stop, Teardown::cut_heal, Teardown::cut_kill, Teardown::server_drain,
                              Teardown::flush_then_kill, Teardown::respawn}) {
    expect_played_to_its_end(kind, [this](const Scenario& s) { return run_there(s); });
  }
}

TEST_F(BehindTheProxy, EveryFaultFires) {
  for (int kind = 1; kind <= static_cast<int>(FaultKind::goaway); ++kind) {
    Scenario s = scenario(Teardown::stop);
    s.faults = {{static_cast<FaultKind>(kind), exactly(1), exactly(1), exactly(20'000)}};
    const Made made = run_there(s);
    EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::held)
        << name(static_cast<FaultKind>(kind)) << ": " << text(made.verdict);
    EXPECT_EQ(made.ledger().faults.size(), 1U);
  }
}

TEST_F(BehindTheProxy, AKillInProtocolTimeIsExact) {
  for (const auto kind : {InstantKind::append_received, InstantKind::committed, InstantKind::ack_sent}) {
    Scenario s = scenario(Teardown::kill);
    s.teardown.instants = {kind};
    s.teardown.ordinal = exactly(3);
    const Made made = run_there(s);
    EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::held) << text(made.verdict);
    EXPECT_TRUE(made.ledger().kill.fired && made.ledger().kill.protocol_time);
    EXPECT_EQ(made.ledger().appends.size(), 3U);
    std::size_t committed = 0, acked = 0;
    for (const ServiceAppend& append : made.ledger().appends) {
      committed += append.committed && append.committed_ns <= made.ledger().kill.t_ns;
      acked += append.outcome == ServiceAppend::Outcome::acked;
    }
    EXPECT_EQ(committed, kind == InstantKind::append_received ? 2U : 3U);
    EXPECT_EQ(acked, kind == InstantKind::ack_sent ? 3U : 2U);
  }
}

TEST_F(BehindTheProxy, AWriterThatAcknowledgesTooEarlyIsCaught) {
  Scenario s = scenario(Teardown::kill);
  s.teardown.instants = {InstantKind::byte};
  s.teardown.bytes = exactly(700);
  const Made made = run_there(s, "early-ack");
  EXPECT_EQ(made.verdict.outcome, Verdict::Outcome::broken);
  EXPECT_TRUE(found(made.verdict, ViolationKind::lost_acked)) << text(made.verdict);
}

TEST_F(BehindTheProxy, AnEndpointThatVanishesMakesTheRunInvalid) {
  std::string nobody;
  {
    emulator::Emulator gone;
    nobody = gone.endpoint();
  }
  RealmOptions options;
  options.writer = {SCENARIO_TESTS_DIR "/tiny_writer.py"};
  options.external = ServiceAddress{nobody, "some-basin", ""};
  Scenario s = scenario(Teardown::cut_kill);
  s.faults = {Fault{}};
  const RunOutcome outcome = ProcessRealm(options, kNotCancelled).run({draw(s, 0, 1), 1, "token"});
  EXPECT_NE(outcome.ledger.invalid.find("could not be read back"), std::string::npos)
      << outcome.ledger.invalid;
}

TEST(Reader, SaysWhatItCouldNotReadAndNeverTheToken) {
  emulator::Options options;
  options.auth = emulator::Auth::enforced;
  options.root_token = "the-root-token";
  emulator::Emulator service(options);
  service.create_basin("some-basin");
  const auto why = [&](const std::string& basin, const std::string& token) {
    const auto result = Reader({service.endpoint(), basin, token}).check();
    return result ? std::string() : result.error();
  };
  EXPECT_EQ(why("some-basin", "the-root-token"), "");
  EXPECT_NE(why("some-basin", "wrong-token").find("status 40"), std::string::npos);
  EXPECT_EQ(why("some-basin", "wrong-token").find("wrong-token"), std::string::npos);
  EXPECT_NE(why("other-basin", "the-root-token").find("status 404"), std::string::npos);
  const auto nobody = Reader({"http://127.0.0.1:1", "some-basin", ""}).check();
  ASSERT_FALSE(nobody);
  EXPECT_NE(nobody.error().find("cannot read http://127.0.0.1:1"), std::string::npos);
}

}  // namespace
}  // namespace s2::scenarios
