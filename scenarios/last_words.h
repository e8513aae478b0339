// What a program said at the end of its log, in one line.
//
// Pure; any thread. Its text is hostile: make it visible (escape.h) where it is shown.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace s2::scenarios {

inline constexpr std::size_t kMaxLastWords = 300;  // bytes
inline constexpr std::size_t kMaxLastLines = 3;    // what a runtime prints last is often not what went wrong

// "; its last words: …", the last lines that are not empty; empty: it said nothing.
std::string last_words(std::string_view log);

}  // namespace s2::scenarios
