// I1 and I6: what the writer, or the service, called durable is stored.
//
// A claim `through C` covers the accepted events of its process and session with seq ≤ C, except for those
// whose loss is excused or was told before: whoever reads the claim has read the `lost` line. `acked`,
// `stopped` and the service's own acknowledgements fall under I1; `flushed` and `flush_failed` under I6. A
// flush has to reach as far as what was accepted before it was asked for: one that answers through 0 at once
// says nothing false and keeps nothing. A claim that is made before the commit is false, too, even if the
// commit comes.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "scenarios/judge_facts.h"

namespace s2::scenarios {
namespace {

using Kind = Statement::Kind;
using Events = std::vector<const EventFacts*>;

// A `lost` line stands before it. Statements are in the order in which they were made.
bool told_before(const EventFacts& e, const Statement& claim) {
  return e.said_lost && e.report != nullptr && e.report < &claim;
}

bool covers(const Facts& facts, const Statement& claim, const Publication& p) {
  return facts.life_of(p.epoch) == facts.life_of(claim.epoch) && p.session == claim.session && p.seq != 0 &&
         p.seq <= claim.through;
}

bool covered_loss(const Facts& facts, const EventFacts& e, const Statement& claim) {
  if (!e.lost() || e.excused || !covers(facts, claim, *e.pub)) return false;
  if (!told_before(e, claim)) return true;
  const auto& all = facts.ledger.statements;  // the first that covers it may have come before it was told
  return std::any_of(all.begin(), all.end(), [&](const Statement& s) {
    return s.kind == claim.kind && covers(facts, s, *e.pub) && !told_before(e, s);
  });
}

// The claim of this kind that reaches furthest, for each process and session: the others say less.
std::map<SessionKey, const Statement*> furthest(const Ledger& ledger, Kind kind) {
  std::map<SessionKey, const Statement*> out;
  for (const Statement& s : ledger.statements) {
    if (s.kind != kind) continue;
    const Statement*& best = out[{s.epoch, s.session}];
    if (best == nullptr || s.through > best->through) best = &s;
  }
  return out;
}

void check_claim(const Facts& facts, Findings& findings, Kind kind, Invariant invariant,
                 ViolationKind violation, const char* said) {
  for (const auto& [_, claim] : furthest(facts.ledger, kind)) {
    Events lost;
    for (const EventFacts& e : facts.events) {
      if (covered_loss(facts, e, *claim)) lost.push_back(&e);
    }
    if (lost.empty()) continue;
    findings.add(
        invariant, violation,
        fmt::format("the writer said {} through seq {}, yet {} below it {} not stored: {}", said,
                    claim->through, count_of(lost.size()), lost.size() == 1 ? "is" : "are", named(lost)),
        lost);
  }
}

// Claims that came before the commit: false when they were made, whatever became true later. A kill in
// between would have shown it; the two clocks are one, so it shows without.
void check_claim_time(const Facts& facts, Findings& findings, Kind kind, Invariant invariant,
                      const char* said) {
  std::map<SessionKey, std::vector<const Statement*>> claims;  // each reaches further than the one before it
  for (const Statement& s : facts.ledger.statements) {
    if (s.kind != kind) continue;
    auto& reached = claims[{facts.life_of(s.epoch), s.session}];
    if (reached.empty() || s.through > reached.back()->through) reached.push_back(&s);
  }
  Events early;
  const Statement* first = nullptr;
  for (const EventFacts& e : facts.events) {
    const auto found = claims.find({facts.life_of(e.pub->epoch), e.pub->session});
    if (found == claims.end() || !e.promised() || e.reported() || e.pub->seq == 0) continue;
    const auto claim = std::find_if(found->second.begin(), found->second.end(),
                                    [&](const Statement* s) { return s->through >= e.pub->seq; });
    if (claim == found->second.end() || e.first_commit_ns() <= (*claim)->t_ns) continue;
    if (first == nullptr) first = *claim;
    early.push_back(&e);
  }
  if (early.empty()) return;
  findings.add(invariant, ViolationKind::false_ack,
               fmt::format("the writer said {} through seq {} before {} was committed: {}", said,
                           first->through, count_of(early.size()), named(early)),
               early);
}

// The service wrote out an acknowledgement, and an independent reader does not find the record.
void check_service_acks(const Facts& facts, Findings& findings) {
  Events lost;
  const ServiceAppend* first = nullptr;
  for (const EventFacts& e : facts.events) {
    if (e.stored()) continue;
    const auto acked = std::find_if(e.appends.begin(), e.appends.end(), [](const ServiceAppend* a) {
      return a->outcome == ServiceAppend::Outcome::acked;
    });
    if (acked == e.appends.end()) continue;
    if (first == nullptr) first = *acked;
    lost.push_back(&e);
  }
  if (lost.empty()) return;
  findings.add(
      Invariant::I1, ViolationKind::lost_acked,
      fmt::format("S2 acknowledged append {} on stream {}, yet what it held cannot be read back: {} {} "
                  "missing: {}",
                  first->id, first->stream, count_of(lost.size()), lost.size() == 1 ? "is" : "are",
                  named(lost)),
      lost);
}

// Answers belong to asks in order, for each process and session.
struct Exchange {
  const Statement* ask = nullptr;
  const Statement* answer = nullptr;
};

std::vector<Exchange> exchanges(const Ledger& ledger, Kind asked) {
  std::map<SessionKey, std::vector<const Statement*>> open;
  std::vector<Exchange> out;
  for (const Statement& s : ledger.statements) {
    auto& asks = open[{s.epoch, s.session}];
    if (s.kind == asked) asks.push_back(&s);
    const bool answer = asked == Kind::ask_stop ? s.kind == Kind::stopped
                                                : s.kind == Kind::flushed || s.kind == Kind::flush_failed;
    if (answer && !asks.empty()) {
      out.push_back({asks.front(), &s});
      asks.erase(asks.begin());
    }
  }
  return out;
}

void check_flush(const Facts& facts, Findings& findings, const Exchange& flush) {
  Events beyond;          // accepted before the ask, and outside of the answer
  bool all_known = true;  // every event accepted before the ask was surely known to be durable
  for (const EventFacts& e : facts.events) {
    const Publication& p = *e.pub;
    if (!e.promised() || p.epoch != flush.ask->epoch || p.session != flush.ask->session) continue;
    if (p.answered_ns < 0 || p.answered_ns >= flush.ask->t_ns) continue;
    if (p.seq > flush.answer->through && !e.excused && !told_before(e, *flush.answer)) beyond.push_back(&e);
    all_known = all_known && std::any_of(e.appends.begin(), e.appends.end(), [&](const ServiceAppend* a) {
                  return facts.surely_known(*a, flush.answer->t_ns);
                });
  }
  if (flush.answer->kind == Kind::flushed) {
    if (beyond.empty()) return;
    findings.add(
        Invariant::I6, ViolationKind::false_ack,
        fmt::format(
            "the flush was answered through seq {}, though {} beyond it had been accepted before it was "
            "asked for: {}",
            flush.answer->through, count_of(beyond.size()), named(beyond)),
        beyond);
  } else if (all_known && !beyond.empty()) {
    findings.add(
        Invariant::I6, ViolationKind::false_failure,
        fmt::format(
            "the flush failed (durable through seq {}), though S2 had long acknowledged everything that "
            "was accepted before it was asked for: {}",
            flush.answer->through, named(beyond)),
        beyond);
  }
}

// The last such share of the wait for an answer, in which a writer that still has events to send sends none,
// with nothing in its way: it is stuck, not slow.
constexpr std::int64_t kIdleShare = 2;
constexpr std::int64_t kMinIdleNs = 500'000'000;

// A handshake that failed, or a stop that ran out of its time, though the service was well and the writer did
// nothing: one bad record must not hold up those behind it.
void check_stuck(const Facts& facts, Findings& findings, const Statement& ask, const Statement& answer) {
  const std::int64_t idle = (answer.t_ns - ask.t_ns) / kIdleShare;
  if (idle < kMinIdleNs || facts.disturbed(0, answer.t_ns)) return;
  for (const ServiceAppend& a : facts.ledger.appends) {
    const bool before = a.answered_ns >= 0 && a.answered_ns <= answer.t_ns - idle;
    if (a.received_ns < answer.t_ns && !before) return;
  }
  Events stuck;
  for (const EventFacts& e : facts.events) {
    const Publication& p = *e.pub;
    if (!e.promised() || e.reported() || p.kept_bytes >= kUnstorableBytes || p.epoch != ask.epoch) continue;
    if (p.session != ask.session || p.sent_ns >= ask.t_ns || p.answered_ns < 0) continue;
    if (p.answered_ns > answer.t_ns - idle) continue;
    if (std::none_of(e.appends.begin(), e.appends.end(),
                     [&](const ServiceAppend* a) { return a->received_ns <= answer.t_ns; })) {
      stuck.push_back(&e);
    }
  }
  if (stuck.empty()) return;
  const bool flush = answer.kind == Kind::flush_failed;
  findings.add(
      flush ? Invariant::I6 : Invariant::I8, flush ? ViolationKind::false_failure : ViolationKind::hung,
      fmt::format("the {} was answered after {} with {} not even sent, though nothing was in the way "
                  "and the writer had sent nothing for {}: {}",
                  flush ? "flush" : "stop", in_milliseconds(answer.t_ns - ask.t_ns), count_of(stuck.size()),
                  in_milliseconds(idle), named(stuck)),
      stuck);
}

}  // namespace

void check_claims(const Facts& facts, Findings& findings) {
  check_claim(facts, findings, Kind::acked, Invariant::I1, ViolationKind::lost_acked, "acked");
  check_claim(facts, findings, Kind::stopped, Invariant::I1, ViolationKind::false_ack, "stopped");
  check_claim(facts, findings, Kind::flushed, Invariant::I6, ViolationKind::false_ack, "flushed");
  check_claim(facts, findings, Kind::flush_failed, Invariant::I6, ViolationKind::false_ack,
              "that the flush failed, but was durable");
  check_claim_time(facts, findings, Kind::acked, Invariant::I1, "acked");
  check_claim_time(facts, findings, Kind::stopped, Invariant::I1, "stopped");
  check_claim_time(facts, findings, Kind::flushed, Invariant::I6, "flushed");
  check_service_acks(facts, findings);
  for (const Exchange& flush : exchanges(facts.ledger, Kind::ask_flush)) {
    check_flush(facts, findings, flush);
    if (flush.answer->kind == Kind::flush_failed) check_stuck(facts, findings, *flush.ask, *flush.answer);
  }
  for (const Exchange& stop : exchanges(facts.ledger, Kind::ask_stop)) {
    check_stuck(facts, findings, *stop.ask, *stop.answer);
  }
}

}  // namespace s2::scenarios
