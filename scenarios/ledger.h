// What one run left behind, for the judge: three ledgers and the facts of the death.
//
//   1. the publisher's: every event sent to the writer and what the writer said of it (Publication,
//   Statement)
//   2. the service's: every append that reached S2 and what was answered (ServiceAppend)
//   3. the stored streams, read back after death by an independent reader (StoredStream)
//
// Plain values, filled by the realm that ran the scenario, read by judge.h and report.h. Times are
// nanoseconds of one monotonic clock (`t_ns`), -1 where a thing did not happen. The judge knows nothing but
// this file: neither the realm nor the writer. Words: system vocabulary in ARCHITECTURE.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace s2::scenarios {

// The classes of teardown, each with its promise (see judge.cpp for the table).
enum class Teardown {
  stop,
  term,
  term_short,
  kill,
  flush_then_kill,
  cut_heal,
  cut_kill,
  server_drain,
  overflow,
  pause,
  respawn,
  zombie,
  browser_delete,
  fork,
};

// accepted: `published` was read. rejected: `rejected` was read. offered: sent, no answer seen.
enum class Acceptance { accepted, rejected, offered };

// What is asked of a writer waits behind the events that were published before. For so long, counted from the
// ask, it may be reading them before its deadlines begin.
inline constexpr std::int64_t kReadsWithinNs = 30'000'000'000;

struct Publication {
  std::uint64_t n = 0;  // unique in the run, from 1
  int publisher = 0;
  int epoch = 0;  // index of the process in Ledger::processes
  std::string session;
  std::string type;  // event type, for the report
  std::size_t bytes = 0;
  std::size_t kept_bytes = 0;  // of them, what no truncation of `data` takes away
  bool storage_on = true;
  Acceptance acceptance = Acceptance::offered;
  std::uint64_t seq = 0;  // accepted only
  std::int64_t sent_ns = -1;
  std::int64_t answered_ns = -1;
};

// One line that the writer printed, or one thing that the harness asked of it.
struct Statement {
  enum class Kind {
    ready,
    started,
    dropped,
    acked,
    flushed,
    flush_failed,
    stopped,
    lost,
    storage,         // storing was switched; text: "on" or "off"
    identified,      // through: the source's last event; pending: of those, what was not stored yet
    not_identified,  // text: why not
    garbage,         // the writer's
    ask_start,
    ask_flush,
    ask_stop,
    ask_storage,  // text as above
    ask_identity,
    stdin_closed,  // the harness's
  };
  Kind kind = Kind::garbage;
  int epoch = 0;
  std::string session = {};
  std::uint64_t from = 0;         // dropped, lost
  std::uint64_t to = 0;           // dropped, lost
  std::uint64_t through = 0;      // acked, flushed, stopped, flush_failed (durable_through)
  std::uint64_t pending = 0;      // flush_failed
  std::int64_t deadline_ms = -1;  // asks that carry one
  std::string text = {};          // reason, "on" or "off", or the garbage (cut)
  std::int64_t t_ns = -1;
};

// acked: the acknowledgement was written out whole. refused: an error answer that promises no effect.
// unknown: cut, hung, answered with an error that does not promise, or the writer died first.
struct ServiceAppend {
  enum class Outcome { acked, refused, unknown };
  std::uint64_t id = 0;
  std::uint64_t connection = 0;
  std::string stream;
  std::vector<std::uint64_t> probes;  // n of each event in it
  std::size_t records = 0;
  std::optional<std::uint64_t> match_seq_num;
  bool committed = false;
  std::uint64_t start_seq_num = 0;  // committed only
  std::uint64_t end_seq_num = 0;
  Outcome outcome = Outcome::unknown;
  std::string error_code;
  std::int64_t received_ns = -1;
  std::int64_t committed_ns = -1;
  std::int64_t answered_ns = -1;
};

// A fault that fired, or an interval in which the network was cut (`end_ns` -1: never healed; a fault of one
// instant has end_ns == begin_ns). Pauses are not here: they stand in Process.
struct FiredFault {
  std::string what;  // "cut after_commit", "status 503", "network cut", …
  bool outcome_unknown =
      false;  // may have left an append's outcome unknown (an ack late beyond a time-out does too)
  std::int64_t begin_ns = -1;
  std::int64_t end_ns = -1;
};

struct Process {
  int pid = 0;
  std::int64_t spawned_ns = -1;
  std::int64_t ready_ns = -1;
  std::int64_t term_ns = -1;    // SIGTERM sent
  std::int64_t kill_ns = -1;    // SIGKILL sent
  std::int64_t pause_ns = -1;   // SIGSTOP
  std::int64_t resume_ns = -1;  // SIGCONT
  std::int64_t alive_ns = -1;   // seen alive for the last time; it ended between then and `exited_ns`
  std::int64_t exited_ns = -1;  // reaped
  int exit_code = -1;           // -1: ended by a signal
  int exit_signal = 0;
  std::vector<int> leaked_pids;  // of its process group, alive after its end
  std::string last_words;        // "; its last words: …" of its log, where it failed
  // Ended by itself with another code than 0, or by a signal that the harness did not send.
  bool failed() const {
    constexpr int kKill = 9, kTerm = 15, kExitedByTerm = 128 + kTerm;  // as shells and many runtimes say it
    if (exited_ns < 0) return false;
    const bool termed = term_ns >= 0 && (exit_signal == kTerm || exit_code == kExitedByTerm);
    const bool killed = kill_ns >= 0 && exit_signal == kKill;
    return (exit_signal != 0 || exit_code != 0) && !termed && !killed;
  }
};

struct StoredRecord {
  std::uint64_t seq_num = 0;
  std::uint64_t timestamp = 0;
  std::size_t bytes = 0;
  std::vector<std::uint64_t> probes;  // n of every distinct probe of this run in the raw bytes, in order
};

struct StoredStream {
  std::string name;
  std::vector<StoredRecord> records;
};

struct KillFacts {
  std::string instant;  // "committed 7", "byte 40961", "wall 120ms"; empty: no kill
  bool protocol_time = false;
  bool fired = false;
  std::int64_t t_ns = -1;
  int number = 0;  // of the 21 kill instants (kill_instants.h); 0: none of them
};

// Events that are known, or must be feared, not to be stored, by their numbers.
struct MissingRange {
  std::uint64_t from = 0;
  std::optional<std::uint64_t> to;  // nothing: nobody knows the last one
  bool operator==(const MissingRange&) const = default;
};

// What the control plane recorded of a delete (teardown.h): complete, or what is missing.
struct DeletionRecord {
  bool complete = false;
  std::vector<MissingRange> missing;
  std::uint64_t missing_more = 0;  // that it counts, and cannot name
  std::int64_t asked_ns = -1;      // when it began
  std::int64_t t_ns = -1;          // it tells of everything that was committed by then
};

// A process that was restored from another's checkpoint, and told who it is.
struct Branch {
  int epoch = 0;   // index of the process in Ledger::processes
  int source = 0;  // of the one that was checkpointed
  bool inherits = false;
  std::string session;
  std::string stream;          // where S2_STREAM fixed the source's; else empty: stream = session
  std::int64_t taken_ns = -1;  // the checkpoint was asked for
};

struct Ledger {
  std::string scenario;
  Teardown teardown = Teardown::stop;
  std::string fault = "none";  // name of the fault plan: the column of the report's matrix
  std::string workload;        // name, for the report
  std::string realm = "process";
  std::uint64_t seed = 0;
  std::string run;  // 16 hex digits: the probes' run
  std::string replay;

  // Configuration that the promises depend on.
  std::uint64_t ring_capacity = 1024;  // events
  std::uint64_t ring_bytes = 64ULL << 20;
  std::int64_t linger_ns = 0;
  std::int64_t grace_ns = -1;  // outer grace: what the harness gave after SIGTERM or stop before SIGKILL
  std::int64_t shutdown_budget_ns = -1;
  std::int64_t slack_ns =
      5'000'000'000;                   // on top of the writer's deadlines: a slow machine breaks no promise
  std::int64_t heal_bound_ns = -1;     // I10: after the faults end, everything is stored within this
  std::string fixed_stream;            // S2_STREAM, or empty: stream = session
  bool journalled = false;             // the writer was given a directory for a journal, and used it
  std::vector<std::uint64_t> journal;  // n of every event in that directory's files, in any format; rising

  std::vector<Publication> publications;  // by n
  std::vector<Statement> statements;      // by time
  std::vector<ServiceAppend> appends;     // by received_ns
  std::vector<FiredFault> faults;
  std::vector<Process> processes;
  std::vector<StoredStream> stored;  // every stream of the basin
  KillFacts kill;
  std::optional<DeletionRecord> deletion;
  std::vector<Branch> branches;  // class fork; else empty
  bool acks_observed = false;    // the writer said anything of acks, drops or losses in this run
  bool faults_ended = true;      // no fault was active when the teardown began (age bound, I10)
  std::string invalid;           // why the run does not count, or empty
};

}  // namespace s2::scenarios
