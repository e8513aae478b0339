// I8, and the time of I10: it returns by its deadline and leaves nothing behind.
//
// A process may end by a signal that the harness sent, or by exit code 0 or 1 once its end was asked for;
// anything else is a crash. Deadlines are the writer's own (its shutdown budget, or the deadline of the ask)
// plus a generous slack, begin when it has read what it was asked (Facts::read_ns), and stand still while the
// process is paused. A kill before the deadline proves nothing about time; one that the harness had to send
// because the writer did not end proves that it hung.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <set>

#include "scenarios/judge_facts.h"

namespace s2::scenarios {
namespace {

constexpr int kExitedBySigterm = 128 + SIGTERM;  // how shells and many runtimes say it

using Kind = Statement::Kind;

// Was a SIGKILL part of the scenario, or the harness's last resort?
bool kill_is_planned(const Ledger& ledger, int epoch) {
  switch (ledger.teardown) {
    case Teardown::fork:  // the source's
      return std::any_of(ledger.branches.begin(), ledger.branches.end(),
                         [&](const Branch& b) { return b.source == epoch; });
    case Teardown::respawn:
      return static_cast<std::size_t>(epoch) + 1 < ledger.processes.size();
    case Teardown::kill:
    case Teardown::flush_then_kill:
    case Teardown::cut_kill:
    case Teardown::term_short:
    case Teardown::browser_delete:
      return true;
    default:
      return ledger.kill.fired;
  }
}

// A writer may also end at the stop of its last session: of all that were started none goes on, and none was
// still to come.
bool asked_before(const Facts& facts, int epoch, std::int64_t t_ns) {
  const std::int64_t asked = facts.end_asked_ns(epoch);
  if (asked >= 0 && asked <= t_ns) return true;
  bool stopped = false;
  std::set<std::string> going_on;
  for (const Statement& s : facts.ledger.statements) {
    if (s.epoch != epoch) continue;
    if (s.kind == Kind::ask_start) going_on.insert(s.session);
    if (s.kind != Kind::ask_stop || s.t_ns > t_ns) continue;
    going_on.erase(s.session);
    stopped = true;
  }
  return stopped && going_on.empty();
}

void check_crash(const Facts& facts, Findings& findings, int epoch, const Process& p) {
  if (p.exited_ns < 0) return;
  if (p.exit_signal != 0) {
    const bool sent =
        (p.exit_signal == SIGKILL && p.kill_ns >= 0) || (p.exit_signal == SIGTERM && p.term_ns >= 0);
    if (!sent) {
      findings.add(
          Invariant::I8, ViolationKind::crashed,
          fmt::format("the writer (pid {}) ended by signal {}, which nobody sent", p.pid, p.exit_signal));
    }
    return;
  }
  if (p.exit_code == kExitedBySigterm && p.term_ns >= 0) return;
  if (p.exit_code != 0 && p.exit_code != 1) {
    findings.add(
        Invariant::I8, ViolationKind::crashed,
        fmt::format("the writer (pid {}) ended with exit code {}: 0 or 1 was expected", p.pid, p.exit_code));
  } else if (!asked_before(facts, epoch, p.exited_ns)) {
    findings.add(Invariant::I8, ViolationKind::crashed,
                 fmt::format("the writer (pid {}) ended with exit code {} before its end was asked for",
                             p.pid, p.exit_code));
  }
}

void check_exit_time(const Facts& facts, Findings& findings, int epoch, const Process& p) {
  const bool killed = p.exit_signal == SIGKILL && p.kill_ns >= 0;
  // It was alive at least until then: a harness that looked late knows no more.
  const std::int64_t end = killed ? p.kill_ns : p.alive_ns >= 0 ? p.alive_ns : p.exited_ns;
  if (end < 0) return;
  if (killed && !kill_is_planned(facts.ledger, epoch)) {
    findings.add(Invariant::I8, ViolationKind::hung,
                 fmt::format("the writer (pid {}) did not end and had to be killed", p.pid));
    return;
  }
  const std::int64_t asked = facts.end_asked_ns(epoch);
  const std::int64_t budget = facts.budget_ns();
  if (asked < 0 || asked > end || budget < 0) return;
  const std::int64_t read =
      asked == p.term_ns ? asked : facts.read_ns(epoch, asked);  // a signal waits for nothing
  const std::int64_t took = end - read - facts.paused_within(epoch, read, end);
  if (took <= budget + facts.ledger.slack_ns) return;
  findings.add(Invariant::I8, killed ? ViolationKind::hung : ViolationKind::late,
               fmt::format("{} {} after its end was asked for; its budget was {}",
                           killed ? "the writer was still running" : "the writer took to end",
                           in_milliseconds(took), in_milliseconds(budget)));
}

// A stop or a flush that was asked for, and its answer.
void check_answer(const Facts& facts, Findings& findings, const Statement& ask, const Statement* answer) {
  const char* what = ask.kind == Kind::ask_stop ? "stop" : "flush";
  const std::int64_t allowed = ask.deadline_ms >= 0 ? ask.deadline_ms * 1'000'000 : facts.budget_ns();
  if (allowed < 0) return;
  std::int64_t until = answer != nullptr ? answer->t_ns : facts.death_ns();
  if (answer == nullptr && ask.epoch >= 0 &&
      static_cast<std::size_t>(ask.epoch) < facts.ledger.processes.size()) {
    const Process& p = facts.ledger.processes[static_cast<std::size_t>(ask.epoch)];
    if (p.kill_ns < 0 && p.exited_ns >= 0) until = p.exited_ns;
  }
  if (until < 0) return;
  const std::int64_t read = facts.read_ns(ask.epoch, ask.t_ns);
  const std::int64_t took = until - read - facts.paused_within(ask.epoch, read, until);
  if (took <= allowed + facts.ledger.slack_ns) return;
  if (answer != nullptr) {
    findings.add(Invariant::I8, ViolationKind::late,
                 fmt::format("the {} of session {} was answered after {}; its deadline was {}", what,
                             ask.session, in_milliseconds(took), in_milliseconds(allowed)));
  } else {
    findings.add(
        Invariant::I8, ViolationKind::hung,
        fmt::format("the {} of session {} was never answered, {} after it was asked for; its deadline was {}",
                    what, ask.session, in_milliseconds(took), in_milliseconds(allowed)));
  }
}

void check_answers(const Facts& facts, Findings& findings) {
  std::map<std::pair<SessionKey, bool>, std::vector<const Statement*>> open;  // true: flushes
  for (const Statement& s : facts.ledger.statements) {
    const bool flush = s.kind == Kind::ask_flush || s.kind == Kind::flushed || s.kind == Kind::flush_failed;
    auto& asks = open[{{s.epoch, s.session}, flush}];
    if (s.kind == Kind::ask_stop || s.kind == Kind::ask_flush) asks.push_back(&s);
    if ((flush && s.kind != Kind::ask_flush) || s.kind == Kind::stopped) {
      if (asks.empty()) continue;
      check_answer(facts, findings, *asks.front(), &s);
      asks.erase(asks.begin());
    }
  }
  for (const auto& [_, asks] : open) {
    for (const Statement* ask : asks) check_answer(facts, findings, *ask, nullptr);
  }
}

// I10: stored within the bound, counted from the end of the last fault, or from acceptance where that is
// later.
void check_heal_time(const Facts& facts, Findings& findings) {
  const Ledger& ledger = facts.ledger;
  const Promise& promise = promise_of(ledger.teardown);
  if (!promise.nothing_lost || !promise.checks(Invariant::I10) || ledger.heal_bound_ns < 0 ||
      !ledger.faults_ended) {
    return;
  }
  std::int64_t healed = -1;
  for (const FiredFault& f : ledger.faults) healed = std::max(healed, f.end_ns);
  for (const Process& p : ledger.processes) healed = std::max(healed, p.resume_ns);
  if (healed < 0) return;
  std::vector<const EventFacts*> late;
  std::int64_t worst = 0;
  for (const EventFacts& e : facts.events) {
    if (!e.promised() || !e.stored() || e.pub->answered_ns < 0) continue;
    const std::int64_t committed = e.first_commit_ns();
    const std::int64_t took = committed - std::max(healed, e.pub->answered_ns);
    if (committed < 0 || took <= ledger.heal_bound_ns) continue;
    late.push_back(&e);
    worst = std::max(worst, took);
  }
  if (late.empty()) return;
  findings.add(Invariant::I10, ViolationKind::late,
               fmt::format("{} stored as late as {} after the faults had ended; the bound is {}: {}",
                           count_of(late.size()) + (late.size() == 1 ? " was" : " were"),
                           in_milliseconds(worst), in_milliseconds(ledger.heal_bound_ns), named(late)),
               late);
}

}  // namespace

void check_ending(const Facts& facts, Findings& findings) {
  for (std::size_t i = 0; i < facts.ledger.processes.size(); ++i) {
    const Process& p = facts.ledger.processes[i];
    const int epoch = static_cast<int>(i);
    check_crash(facts, findings, epoch, p);
    check_exit_time(facts, findings, epoch, p);
    if (!p.leaked_pids.empty()) {
      findings.add(Invariant::I8, ViolationKind::leaked,
                   fmt::format("{} of the writer's group outlived it, first pid {}",
                               count_of(p.leaked_pids.size(), "pid"), p.leaked_pids.front()));
    }
  }
  check_answers(facts, findings);
  check_heal_time(facts, findings);
}

}  // namespace s2::scenarios
