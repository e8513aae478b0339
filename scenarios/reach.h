// Why nobody answers at an address, in words: an HTTP library that could not connect does not say it.
#pragma once

#include <chrono>
#include <string>

namespace s2::scenarios {

// Connects once more and says what came of it, as one line: "connection refused at http://127.0.0.1:9", "no
// address for `nowhere` (…)". Blocks for `patience` at the most, and for as long as the resolver takes. Any
// thread.
std::string why_unreachable(const std::string& url, std::chrono::milliseconds patience);

}  // namespace s2::scenarios
