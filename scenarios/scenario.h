// A scenario: what is published, what goes wrong, how the writer dies, and with which configuration.
//
// Plain values; any thread. A scenario as it stands in a file may leave things open: several workloads and
// faults (which combine), and ranges. draw() closes every one of them from a seed, and what comes out is a
// scenario again, of one workload and single values: that is what a realm runs, and what a shrunk failure is
// printed as. The text form is scenario_text.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/ledger.h"

namespace s2::scenarios {

// lo..hi, both included. Durations are in microseconds.
struct Range {
  std::uint64_t lo = 0;
  std::uint64_t hi = 0;
  bool operator==(const Range&) const = default;
  bool fixed() const { return lo == hi; }
};
constexpr Range exactly(std::uint64_t value) {
  return {value, value};
}

enum class WorkloadKind {
  recorded,          // windows of what a real browser emitted
  steady,            // one after another at a rate
  trickle,           // with gaps longer than the linger
  burst,             // as fast as the writer takes them
  single,            // one event, a pause, one event
  sizes,             // on and around every limit, up to over 1 MiB
  text,              // beyond ASCII, and hostile
  sessions,          // several sessions one after another, and the first one's id again
  through_shutdown,  // the publishers go on after the teardown began
  behind_ack,        // each event right behind the acknowledgement of the one before
  flush_twice,       // a flush, and the same again, between events
  silence,           // longer than any time-out, then more
  storage_off,       // storing is switched off and mostly on again, between events
  overlap,   // a session begins before the one before it has ended, and one again right behind its stop
  browser,   // what a live browser emits; class browser-delete
  restarts,  // a session begins anew before its stop is answered, again and again
  early,     // publishers do not wait until their session has begun, and a session is stopped twice
};

struct Workload {
  WorkloadKind kind = WorkloadKind::steady;
  Range events = {40, 120};
  Range publishers = {1, 1};
  Range rate = {0, 0};     // events a second; 0: full speed (recorded: 0 full, 1 recorded speed)
  Range silence = {0, 0};  // microseconds; silence, single, trickle: how long
  bool operator==(const Workload&) const = default;
};

enum class FaultKind {
  none,
  lost_ack,           // committed, then the connection is reset
  cut_before_commit,  // reset, nothing committed
  cut_mid_response,   // reset inside the acknowledgement
  delay,              // the acknowledgement comes late
  delay_before_commit,
  status_429,
  status_500,
  status_503,
  status_503_after_commit,
  hang_before_commit,  // half-open: nothing more is ever sent
  hang_after_commit,
  goaway,
  down,  // at the writer's start S2 is not there yet, for `duration`
};

struct Fault {
  FaultKind kind = FaultKind::none;
  Range after = {0, 3};  // appends that pass before it
  Range times = {1, 1};
  Range duration = {0, 0};  // microseconds; delays
  bool operator==(const Fault&) const = default;
};

enum class InstantKind {
  append_received,
  committed,
  ack_sent,
  byte,
  connection_opened,
  wall,
  // Class browser-delete only (kill_instants.h says what each is).
  lingering,
  backing_off,
  after_term,
  shutting_down,
  mid_drain,
  mid_close,
  closed,
  suspended,
  flushed,
};

struct Instant {
  InstantKind kind = InstantKind::wall;
  std::uint64_t value = 0;  // ordinal, bytes, or microseconds after the first publish
  bool operator==(const Instant&) const = default;
};

// How the network is cut: every connection reset; nothing answered any more; the link itself deleted
// (private_network.h). Or it is whole, and S2 takes the token no more: appends are refused for good (403).
enum class CutHow { reset, silent, veth, refused };
enum class EndBy { stop, end_of_input, term, kill };  // how a run ends where its class leaves that open

struct TeardownSpec {
  Teardown kind = Teardown::stop;
  Range at = {100, 100};              // percent of the workload after which it begins
  std::vector<InstantKind> instants;  // kill: the kinds to sweep
  Range ordinal = {1, 12};            // of the moment
  Range bytes = {1, 20000};           // byte instants
  Range wall = {1000, 150000};  // microseconds, wall instants and the pause between a flush and the kill
  Range grace = {5'000'000, 5'000'000};  // microseconds between the request to end and SIGKILL
  Range lasts = {50'000, 300'000};       // microseconds: cut, downtime or pause
  std::vector<CutHow> cuts = {CutHow::reset, CutHow::silent};
  std::vector<EndBy> ends;  // empty: as the class says
  // stop, term and term-short: the end is asked for when each fault has fired; or all is stored that they
  // could meet, unless the publishers go on; or 5 s and a step have passed since `at`.
  bool once_faulted = false;
  bool operator==(const TeardownSpec&) const = default;
};

struct WriterConfig {
  std::optional<Range> ring_capacity;  // events; nothing: the writer's default
  std::optional<Range> linger;         // microseconds
  std::optional<Range> max_records;
  std::optional<Range> shutdown_budget;  // microseconds
  unsigned fixed_stream_percent = 0;     // how often S2_STREAM is set
  bool http = false;     // driven over its telemetry API, with a viewer, if it has one; else as always
  bool journal = false;  // the writer gets a directory for one (S2_WRITER_JOURNAL_DIR)
  std::map<std::string, std::string> environment;  // further variables, as they are
  bool operator==(const WriterConfig&) const = default;
};

struct Scenario {
  std::string name;
  std::string purpose;
  std::string promise;
  bool quick = true;
  bool in_long = true;
  unsigned weight = 1;           // runs of each combination in one round
  bool faults_together = false;  // all faults in one run, instead of one fault a run
  std::vector<Workload> workloads;
  std::vector<Fault> faults;  // at least one; `none` is one
  TeardownSpec teardown;
  Range heal_bound = {8'000'000, 8'000'000};  // microseconds after the faults in which all must be stored
  WriterConfig config;
  bool operator==(const Scenario&) const = default;

  std::size_t combinations() const { return workloads.size() * (faults_together ? 1 : faults.size()); }
};

// The combination `index` of the scenario's workloads and faults with every range closed from `seed`. The
// instant of a kill stands in teardown: one kind, and its range a single value; `instant` replaces the drawn
// one.
Scenario draw(const Scenario& scenario, std::size_t index, std::uint64_t seed,
              const std::optional<Instant>& instant = std::nullopt);

// The instant of a drawn scenario; nothing where its class has none.
std::optional<Instant> instant_of(const Scenario& drawn);
bool protocol_time(InstantKind kind);            // exact: the service kills
bool after_the_end_was_asked(InstantKind kind);  // of those: the first such moment behind a SIGTERM

std::string fault_name(const Scenario& drawn);  // "lost-ack", "delay+503", "none"

// Names as they stand in files, tokens and reports. The lookups give nothing for an unknown name.
std::string_view name(WorkloadKind kind);
std::string_view name(FaultKind kind);
std::string_view name(InstantKind kind);
std::string_view name(CutHow how);
std::string_view name(EndBy how);
std::optional<WorkloadKind> workload_named(std::string_view text);
std::optional<FaultKind> fault_named(std::string_view text);
std::optional<InstantKind> instant_named(std::string_view text);
std::optional<CutHow> cut_named(std::string_view text);
std::optional<EndBy> end_named(std::string_view text);
std::string list_of_names(std::string_view what);  // "workload", "fault", "instant", "cut", "end", "class"

std::string print(const Instant& instant);  // "committed 7", "wall 120ms"

}  // namespace s2::scenarios
