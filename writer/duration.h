// Durations and sizes as people write them: `250ms`, `5s`, `2m`; `64KiB`, `1MiB`, `4096B`.
//
// Pure; any thread. A bare 0 is a duration; any other number needs its unit. Errors: one line that says what
// was expected. Source: contract, "Durations".
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace s2::writer {

tl::expected<std::chrono::milliseconds, std::string> parse_duration(std::string_view text);
tl::expected<std::int64_t, std::string> parse_size(std::string_view text);
tl::expected<std::int64_t, std::string> parse_integer(std::string_view text);

}  // namespace s2::writer
