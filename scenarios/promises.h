// The table of deaths and promises: which class of teardown promises what, and the names that files and flags
// use.
//
// Pure values; any thread. Source of the rules: docs/promises.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "scenarios/ledger.h"

namespace s2::scenarios {

// I1 … I11, in that order.
enum class Invariant { I1 = 1, I2, I3, I4, I5, I6, I7, I8, I9, I10, I11 };
inline constexpr int kInvariants = 11;

// The kinds of violation of `results.json`.
enum class ViolationKind {
  lost_acked,
  lost,
  duplicated,
  reordered,
  wrong_stream,
  false_ack,
  false_failure,
  unreported_loss,
  stored_while_off,
  late,
  hung,
  leaked,
  crashed,
};

// What one class promises, beyond what every class does (Promise::checks includes those).
struct Promise {
  Teardown teardown = Teardown::stop;
  std::string_view sentence;     // in plain words, for the report
  std::uint16_t invariants = 0;  // bit n: I<n> is checked
  bool nothing_lost = false;     // D = P minus drops
  bool age_bound = false;        // what is older than linger + ack latency is there
  bool last_whole = false;       // several processes one after another: the last one loses nothing

  bool checks(Invariant i) const { return (invariants >> static_cast<int>(i)) & 1; }
};

inline constexpr std::array kTeardowns = {
    Teardown::stop,
    Teardown::term,
    Teardown::term_short,
    Teardown::kill,
    Teardown::flush_then_kill,
    Teardown::cut_heal,
    Teardown::cut_kill,
    Teardown::server_drain,
    Teardown::overflow,
    Teardown::pause,
    Teardown::respawn,
    Teardown::zombie,
    Teardown::browser_delete,
    Teardown::fork,
};

const Promise& promise_of(Teardown teardown);

std::string_view name(Teardown teardown);        // "flush-then-kill"
std::string_view name(Invariant invariant);      // "I6"
std::string_view name(ViolationKind kind);       // "lost_acked"
std::string_view sentence(Invariant invariant);  // "what was acked is stored"

std::optional<Teardown> teardown_named(std::string_view text);
std::optional<Invariant> invariant_named(std::string_view text);
std::optional<ViolationKind> violation_kind_named(std::string_view text);

}  // namespace s2::scenarios
