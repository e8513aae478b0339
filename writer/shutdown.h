// Shutdown as a table: its steps in their order, each with a budget of its own.
//
// A step's deadline is the start plus the budgets up to and including its own: time that an earlier step
// leaves is inherited, and none can take what belongs to a later one. The budgets sum to less than the whole,
// which is S2_WRITER_SHUTDOWN_BUDGET. The runner knows no writer: the caller gives it what a step does. One
// thread. Source: system rule "Shutdown".
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <string_view>
#include <vector>

namespace s2::writer {

enum class ShutdownStep {
  refuse,       // new publishes get a reason instead of a number
  in_flight,    // publishes that were let in before finish
  end_markers,  // one for each session that is active, in the order of their starts
  cut_off,      // the last event that the promise covers
  cancel,       // the storage writer's Run returns
  drain,        // the ring's rest up to the cut-off goes to the producers
  await_acks,   // the last batches are sent without linger and acknowledged; a drain without room goes on
  close,        // producers end; what is not stored by now is told as lost
  files,        // the journal is written up to the last event and closed
  report,       // everything said has reached stdout
};

struct ShutdownRow {
  ShutdownStep step;
  std::string_view key;   // in S2_WRITER_STEP_BUDGETS
  std::string_view name;  // for people
  int budget;             // thousandths of the whole; 0: the step waits for nothing
};

inline constexpr std::array<ShutdownRow, 10> kShutdownTable = {{
    {ShutdownStep::refuse, "refuse", "refuse publishes", 0},
    {ShutdownStep::in_flight, "publishes", "wait for publishes in flight", 50},
    {ShutdownStep::end_markers, "markers", "publish end markers", 20},
    {ShutdownStep::cut_off, "cutoff", "take the cut-off", 0},
    {ShutdownStep::cancel, "cancel", "cancel the storage writer", 30},
    {ShutdownStep::drain, "drain", "drain the ring", 350},
    {ShutdownStep::await_acks, "acks", "await acks", 300},
    {ShutdownStep::close, "close", "close the producers", 100},
    {ShutdownStep::files, "files", "close the files", 50},
    {ShutdownStep::report, "report", "report", 50},
}};

constexpr int shutdown_budget_sum() {
  int sum = 0;
  for (const ShutdownRow& row : kShutdownTable) sum += row.budget;
  return sum;
}
static_assert(shutdown_budget_sum() < 1000, "the inner budgets must leave time within the outer one");

// What each step has of the whole, in parts of kWholeShare. Their sum is less than that (budget.h plans
// them).
inline constexpr int kWholeShare = 1'000'000;
using ShutdownShares = std::array<int, kShutdownTable.size()>;
inline constexpr ShutdownShares kTableShares = [] {
  ShutdownShares shares{};
  for (std::size_t i = 0; i < shares.size(); ++i) shares[i] = kShutdownTable[i].budget * (kWholeShare / 1000);
  return shares;
}();

struct ShutdownOutcome {
  ShutdownStep step;
  bool done;  // false: it ran into its deadline, or says that something is left
  std::chrono::milliseconds took;
};

using ShutdownAction = std::function<bool(ShutdownStep, std::chrono::steady_clock::time_point deadline)>;

// Runs every step, also behind one that was not done.
std::vector<ShutdownOutcome> run_shutdown(std::chrono::milliseconds whole, const ShutdownShares& shares,
                                          const ShutdownAction& action);

}  // namespace s2::writer
