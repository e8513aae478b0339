// What a program said at the end of its log, and how it ended, each in one line.
//
// Pure; any thread. Its text is hostile: make it visible (escape.h) where it is shown.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "scenarios/ledger.h"

namespace s2::scenarios {

inline constexpr std::size_t kMaxLastWords = 300;  // bytes
inline constexpr std::size_t kMaxLastLines = 3;    // what a runtime prints last is often not what went wrong

// "; its last words: …", the last lines that are not empty; empty: it said nothing.
std::string last_words(std::string_view log);
// "was ended by signal 9", "ended with exit code 1".
std::string how_it_ended(const Process& process);

}  // namespace s2::scenarios
