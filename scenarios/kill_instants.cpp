// See kill_instants.h.
#include "scenarios/kill_instants.h"

namespace s2::scenarios {
namespace {

using enum InstantKind;

constexpr std::string_view kInside =
    "no protocol tells it from its neighbours; s2-fuzz judges a kill at every change";

constexpr std::array<KillInstant, kKillInstants> kAll = {{
    {1, "sink not yet open or dialling", connection_opened, "the writer's connection has just been opened"},
    {2, "seq taken, slot empty", {}, kInside},
    {3, "in the ring", {}, kInside},
    {4, "read, not submitted", {}, kInside},
    {5, "lingering", lingering, "accepted, not sent, nothing in its way; the linger is a minute"},
    {6, "batch queued, or waiting for capacity", {}, kInside},
    {7, "partly sent", byte, "an append's first bytes have been read, its last have not"},
    {8, "accepted, not durable", append_received, "the append is whole, nothing is committed"},
    {9, "durable, ack in flight", committed, "the append is committed, nothing is answered"},
    {10, "ack received, not recorded", {}, kInside},
    {11, "in back-off", backing_off, "the third refusal was answered, the next attempt has not come"},
    {12, "SIGTERM to Run's exit", after_term, "SIGTERM was sent, SIGKILL follows at once"},
    {13, "HTTP server shutting down", shutting_down, "events are answered with 503"},
    {14, "mid-drain", mid_drain, "after SIGTERM an append has come, and not all that was accepted"},
    {15, "mid-close", mid_close,
     "after SIGTERM the last of what was accepted has come, and is not committed"},
    {16, "after close, late publisher", closed, "the stop was answered, and a late event refused"},
    {17, "suspended", suspended, "SIGSTOP before the flush was asked for"},
    {18, "snapshot during 5-9", {}, "it takes a snapshot, and a delete makes none; class `fork` does"},
    {19, "fork before identity", {}, "it takes a snapshot, and a delete makes none; class `fork` does"},
    {20, "half a file line written", {}, "a line and its newline are one write, which no protocol shows"},
    {21, "between the flush's reply and the destroy", flushed, "the flush and the tail check are answered"},
}};

}  // namespace

const std::array<KillInstant, kKillInstants>& kill_instants() {
  return kAll;
}

int kill_instant_number(InstantKind kind) {
  for (const KillInstant& each : kAll) {
    if (each.shown_by == kind) return each.number;
  }
  return 0;
}

}  // namespace s2::scenarios
