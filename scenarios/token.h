// The replay token: a run's identity in one word of at most 200 bytes, safe in a shell without quotes.
//
// `1:<source>:<combination>:<seed>[:<instant>-<value>]`, for a property case `1:@property:<case>:<seed>`.
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "scenarios/suite_plan.h"

namespace s2::scenarios {

inline constexpr std::size_t kMaxTokenBytes = 200;

std::string print_token(const RunIdentity& identity);
// Error: one line, which part and what was expected.
tl::expected<RunIdentity, std::string> parse_token(std::string_view token);
// Whether a scenario file of this path can be named in a token at all.
bool nameable(std::string_view path);

}  // namespace s2::scenarios
