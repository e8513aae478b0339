// Scenario files: what is taken prints to a file that says the same.
#include <string>

#include "fuzz/targets/target.h"
#include "scenarios/scenario_text.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(scenario_file, input) {
  const auto parsed = scenarios::parse_scenario(input, "f");
  if (!parsed) return must(parsed.error().find('\n') == std::string::npos, "an error is one line");
  const auto again = scenarios::parse_scenario(scenarios::print_scenario(*parsed), "f");
  must(again && *again == *parsed, "a scenario comes back from its text");
}
