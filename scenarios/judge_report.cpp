// I7: the loss that the writer reports is the loss. Lines `dropped` and `lost`, and the exit code, are its
// report.
//
// A writer that ended by a signal had no time to say anything: only what it did say is judged. One that ended
// itself has to have named every lost event; exit code 0 says that nothing is unsaved (drops were reported
// before and may leave it 0), exit code 1 that something is. What a writer cannot know (an append whose
// outcome a fault hid from it) it may report as lost though it is stored.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/judge_facts.h"

namespace s2::scenarios {
namespace {

using Kind = Statement::Kind;
using Events = std::vector<const EventFacts*>;

bool surely_known(const Facts& facts, const EventFacts& e, std::int64_t t_ns) {
  return std::any_of(e.appends.begin(), e.appends.end(),
                     [&](const ServiceAppend* a) { return facts.surely_known(*a, t_ns); });
}

void check_unreported(const Facts& facts, Findings& findings) {
  Events lost;
  for (const EventFacts& e : facts.events) {
    if (e.lost() && !e.reported() && facts.ended_itself(facts.last_of_life(e.pub->epoch))) lost.push_back(&e);
  }
  if (lost.empty()) return;
  findings.add(Invariant::I7, ViolationKind::unreported_loss,
               fmt::format("{} accepted, not stored and in no `dropped` or `lost` line: {}",
                           count_of(lost.size()) + (lost.size() == 1 ? " was" : " were"), named(lost)),
               lost);
}

void check_reported_but_stored(const Facts& facts, Findings& findings) {
  Events found;
  for (const EventFacts& e : facts.events) {
    if (!e.reported() || !e.stored() || !e.accepted()) continue;
    // A dropped event was overwritten before anybody read it: it cannot be on the wire. A lost one may have
    // been.
    const bool could_not_know = !e.dropped && (e.appends.empty() ? facts.disturbed(0, e.report->t_ns)
                                                                 : !surely_known(facts, e, e.report->t_ns));
    if (!could_not_know) found.push_back(&e);
  }
  if (found.empty()) return;
  findings.add(Invariant::I7, ViolationKind::false_failure,
               fmt::format("{} reported as {}, and stored: {}",
                           count_of(found.size()) + (found.size() == 1 ? " was" : " were"),
                           found.front()->dropped ? "dropped" : "lost", named(found)),
               found);
}

void check_ranges(const Facts& facts, Findings& findings) {
  for (const Statement& s : facts.ledger.statements) {
    if (s.kind != Kind::dropped && s.kind != Kind::lost) continue;
    if (s.from != 0 && s.from <= s.to) continue;
    findings.add(Invariant::I7, ViolationKind::unreported_loss,
                 fmt::format("a `{}` line names no events: from {} to {}",
                             s.kind == Kind::lost ? "lost" : "dropped", s.from, s.to));
  }
}

void check_exit_zero(const Facts& facts, Findings& findings, int epoch) {
  Events unsaved;
  for (const EventFacts& e : facts.events) {
    if (facts.last_of_life(e.pub->epoch) == epoch && e.lost() && !e.dropped) unsaved.push_back(&e);
  }
  if (unsaved.empty()) return;
  findings.add(Invariant::I7, ViolationKind::false_ack,
               fmt::format("exit code 0 says that nothing is unsaved, yet {} {} not stored: {}",
                           count_of(unsaved.size()), unsaved.size() == 1 ? "is" : "are", named(unsaved)),
               unsaved);
}

// Exit code 1 with everything stored. Held against a writer only when it surely knew: no fault since the end
// was asked for or around any append, and its budget far from spent (a slow machine is no lie).
void check_exit_one(const Facts& facts, Findings& findings, int epoch, const Process& process) {
  if (facts.left_to_another(epoch)) return;
  const std::int64_t asked = facts.end_asked_ns(epoch);
  if (asked < 0 || facts.disturbed(asked, process.exited_ns)) return;
  const std::int64_t budget = facts.ledger.shutdown_budget_ns;
  const bool early = budget > 0 && process.exited_ns - asked < budget / 2;
  for (const EventFacts& e : facts.events) {
    if (facts.last_of_life(e.pub->epoch) != epoch || !e.pub->storage_on ||
        e.pub->acceptance == Acceptance::rejected)
      continue;
    if (!e.stored() || e.reported()) return;
    for (const ServiceAppend* a : e.appends) {
      if (facts.unknown_to_client(*a)) return;
    }
    if (!early && !e.appends.empty() && !surely_known(facts, e, process.exited_ns)) return;
  }
  findings.add(
      Invariant::I7, ViolationKind::false_failure,
      "exit code 1 says that something is unsaved, yet every accepted event is stored and none was reported");
}

}  // namespace

void check_report(const Facts& facts, Findings& findings) {
  if (promise_of(facts.ledger.teardown).checks(Invariant::I7)) {
    check_unreported(facts, findings);
    check_reported_but_stored(facts, findings);
    check_ranges(facts, findings);
  }
  for (std::size_t i = 0; i < facts.ledger.processes.size(); ++i) {
    const Process& p = facts.ledger.processes[i];
    const int epoch = static_cast<int>(i);
    if (!facts.ended_itself(epoch)) continue;
    if (p.exit_code == 0) check_exit_zero(facts, findings, epoch);
    if (p.exit_code == 1) check_exit_one(facts, findings, epoch, p);
  }
}

}  // namespace s2::scenarios
