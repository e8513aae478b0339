// See judge_facts.h.
#include "scenarios/judge_facts.h"

#include <fmt/format.h>

#include <algorithm>

namespace s2::scenarios {

Facts::Facts(const Ledger& l) : ledger(l) {
  events.reserve(l.publications.size());
  for (const Publication& p : l.publications) {
    EventFacts e;
    e.pub = &p;
    events.push_back(std::move(e));
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const EventFacts& a, const EventFacts& b) { return a.pub->n < b.pub->n; });
  for (std::size_t i = 0; i < events.size(); ++i) by_n_.emplace(events[i].pub->n, i);
  index_stored();
  index_appends();
  index_reports();
}

const EventFacts* Facts::event(std::uint64_t n) const {
  const auto it = by_n_.find(n);
  return it == by_n_.end() ? nullptr : &events[it->second];
}

const Branch* Facts::branch(int epoch) const {
  const auto at = std::find_if(ledger.branches.begin(), ledger.branches.end(),
                               [&](const Branch& b) { return b.epoch == epoch; });
  return at == ledger.branches.end() ? nullptr : &*at;
}

int Facts::life_of(int epoch) const {
  const Branch* b = branch(epoch);
  return b != nullptr && b->inherits ? b->source : epoch;
}

int Facts::last_of_life(int epoch) const {
  int last = epoch;
  for (const Branch& b : ledger.branches) {
    if (b.inherits && b.source == epoch) last = b.epoch;
  }
  return last;
}

bool Facts::left_to_another(int epoch) const {
  const Branch* b = branch(epoch);
  return b != nullptr && !b->inherits &&
         std::any_of(ledger.statements.begin(), ledger.statements.end(), [&](const Statement& s) {
           return s.epoch == epoch && s.kind == Statement::Kind::identified && s.pending > 0;
         });
}

const std::string& Facts::stream_of(const Publication& p) const {
  if (ledger.fixed_stream.empty()) return p.session;
  const Branch* b = branch(p.epoch);
  return b == nullptr ? ledger.fixed_stream : b->stream;
}

void Facts::index_stored() {
  std::size_t order = 0;
  for (std::size_t s = 0; s < ledger.stored.size(); ++s) {
    for (const StoredRecord& r : ledger.stored[s].records) {
      for (const std::uint64_t n : r.probes) {
        const auto it = by_n_.find(n);
        if (it == by_n_.end()) {
          strangers.emplace_back(n, Place{s, r.seq_num, order++});
        } else {
          events[it->second].places.push_back({s, r.seq_num, order++});
        }
      }
    }
  }
}

void Facts::index_appends() {
  bool any = false;
  bool all_matched = true;
  for (const ServiceAppend& a : ledger.appends) {
    if (a.probes.empty()) continue;
    any = true;
    all_matched = all_matched && a.match_seq_num.has_value();
    for (const std::uint64_t n : a.probes) {
      if (const auto it = by_n_.find(n); it != by_n_.end()) events[it->second].appends.push_back(&a);
    }
  }
  idempotent_ = any && all_matched;
}

void Facts::index_reports() {
  struct Epoch {
    std::vector<EventFacts*> by_seq;
    std::uint64_t last_seq = 0;
    std::uint64_t unanswered = 0;
    std::uint64_t bytes = 0;
  };
  std::map<int, Epoch> epochs;
  for (EventFacts& e : events) {
    Epoch& epoch = epochs[life_of(e.pub->epoch)];
    epoch.bytes += e.pub->bytes;
    if (!e.accepted()) {
      epoch.unanswered += e.pub->acceptance == Acceptance::offered;
    } else if (e.pub->seq != 0) {
      epoch.by_seq.push_back(&e);
      epoch.last_seq = std::max(epoch.last_seq, e.pub->seq);
    }
  }
  const auto seq_less = [](const EventFacts* e, std::uint64_t seq) { return e->pub->seq < seq; };
  for (auto& [_, epoch] : epochs) {
    std::stable_sort(epoch.by_seq.begin(), epoch.by_seq.end(),
                     [](const EventFacts* a, const EventFacts* b) { return a->pub->seq < b->pub->seq; });
  }
  for (const Statement& s : ledger.statements) {
    const bool drop = s.kind == Statement::Kind::dropped;
    if (!drop && s.kind != Statement::Kind::lost) continue;
    auto& by_seq = epochs[life_of(s.epoch)].by_seq;
    for (auto it = std::lower_bound(by_seq.begin(), by_seq.end(), s.from, seq_less);
         it != by_seq.end() && (*it)->pub->seq <= s.to; ++it) {
      (drop ? (*it)->dropped : (*it)->said_lost) = true;
      if ((*it)->report == nullptr) (*it)->report = &s;
    }
  }
  // A drop is believed only where the ring can have been overrun: a slot is overwritten by the event that
  // comes `ring_capacity` later, or once `ring_bytes` follow (half of that, because envelopes and sent bytes
  // differ). What is in the journal all the same is not lost with its slot: a writer that keeps one has to
  // store it from there.
  std::map<int, std::uint64_t> bytes_before;
  for (EventFacts& e : events) {
    const Epoch& epoch = epochs[life_of(e.pub->epoch)];
    std::uint64_t& before = bytes_before[life_of(e.pub->epoch)];
    before += e.pub->bytes;
    const bool overrun =
        e.pub->seq + ledger.ring_capacity <= epoch.last_seq + epoch.unanswered + kOwnEvents ||
        epoch.bytes - before >= ledger.ring_bytes / 2;
    const bool journalled = std::binary_search(ledger.journal.begin(), ledger.journal.end(), e.pub->n);
    e.excused =
        (e.dropped && overrun && !journalled) || (e.reported() && e.pub->kept_bytes >= kUnstorableBytes);
  }
}

bool Facts::disturbed(std::int64_t begin_ns, std::int64_t end_ns, bool unknown_outcomes_only) const {
  const auto overlaps = [&](std::int64_t b, std::int64_t e) {
    return b >= 0 && b <= end_ns && (e < 0 || e >= begin_ns);
  };
  for (const FiredFault& f : ledger.faults) {
    if (unknown_outcomes_only && !f.outcome_unknown) continue;
    if (overlaps(f.begin_ns, f.end_ns)) return true;
  }
  return std::any_of(ledger.processes.begin(), ledger.processes.end(),
                     [&](const Process& p) { return overlaps(p.pause_ns, p.resume_ns); });
}

bool Facts::unknown_to_client(const ServiceAppend& a) const {
  if (a.outcome == ServiceAppend::Outcome::unknown) return true;
  // An answer that was written while the network was cut, or just before, may never have arrived.
  return disturbed(a.received_ns, a.answered_ns + kAckInFlightNs, true);
}

bool Facts::surely_known(const ServiceAppend& a, std::int64_t t_ns) const {
  return a.outcome == ServiceAppend::Outcome::acked && a.answered_ns >= 0 &&
         a.answered_ns + kAckInFlightNs < t_ns && !disturbed(a.received_ns, t_ns);
}

std::int64_t Facts::paused_within(int epoch, std::int64_t begin_ns, std::int64_t end_ns) const {
  if (epoch < 0 || static_cast<std::size_t>(epoch) >= ledger.processes.size()) return 0;
  const Process& p = ledger.processes[static_cast<std::size_t>(epoch)];
  if (p.pause_ns < 0) return 0;
  const std::int64_t resumed = p.resume_ns < 0 ? end_ns : p.resume_ns;
  return std::max<std::int64_t>(0, std::min(resumed, end_ns) - std::max(p.pause_ns, begin_ns));
}

std::int64_t Facts::death_ns() const {
  if (ledger.kill.fired && ledger.kill.t_ns >= 0) return ledger.kill.t_ns;
  if (ledger.processes.empty()) return -1;
  const Process& p = ledger.processes.back();
  return p.kill_ns >= 0 ? p.kill_ns : p.exited_ns;
}

std::int64_t Facts::end_asked_ns(int epoch) const {
  std::int64_t first = -1;
  const auto consider = [&](std::int64_t t) {
    if (t >= 0 && (first < 0 || t < first)) first = t;
  };
  if (epoch >= 0 && static_cast<std::size_t>(epoch) < ledger.processes.size()) {
    consider(ledger.processes[static_cast<std::size_t>(epoch)].term_ns);
  }
  for (const Statement& s : ledger.statements) {
    if (s.epoch == epoch && s.kind == Statement::Kind::stdin_closed) consider(s.t_ns);
  }
  return first;
}

std::int64_t Facts::read_ns(int epoch, std::int64_t asked_ns) const {
  std::int64_t read = asked_ns;
  for (const EventFacts& e : events) {
    if (e.pub->epoch == epoch && e.pub->sent_ns <= asked_ns) read = std::max(read, e.pub->answered_ns);
  }
  return std::min(read, asked_ns + kReadsWithinNs);
}

std::int64_t EventFacts::first_commit_ns() const {
  std::int64_t first = -1;
  for (const ServiceAppend* a : appends) {
    if (a->committed && a->committed_ns >= 0 && (first < 0 || a->committed_ns < first)) {
      first = a->committed_ns;
    }
  }
  return first;
}

bool Facts::outage_excuses_loss() const {
  if (ledger.faults_ended) return false;
  if (ledger.processes.empty()) return true;
  const Process& last = ledger.processes.back();
  if (last.kill_ns >= 0 || last.exited_ns < 0) return true;
  const std::int64_t asked = end_asked_ns(static_cast<int>(ledger.processes.size()) - 1);
  return asked >= 0 && budget_ns() >= 0 && last.exited_ns - asked >= budget_ns() / 2;
}

bool Facts::ended_itself(int epoch) const {
  if (epoch < 0 || static_cast<std::size_t>(epoch) >= ledger.processes.size()) return false;
  const Process& p = ledger.processes[static_cast<std::size_t>(epoch)];
  return p.exited_ns >= 0 && p.exit_signal == 0 && (p.exit_code == 0 || p.exit_code == 1);
}

void Findings::add(Invariant invariant, ViolationKind kind, std::string detail,
                   const std::vector<const EventFacts*>& events) {
  Violation v;
  v.invariant = invariant;
  v.kind = kind;
  v.detail = std::move(detail);
  for (const EventFacts* e : events) v.events.push_back(e->pub->n);
  std::sort(v.events.begin(), v.events.end());
  v.first_n = v.events.empty() ? 0 : v.events.front();
  out_.push_back(std::move(v));
}

std::string named(const std::vector<const EventFacts*>& events) {
  constexpr std::size_t kShown = 4;  // the rest is listed by name in the report
  std::string out;
  for (std::size_t i = 0; i < std::min(kShown, events.size()); ++i) {
    const Publication& p = *events[i]->pub;
    if (i > 0) out += ", ";
    out += p.seq != 0 ? fmt::format("n {} (seq {}, {})", p.n, p.seq, p.type)
                      : fmt::format("n {} ({})", p.n, p.type);
  }
  if (events.size() > kShown) out += fmt::format(" and {} more", events.size() - kShown);
  if (!events.empty()) out += fmt::format(", in session {}", events.front()->pub->session);
  return out;
}

std::string in_milliseconds(std::int64_t ns) {
  return fmt::format("{} ms", (ns + 500'000) / 1'000'000);
}

}  // namespace s2::scenarios
