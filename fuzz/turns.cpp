// See turns.h.
#include "fuzz/turns.h"

#include <algorithm>

namespace s2::fuzz {
namespace {

// A thread that was given its name on the way had another one at the points before.
bool is_at(const sim::Execution& execution, const sim::TraceStep& step, const Deviation& deviation) {
  if (step.kind != deviation.kind || step.ordinal != deviation.ordinal) return false;
  const std::vector<std::string>& names = execution.thread_names;
  if (names[step.thread] == deviation.thread) return true;
  const bool renamed = std::find(names.begin(), names.end(), deviation.thread) == names.end();
  const bool another_thread = deviation.source == sim::Source::thread && deviation.preempts;
  return renamed && (step.preempted || !another_thread);
}

}  // namespace

std::vector<Turn> turns_of(const sim::Execution& execution) {
  std::vector<Turn> turns;
  for (std::size_t i = 0; i < execution.trace.size(); ++i) {
    if (i == 0 || execution.trace[i].thread != execution.trace[i - 1].thread) turns.push_back({i, i});
    turns.back().end = i + 1;
  }
  return turns;
}

std::vector<Mark> marks_of(const sim::Execution& execution, const Schedule& followed) {
  std::vector<Mark> marks;
  auto next = followed.deviations.begin();
  for (std::size_t i = 0; i < execution.trace.size(); ++i) {
    const sim::TraceStep& step = execution.trace[i];
    bool told = false;
    while (next != followed.deviations.end() && is_at(execution, step, *next)) {
      told = told || next->preempts;
      marks.push_back({i, &*next++});
    }
    if (step.preempted && !told) marks.push_back({i, nullptr});
  }
  return marks;
}

bool is_after(sim::Kind kind) {
  switch (kind) {
    case sim::Kind::unlocked:
    case sim::Kind::notified:
    case sim::Kind::created:
    case sim::Kind::rw_unlocked:
    case sim::Kind::posted:
      return true;
    default:
      return false;
  }
}

bool wakes(sim::Kind kind) {
  return kind == sim::Kind::notify_one || kind == sim::Kind::sem_post || kind == sim::Kind::futex_wake;
}

}  // namespace s2::fuzz
