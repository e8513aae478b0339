// What every operation passes on its way, whoever serves it: the clock, the observers, the fault plan.
//
// Belongs to the thread of the server that stands on it; the loop outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "emulator/clock.h"
#include "emulator/faults.h"
#include "emulator/moments.h"
#include "wire/error.h"

namespace s2::emulator {

class Exchange;
struct Operation;

struct Stage {
  Stage(Loop& loop, std::uint64_t seed) : clock(loop), faults(seed) {}

  Clock clock;
  Moments moments;
  FaultPlan faults;
  // Why the request's token may not do that, before anything else happens to it; null: everybody may all.
  std::function<std::optional<wire::ApiError>(const Exchange&, const Operation&)> forbids;
  std::uint64_t generation = 0;  // rises with each reset: what was begun before has no effect after
};

}  // namespace s2::emulator
