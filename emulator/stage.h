// What every operation passes on its way, whoever serves it: the clock, the observers, the fault plan.
//
// Belongs to the thread of the server that stands on it; the loop outlives it.
#pragma once

#include <cstdint>

#include "emulator/clock.h"
#include "emulator/faults.h"
#include "emulator/moments.h"

namespace s2::emulator {

struct Stage {
  Stage(Loop& loop, std::uint64_t seed) : clock(loop), faults(seed) {}

  Clock clock;
  Moments moments;
  FaultPlan faults;
  std::uint64_t generation = 0;  // rises with each reset: what was begun before has no effect after
};

}  // namespace s2::emulator
