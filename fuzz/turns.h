// An execution cut into the turns of its threads, and the places where its order left the default policy:
// what the picture draws and the story tells.
//
// Pure; any thread. The results point into the execution and the schedule that they were made from.
#pragma once
#include <vector>

#include "fuzz/schedule.h"
#include "sim/world.h"

namespace s2::fuzz {

// Steps [first, end) of the trace: one thread's, without a break.
struct Turn {
  std::size_t first = 0, end = 0;
};
std::vector<Turn> turns_of(const sim::Execution& execution);

// At this step another choice was made than the default policy makes.
struct Mark {
  std::size_t step = 0;
  const Deviation* deviation = nullptr;  // null: only the trace knows of it, as a preemption
};
// In the order of the trace. `followed` is the schedule as replay() says that it was followed; of one that
// was followed in part, the marks end with the first deviation that was not met, but for the trace's
// preemptions.
std::vector<Mark> marks_of(const sim::Execution& execution, const Schedule& followed);

// Whether a thread that stands at such a point has done what the point names.
bool is_after(sim::Kind kind);
// Whether the point is one where somebody is chosen to be woken.
bool wakes(sim::Kind kind);

}  // namespace s2::fuzz
