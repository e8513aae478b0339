// Makes the runs of a plan, several at a time, and hands them over in the order of the plan.
//
// The caller's thread waits in run_suite(); `on_run` is called on worker threads, one call at a time, by
// rising index, so that what is made of the runs does not depend on `jobs`.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>

#include "scenarios/judge.h"
#include "scenarios/realm_process.h"
#include "scenarios/stall_meter.h"
#include "scenarios/suite_plan.h"

namespace s2::scenarios {

inline constexpr unsigned kMaxRedraws = 3;  // of a run whose fault or kill did not fire
inline constexpr unsigned kMaxRepeats = 3;  // of a run that broke a promise while the machine stalled
inline constexpr unsigned kMaxJobs = 256;

struct SuiteSize {
  std::size_t runs = 0;                               // indices 0 … runs-1; 0: until `duration` is over
  std::optional<std::chrono::microseconds> duration;  // no run begins after it
  unsigned jobs = 8;
  unsigned shard = 0, shards = 1;  // indices with index % shards == shard
};

struct FinishedRun {
  PlannedRun planned;
  RunOutcome outcome;
  Verdict verdict;
};

void run_suite(const ProcessRealm& realm, const SuitePlan& plan, const SuiteSize& size,
               const std::atomic<bool>& cancelled, const std::function<void(FinishedRun)>& on_run);

// One run and its verdict; the replay token is in the ledger.
FinishedRun make_run(const ProcessRealm& realm, const PlannedRun& planned);
// The same; again where it broke a promise while the machine kept the harness from running, and a line on
// stderr.
FinishedRun make_run(const ProcessRealm& realm, const PlannedRun& planned, const StallMeter& meter,
                     const std::atomic<bool>& cancelled);

}  // namespace s2::scenarios
