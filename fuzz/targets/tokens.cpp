// Replay tokens, property cases and shell words.
#include <string>

#include "fuzz/targets/target.h"
#include "scenarios/property.h"
#include "scenarios/shell_words.h"
#include "scenarios/token.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(tokens, input) {
  if (const auto identity = scenarios::parse_token(input)) {
    const auto again = scenarios::parse_token(scenarios::print_token(*identity));
    must(again && *again == *identity, "a token comes back");
  }
  if (const auto drawn = scenarios::parse_property_case(input)) {
    const auto again = scenarios::parse_property_case(scenarios::print(*drawn));
    must(again && *again == *drawn, "a property case comes back");
    scenarios::to_scenario(*drawn, 1);
  }
  (void)scenarios::split_shell_words(input);
}
