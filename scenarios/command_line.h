// What the command lines of several programs have in common.
//
// Pure but for the file of a secret; any thread. Errors are one line and never hold a secret.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace s2::scenarios {

// A check for CLI11, which reads "-1" into an unsigned number as a large one; empty: it is good.
std::string not_negative(const std::string& text);

// The name of a flag's twin in the environment: ("S2_SCENARIOS_", "--no-color") -> S2_SCENARIOS_NO_COLOR.
std::string twin_of(std::string_view prefix, std::string_view flag);

// A part of many, `I/N` with 1 <= I <= N; nothing for all else.
struct Shard {
  unsigned index = 0;  // from 0
  unsigned of = 1;
};
std::optional<Shard> parse_shard(std::string_view text);

// A secret as it was given, or what the file holds where it was given as @FILE (at most 64 KiB, without the
// white space at its end).
tl::expected<std::string, std::string> secret_of(const std::string& given);

}  // namespace s2::scenarios
