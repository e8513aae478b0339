// Rules for the names of basins and streams, and for what filters lists of them.
//
// Pure functions; any thread. Each says what is wrong with a name in one line, or nothing. Which S2 error
// code that becomes is the caller's to say: bad_path, bad_header, bad_query or bad_json, after the place
// where the name stood. Source: S2 spec "basins", "streams" (BasinName, StreamName).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace s2::emulator {

inline constexpr std::size_t kMaxRequestTokenBytes = 36;  // `s2-request-token`

// A name: 8 to 48 bytes; lower-case letters, digits and hyphens; no hyphen first or last.
std::optional<std::string> basin_name_problem(std::string_view name);
// A prefix or start_after of a basin list: as a name, but may be short, empty, or end in a hyphen.
std::optional<std::string> basin_filter_problem(std::string_view text);

// A name: 1 to 512 bytes of UTF-8, neither "." nor "..".
std::optional<std::string> stream_name_problem(std::string_view name);
// A prefix or start_after of a stream list: up to 512 bytes of UTF-8, may be empty.
std::optional<std::string> stream_filter_problem(std::string_view text);

}  // namespace s2::emulator
