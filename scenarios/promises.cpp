// See promises.h. What every class promises is `kAlways`; a row adds to it what its kind of death allows one
// to keep.
#include "scenarios/promises.h"

namespace s2::scenarios {
namespace {

template <class... Is>
constexpr std::uint16_t set_of(Is... is) {
  return static_cast<std::uint16_t>((0U | ... | (1U << static_cast<unsigned>(is))));
}

using enum Invariant;

// No death excuses these: an ack that was not true, an event from nowhere or in the wrong stream, one that
// was published while storing was off, one that is out of order or there twice without a fault's excuse, a
// process that crashes or leaves others behind (I8 judges time only where an end was asked for).
constexpr std::uint16_t kAlways = set_of(I1, I2, I3, I5, I6, I8, I9, I11);

constexpr std::array<Promise, kTeardowns.size()> kPromises = {{
    {Teardown::stop, "nothing is lost, exactly once", set_of(I4) | kAlways, true, false},
    {Teardown::term, "nothing accepted is lost", set_of(I4, I7) | kAlways, true, false},
    {Teardown::term_short, "the loss is a suffix, reported when time allows", set_of(I4, I7) | kAlways, false,
     false},
    {Teardown::kill, "acked survives; without faults everything older than linger + ack latency is there",
     set_of(I4, I10) | kAlways, false, true},
    {Teardown::flush_then_kill, "nothing up to the flush's cut-off is lost", set_of(I4) | kAlways, false,
     false},
    {Teardown::cut_heal, "nothing is lost while the backlog fits the ring", set_of(I4, I10) | kAlways, true,
     false},
    {Teardown::cut_kill, "only what came since the cut is lost, and a stop says that it failed",
     set_of(I4, I7, I10) | kAlways, false, true},
    {Teardown::server_drain, "nothing is lost", set_of(I10) | kAlways, true, false},
    {Teardown::overflow, "loss allowed, counted exactly", set_of(I4, I7) | kAlways, false, false},
    {Teardown::pause, "nothing is lost once the process runs again", set_of(I10) | kAlways, true, false},
    {Teardown::respawn, "what was acked survives, and the process that follows loses nothing",
     set_of(I4) | kAlways, false, false, true},
    {Teardown::zombie, "a process that is resumed beside its successor stores nothing more",
     set_of(I4) | kAlways, false, false, true},
    {Teardown::browser_delete,
     "what was acked survives, and the record of the delete is right: complete, or what is missing",
     set_of(I4, I7) | kAlways, false, false},
    {Teardown::fork,
     "each branch stores its own, and what was pending in their checkpoint is stored once, by the one that "
     "inherits",
     set_of(I4, I7) | kAlways, true, false},
}};

struct TeardownName {
  Teardown teardown;
  std::string_view text;
};
constexpr std::array<TeardownName, kTeardowns.size()> kTeardownNames = {{
    {Teardown::stop, "stop"},
    {Teardown::term, "term"},
    {Teardown::term_short, "term-short"},
    {Teardown::kill, "kill"},
    {Teardown::flush_then_kill, "flush-then-kill"},
    {Teardown::cut_heal, "cut-heal"},
    {Teardown::cut_kill, "cut-kill"},
    {Teardown::server_drain, "server-drain"},
    {Teardown::overflow, "overflow"},
    {Teardown::pause, "pause"},
    {Teardown::respawn, "respawn"},
    {Teardown::zombie, "zombie"},
    {Teardown::browser_delete, "browser-delete"},
    {Teardown::fork, "fork"},
}};

constexpr std::array<std::string_view, kInvariants + 1> kInvariantNames = {
    "I0", "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11"};

constexpr std::array<std::string_view, kInvariants + 1> kInvariantSentences = {
    "",
    "what was acked is stored",
    "nothing is stored that was not published",
    "first occurrences are in order, per publisher and by seq",
    "what is stored is a prefix of what was published; holes only in reported drops",
    "duplicates only where a fault left an append's outcome unknown, and with idempotent appends not even "
    "there",
    "after an answered flush, everything up to its cut-off is stored",
    "the reported loss is the loss, exactly",
    "it returns by its deadline, and leaves nothing behind",
    "each record is in its own session's stream",
    "once no fault is active, what was published is stored within a stated time",
    "nothing that was published while storing was off is stored",
};

constexpr std::array<std::string_view, 13> kKindNames = {
    "lost_acked", "lost",          "duplicated",      "reordered",        "wrong_stream",
    "false_ack",  "false_failure", "unreported_loss", "stored_while_off", "late",
    "hung",       "leaked",        "crashed"};

}  // namespace

const Promise& promise_of(Teardown teardown) {
  for (const Promise& p : kPromises) {
    if (p.teardown == teardown) return p;
  }
  return kPromises.front();
}

std::string_view name(Teardown teardown) {
  for (const TeardownName& t : kTeardownNames) {
    if (t.teardown == teardown) return t.text;
  }
  return "?";
}

std::string_view name(Invariant invariant) {
  return kInvariantNames[static_cast<std::size_t>(invariant)];
}
std::string_view sentence(Invariant invariant) {
  return kInvariantSentences[static_cast<std::size_t>(invariant)];
}
std::string_view name(ViolationKind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}

std::optional<Teardown> teardown_named(std::string_view text) {
  for (const TeardownName& t : kTeardownNames) {
    if (t.text == text) return t.teardown;
  }
  return std::nullopt;
}

std::optional<Invariant> invariant_named(std::string_view text) {
  for (int i = 1; i <= kInvariants; ++i) {
    if (kInvariantNames[static_cast<std::size_t>(i)] == text) return static_cast<Invariant>(i);
  }
  return std::nullopt;
}

std::optional<ViolationKind> violation_kind_named(std::string_view text) {
  for (std::size_t i = 0; i < kKindNames.size(); ++i) {
    if (kKindNames[i] == text) return static_cast<ViolationKind>(i);
  }
  return std::nullopt;
}

}  // namespace s2::scenarios
