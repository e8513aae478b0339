// Decides whether a history is linearizable: whether there is one order of its operations, true to real time,
// in which S2 would have given every answer that was given.
//
// Pure; any thread. Two checkers that must agree: check_by_log() replays the order that the log itself shows,
// in O(n log n); check_by_search() looks for an order (Wing and Gong, with Lowe's cache) where the log does
// not tell. Where stream is deleted or trimmed in between, the format cannot express it: no such history.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/linear_fill.h"
#include "scenarios/linear_history.h"

namespace s2::scenarios {

inline constexpr std::size_t kMaxSearchStates = 3'000'000;  // of the general search; beyond, it is undecided

struct Linearity {
  enum class Verdict : std::uint8_t { linearizable, not_linearizable, undecided };
  Verdict verdict = Verdict::linearizable;
  std::string why;  // of the two others: which operation fits nowhere, and why
  bool by_search = false;
  bool holds() const { return verdict == Verdict::linearizable; }
};

// The log where it tells everything, the search where it does not.
Linearity check_linearity(const LinearHistory& history);

// Nothing: the log leaves open which append stands in a place, or its records end before the appends do.
std::optional<Linearity> check_by_log(const LinearHistory& history, const Places& places,
                                      const std::vector<std::uint64_t>& log);

// `log`: the first records as far as they are known, to leave out what cannot be; may be empty.
Linearity check_by_search(const LinearHistory& history, const std::vector<std::uint64_t>& log,
                          std::size_t max_states = kMaxSearchStates);

}  // namespace s2::scenarios
