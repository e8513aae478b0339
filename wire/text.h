// Text inside the codecs: UTF-8, JSON strings and base64, appended to a buffer that the caller owns.
//
// For the files of this folder; others use json.h. Pure; any thread. One pass each, no copies between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace s2::wire {

// What stands at `at` (< bytes.size()): one whole UTF-8 character, or the maximal invalid part, which one
// U+FFFD replaces (Unicode 15, 3.9 "U+FFFD substitution of maximal subparts").
struct Utf8Part {
  std::size_t size;  // 1 to 4
  bool valid;
};
Utf8Part utf8_part(std::string_view bytes, std::size_t at);

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

void append_utf8(std::string& out, std::uint32_t code_point);

// The end of the run from `at` on that stands in a JSON string as it is: no control, quote or backslash.
std::size_t json_plain_run_end(std::string_view text, std::size_t at);

// "text" in quotes, escaped; invalid UTF-8 is replaced.
void append_json_string(std::string& out, std::string_view text);

void append_base64(std::string& out, std::string_view bytes);

}  // namespace s2::wire
