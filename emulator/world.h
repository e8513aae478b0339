// Everything that a route may use: the service, the clock, faults, history, observers.
//
// Made and owned by Emulator::Impl; belongs to the emulator's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <random>

#include "emulator/access.h"
#include "emulator/emulator.h"
#include "emulator/history.h"
#include "emulator/service.h"
#include "emulator/stage.h"

namespace s2::emulator {

struct ConnectionCounts {
  std::uint64_t open = 0;
  std::uint64_t opened = 0;  // since the start
};

struct World : Stage {
  World(Loop& loop, Options given) : Stage(loop, given.seed), options(std::move(given)) {}
  // Heartbeat intervals; made when the first is drawn.
  std::mt19937_64& random() {
    if (!random_) random_.emplace(options.seed);
    return *random_;
  }

  const Options options;
  Service service;
  AccessTokens access_tokens;
  History history;
  std::function<void(std::function<void()>)> soon;  // runs it on the emulator's thread, after this turn
  std::function<void(std::uint64_t except_connection)> reset;  // forgets all data, faults and history
  std::function<ConnectionCounts()> connections;

 private:
  std::optional<std::mt19937_64> random_;
};

}  // namespace s2::emulator
