// What the checkers of the judge share: one run's ledgers, indexed once by event, and the list that they
// report to.
//
// Inside the judge only (judge*.cpp). Facts borrows the ledger and must not outlive it. One thread.
//
// "Promised" events are those that a loss can be about: accepted, while storage was on. A promised event's
// loss is "excused" when the writer reported it and the system's own bounds explain it: the ring was overrun
// and no journal holds the event, or the record is over what S2 takes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "scenarios/judge.h"
#include "scenarios/ledger.h"
#include "scenarios/quantity.h"

namespace s2::scenarios {

// An ack that was written to the socket is taken to have reached the client after this long, if nothing
// disturbed it.
inline constexpr std::int64_t kAckInFlightNs = 1'000'000'000;
// Events of the writer's own (markers, error events) take sequence numbers and ring slots too: at most this
// many more than the harness knows of are allowed for, where a drop is weighed.
inline constexpr std::uint64_t kOwnEvents = 8;
// What stands outside of an event's `data` and is of this size may be more than S2's 1 MiB record, truncated
// or not.
inline constexpr std::size_t kUnstorableBytes = 1'000'000;

struct Place {
  std::size_t stream = 0;  // index in Ledger::stored
  std::uint64_t seq_num = 0;
  std::size_t order = 0;  // rises along the stream, within one record too
};

struct EventFacts {
  const Publication* pub = nullptr;
  std::vector<Place> places;                  // every record that holds it, in the order of the read-back
  std::vector<const ServiceAppend*> appends;  // that carried it, by time
  bool dropped = false;                       // named by `dropped`
  bool said_lost = false;                     // named by `lost`
  const Statement* report = nullptr;          // the line that named it
  bool excused = false;

  bool stored() const { return !places.empty(); }
  bool accepted() const { return pub->acceptance == Acceptance::accepted; }
  bool promised() const { return accepted() && pub->storage_on; }
  bool reported() const { return dropped || said_lost; }
  bool lost() const { return promised() && !stored(); }
  // When its first record was committed; -1: never, or the service's ledger does not tell.
  std::int64_t first_commit_ns() const;
};

using SessionKey = std::pair<int, std::string>;  // epoch, session

class Facts {
 public:
  explicit Facts(const Ledger& ledger);

  const Ledger& ledger;
  std::vector<EventFacts> events;  // by n
  const EventFacts* event(std::uint64_t n) const;

  const std::string& stream_of(const Publication& p) const;
  const std::string& stream_name(const Place& p) const { return ledger.stored[p.stream].name; }

  // The branch of that process; null: it is none.
  const Branch* branch(int epoch) const;
  // A branch that inherits goes on with its source's life: the same sequence numbers, one report for both.
  int life_of(int epoch) const;
  bool left_to_another(int epoch) const;  // a branch said that something pending is not its to store
  int last_of_life(int epoch) const;      // the process that has the last word in it

  // Probes in the read-back that no publication explains: (n, place).
  std::vector<std::pair<std::uint64_t, Place>> strangers;

  // Can the client have been left without knowledge of this append's outcome?
  bool unknown_to_client(const ServiceAppend& a) const;
  // Did the client surely have this append's acknowledgement at `t_ns`?
  bool surely_known(const ServiceAppend& a, std::int64_t t_ns) const;
  // A fault, or a pause of a process, overlaps the interval.
  bool disturbed(std::int64_t begin_ns, std::int64_t end_ns, bool unknown_outcomes_only = false) const;
  // How long any process was paused within the interval.
  std::int64_t paused_within(int epoch, std::int64_t begin_ns, std::int64_t end_ns) const;
  // When the death began: the kill instant, else SIGKILL, else the exit; -1: none.
  std::int64_t death_ns() const;
  // SIGTERM or end of input, whichever came first; -1: neither.
  std::int64_t end_asked_ns(int epoch) const;
  // When the writer had come to what was asked of it at `asked_ns`: a line waits behind those that were
  // published before, so its last answer to them, or kReadsWithinNs later where that is sooner.
  std::int64_t read_ns(int epoch, std::int64_t asked_ns) const;
  // What the writer may take to end; -1: nobody said.
  std::int64_t budget_ns() const {
    return ledger.shutdown_budget_ns >= 0 ? ledger.shutdown_budget_ns : ledger.grace_ns;
  }
  // It ended of its own accord: had the time to say what it lost.
  bool ended_itself(int epoch) const;
  bool idempotent() const { return idempotent_; }
  // A fault that was still to come excuses a loss only where the writer tried to the end: one that ended
  // of its own accord with more than half of its budget left has given up.
  bool outage_excuses_loss() const;

 private:
  void index_stored();
  void index_appends();
  void index_reports();

  std::unordered_map<std::uint64_t, std::size_t> by_n_;
  bool idempotent_ = false;  // every append that carried events carried match_seq_num, and there was one
};

class Findings {
 public:
  explicit Findings(std::vector<Violation>& out) : out_(out) {}
  void add(Invariant invariant, ViolationKind kind, std::string detail,
           const std::vector<const EventFacts*>& events = {});

 private:
  std::vector<Violation>& out_;
};

// "n 17 (seq 18, console), n 18 (seq 19, network) and 40 more, in session s1"
std::string named(const std::vector<const EventFacts*>& events);
// "12 ms", rounded
std::string in_milliseconds(std::int64_t ns);

// The checkers. Each reports what it finds and nothing else.
void check_claims(const Facts& facts, Findings& findings);    // I1, I6: acks, flushes, stops
void check_report(const Facts& facts, Findings& findings);    // I7: drops, losses, exit codes
void check_loss(const Facts& facts, Findings& findings);      // I4, I10: what has to be there
void check_identity(const Facts& facts, Findings& findings);  // I2, I5, I9, I11: what must not be there
void check_order(const Facts& facts, Findings& findings);     // I3
void check_deletion(const Facts& facts, Findings& findings);  // I7: the control plane's record
void check_branches(const Facts& facts, Findings& findings);  // I3, I7, I8: what class fork adds
void check_ending(const Facts& facts, Findings& findings);    // I8, and I10's time

}  // namespace s2::scenarios
