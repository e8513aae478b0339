// See honest_run.h.
#include "tests/scenarios/honest_run.h"

#include <algorithm>
#include <csignal>
#include <map>
#include <string>

#include "scenarios/promises.h"

namespace s2::scenarios {
namespace {

using Kind = Statement::Kind;

bool loses_its_tail(Teardown t) {
  return t == Teardown::kill || t == Teardown::flush_then_kill || t == Teardown::term_short ||
         t == Teardown::cut_kill;
}

class HonestRun {
 public:
  explicit HonestRun(const Plan& plan) : plan_(plan) {
    l_.scenario = "model";
    l_.teardown = plan.teardown;
    l_.seed = 7;
    l_.run = "00000000000000aa";
    l_.replay = "token";
    l_.ring_capacity = 32;
    l_.linger_ns = 5 * kMs;
    l_.grace_ns = 4000 * kMs;
    l_.shutdown_budget_ns = 2000 * kMs;
    l_.heal_bound_ns = 5000 * kMs;
    l_.acks_observed = !plan.mute;
    Process p;
    p.pid = 4711;
    p.spawned_ns = 1 * kMs;
    p.ready_ns = 5 * kMs;
    l_.processes.push_back(p);
    now_ = 10 * kMs;
    say(Kind::ready, "");
  }

  Ledger run() {
    publish_all();
    if (plan_.teardown == Teardown::pause) pause();
    if (plan_.teardown == Teardown::cut_heal) cut(true);
    append_all();
    die();
    return std::move(l_);
  }

 private:
  std::int64_t tick(std::int64_t ns = kMs) { return now_ += ns; }

  Statement& say(Kind kind, const std::string& session, std::uint64_t through = 0) {
    Statement s;
    s.kind = kind;
    s.session = session;
    s.through = through;
    s.t_ns = tick();
    l_.statements.push_back(s);
    return l_.statements.back();
  }

  void publish_all() {
    const std::size_t per_session = plan_.events.size() / static_cast<std::size_t>(plan_.sessions) + 1;
    for (std::size_t i = 0; i < plan_.events.size(); ++i) {
      if (i % per_session == 0) {
        session_ = "s" + std::to_string(i / per_session);
        say(Kind::ask_start, session_);
        say(Kind::started, session_);
        ++seq_;  // the start marker takes a number
      }
      publish(i + 1, plan_.events[i]);
    }
    // What can be dropped is a run of events with a whole ring published behind it.
    const bool may_drop =
        plan_.drop > 0 && (plan_.teardown == Teardown::overflow || plan_.teardown == Teardown::term);
    if (!may_drop || plan_.mute) return;
    std::vector<const Publication*> old;
    for (const Publication& p : l_.publications) {
      if (p.acceptance == Acceptance::accepted && p.seq + l_.ring_capacity <= seq_) old.push_back(&p);
    }
    if (old.empty()) return;
    const std::size_t count = std::min(old.size(), static_cast<std::size_t>(plan_.drop));
    Statement& s = say(Kind::dropped, old.front()->session);
    s.from = old.front()->seq;
    s.to = old[count - 1]->seq;
    dropped_from_ = s.from;
    dropped_to_ = s.to;
  }

  void publish(std::uint64_t n, std::uint8_t draw) {
    Publication p;
    p.n = n;
    p.publisher = plan_.publishers > 1 ? (draw >> 4) % plan_.publishers : 0;
    p.session = session_;
    p.type = draw % 2 == 0 ? "console" : "network";
    p.bytes = 100 + draw;
    p.storage_on = draw % 11 != 1;
    p.sent_ns = tick();
    p.acceptance = draw % 13 == 3   ? Acceptance::rejected
                   : draw % 13 == 5 ? Acceptance::offered
                                    : Acceptance::accepted;
    if (p.acceptance != Acceptance::rejected) ++seq_;
    if (p.acceptance == Acceptance::accepted) p.seq = seq_;
    if (p.acceptance != Acceptance::offered) p.answered_ns = tick();
    l_.publications.push_back(p);
  }

  bool reaches_storage(const Publication& p) const {
    if (p.acceptance == Acceptance::rejected || !p.storage_on) return false;
    if (p.acceptance == Acceptance::offered) return p.n % 2 == 0;  // either way breaks no promise
    return p.seq < dropped_from_ || p.seq > dropped_to_;
  }

  // One append a batch of one session, until the death that loses the rest.
  void append_all() {
    std::vector<const Publication*> batch;
    std::size_t done = 0;
    const auto send = [&] {
      if (batch.empty()) return;
      if (loses_its_tail(plan_.teardown) && done >= plan_.death_after) {
        in_flight_.insert(in_flight_.end(), batch.begin(), batch.end());
      } else {
        append(batch, done < plan_.mishaps.size() ? plan_.mishaps[done] : std::uint8_t{0});
        ++done;
      }
      batch.clear();
    };
    for (const Publication& p : l_.publications) {
      if (!batch.empty() && (batch.size() >= plan_.batch || batch.back()->session != p.session)) send();
      if (reaches_storage(p)) batch.push_back(&p);
    }
    send();
  }

  ServiceAppend& attempt(const std::vector<const Publication*>& batch, ServiceAppend::Outcome outcome,
                         bool commit) {
    ServiceAppend a;
    a.id = l_.appends.size() + 1;
    a.connection = 1;
    a.stream = batch.front()->session;
    for (const Publication* p : batch) a.probes.push_back(p->n);
    a.records = batch.size();
    std::vector<StoredRecord>& records = stream(a.stream);
    if (plan_.idempotent) a.match_seq_num = records.size();
    a.received_ns = tick();
    a.committed = commit;
    a.outcome = outcome;
    if (commit) {
      a.committed_ns = tick();
      a.start_seq_num = records.size();
      for (const Publication* p : batch) records.push_back({records.size(), 1, p->bytes, {p->n}});
      a.end_seq_num = records.size();
    }
    if (outcome != ServiceAppend::Outcome::unknown) a.answered_ns = tick();
    l_.appends.push_back(a);
    return l_.appends.back();
  }

  void append(const std::vector<const Publication*>& batch, std::uint8_t mishap) {
    const bool faults_allowed = plan_.teardown != Teardown::kill;  // keeps the age bound in play
    const int what = faults_allowed ? mishap % 6 : 0;
    if (what == 1) {  // refused first, then it goes well
      attempt(batch, ServiceAppend::Outcome::refused, false).error_code = "unavailable";
      fault("status 503", false);
    } else if (what == 2) {  // cut before the commit
      attempt(batch, ServiceAppend::Outcome::unknown, false);
      fault("cut before_commit", true);
    } else if (what == 3) {  // the lost ack: a retry that carries match_seq_num is refused and so tells
      attempt(batch, ServiceAppend::Outcome::unknown, true);
      fault("cut after_commit", true);
      if (plan_.idempotent) {
        ServiceAppend& retry = attempt(batch, ServiceAppend::Outcome::refused, false);
        retry.error_code = "seq_num_mismatch";
        retry.match_seq_num = stream(retry.stream).size() - batch.size();
        acked(batch);
        return;
      }
      if (plan_.teardown == Teardown::stop)
        return acked(batch);  // exactly once: it reads back, and sends no more
    }
    attempt(batch, ServiceAppend::Outcome::acked, true);
    acked(batch);
  }

  void acked(const std::vector<const Publication*>& batch) {
    for (auto it = batch.rbegin(); it != batch.rend(); ++it) {
      if ((*it)->seq == 0) continue;
      durable_[(*it)->session] = (*it)->seq;
      if (!plan_.mute) say(Kind::acked, (*it)->session, (*it)->seq);
      return;
    }
  }

  std::vector<StoredRecord>& stream(const std::string& name) {
    for (StoredStream& s : l_.stored) {
      if (s.name == name) return s.records;
    }
    l_.stored.push_back({name, {}});
    return l_.stored.back().records;
  }

  void fault(const std::string& what, bool unknown) {
    FiredFault f;
    f.what = what;
    f.outcome_unknown = unknown;
    f.begin_ns = f.end_ns = tick();
    l_.faults.push_back(f);
  }

  void cut(bool heals) {
    FiredFault f;
    f.what = "network cut";
    f.outcome_unknown = true;
    f.begin_ns = tick();
    f.end_ns = heals ? tick(200 * kMs) : -1;
    l_.faults.push_back(f);
  }

  void pause() {
    l_.processes[0].pause_ns = tick();
    l_.processes[0].resume_ns = tick(3000 * kMs);
  }

  void die() {
    Process& p = l_.processes[0];
    switch (plan_.teardown) {
      case Teardown::kill:
        l_.kill = {"committed 3", true, true, tick()};
        commit_one_more();
        return killed(p);
      case Teardown::flush_then_kill:
        say(Kind::ask_flush, session_).deadline_ms = 1000;
        flush();
        return killed(p);
      case Teardown::term_short:
        p.term_ns = tick();
        commit_one_more();
        return plan_.ends_itself ? report_and_exit(p) : killed(p);
      case Teardown::cut_kill:
        cut(false);
        commit_one_more();
        say(Kind::ask_stop, session_).deadline_ms = 500;
        say(Kind::stopped, session_, durable_[session_]);
        l_.faults_ended = false;
        say(Kind::stdin_closed, "");
        return plan_.ends_itself ? report_and_exit(p) : killed(p);
      case Teardown::term:
        p.term_ns = tick();
        return report_and_exit(p);
      default:
        say(Kind::ask_stop, session_).deadline_ms = 1000;
        say(Kind::stopped, session_, durable_[session_]);
        say(Kind::stdin_closed, "");
        return report_and_exit(p);
    }
  }

  // The first of the lost batches may have reached the service: nobody was told.
  void commit_one_more() {
    if (in_flight_.empty() || plan_.events.size() % 2 == 0) return;
    std::vector<const Publication*> batch;
    while (!in_flight_.empty() && batch.size() < plan_.batch &&
           (batch.empty() || in_flight_.front()->session == batch.front()->session)) {
      batch.push_back(in_flight_.front());
      in_flight_.erase(in_flight_.begin());
    }
    attempt(batch, ServiceAppend::Outcome::unknown, true);
    if (plan_.teardown == Teardown::cut_kill) unknown_.insert(unknown_.end(), batch.begin(), batch.end());
    if (plan_.teardown == Teardown::term_short && plan_.ends_itself) {
      unknown_.insert(unknown_.end(), batch.begin(), batch.end());
    }
  }

  // An honest flush first sends everything of the session; only what came later is lost.
  void flush() {
    std::vector<const Publication*> rest;
    rest.swap(in_flight_);
    std::vector<const Publication*> batch;
    for (const Publication* p : rest) {
      if (!batch.empty() && (batch.size() >= plan_.batch || batch.back()->session != p->session)) {
        attempt(batch, ServiceAppend::Outcome::acked, true);
        acked(batch);
        batch.clear();
      }
      batch.push_back(p);
    }
    if (!batch.empty()) {
      attempt(batch, ServiceAppend::Outcome::acked, true);
      acked(batch);
    }
    say(Kind::flushed, session_, seq_);
    publish(l_.publications.size() + 1, 0);  // right behind the flush, lost by the kill
  }

  void killed(Process& p) {
    p.kill_ns = tick();
    if (!l_.kill.fired) l_.kill = {"wall 120ms", false, true, p.kill_ns};
    p.exit_signal = SIGKILL;
    p.exited_ns = tick();
  }

  void report_and_exit(Process& p) {
    bool unsaved = false;
    in_flight_.insert(in_flight_.begin(), unknown_.begin(), unknown_.end());
    for (const Publication* e : in_flight_) {
      unsaved = true;
      if (plan_.mute || e->seq == 0) continue;
      Statement& s = say(Kind::lost, e->session);
      s.from = s.to = e->seq;
      s.text = "no time";
    }
    p.exit_code = unsaved ? 1 : 0;
    p.exited_ns = tick();
  }

  const Plan& plan_;
  Ledger l_;
  std::int64_t now_ = 0;
  std::uint64_t seq_ = 0;
  std::string session_ = "s0";
  std::uint64_t dropped_from_ = 1, dropped_to_ = 0;  // empty
  std::map<std::string, std::uint64_t> durable_;
  std::vector<const Publication*> in_flight_;  // never stored, unless commit_one_more says so
  std::vector<const Publication*> unknown_;    // stored, and the writer cannot know
};

}  // namespace

Ledger honest_run(const Plan& plan) {
  return HonestRun(plan).run();
}

rc::Gen<Plan> plan_of(Teardown teardown) {
  return rc::gen::map(any_plan(), [teardown](Plan p) {
    p.teardown = teardown;
    return p;
  });
}

rc::Gen<Plan> any_plan() {
  using rc::gen::inRange;
  return rc::gen::build<Plan>(
      rc::gen::set(&Plan::teardown,
                   rc::gen::elementOf(std::vector<Teardown>(kTeardowns.begin(), kTeardowns.end()))),
      rc::gen::set(&Plan::idempotent),
      rc::gen::set(&Plan::mute, rc::gen::map(inRange(0, 8), [](int i) { return i == 0; })),
      rc::gen::set(&Plan::ends_itself), rc::gen::set(&Plan::sessions, inRange(1, 4)),
      rc::gen::set(&Plan::publishers, inRange(1, 4)), rc::gen::set(&Plan::drop, inRange(0, 12)),
      rc::gen::set(&Plan::batch, inRange<std::size_t>(1, 8)),
      rc::gen::set(&Plan::death_after, inRange<std::size_t>(0, 12)),
      rc::gen::set(&Plan::events, rc::gen::mapcat(inRange<std::size_t>(0, 90),
                                                  [](std::size_t n) {
                                                    return rc::gen::container<std::vector<std::uint8_t>>(
                                                        n, rc::gen::arbitrary<std::uint8_t>());
                                                  })),
      rc::gen::set(&Plan::mishaps));
}

}  // namespace s2::scenarios
