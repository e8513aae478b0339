// A scenario as text that a person reads: TOML, one scenario a file (scenarios/catalogue/*.scenario).
//
// Pure; any thread. parse(print(s)) is s again. A range is written `7`, `"5..20"`, or with units
// `"5ms..20ms"`.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "scenarios/scenario.h"

namespace s2::scenarios {

inline constexpr std::size_t kMaxScenarioBytes = 64 * 1024;
inline constexpr std::size_t kMaxAlternatives = 32;  // workloads, or faults, of one scenario

// Error: `file:line:column: what was wrong, what was expected`.
tl::expected<Scenario, std::string> parse_scenario(std::string_view text, const std::string& file);
std::string print_scenario(const Scenario& scenario);

}  // namespace s2::scenarios
