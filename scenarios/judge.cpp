// See judge.h. Counts, then one checker after the other; what each may find is ruled by the class's row in
// promises.cpp.
#include "scenarios/judge.h"

#include <algorithm>
#include <csignal>
#include <map>

#include "scenarios/judge_facts.h"
#include "scenarios/judge_order.h"

namespace s2::scenarios {
namespace {

using Kind = Statement::Kind;

bool service_acked(const EventFacts& e, std::int64_t by_ns) {
  return std::any_of(e.appends.begin(), e.appends.end(), [&](const ServiceAppend* a) {
    return a->outcome == ServiceAppend::Outcome::acked && (by_ns < 0 || a->answered_ns <= by_ns);
  });
}

// How far each process and session was called durable, by any of its lines.
std::map<SessionKey, std::uint64_t> durable_through(const Facts& facts) {
  std::map<SessionKey, std::uint64_t> out;
  for (const Statement& s : facts.ledger.statements) {
    if (s.kind == Kind::acked || s.kind == Kind::flushed || s.kind == Kind::stopped ||
        s.kind == Kind::flush_failed) {
      std::uint64_t& through = out[{facts.life_of(s.epoch), s.session}];
      through = std::max(through, s.through);
    }
  }
  return out;
}

void count_events(const Facts& facts, Verdict& v) {
  const auto durable = durable_through(facts);
  const bool killed = !facts.ledger.processes.empty() && facts.ledger.processes.back().exit_signal == SIGKILL;
  const std::int64_t death = facts.death_ns();
  for (const EventFacts& e : facts.events) {
    v.offered += e.pub->acceptance == Acceptance::offered;
    v.rejected += e.pub->acceptance == Acceptance::rejected;
    v.stored += e.stored();
    if (e.stored()) v.duplicated += e.places.size() - 1;
    if (!e.accepted()) continue;
    ++v.published;
    v.published_off += !e.pub->storage_on;
    const auto it = durable.find({facts.life_of(e.pub->epoch), e.pub->session});
    if (durable.empty()) {
      v.acked += e.pub->storage_on && service_acked(e, -1);
    } else {
      v.acked += e.pub->storage_on && it != durable.end() && e.pub->seq != 0 && e.pub->seq <= it->second &&
                 !e.reported();
    }
    v.lost_reported += e.reported();
    if (e.lost()) v.lost_events.push_back(e.pub->n);
    if (killed && e.promised() && !service_acked(e, death)) ++v.unacked_at_death;
  }
  v.lost = v.lost_events.size();
  v.reordered = out_of_order(facts).size();
}

std::int64_t shutdown_ms(const Facts& facts) {
  const Ledger& ledger = facts.ledger;
  if (ledger.processes.empty() || ledger.processes.back().exited_ns < 0) return -1;
  const int epoch = static_cast<int>(ledger.processes.size()) - 1;
  std::int64_t asked = facts.end_asked_ns(epoch);
  std::int64_t last_stop = -1;  // a stop counts unless another session was started after it
  for (const Statement& s : ledger.statements) {
    if (s.epoch != epoch) continue;
    if (s.kind == Kind::ask_stop) last_stop = s.t_ns;
    if (s.kind == Kind::ask_start) last_stop = -1;
  }
  if (last_stop >= 0 && (asked < 0 || last_stop < asked)) asked = last_stop;
  const std::int64_t exited = ledger.processes.back().exited_ns;
  return asked < 0 || asked > exited ? -1 : (exited - asked) / 1'000'000;
}

bool flush_answered(const Ledger& ledger) {
  return std::any_of(ledger.statements.begin(), ledger.statements.end(), [](const Statement& s) {
    return s.kind == Kind::flushed || s.kind == Kind::flush_failed;
  });
}

bool stop_answered(const Ledger& ledger) {
  return std::any_of(ledger.statements.begin(), ledger.statements.end(),
                     [](const Statement& s) { return s.kind == Kind::stopped; });
}

void list_checked(const Facts& facts, Verdict& v) {
  const Ledger& ledger = facts.ledger;
  const Promise& promise = promise_of(ledger.teardown);
  for (int i = 1; i <= kInvariants; ++i) {
    const auto invariant = static_cast<Invariant>(i);
    if (!promise.checks(invariant)) continue;
    if (invariant == Invariant::I7 && !ledger.acks_observed && !ledger.deletion) {
      v.not_checked.push_back(
          {invariant, "the writer said nothing of acks, drops or losses before it ended"});
    } else if (invariant == Invariant::I10 && promise.nothing_lost && facts.outage_excuses_loss()) {
      v.not_checked.push_back({invariant, "a fault was still active when the writer ended"});
    } else if (invariant == Invariant::I6 && !flush_answered(ledger)) {
      if (ledger.teardown == Teardown::flush_then_kill && !stop_answered(ledger)) {
        v.not_checked.push_back({invariant, "no flush was answered"});
      }
    } else {
      v.checked.push_back(invariant);
    }
  }
}

}  // namespace

Verdict judge(const Ledger& ledger) {
  Verdict v;
  const Facts facts(ledger);
  count_events(facts, v);
  v.shutdown_ms = shutdown_ms(facts);
  if (!ledger.invalid.empty()) {
    v.outcome = Verdict::Outcome::invalid;
    v.invalid = ledger.invalid;
    return v;
  }
  list_checked(facts, v);
  Findings findings(v.violations);
  check_claims(facts, findings);
  check_loss(facts, findings);
  check_identity(facts, findings);
  check_order(facts, findings);
  if (ledger.acks_observed) check_report(facts, findings);
  check_deletion(facts, findings);
  check_branches(facts, findings);
  check_ending(facts, findings);
  std::stable_sort(v.violations.begin(), v.violations.end(),
                   [](const Violation& a, const Violation& b) { return a.kind < b.kind; });
  if (!v.violations.empty()) v.outcome = Verdict::Outcome::broken;
  return v;
}

std::string_view name(Verdict::Outcome outcome) {
  switch (outcome) {
    case Verdict::Outcome::held:
      return "held";
    case Verdict::Outcome::broken:
      return "broken";
    case Verdict::Outcome::invalid:
      return "invalid";
  }
  return "?";
}

}  // namespace s2::scenarios
