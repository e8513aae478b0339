// The judge: one run's ledgers in, its verdict out. Pure: no clock, no file, no knowledge of realm or writer.
//
// Any thread. The verdict owns all that it says. `invalid` is not decided here but taken over from
// Ledger::invalid: such a run proves nothing, so it is counted and not judged.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/ledger.h"
#include "scenarios/promises.h"

namespace s2::scenarios {

struct Violation {
  Invariant invariant = Invariant::I1;
  ViolationKind kind = ViolationKind::lost;
  std::string detail;                 // one sentence: what, which n, seq and stream
  std::uint64_t first_n = 0;          // 0: no event is concerned
  std::vector<std::uint64_t> events;  // n of every event concerned, rising
};

struct NotChecked {
  Invariant invariant = Invariant::I7;
  std::string why;
};

struct Verdict {
  enum class Outcome { held, broken, invalid };
  Outcome outcome = Outcome::held;
  std::vector<Violation> violations;    // gravest first
  std::vector<Invariant> checked;       // rising
  std::vector<NotChecked> not_checked;  // promised by the class, but undecidable here
  std::string invalid;                  // why, when invalid

  std::uint64_t published = 0;  // accepted
  std::uint64_t offered = 0;    // sent, no answer seen
  std::uint64_t rejected = 0;
  std::uint64_t stored = 0;  // distinct events found by the read-back
  std::uint64_t acked =
      0;  // accepted events that the writer called durable and not lost (or the service, if it is mute)
  std::uint64_t published_off = 0;  // accepted while storage was off
  std::uint64_t lost = 0;           // accepted while storage was on, not stored
  std::uint64_t lost_reported = 0;  // accepted events that the writer called dropped or lost
  std::uint64_t duplicated = 0;     // copies beyond the first
  std::uint64_t reordered = 0;      // events stored behind a later one of their publisher
  std::uint64_t unacked_at_death =
      0;  // accepted and not acknowledged by the service when the process was killed
  std::int64_t shutdown_ms =
      -1;  // from the first request to end (stop, end of input, SIGTERM) to the exit; -1: none

  std::vector<std::uint64_t> lost_events;  // n, rising
};

Verdict judge(const Ledger& ledger);

std::string_view name(Verdict::Outcome outcome);  // "held"

}  // namespace s2::scenarios
