// Class `fork`: what a branch says of itself and of its source. That nothing is lost, stored twice, or in
// another's stream, the other checkers see: a branch is a process like another, in a session of its own.
//
// I8: asked who it is, it answers. I3: its sequence numbers go on behind its source's. I7: one that does not
// inherit tells as lost all that it cannot know to be stored, nothing that its source had called durable, and
// as many events as it said were left; and then its exit code is 1.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/judge_facts.h"

namespace s2::scenarios {
namespace {

using Kind = Statement::Kind;
using Events = std::vector<const EventFacts*>;

const Statement* said_by(const Facts& facts, int epoch, Kind kind) {
  const auto& all = facts.ledger.statements;
  const auto at = std::find_if(all.begin(), all.end(),
                               [&](const Statement& s) { return s.epoch == epoch && s.kind == kind; });
  return at == all.end() ? nullptr : &*at;
}

int pid_of(const Facts& facts, const Branch& branch) {
  return facts.ledger.processes.at(static_cast<std::size_t>(branch.epoch)).pid;
}

void check_answered(const Facts& facts, Findings& findings, const Branch& branch) {
  const Statement* refused = said_by(facts, branch.epoch, Kind::not_identified);
  findings.add(Invariant::I8, refused != nullptr ? ViolationKind::false_failure : ViolationKind::hung,
               refused != nullptr
                   ? fmt::format("the branch (pid {}) refused to be session {}: {}", pid_of(facts, branch),
                                 branch.session, refused->text)
                   : fmt::format("the branch (pid {}) did not answer when it was told that it is session {}",
                                 pid_of(facts, branch), branch.session));
}

void check_numbers(const Facts& facts, Findings& findings, const Branch& branch,
                   const Statement& identified) {
  Events again;
  for (const EventFacts& e : facts.events) {
    if (e.accepted() && e.pub->epoch == branch.epoch && e.pub->seq != 0 && e.pub->seq <= identified.through)
      again.push_back(&e);
  }
  if (again.empty()) return;
  findings.add(Invariant::I3, ViolationKind::reordered,
               fmt::format("the branch (pid {}) said that events up to seq {} are its source's, and gave {} "
                           "such a number: {}",
                           pid_of(facts, branch), identified.through, count_of(again.size()), named(again)),
               again);
}

// The source said, before its checkpoint, that the event is durable.
bool called_durable(const Facts& facts, const Branch& branch, const EventFacts& e) {
  const auto& all = facts.ledger.statements;
  return std::any_of(all.begin(), all.end(), [&](const Statement& s) {
    const bool claim = s.kind == Kind::acked || s.kind == Kind::flushed || s.kind == Kind::stopped;
    return claim && s.epoch == branch.source && s.session == e.pub->session && s.through >= e.pub->seq &&
           s.t_ns < branch.taken_ns;
  });
}

void check_left(const Facts& facts, Findings& findings, const Branch& branch, const Statement& identified) {
  std::vector<const Statement*> told;
  std::uint64_t events_told = 0;
  for (const Statement& s : facts.ledger.statements) {
    if (s.epoch != branch.epoch || s.kind != Kind::lost || s.from == 0 || s.from > identified.through)
      continue;
    told.push_back(&s);
    events_told += std::min(s.to, identified.through) - s.from + 1;
  }
  Events untold, known;
  for (const EventFacts& e : facts.events) {
    if (!e.promised() || e.pub->epoch != branch.source || e.pub->seq == 0 || e.dropped) continue;
    const bool is_told = std::any_of(told.begin(), told.end(), [&](const Statement* s) {
      return s->from <= e.pub->seq && e.pub->seq <= s->to;
    });
    const std::int64_t committed = e.first_commit_ns();
    const bool could_know = committed >= 0 && committed < identified.t_ns;
    if (!is_told && !could_know) untold.push_back(&e);
    if (is_told && called_durable(facts, branch, e)) known.push_back(&e);
  }
  const int pid = pid_of(facts, branch);
  if (!untold.empty()) {
    findings.add(
        Invariant::I7, ViolationKind::unreported_loss,
        fmt::format("{} pending when the branch (pid {}) was told to leave them, and in no `lost` "
                    "line of it: {}",
                    count_of(untold.size()) + (untold.size() == 1 ? " was" : " were"), pid, named(untold)),
        untold);
  }
  if (!known.empty()) {
    findings.add(
        Invariant::I7, ViolationKind::false_failure,
        fmt::format("{} durable by the source's own word before its checkpoint, and told as lost by "
                    "the branch (pid {}): {}",
                    count_of(known.size()) + (known.size() == 1 ? " was" : " were"), pid, named(known)),
        known);
  }
  if (events_told != identified.pending) {
    findings.add(Invariant::I7, ViolationKind::unreported_loss,
                 fmt::format("the branch (pid {}) said that {} were left, and told {} as lost", pid,
                             count_of(identified.pending), events_told));
  }
  if (identified.pending > 0 && facts.ended_itself(branch.epoch) &&
      facts.ledger.processes[static_cast<std::size_t>(branch.epoch)].exit_code == 0) {
    findings.add(
        Invariant::I7, ViolationKind::false_ack,
        fmt::format("exit code 0 of the branch (pid {}) says that nothing is unsaved, yet it left {}", pid,
                    count_of(identified.pending)));
  }
}

}  // namespace

void check_branches(const Facts& facts, Findings& findings) {
  for (const Branch& branch : facts.ledger.branches) {
    const Statement* identified = said_by(facts, branch.epoch, Kind::identified);
    if (identified == nullptr) {
      check_answered(facts, findings, branch);
      continue;
    }
    check_numbers(facts, findings, branch, *identified);
    if (!branch.inherits) check_left(facts, findings, branch, *identified);
  }
}

}  // namespace s2::scenarios
