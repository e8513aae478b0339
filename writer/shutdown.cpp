// The runner of the shutdown table; see shutdown.h.
#include "writer/shutdown.h"

#include <algorithm>

#include "writer/planted_bugs.h"

namespace s2::writer {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kFixedBudget{20};  // budget-inversion

constexpr bool shares_with_drain(ShutdownStep step) {
  return step == ShutdownStep::await_acks || step == ShutdownStep::close;
}

}  // namespace

std::vector<ShutdownOutcome> run_shutdown(std::chrono::milliseconds whole, const ShutdownShares& shares,
                                          const ShutdownAction& action) {
  const Clock::time_point start = Clock::now();
  std::vector<ShutdownOutcome> outcomes;
  if (planted(PlantedBug::budget_inversion)) whole = std::max<std::chrono::milliseconds>(whole, kFixedBudget);
  Clock::time_point drained_by;
  std::int64_t share = 0;
  for (std::size_t i = 0; i < kShutdownTable.size(); ++i) {
    const ShutdownRow& row = kShutdownTable[i];
    share += shares[i];
    Clock::time_point begin = Clock::now();
    Clock::time_point deadline = start + std::chrono::microseconds(whole) * share / kWholeShare;
    if (row.step == ShutdownStep::drain) drained_by = deadline;
    if (planted(PlantedBug::shared_deadline) && shares_with_drain(row.step)) deadline = drained_by;
    bool done = action(row.step, deadline);
    outcomes.push_back(
        {row.step, done, std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin)});
  }
  return outcomes;
}

}  // namespace s2::writer
