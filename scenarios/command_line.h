// What the command lines of several programs have in common.
//
// Pure but for the file of a secret, and stdout; any thread. Errors are one line and never hold a secret.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace s2::scenarios {

// A check for CLI11, which reads "-1" into an unsigned number as a large one, and what is too large for 64
// bits as the largest; empty: it is good. Whether it is a number at all, CLI11 says.
std::function<std::string(const std::string&)> whole_number(std::uint64_t most);

// What is wrong with a word that stands where a command should.
std::string no_such_command(const std::string& word, const std::vector<std::string>& commands);

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
// `[token]` where the text holds the secret; one of fewer than 4 bytes stays.
std::string without(std::string text, const std::string& secret);

// Flushes stdout. One line where a part of the result was not written, now or before (with that errno, where
// it is known); empty: all of it was.
std::string unwritten_result(int error_before = 0);

}  // namespace s2::scenarios
