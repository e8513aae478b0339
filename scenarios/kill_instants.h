// The 21 kill instants of an event's way, from the first dial to the destroy, and which of them realm
// `process` can reach: those that the protocol shows.
//
// Pure; any thread. One that cannot be reached is reported so, with the reason, and never counted.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "scenarios/scenario.h"

namespace s2::scenarios {

struct KillInstant {
  int number = 0;  // 1 to 21
  std::string_view words;
  std::optional<InstantKind> shown_by;  // nothing: not reachable in realm process
  std::string_view note;                // how it is met, or why it cannot be
};

inline constexpr std::size_t kKillInstants = 21;
const std::array<KillInstant, kKillInstants>& kill_instants();  // by number
int kill_instant_number(InstantKind kind);                      // 0: it is none of them

}  // namespace s2::scenarios
