// Property-based scenarios: RapidCheck draws workload, configuration, faults and the moment and kind of
// death, and shrinks what fails.
//
// A case is a short list of small numbers, so that shrinking knows what is simpler (towards 0) and a token
// can hold it. Drawing and printing are pure; shrink() runs `fails` again and again on the calling thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/scenario.h"

namespace s2::scenarios {

struct PropertyCase {
  std::vector<unsigned> choices;  // kPropertyChoices of them, each within its limit
  bool operator==(const PropertyCase&) const = default;
};

// The same seed and size give the same case; larger sizes give larger cases (RapidCheck's sizes: 0 to 100).
PropertyCase draw_property_case(std::uint64_t seed, std::size_t size);
// A closed scenario: one workload, single values, named `property`.
Scenario to_scenario(const PropertyCase& drawn, std::uint64_t seed);

std::string print(const PropertyCase& drawn);  // "3.0.17.…"
std::optional<PropertyCase> parse_property_case(std::string_view text);

struct Shrunk {
  PropertyCase smallest;
  unsigned tries = 0;
  unsigned steps = 0;  // tries that failed too, and so were a step down
};
// The smallest case that still fails, as far as RapidCheck's shrinks of (seed, size) lead in that time.
Shrunk shrink_property_case(const PropertyCase& failing,
                            const std::function<bool(const PropertyCase&)>& fails, unsigned max_tries,
                            std::chrono::steady_clock::time_point deadline);

}  // namespace s2::scenarios
