// The runner of the shutdown table; see shutdown.h.
#include "writer/shutdown.h"

namespace s2::writer {

namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

std::vector<ShutdownOutcome> run_shutdown(std::chrono::milliseconds whole, const ShutdownAction& action) {
  const Clock::time_point start = Clock::now();
  std::vector<ShutdownOutcome> outcomes;
  int share = 0;
  for (const ShutdownRow& row : kShutdownTable) {
    share += row.budget;
    Clock::time_point begin = Clock::now();
    bool done = action(row.step, start + std::chrono::microseconds(whole) * share / 1000);
    outcomes.push_back(
        {row.step, done, std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin)});
  }
  return outcomes;
}

}  // namespace s2::writer
