// See suite_run.h.
#include "scenarios/suite_run.h"

#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "scenarios/stall_meter.h"
#include "scenarios/token.h"

namespace s2::scenarios {

FinishedRun make_run(const ProcessRealm& realm, const PlannedRun& planned) {
  FinishedRun run;
  run.planned = planned;
  run.outcome = realm.run({planned.drawn, planned.identity.seed, print_token(planned.identity)});
  run.verdict = judge(run.outcome.ledger);
  return run;
}

FinishedRun make_run(const ProcessRealm& realm, const PlannedRun& planned, const StallMeter& meter,
                     const std::atomic<bool>& cancelled) {
  for (unsigned again = 0;; ++again) {
    const auto began = StallMeter::Clock::now();
    FinishedRun run = make_run(realm, planned);
    const auto stalled = std::max(meter.longest_since(began), run.outcome.service_stalled);
    if (run.verdict.outcome != Verdict::Outcome::broken || stalled.count() == 0 || again == kMaxRepeats ||
        cancelled.load())
      return run;
    fmt::print(
        stderr,
        "s2-scenarios: this machine kept the harness from running for {} ms while {} broke a promise: the "
        "run is made again\n",
        stalled.count(), print_token(planned.identity));
  }
}

void run_suite(const ProcessRealm& realm, const SuitePlan& plan, const SuiteSize& size,
               const std::atomic<bool>& cancelled, const std::function<void(FinishedRun)>& on_run) {
  const auto began = std::chrono::steady_clock::now();
  const StallMeter meter;
  std::mutex mutex;
  std::size_t next = size.shard;  // guarded by mutex, like the two below
  std::size_t next_out = size.shard;
  std::map<std::size_t, FinishedRun> waiting;

  const auto take_index = [&]() -> std::optional<std::size_t> {
    const std::lock_guard lock(mutex);
    if (cancelled.load() || (size.runs > 0 && next >= size.runs)) return std::nullopt;
    if (size.duration && std::chrono::steady_clock::now() - began >= *size.duration) return std::nullopt;
    const std::size_t index = next;
    next += size.shards;
    return index;
  };
  const auto work = [&] {
    while (const auto index = take_index()) {
      FinishedRun run;
      for (unsigned attempt = 0; attempt <= kMaxRedraws; ++attempt) {
        run = make_run(realm, plan.run(*index, attempt), meter, cancelled);
        if (run.verdict.outcome != Verdict::Outcome::invalid || cancelled.load()) break;
        if (!run.outcome.harness_fault.empty()) break;  // another draw would only hide it
      }
      if (cancelled.load()) return;
      const std::lock_guard lock(mutex);
      waiting.emplace(*index, std::move(run));
      for (auto at = waiting.find(next_out); at != waiting.end(); at = waiting.find(next_out)) {
        on_run(std::move(at->second));
        waiting.erase(at);
        next_out += size.shards;
      }
    }
  };
  std::vector<std::jthread> workers;
  for (unsigned i = 0; i < std::max(1U, size.jobs); ++i) workers.emplace_back(work);
}

}  // namespace s2::scenarios
