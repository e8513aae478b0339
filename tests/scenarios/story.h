// One small run for the judge, told step by step: who publishes, appends, says and dies, in the order in
// which it happens. For tests of the judge; a Story belongs to its test.
#pragma once

#include <string>
#include <vector>

#include "scenarios/judge.h"
#include "tests/scenarios/honest_run.h"

namespace s2::scenarios {

using Kind = Statement::Kind;
using Outcome = ServiceAppend::Outcome;
using Ns = std::vector<std::uint64_t>;

// One run in the order in which it happens; each step takes a millisecond.
class Story {
 public:
  explicit Story(Teardown teardown) {
    l.teardown = teardown;
    l.shutdown_budget_ns = 2000 * kMs;
    l.grace_ns = 4000 * kMs;
    l.acks_observed = true;
    l.processes.resize(1);
    l.processes[0].pid = 4711;
    l.processes[0].spawned_ns = l.processes[0].ready_ns = kMs;
  }

  std::int64_t tick(std::int64_t ms = 1) { return now_ += ms * kMs; }
  Story& wait(std::int64_t ms) {
    tick(ms);
    return *this;
  }
  Publication& event(std::uint64_t n) { return l.publications.at(n - 1); }
  // Accepted with seq = n.
  Story& publish(std::uint64_t count, const std::string& session = "s", int publisher = 0) {
    for (std::uint64_t i = 0; i < count; ++i) {
      Publication p;
      p.n = p.seq = l.publications.size() + 1;
      p.session = session;
      p.epoch = epoch_;
      p.publisher = publisher;
      p.type = "console";
      p.bytes = 100;
      p.acceptance = Acceptance::accepted;
      p.sent_ns = tick();
      p.answered_ns = tick();
      l.publications.push_back(p);
    }
    return *this;
  }
  Story& offer() {
    publish(1);
    Publication& p = l.publications.back();
    p.acceptance = Acceptance::offered;
    p.seq = 0;
    p.answered_ns = -1;
    return *this;
  }
  Story& append(const Ns& ns, Outcome outcome = Outcome::acked, bool committed = true, bool match = true,
                const std::string& stream = "s") {
    ServiceAppend a;
    a.id = l.appends.size() + 1;
    a.stream = stream;
    a.probes = ns;
    a.outcome = outcome;
    a.committed = committed;
    if (match) a.match_seq_num = 0;
    a.received_ns = tick();
    if (committed) {
      a.committed_ns = tick();
      store(ns, stream);
    }
    if (outcome != Outcome::unknown) a.answered_ns = tick();
    l.appends.push_back(a);
    return *this;
  }
  Story& store(const Ns& ns, const std::string& stream = "s") {
    StoredStream* found = nullptr;
    for (StoredStream& s : l.stored) {
      if (s.name == stream) found = &s;
    }
    if (found == nullptr) found = &l.stored.emplace_back(StoredStream{stream, {}});
    for (const std::uint64_t n : ns) found->records.push_back({found->records.size(), 0, 100, {n}});
    return *this;
  }
  Story& say(Kind kind, std::uint64_t through = 0, const std::string& session = "s") {
    Statement s;
    s.kind = kind;
    s.session = session;
    s.through = through;
    s.epoch = epoch_;
    s.t_ns = tick();
    l.statements.push_back(s);
    return *this;
  }
  Story& say_range(Kind kind, std::uint64_t from, std::uint64_t to) {
    say(kind);
    l.statements.back().from = from;
    l.statements.back().to = to;
    return *this;
  }
  Story& fault(std::int64_t lasts_ms, bool unknown = true) {
    FiredFault f;
    f.what = "cut";
    f.outcome_unknown = unknown;
    f.begin_ns = tick();
    f.end_ns = lasts_ms < 0 ? -1 : tick(lasts_ms);
    l.faults.push_back(f);
    return *this;
  }
  // What follows is of another process, or of that one again.
  Story& successor() {
    l.processes.resize(l.processes.size() + 1);
    l.processes.back().pid = 4710 + static_cast<int>(l.processes.size());
    l.processes.back().spawned_ns = l.processes.back().ready_ns = tick();
    return of_process(static_cast<int>(l.processes.size()) - 1);
  }
  Story& of_process(int epoch) {
    epoch_ = epoch;
    return *this;
  }
  Story& term() {
    process().term_ns = tick();
    return *this;
  }
  Story& exits(int code) {
    if (process().term_ns < 0) say(Kind::stdin_closed);
    process().exit_code = code;
    process().exited_ns = tick();
    return *this;
  }
  Story& killed() {
    process().kill_ns = tick();
    process().exit_signal = SIGKILL;
    process().exited_ns = tick();
    return *this;
  }

  // All that the judge says: "I4/lost 3,4; …", or "" when held.
  std::string told() const {
    std::string out;
    for (const Violation& v : judge(l).violations) {
      out += (out.empty() ? "" : "; ") + std::string(name(v.invariant)) + "/" + std::string(name(v.kind));
      for (std::size_t i = 0; i < v.events.size(); ++i)
        out += (i == 0 ? " " : ",") + std::to_string(v.events[i]);
    }
    return out;
  }

  Ledger l;

 private:
  Process& process() { return l.processes[static_cast<std::size_t>(epoch_)]; }

  std::int64_t now_ = kMs;
  int epoch_ = 0;
};

}  // namespace s2::scenarios
