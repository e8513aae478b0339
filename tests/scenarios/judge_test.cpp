// The judge against a generative model: an honest run is held, and each way to damage it is named. Damage is
// done to the ledgers, never to the judge's own structures.
#include "scenarios/judge.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <csignal>
#include <functional>

#include "tests/scenarios/honest_run.h"

namespace s2::scenarios {
namespace {

using Kind = Statement::Kind;

std::string told(const Verdict& v) {
  std::string out;
  for (const Violation& x : v.violations) {
    out += std::string(name(x.invariant)) + "/" + std::string(name(x.kind)) + ": " + x.detail + "\n";
  }
  return out;
}

bool says(const Verdict& v, Invariant invariant, ViolationKind kind) {
  return std::any_of(v.violations.begin(), v.violations.end(),
                     [&](const Violation& x) { return x.invariant == invariant && x.kind == kind; });
}

// Draws an honest run of the class, damages it, and expects the violation. `damage` says false where this run
// has nothing to damage.
void expect_named(Teardown teardown, Invariant invariant, ViolationKind kind,
                  const std::function<bool(Ledger&)>& damage) {
  int damaged = 0;
  ASSERT_TRUE(rc::check([&] {
    Plan plan = *plan_of(teardown);
    plan.mute = false;
    Ledger ledger = honest_run(plan);
    RC_ASSERT(told(judge(ledger)) == "");
    if (!damage(ledger)) return;
    ++damaged;
    const Verdict v = judge(ledger);
    RC_LOG() << told(v);
    RC_ASSERT(v.outcome == Verdict::Outcome::broken);
    RC_ASSERT(says(v, invariant, kind));
  }));
  EXPECT_GE(damaged, 5) << "the model rarely draws what " << name(invariant) << " is about";
}

bool is_stored(const Ledger& l, std::uint64_t n) {
  for (const StoredStream& s : l.stored) {
    for (const StoredRecord& r : s.records) {
      if (std::count(r.probes.begin(), r.probes.end(), n) > 0) return true;
    }
  }
  return false;
}

void forget(Ledger& l, std::uint64_t n) {
  for (StoredStream& s : l.stored) {
    std::erase_if(s.records,
                  [n](const StoredRecord& r) { return r.probes == std::vector<std::uint64_t>{n}; });
  }
}

// An accepted and stored event that satisfies `wanted`, the one at two thirds of them.
const Publication* pick(const Ledger& l, const std::function<bool(const Publication&)>& wanted = nullptr) {
  std::vector<const Publication*> found;
  for (const Publication& p : l.publications) {
    if (p.acceptance == Acceptance::accepted && p.storage_on && is_stored(l, p.n) && (!wanted || wanted(p))) {
      found.push_back(&p);
    }
  }
  return found.empty() ? nullptr : found[found.size() * 2 / 3 >= found.size() ? 0 : found.size() * 2 / 3];
}

// Nobody called anything durable: what is left is what has to be there without claims.
void without_claims(Ledger& l) {
  std::erase_if(l.statements, [](const Statement& s) {
    return s.kind == Kind::acked || s.kind == Kind::stopped || s.kind == Kind::flushed;
  });
  for (ServiceAppend& a : l.appends) a.outcome = ServiceAppend::Outcome::unknown;
}

TEST(Judge, AnHonestRunIsHeldInEveryClass) {
  ASSERT_TRUE(rc::check([] {
    const Plan plan = *any_plan();
    const Ledger ledger = honest_run(plan);
    const Verdict v = judge(ledger);
    RC_TAG(std::string(name(ledger.teardown)));
    RC_LOG() << told(v);
    RC_ASSERT(v.outcome == Verdict::Outcome::held);
    RC_ASSERT(v.violations.empty());
    RC_ASSERT(v.published + v.offered + v.rejected == ledger.publications.size());
    RC_ASSERT(v.lost <= v.published);
  }));
}

TEST(Judge, AnInvalidRunIsCountedAndNotJudged) {
  ASSERT_TRUE(rc::check([] {
    Ledger ledger = honest_run(*any_plan());
    ledger.invalid = "the kill did not fire";
    ledger.stored.clear();
    const Verdict v = judge(ledger);
    RC_ASSERT(v.outcome == Verdict::Outcome::invalid);
    RC_ASSERT(v.violations.empty());
  }));
}

TEST(Judge, NamesAnAckedEventThatIsNotStoredInEveryClass) {
  for (const Teardown t : kTeardowns) {
    expect_named(t, Invariant::I1, ViolationKind::lost_acked, [](Ledger& l) {
      const auto acks = [&](const Publication& p) {
        return std::any_of(l.statements.begin(), l.statements.end(), [&](const Statement& s) {
          return s.kind == Kind::acked && s.session == p.session && s.through >= p.seq;
        });
      };
      const Publication* p = pick(l, acks);
      if (p == nullptr) return false;
      for (ServiceAppend& a : l.appends) a.outcome = ServiceAppend::Outcome::unknown;
      forget(l, p->n);
      return true;
    });
  }
}

TEST(Judge, NamesAnEventThatTheServiceAckedAndThatCannotBeReadBack) {
  expect_named(Teardown::kill, Invariant::I1, ViolationKind::lost_acked, [](Ledger& l) {
    const Publication* p = pick(l);
    if (p == nullptr) return false;
    const auto acked = [&](const ServiceAppend& a) {
      return a.outcome == ServiceAppend::Outcome::acked &&
             std::count(a.probes.begin(), a.probes.end(), p->n) > 0;
    };
    if (std::none_of(l.appends.begin(), l.appends.end(), acked)) return false;
    std::erase_if(l.statements, [](const Statement& s) { return s.kind == Kind::acked; });
    forget(l, p->n);
    return true;
  });
}

TEST(Judge, NamesAStopThatClaimsWhatIsNotStored) {
  expect_named(Teardown::cut_kill, Invariant::I1, ViolationKind::false_ack, [](Ledger& l) {
    const auto lost = std::find_if(l.publications.rbegin(), l.publications.rend(), [&](const Publication& p) {
      return p.acceptance == Acceptance::accepted && p.storage_on && !is_stored(l, p.n);
    });
    if (lost == l.publications.rend()) return false;
    for (Statement& s : l.statements) {
      if (s.kind == Kind::stopped) s.session = lost->session, s.through = lost->seq;
    }
    return true;
  });
}

TEST(Judge, NamesAnEventThatNobodyPublished) {
  for (const Teardown t : kTeardowns) {
    expect_named(t, Invariant::I2, ViolationKind::wrong_stream, [](Ledger& l) {
      l.stored.push_back({"s0", {{900, 1, 10, {123456}}}});
      return true;
    });
  }
}

TEST(Judge, NamesARejectedEventThatIsStored) {
  expect_named(Teardown::term, Invariant::I2, ViolationKind::false_failure, [](Ledger& l) {
    const auto it = std::find_if(l.publications.begin(), l.publications.end(),
                                 [](const Publication& p) { return p.acceptance == Acceptance::rejected; });
    if (it == l.publications.end()) return false;
    l.stored.push_back({it->session, {{900, 1, 10, {it->n}}}});
    return true;
  });
}

TEST(Judge, NamesTwoEventsThatChangedPlaces) {
  for (const Teardown t :
       {Teardown::stop, Teardown::kill, Teardown::term_short, Teardown::cut_heal, Teardown::pause}) {
    expect_named(t, Invariant::I3, ViolationKind::reordered, [](Ledger& l) {
      for (const Publication& a : l.publications) {
        for (const Publication& b : l.publications) {
          if (a.n >= b.n || a.session != b.session || a.publisher != b.publisher) continue;
          if (a.acceptance != Acceptance::accepted || b.acceptance != Acceptance::accepted) continue;
          if (!is_stored(l, a.n) || !is_stored(l, b.n)) continue;
          for (StoredStream& s : l.stored) {
            for (StoredRecord& r : s.records) {
              if (r.probes[0] == a.n || r.probes[0] == b.n) r.probes[0] = r.probes[0] == a.n ? b.n : a.n;
            }
          }
          return true;
        }
      }
      return false;
    });
  }
}

TEST(Judge, NamesAHoleBeforeWhatIsStored) {
  for (const Teardown t :
       {Teardown::stop, Teardown::term, Teardown::term_short, Teardown::kill, Teardown::flush_then_kill,
        Teardown::cut_heal, Teardown::cut_kill, Teardown::overflow}) {
    expect_named(t, Invariant::I4, ViolationKind::lost, [](Ledger& l) {
      const Publication* hole = pick(l, [&](const Publication& p) {
        return std::any_of(l.publications.begin(), l.publications.end(), [&](const Publication& q) {
          return q.n > p.n && q.session == p.session && q.publisher == p.publisher && q.storage_on &&
                 q.acceptance == Acceptance::accepted && is_stored(l, q.n);
        });
      });
      if (hole == nullptr) return false;
      without_claims(l);
      forget(l, hole->n);
      return true;
    });
  }
}

TEST(Judge, NamesALostTailWhereNothingMayBeLost) {
  const auto lose_the_last = [](Ledger& l) {
    const Publication* last = nullptr;
    for (const Publication& p : l.publications) {
      if (p.acceptance == Acceptance::accepted && p.storage_on && is_stored(l, p.n)) last = &p;
    }
    if (last == nullptr) return false;
    without_claims(l);
    forget(l, last->n);
    return true;
  };
  for (const Teardown t : {Teardown::stop, Teardown::term}) {
    expect_named(t, Invariant::I4, ViolationKind::lost, lose_the_last);
  }
  for (const Teardown t : {Teardown::cut_heal, Teardown::server_drain, Teardown::pause}) {
    expect_named(t, Invariant::I10, ViolationKind::lost, lose_the_last);
  }
}

TEST(Judge, NamesACopyThatNoFaultExplains) {
  for (const Teardown t : {Teardown::stop, Teardown::term, Teardown::cut_heal, Teardown::server_drain,
                           Teardown::pause, Teardown::flush_then_kill}) {
    expect_named(t, Invariant::I5, ViolationKind::duplicated, [](Ledger& l) {
      const bool idempotent = std::all_of(l.appends.begin(), l.appends.end(),
                                          [](const ServiceAppend& a) { return a.match_seq_num.has_value(); });
      if (!idempotent) {
        l.faults.clear();
        l.processes[0].pause_ns = l.processes[0].resume_ns = -1;
        const bool certain = std::all_of(l.appends.begin(), l.appends.end(), [](const ServiceAppend& a) {
          return a.outcome != ServiceAppend::Outcome::unknown;
        });
        if (!certain) return false;
      }
      const Publication* p = pick(l);
      if (p == nullptr) return false;
      for (StoredStream& s : l.stored) {
        if (s.name == p->session) s.records.push_back({s.records.back().seq_num + 1, 1, p->bytes, {p->n}});
      }
      return true;
    });
  }
}

TEST(Judge, NamesABlindRetryThatAStopDoesNotExcuse) {
  expect_named(Teardown::stop, Invariant::I5, ViolationKind::duplicated, [](Ledger& l) {
    for (ServiceAppend& a : l.appends) {
      a.match_seq_num.reset();
      a.outcome = ServiceAppend::Outcome::unknown;
    }
    const Publication* p = pick(l);
    if (p == nullptr) return false;
    for (StoredStream& s : l.stored) {
      if (s.name == p->session) s.records.push_back({s.records.back().seq_num + 1, 1, p->bytes, {p->n}});
    }
    return true;
  });
}

TEST(Judge, NamesAFlushThatWasAnsweredWhenMerelyQueued) {
  expect_named(Teardown::flush_then_kill, Invariant::I6, ViolationKind::false_ack, [](Ledger& l) {
    const auto flushed = std::find_if(l.statements.begin(), l.statements.end(),
                                      [](const Statement& s) { return s.kind == Kind::flushed; });
    const std::string session = flushed->session;
    const Publication* p = pick(l, [&](const Publication& e) { return e.session == session; });
    if (p == nullptr) return false;
    std::erase_if(l.statements, [](const Statement& s) { return s.kind == Kind::acked; });
    for (ServiceAppend& a : l.appends) a.outcome = ServiceAppend::Outcome::unknown;
    forget(l, p->n);
    return true;
  });
}

TEST(Judge, NamesAFlushWhoseCutOffWasTakenTooEarly) {
  expect_named(Teardown::flush_then_kill, Invariant::I6, ViolationKind::false_ack, [](Ledger& l) {
    const auto flushed = std::find_if(l.statements.begin(), l.statements.end(),
                                      [](const Statement& s) { return s.kind == Kind::flushed; });
    const Publication* p = pick(l, [&](const Publication& e) { return e.session == flushed->session; });
    if (p == nullptr) return false;
    flushed->through = p->seq - 1;
    return true;
  });
}

TEST(Judge, NamesALossThatWasNotReported) {
  for (const Teardown t : {Teardown::cut_kill, Teardown::term_short, Teardown::overflow}) {
    expect_named(t, Invariant::I7, ViolationKind::unreported_loss, [](Ledger& l) {
      if (l.processes[0].exit_signal != 0) return false;
      const bool any = std::any_of(l.publications.begin(), l.publications.end(), [&](const Publication& p) {
        return p.acceptance == Acceptance::accepted && p.storage_on && !is_stored(l, p.n);
      });
      std::erase_if(l.statements,
                    [](const Statement& s) { return s.kind == Kind::lost || s.kind == Kind::dropped; });
      return any;
    });
  }
}

TEST(Judge, NamesAReportOfWhatWasDroppedThoughItIsStored) {
  expect_named(Teardown::overflow, Invariant::I7, ViolationKind::false_failure, [](Ledger& l) {
    const Publication* p = pick(l);
    if (p == nullptr) return false;
    Statement s;
    s.kind = Kind::dropped;
    s.session = p->session;
    s.from = s.to = p->seq;
    s.t_ns = l.processes[0].exited_ns;
    l.statements.push_back(s);
    return true;
  });
}

TEST(Judge, NamesAnExitCodeThatDoesNotTellTheTruth) {
  expect_named(Teardown::cut_kill, Invariant::I7, ViolationKind::false_ack, [](Ledger& l) {
    Process& p = l.processes[0];
    const bool any = std::any_of(l.publications.begin(), l.publications.end(), [&](const Publication& e) {
      return e.acceptance == Acceptance::accepted && e.storage_on && !is_stored(l, e.n);
    });
    if (p.exit_code != 1 || !any) return false;
    p.exit_code = 0;
    return true;
  });
  expect_named(Teardown::stop, Invariant::I7, ViolationKind::false_failure, [](Ledger& l) {
    const bool odd = std::any_of(l.publications.begin(), l.publications.end(),
                                 [](const Publication& p) { return p.acceptance == Acceptance::offered; });
    if (odd || !l.faults.empty()) return false;
    l.processes[0].exit_code = 1;
    return true;
  });
}

TEST(Judge, NamesAProcessThatCrashesHangsIsLateOrLeavesOthersBehind) {
  for (const Teardown t : kTeardowns) {
    expect_named(t, Invariant::I8, ViolationKind::crashed, [](Ledger& l) {
      l.processes[0].exit_signal = SIGSEGV;
      l.processes[0].exit_code = -1;
      return true;
    });
    expect_named(t, Invariant::I8, ViolationKind::leaked, [](Ledger& l) {
      l.processes[0].leaked_pids = {4712};
      return true;
    });
  }
  for (const Teardown t : {Teardown::stop, Teardown::term, Teardown::pause, Teardown::cut_heal}) {
    expect_named(t, Invariant::I8, ViolationKind::hung, [](Ledger& l) {
      l.processes[0].exit_code = -1;
      l.processes[0].exit_signal = SIGKILL;
      l.processes[0].kill_ns = l.processes[0].exited_ns;
      return true;
    });
    expect_named(t, Invariant::I8, ViolationKind::late, [](Ledger& l) {
      l.processes[0].exited_ns += 60'000 * kMs;
      return true;
    });
  }
}

TEST(Judge, NamesARecordInTheStreamOfAnotherSession) {
  for (const Teardown t : kTeardowns) {
    expect_named(t, Invariant::I9, ViolationKind::wrong_stream, [](Ledger& l) {
      if (l.stored.empty() || l.stored[0].records.empty()) return false;
      l.stored.push_back({"elsewhere", {l.stored[0].records.back()}});
      l.stored[0].records.pop_back();
      return true;
    });
  }
}

TEST(Judge, NamesWhatIsStoredLongAfterTheFaultsEnded) {
  expect_named(Teardown::cut_heal, Invariant::I10, ViolationKind::late, [](Ledger& l) {
    const Publication* p = pick(l);
    if (p == nullptr) return false;
    for (ServiceAppend& a : l.appends) {
      if (a.committed_ns >= 0) a.committed_ns += 20'000 * kMs;
    }
    return true;
  });
}

TEST(Judge, NamesAnEventLostAtAKillThoughItWasOlderThanTheAgeBound) {
  expect_named(Teardown::kill, Invariant::I10, ViolationKind::lost, [](Ledger& l) {
    const auto lost = std::count_if(l.publications.begin(), l.publications.end(), [&](const Publication& p) {
      return p.acceptance == Acceptance::accepted && p.storage_on && !is_stored(l, p.n) &&
             p.n + 32 > l.publications.size();
    });
    l.kill.t_ns += 30'000 * kMs;
    l.processes[0].kill_ns += 30'000 * kMs;
    l.processes[0].exited_ns += 30'000 * kMs;
    return lost > 0;
  });
}

TEST(Judge, NamesWhatIsStoredThoughStorageWasOff) {
  for (const Teardown t : kTeardowns) {
    expect_named(t, Invariant::I11, ViolationKind::stored_while_off, [](Ledger& l) {
      for (Publication& p : l.publications) {
        if (!is_stored(l, p.n)) continue;
        p.storage_on = false;
        return true;
      }
      return false;
    });
  }
}

}  // namespace
}  // namespace s2::scenarios
