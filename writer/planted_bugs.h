// Planted bugs: known mistakes of event writers, S2 clients and log shippers, each behind one name, that the
// explorer and the scenarios must find.
//
// Compiled only into simulation and test builds (PLANTED_BUGS); elsewhere planted() is a constant false and
// costs nothing. One bug at a time: main() takes it from S2_WRITER_PLANTED_BUG, a test calls plant(), before
// the writer is made. planted(): any thread. The table below is the one list: `s2-writer-bugs --planted-bugs`
// prints it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

namespace s2::writer {

enum class PlantedBug : std::uint8_t {
  none,
  // ring and readers
  seq_unlocked,
  stranded_cursor,
  silent_drop,
  drop_off_by_one,
  // capture sessions
  stamp_late,
  stop_is_forever,
  parent_stream,
  late_marker,
  ghost_marker,
  collector_first,
  cutoff_too_early,
  truncation_drops_probe,
  never_truncates,
  // storage writer
  drop_livelock,
  error_livelock,
  poison_record,
  no_drain,
  one_batch_drain,
  endless_drain,
  dead_context_consume,
  tail_start_race,
  pre_enable_leak,
  off_window_drain,
  stop_timeout_skip,
  full_queue_cancel,
  // handshake and claims
  flush_when_queued,
  early_ack,
  ack_when_sent,
  ack_off_by_one,
  wait_without_loop,
  // batcher and producer
  linger_reset,
  no_flush_on_error,
  ack_wait_before_flush,
  cancel_before_flush,
  submit_close_race,
  restart_loses,
  advance_on_error,
  budget_poison,
  backoff_eats_grace,
  ack_timeout_fatal,
  silence_eats_deadline,
  // client
  unsafe_retry,
  unsafe_retry_class,
  resend_after_reconnect,
  length_proves,
  error_before_acks,
  buffered_acks_dropped,
  match_seq_early,
  old_session_ack,
  no_create_in_session,
  unlocked_tails,
  // shutdown
  signal_bound_session,
  shared_deadline,
  budget_inversion,
  file_closed_early,
  // the process around it
  stop_sees_unstarted,
  sink_kills_server,
  sse_hold,
};

struct PlantedBugRow {
  PlantedBug bug;
  std::string_view name;
  std::string_view where;   // the part of a writer in which it was seen
  std::string_view wrong;   // what is wrong
  std::string_view effect;  // what a user sees of it
  // It is about events that wait in the ring. Ours hands them on so fast that none do: with this bug its
  // producers take one batch at a time.
  bool backlog = false;
  // false: no promise in the deterministic world shows it. It stands in what that leaves out (the HTTP
  // driver), or no order of the world's points is wrong, and a ThreadSanitizer build of the world finds it.
  bool in_world = true;
};

inline constexpr std::array<PlantedBugRow, 58> kPlantedBugs = {{
    {PlantedBug::seq_unlocked, "seq-unlocked", "ring",
     "sequence number and slot are taken under different locks", "lost, duplicated, reordered"},
    {PlantedBug::stranded_cursor, "stranded-cursor", "ring",
     "the ring counts anew with each session, its readers' positions do not", "hung, lost"},
    {PlantedBug::silent_drop, "silent-drop", "reader", "a lapped reader skips on and reports nothing",
     "lost unreported"},
    {PlantedBug::drop_off_by_one, "drop-off-by-one", "reader", "the report of a drop is one event short",
     "lost unreported"},
    {PlantedBug::stamp_late, "stamp-late", "session",
     "an event of an old publisher gets the newest session's id", "wrong stream"},
    {PlantedBug::stop_is_forever, "stop-is-forever", "controller",
     "what is enabled after a stop stores nothing", "lost"},
    {PlantedBug::parent_stream, "parent-stream", "session",
     "a VM that was forked goes on in the stream of its source", "wrong stream"},
    {PlantedBug::late_marker, "late-marker", "session",
     "the end marker is published after the storage writer left", "lost"},
    {PlantedBug::ghost_marker, "ghost-marker", "session",
     "a stop without a session publishes an end marker with an empty id", "wrong stream"},
    {PlantedBug::collector_first, "collector-first", "session",
     "what comes before its session is active is taken, and belongs to none", "lost"},
    {PlantedBug::cutoff_too_early, "cutoff-too-early", "handshake",
     "the cut-off is read before publishes in flight have landed", "lost", true},
    {PlantedBug::truncation_drops_probe, "truncation-drops-probe", "publish",
     "truncation nulls the source's metadata along with the data", "lost"},
    {PlantedBug::never_truncates, "never-truncates", "publish", "an event over the limit is passed on whole",
     "lost"},
    {PlantedBug::drop_livelock, "drop-livelock", "storage writer",
     "the notice of a drop is published into the ring that overflows", "lost", true},
    {PlantedBug::error_livelock, "error-livelock", "storage writer",
     "the event of a failure holds what failed, is stored, fails, makes another", "hung"},
    {PlantedBug::poison_record, "poison-record", "storage writer", "one bad record ends the loop",
     "lost, hung"},
    {PlantedBug::no_drain, "no-drain", "storage writer", "cancel ends Run, the ring's tail stays unread",
     "lost", true},
    {PlantedBug::one_batch_drain, "one-batch-drain", "shutdown", "one batch at most is drained", "lost",
     true},
    {PlantedBug::endless_drain, "endless-drain", "shutdown", "drains as long as somebody publishes", "hung"},
    {PlantedBug::dead_context_consume, "dead-context-consume", "storage writer",
     "goes on reading after cancel while the sink refuses", "lost", true},
    {PlantedBug::tail_start_race, "tail-start-race", "storage writer",
     "starts at the tail that it finds when its thread begins, not at the one when it was asked for", "lost"},
    {PlantedBug::pre_enable_leak, "pre-enable-leak", "storage writer",
     "storing that is switched on starts at the ring's oldest event", "privacy"},
    {PlantedBug::off_window_drain, "off-window-drain", "storage writer",
     "drain ships the ring's rest, also from after the switch-off", "privacy"},
    {PlantedBug::stop_timeout_skip, "stop-timeout-skip", "storage writer",
     "Run does not return in time: neither drain nor close happen", "lost, leaked", true},
    {PlantedBug::full_queue_cancel, "full-queue-cancel", "batcher",
     "a queue that is full at cancel drops what waits to get in", "lost", true},
    {PlantedBug::flush_when_queued, "flush-when-queued", "handshake",
     "a flush is answered when all is queued", "false ack"},
    {PlantedBug::early_ack, "early-ack", "client", "an event is acked when the client has it", "false ack"},
    {PlantedBug::ack_when_sent, "ack-when-sent", "client", "an event is acked when it is sent", "false ack"},
    {PlantedBug::ack_off_by_one, "ack-off-by-one", "client",
     "an acknowledgement is read as one event further", "false ack"},
    {PlantedBug::wait_without_loop, "wait-without-loop", "handshake",
     "a flush waits with an if, not a loop: any wake-up ends it", "false failure"},
    {PlantedBug::linger_reset, "linger-reset", "batcher", "every record restarts the linger",
     "late, lost at kill"},
    {PlantedBug::no_flush_on_error, "no-flush-on-error", "batcher",
     "after a record that failed the batch at hand is no longer flushed", "lost"},
    {PlantedBug::ack_wait_before_flush, "ack-wait-before-flush", "client",
     "flush and close wait for records that still linger", "hung, lost"},
    {PlantedBug::cancel_before_flush, "cancel-before-flush", "batcher",
     "close cancels the context, then flushes", "lost"},
    {PlantedBug::submit_close_race, "submit-close-race", "client", "a record is accepted after close began",
     "lost, hung"},
    {PlantedBug::restart_loses, "restart-loses", "controller",
     "the first records of a session's second life go to the producer of its first", "lost"},
    {PlantedBug::advance_on_error, "advance-on-error", "storage writer", "a failed append counts as consumed",
     "lost"},
    {PlantedBug::budget_poison, "budget-poison", "client",
     "exhausted retries close it for ever, submits still succeed", "lost"},
    {PlantedBug::backoff_eats_grace, "backoff-eats-grace", "client", "SIGTERM in back-off: no last attempt",
     "lost, hung"},
    {PlantedBug::ack_timeout_fatal, "ack-timeout-fatal", "client",
     "an acknowledgement's time-out is not retried", "lost"},
    {PlantedBug::silence_eats_deadline, "silence-eats-deadline", "client",
     "an acknowledgement's time-out is a constant, longer than a deadline that waits for it", "lost"},
    {PlantedBug::unsafe_retry, "unsafe-retry", "client", "retries append blindly", "duplicated"},
    {PlantedBug::unsafe_retry_class, "unsafe-retry-class", "client",
     "an unknown outcome is called free of effect", "duplicated"},
    {PlantedBug::resend_after_reconnect, "resend-after-reconnect", "client",
     "what is sent again over a new connection has no guard", "duplicated"},
    {PlantedBug::length_proves, "length-proves", "client",
     "a stream that is as long as if a batch were stored counts as its acknowledgement", "false ack"},
    {PlantedBug::error_before_acks, "error-before-acks", "client",
     "a terminal error hides acks that were ready", "false failure, duplicated"},
    {PlantedBug::buffered_acks_dropped, "buffered-acks-dropped", "client",
     "teardown discards received acks and sends all again", "duplicated"},
    {PlantedBug::match_seq_early, "match-seq-early", "client", "the expected number advances before the send",
     "lost"},
    {PlantedBug::old_session_ack, "old-session-ack", "client",
     "an ack of the previous connection is matched to a batch of the new one", "false ack, lost"},
    {PlantedBug::no_create_in_session, "no-create-in-session", "client",
     "create-on-append works unary only, a stream's first session gets 404", "lost"},
    {PlantedBug::unlocked_tails, "unlocked-tails", "client",
     "what acknowledgements tell of several streams is kept without a lock", "data race", false, false},
    {PlantedBug::signal_bound_session, "signal-bound-session", "client",
     "the append session dies with the shutdown's signal", "lost"},
    {PlantedBug::shared_deadline, "shared-deadline", "shutdown",
     "drain, acks and close share the drain's deadline", "lost"},
    {PlantedBug::budget_inversion, "budget-inversion", "shutdown",
     "the inner deadlines are constants, beyond the outer budget", "hung"},
    {PlantedBug::file_closed_early, "file-closed-early", "files", "the journal closes while publishers live",
     "lost"},
    {PlantedBug::stop_sees_unstarted, "stop-sees-unstarted", "controller",
     "the end does nothing for a producer that still dials", "lost"},
    {PlantedBug::sink_kills_server, "sink-kills-server", "config", "bad credentials end the process",
     "crashed"},
    {PlantedBug::sse_hold, "sse-hold", "shutdown",
     "one viewer holds the server's stop, and the storage writer waits behind it", "lost", false, false},
}};

constexpr const PlantedBugRow* row_of(PlantedBug bug) {
  for (const PlantedBugRow& row : kPlantedBugs) {
    if (row.bug == bug) return &row;
  }
  return nullptr;
}

constexpr std::optional<PlantedBug> planted_bug_named(std::string_view name) {
  if (name.empty()) return PlantedBug::none;
  for (const PlantedBugRow& row : kPlantedBugs) {
    if (row.name == name) return row.bug;
  }
  return std::nullopt;
}

#ifdef PLANTED_BUGS
inline std::atomic<PlantedBug>& planted_bug() {
  static std::atomic<PlantedBug> bug{PlantedBug::none};
  return bug;
}
inline void plant(PlantedBug bug) {
  planted_bug().store(bug, std::memory_order_relaxed);
}
inline bool planted(PlantedBug bug) {
  return planted_bug().load(std::memory_order_relaxed) == bug;
}
#else
constexpr bool planted(PlantedBug) {
  return false;
}
#endif

}  // namespace s2::writer
