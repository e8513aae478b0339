// Everything that a route may use: the service, the clock, faults, history, observers.
//
// Made and owned by Emulator::Impl; belongs to the emulator's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <random>

#include "emulator/clock.h"
#include "emulator/emulator.h"
#include "emulator/faults.h"
#include "emulator/history.h"
#include "emulator/moments.h"
#include "emulator/service.h"

namespace s2::emulator {

struct ConnectionCounts {
  std::uint64_t open = 0;
  std::uint64_t opened = 0;  // since the start
};

struct World {
  World(Loop& loop, Options given)
      : options(std::move(given)), clock(loop), faults(options.seed), random(options.seed) {}

  const Options options;
  Clock clock;
  Service service;
  Moments moments;
  FaultPlan faults;
  History history;
  std::mt19937_64 random;        // heartbeat intervals
  std::uint64_t generation = 0;  // rises with each reset: what was begun before has no effect after
  std::function<void(std::function<void()>)> soon;  // runs it on the emulator's thread, after this turn
  std::function<void(std::uint64_t except_connection)> reset;  // forgets all data, faults and history
  std::function<ConnectionCounts()> connections;
};

}  // namespace s2::emulator
