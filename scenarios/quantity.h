// Durations and counts as people write them: `500us`, `250ms`, `5s`, `2m`; "1 event", "2 events".
//
// Pure; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace s2::scenarios {

// A whole number and one of us, ms, s, m. At most 24 hours; nothing for all else.
std::optional<std::chrono::microseconds> parse_duration(std::string_view text);
// The largest unit that keeps it whole: 1500ms, 2s, 250us.
std::string print_duration(std::chrono::microseconds value);

// `what` in its singular.
std::string count_of(std::uint64_t n, const char* what = "event");

}  // namespace s2::scenarios
