// I4, and the losing half of I10: what has to be there.
//
// I4 is judged for each process, session and publisher, because only events of one publisher and session are
// ordered: no promised event is missing before a stored one unless its loss is excused. Where a class
// promises that nothing is lost, the missing tail counts as well. The age bound of `kill` is I10 up to the
// moment of death: linger + 10 × the slowest ack of the run, at least 2 s, from the receipt of `published`,
// and no fault in that time.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "scenarios/judge_facts.h"

namespace s2::scenarios {
namespace {

constexpr std::int64_t kMinAgeBoundNs = 2'000'000'000;
constexpr std::int64_t kAgeBoundAcks = 10;

using Events = std::vector<const EventFacts*>;
using Line = std::tuple<int, std::string, int>;  // epoch, session, publisher

std::map<Line, Events> promised_by_line(const Facts& facts) {
  std::map<Line, Events> out;
  for (const EventFacts& e : facts.events) {
    if (e.promised()) out[{e.pub->epoch, e.pub->session, e.pub->publisher}].push_back(&e);
  }
  return out;
}

bool missing(const EventFacts* e) {
  return !e->stored() && !e->excused;
}

std::string disbelieved(const Facts& facts, const Events& lost) {
  const auto n = static_cast<std::size_t>(
      std::count_if(lost.begin(), lost.end(), [](const EventFacts* e) { return e->dropped; }));
  if (n == 0) return "";
  if (facts.ledger.journalled) return fmt::format(" ({} reported as dropped, and the journal has them)", n);
  return fmt::format(" ({} reported as dropped, but a ring of {} events was never full)", n,
                     facts.ledger.ring_capacity);
}

// Missing before something stored of the same line.
void check_holes(const Facts& facts, Findings& findings) {
  for (const auto& [line, events] : promised_by_line(facts)) {
    std::size_t end = events.size();
    while (end > 0 && !events[end - 1]->stored()) --end;
    Events holes;
    std::copy_if(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(end), std::back_inserter(holes),
                 missing);
    if (holes.empty()) continue;
    findings.add(
        Invariant::I4, ViolationKind::lost,
        fmt::format("{} missing before n {}, which is stored, of publisher {}: {}{}",
                    count_of(holes.size()) + (holes.size() == 1 ? " is" : " are"), events[end - 1]->pub->n,
                    std::get<2>(line), named(holes), disbelieved(facts, holes)),
        holes);
  }
}

// The class promises that nothing is lost (from that process on): every missing event counts, hole or tail.
void check_all_there(const Facts& facts, Findings& findings, Invariant invariant, int from_epoch = 0) {
  Events lost;
  for (const EventFacts& e : facts.events) {
    if (e.promised() && missing(&e) && e.pub->epoch >= from_epoch) lost.push_back(&e);
  }
  if (lost.empty()) return;
  findings.add(invariant, ViolationKind::lost,
               fmt::format("{} accepted and {} not stored: {}{}",
                           count_of(lost.size()) + (lost.size() == 1 ? " was" : " were"),
                           lost.size() == 1 ? "is" : "are", named(lost), disbelieved(facts, lost)),
               lost);
}

// A stop that was answered within its deadline, and that no fault disturbed, has saved what was accepted
// before it: whatever comes next, because a VM goes away as soon as the answer is there. (What the answer
// claims is check_claims'; one that claims nothing is not excused from saving.)
void check_stopped(const Facts& facts, Findings& findings) {
  std::map<std::pair<int, std::string>, const Statement*> asked;
  for (const Statement& s : facts.ledger.statements) {
    if (s.kind == Statement::Kind::ask_stop) asked[{s.epoch, s.session}] = &s;
    if (s.kind != Statement::Kind::stopped) continue;
    const Statement*& ask = asked[{s.epoch, s.session}];
    if (ask == nullptr) continue;
    const Statement& stop = *std::exchange(ask, nullptr);
    const bool in_time = stop.deadline_ms < 0 || s.t_ns - stop.t_ns < stop.deadline_ms * 1'000'000;
    if (!in_time || facts.disturbed(0, s.t_ns)) continue;
    Events lost;
    for (const EventFacts& e : facts.events) {
      const Publication& p = *e.pub;
      if (e.promised() && missing(&e) && !e.reported() && p.epoch == s.epoch && p.session == s.session &&
          p.sent_ns < stop.t_ns && p.answered_ns >= 0 && p.answered_ns < s.t_ns) {
        lost.push_back(&e);
      }
    }
    if (lost.empty()) continue;
    findings.add(
        Invariant::I4, ViolationKind::lost,
        fmt::format("the stop of session {} was answered {} after it was asked for, without a fault, "
                    "yet {} accepted before it {} not stored: {}",
                    s.session, in_milliseconds(s.t_ns - stop.t_ns), count_of(lost.size()),
                    lost.size() == 1 ? "is" : "are", named(lost)),
        lost);
  }
}

std::int64_t age_bound(const Ledger& ledger) {
  std::int64_t slowest = 0;
  for (const ServiceAppend& a : ledger.appends) {
    if (a.outcome == ServiceAppend::Outcome::acked && a.answered_ns >= 0 && a.received_ns >= 0) {
      slowest = std::max(slowest, a.answered_ns - a.received_ns);
    }
  }
  return std::max(kMinAgeBoundNs, std::max<std::int64_t>(0, ledger.linger_ns) + kAgeBoundAcks * slowest);
}

// Could the event have waited behind a whole ring of others when the process died? Then the reader may just
// have been lapped, and the drop not yet told.
bool behind_a_ring(const Facts& facts, const EventFacts& e) {
  std::uint64_t later = 0;
  for (const EventFacts& other : facts.events)
    later += other.pub->n > e.pub->n && other.pub->epoch == e.pub->epoch;
  return later >= facts.ledger.ring_capacity;
}

void check_age(const Facts& facts, Findings& findings) {
  std::int64_t horizon = facts.death_ns();
  if (facts.ledger.teardown == Teardown::cut_kill) {
    for (const FiredFault& f : facts.ledger.faults) {
      if (f.begin_ns >= 0 && (horizon < 0 || f.begin_ns - 1 < horizon)) horizon = f.begin_ns - 1;
    }
  }
  if (horizon < 0) return;
  const std::int64_t bound = age_bound(facts.ledger);
  Events old;
  std::int64_t oldest = 0;
  for (const EventFacts& e : facts.events) {
    const std::int64_t answered = e.pub->answered_ns;
    if (!e.promised() || !missing(&e) || answered < 0 || answered + bound >= horizon) continue;
    if (facts.disturbed(answered - bound, horizon) || behind_a_ring(facts, e)) continue;
    old.push_back(&e);
    oldest = std::max(oldest, horizon - answered);
  }
  if (old.empty()) return;
  findings.add(
      Invariant::I10, ViolationKind::lost,
      fmt::format(
          "{} had been accepted up to {} before the {}, beyond the age bound of {}, and {} not stored: {}",
          count_of(old.size()), in_milliseconds(oldest),
          facts.ledger.teardown == Teardown::cut_kill ? "cut" : "death", in_milliseconds(bound),
          old.size() == 1 ? "is" : "are", named(old)),
      old);
}

// Where the writer keeps a journal, what it accepted is in there, whatever became of it in the stream.
void check_journal(const Facts& facts, Findings& findings) {
  if (!facts.ledger.journalled) return;
  Events lost;
  for (const EventFacts& e : facts.events) {
    const auto& journal = facts.ledger.journal;
    if (e.accepted() && !std::binary_search(journal.begin(), journal.end(), e.pub->n)) lost.push_back(&e);
  }
  if (lost.empty()) return;
  findings.add(Invariant::I4, ViolationKind::lost,
               fmt::format("{} accepted and {} not in the journal: {}",
                           count_of(lost.size()) + (lost.size() == 1 ? " was" : " were"),
                           lost.size() == 1 ? "is" : "are", named(lost)),
               lost);
}

}  // namespace

void check_loss(const Facts& facts, Findings& findings) {
  const Promise& promise = promise_of(facts.ledger.teardown);
  const bool by_i10 = promise.checks(Invariant::I10);
  if (promise.nothing_lost && (!by_i10 || !facts.outage_excuses_loss())) {
    check_all_there(facts, findings, by_i10 ? Invariant::I10 : Invariant::I4);
  }
  if (promise.last_whole && !facts.outage_excuses_loss()) {
    // Of a process that died the next one recovers what is in the journal, where there is one.
    const bool recovers = facts.ledger.journalled && facts.ledger.teardown == Teardown::respawn;
    const int last = static_cast<int>(facts.ledger.processes.size()) - 1;
    check_all_there(facts, findings, Invariant::I4, recovers ? 0 : last);
  }
  // With D = P judged under I4, its holes are among the missing already.
  if (promise.checks(Invariant::I4) && (!promise.nothing_lost || by_i10)) check_holes(facts, findings);
  if (promise.checks(Invariant::I4) && !promise.nothing_lost) check_stopped(facts, findings);
  if (promise.age_bound) check_age(facts, findings);
  check_journal(facts, findings);
}

}  // namespace s2::scenarios
