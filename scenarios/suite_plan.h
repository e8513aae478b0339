// Which runs a suite makes, in which order: everything from its seed, nothing from time or from the number of
// jobs.
//
// Pure; any thread. A plan has no end of its own: run i is the same whoever asks, so that `--duration`,
// `--shard` and
// `--jobs` only choose among them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/prng.h"
#include "scenarios/scenario.h"

namespace s2::scenarios {

// What a run is, and all that is needed to make it again.
struct RunIdentity {
  std::string source;         // a scenario's name, the path of its file, or kPropertySource
  std::string property_case;  // of kPropertySource only
  std::size_t combination = 0;
  std::uint64_t seed = 0;
  std::optional<Instant> instant;  // instead of the one drawn from the seed
  bool operator==(const RunIdentity&) const = default;
};

inline constexpr const char* kPropertySource = "@property";

struct PlannedRun {
  RunIdentity identity;
  Scenario drawn;
};

class SuitePlan {
 public:
  // `sources` beside `scenarios`: how a token names each. `property_cases`: so many of each round are drawn
  // by RapidCheck instead.
  SuitePlan(std::vector<Scenario> scenarios, std::vector<std::string> sources, std::uint64_t seed,
            std::size_t property_cases);

  std::size_t round() const { return slots_.size(); }  // runs until every combination had its turn
  // `attempt` 0, or how often it was drawn again because a fault or the kill did not fire.
  PlannedRun run(std::size_t index, unsigned attempt = 0) const;

 private:
  struct Slot {
    std::size_t scenario = 0;  // kProperty: a property case
    std::size_t combination = 0;
    std::size_t repeat = 0;  // which of the `weight` runs of a round
  };
  static constexpr std::size_t kProperty = SIZE_MAX;

  std::vector<Scenario> scenarios_;
  std::vector<std::string> sources_;
  std::uint64_t seed_;
  std::vector<Slot> slots_;
};

// The k-th place of a systematic sweep through the scenario's kinds of instants and their values.
Instant sweep_instant(const Scenario& scenario, std::uint64_t k, Prng& prng);

}  // namespace s2::scenarios
