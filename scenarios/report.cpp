// See report.h: the suite itself, its totals and its outcome.
#include "scenarios/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "scenarios/last_words.h"
#include "scenarios/quantity.h"

namespace s2::scenarios {

void note_conduct(RunResult& result, const Ledger& ledger) {
  result.ended.clear(), result.garbage.clear(), result.garbage_lines = 0;
  for (const Process& p : ledger.processes) {
    if (!result.ended.empty() || !p.failed()) continue;
    result.ended = "the writer " + how_it_ended(p) + p.last_words;
  }
  for (const Statement& s : ledger.statements) {
    if (s.kind != Statement::Kind::garbage) continue;
    if (++result.garbage_lines == 1) result.garbage = s.text;
  }
}

std::string garbage_text(const RunResult& result) {
  const std::uint64_t n = result.garbage_lines;
  return fmt::format("the writer said {} that {} of docs/writers.md, or answered what was not asked{}: `{}`",
                     count_of(n, "line"), n == 1 ? "is none" : "are none", n == 1 ? "" : "; the first",
                     result.garbage);
}

bool Suite::add(const Ledger& ledger, const Verdict& verdict) {
  RunResult r;
  r.scenario = ledger.scenario;
  r.realm = ledger.realm;
  r.fault = ledger.fault;
  r.workload = ledger.workload;
  r.run = ledger.run;
  r.replay = ledger.replay;
  r.teardown = ledger.teardown;
  r.seed = ledger.seed;
  r.kill = ledger.kill;
  if (r.kill.t_ns >= 0 && !ledger.processes.empty()) r.kill.t_ns -= ledger.processes.front().spawned_ns;
  r.verdict = verdict;
  note_conduct(r, ledger);
  runs_.push_back(std::move(r));
  const bool kept = keep(ledger, verdict);
  if (kept && !options_.directory.empty()) runs_.back().log = fmt::format("runs/{}/writer.log", ledger.run);
  return kept;
}

std::string Suite::path_of_log(const RunResult& result) const {
  return result.log.empty() || options_.directory.empty() ? "" : options_.directory + "/" + result.log;
}

bool Suite::keep(const Ledger& ledger, const Verdict& verdict) {
  if (verdict.outcome == Verdict::Outcome::invalid) return false;
  if (verdict.outcome == Verdict::Outcome::broken) {
    if (failing_drawn_ >= kMaxFailingTimelines) return false;
    ++failing_drawn_;
  } else {
    std::size_t& drawn = good_drawn_[ledger.teardown];
    if (drawn >= kGoodTimelinesPerClass) return false;
    ++drawn;
  }
  drawn_.push_back(ledger);
  return true;
}

void Suite::restore(RunResult result, std::optional<Ledger> ledger) {
  runs_.push_back(std::move(result));
  if (ledger) drawn_.push_back(std::move(*ledger));
}

const RunResult* Suite::result_of(const std::string& run) const {
  const auto it = std::find_if(runs_.begin(), runs_.end(), [&](const RunResult& r) { return r.run == run; });
  return it == runs_.end() ? nullptr : &*it;
}

std::string Suite::replay_line(const RunResult& result) const {
  std::string line = options_.replay_command + " " + result.replay;
  if (!options_.replay_flags.empty()) line += " " + options_.replay_flags;
  return line;
}

namespace {

std::int64_t percentile(std::vector<std::int64_t> values, double share) {
  if (values.empty()) return -1;
  const auto rank = static_cast<std::size_t>(std::lround(share * static_cast<double>(values.size() - 1)));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rank), values.end());
  return values[rank];
}

}  // namespace

Totals totals_of(const std::vector<const RunResult*>& runs) {
  Totals t;
  std::vector<std::int64_t> shutdowns;
  for (const RunResult* r : runs) {
    const Verdict& v = r->verdict;
    ++t.runs;
    if (v.outcome == Verdict::Outcome::invalid) {
      ++t.invalid;
      continue;  // proves nothing: its events are not counted
    }
    ++(v.outcome == Verdict::Outcome::held ? t.held : t.broken);
    t.published += v.published;
    t.published_off += v.published_off;
    t.stored += v.stored;
    t.acked += v.acked;
    t.lost += v.lost;
    t.lost_reported += v.lost_reported;
    t.duplicated += v.duplicated;
    t.reordered += v.reordered;
    if (r->teardown == Teardown::kill) {
      ++t.kill_runs;
      t.kill_runs_telling += v.unacked_at_death > 0;
    }
    if (v.shutdown_ms >= 0) shutdowns.push_back(v.shutdown_ms);
  }
  t.shutdown_p50_ms = percentile(shutdowns, 0.50);
  t.shutdown_p99_ms = percentile(shutdowns, 0.99);
  t.shutdown_max_ms = percentile(shutdowns, 1.0);
  return t;
}

Totals totals_of(const Suite& suite) {
  std::vector<const RunResult*> all;
  for (const RunResult& r : suite.runs()) all.push_back(&r);
  return totals_of(all);
}

SuiteOutcome outcome_of(const Suite& suite) {
  const Totals t = totals_of(suite);
  if (t.broken > 0) return {1, fmt::format("{} of {} runs broke a promise", t.broken, t.runs)};
  if (t.runs == 0) return {3, "no run was made"};
  if (static_cast<double>(t.invalid) > kMaxInvalidShare * static_cast<double>(t.runs)) {
    return {3,
            fmt::format(
                "{} of {} runs are invalid, more than {:.0f} %: their faults or kills did not fire as drawn",
                t.invalid, t.runs, kMaxInvalidShare * 100)};
  }
  for (const Teardown wanted : suite.options().requested) {
    const bool valid = std::any_of(suite.runs().begin(), suite.runs().end(), [&](const RunResult& r) {
      return r.teardown == wanted && r.verdict.outcome != Verdict::Outcome::invalid;
    });
    if (!valid) return {3, fmt::format("class {} has no valid run", name(wanted))};
  }
  if (static_cast<double>(t.kill_runs_telling) < kMinTellingKills * static_cast<double>(t.kill_runs)) {
    return {3, fmt::format(
                   "only {} of {} kills found something accepted and not yet acked: they prove too little",
                   t.kill_runs_telling, t.kill_runs)};
  }
  return {};
}

std::vector<Cell> cells_of(const Suite& suite) {
  std::vector<Cell> cells;
  for (const Teardown t : kTeardowns) {
    std::vector<Cell> row;
    for (const RunResult& r : suite.runs()) {
      if (r.teardown != t) continue;
      const std::string fault = r.fault.find('+') == std::string::npos ? r.fault : kSeveralFaults;
      auto it = std::find_if(row.begin(), row.end(), [&](const Cell& c) { return c.fault == fault; });
      if (it == row.end()) it = row.insert(row.end(), Cell{t, fault, {}});
      it->runs.push_back(&r);
    }
    std::stable_sort(row.begin(), row.end(),
                     [](const Cell& a, const Cell& b) { return fault_before(a.fault, b.fault); });
    cells.insert(cells.end(), row.begin(), row.end());
  }
  return cells;
}

bool fault_before(const std::string& a, const std::string& b) {
  const auto place = [](const std::string& fault) {
    return fault == "none" ? 0 : fault == kSeveralFaults ? 2 : 1;
  };
  return std::pair(place(a), a) < std::pair(place(b), b);
}

std::optional<std::array<std::size_t, 21>> kills_by_instant(const Suite& suite) {
  std::optional<std::array<std::size_t, 21>> counts;
  for (const RunResult& r : suite.runs()) {
    if (r.teardown != Teardown::browser_delete) continue;
    if (!counts) counts.emplace();
    const bool counts_here = r.verdict.outcome != Verdict::Outcome::invalid && r.kill.fired;
    if (counts_here && r.kill.number >= 1 && r.kill.number <= 21)
      ++(*counts)[static_cast<std::size_t>(r.kill.number) - 1];
  }
  return counts;
}

std::vector<InvalidRuns> invalid_runs(const Suite& suite) {
  std::vector<InvalidRuns> all;
  for (const RunResult& r : suite.runs()) {
    if (r.verdict.outcome != Verdict::Outcome::invalid) continue;
    const std::string& why = r.verdict.invalid;
    auto at = std::find_if(all.begin(), all.end(), [&](const InvalidRuns& each) { return each.why == why; });
    if (at == all.end()) at = all.insert(at, {why, 0, &r});
    ++at->runs;
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const InvalidRuns& a, const InvalidRuns& b) { return a.runs > b.runs; });
  return all;
}

std::pair<std::size_t, const RunResult*> first_garbage(const Suite& suite) {
  std::pair<std::size_t, const RunResult*> found{0, nullptr};
  for (const RunResult& r : suite.runs()) {
    if (r.garbage_lines > 0 && ++found.first == 1) found.second = &r;
  }
  return found;
}

std::vector<std::pair<std::string, std::string>> columns_of(const Totals& totals) {
  const std::string off =
      totals.published_off == 0
          ? ""
          : fmt::format(", {} of them while storing was switched off: they must not be stored",
                        grouped(totals.published_off));
  return {
      {"published", "events that the writer accepted" + off},
      {"stored",
       "events found in the streams after the death, also such whose acceptance nobody saw any more"},
      {"acked", "of the published, those that the writer called durable (S2, where it says nothing of acks)"},
      {"lost",
       "published while storing was on, and not stored: where a row held, its death allows it or the writer "
       "told of it"},
      {"dup", "copies in the streams beyond an event's first"},
      {"shutdown", "from the first request to end (stop, end of input, SIGTERM) to the exit"}};
}

std::string grouped(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string verdict_sentence(const Suite& suite) {
  const Totals t = totals_of(suite);
  const SuiteOutcome outcome = outcome_of(suite);
  std::size_t classes = 0;
  for (const Teardown c : kTeardowns) {
    classes += std::any_of(suite.runs().begin(), suite.runs().end(),
                           [&](const RunResult& r) { return r.teardown == c; });
  }
  const auto counted = [](std::uint64_t n, const char* one) {
    return grouped(n) + " " + one + (n == 1 ? "" : "s");
  };
  const auto is_or_are = [](std::uint64_t n) { return n == 1 ? "is" : "are"; };
  const std::string scope = fmt::format("{}, {} of death, {} accepted", counted(t.runs, "run"),
                                        counted(classes, "kind"), counted(t.published, "event"));
  if (outcome.exit_code == 3) return fmt::format("No verdict: {}. ({})", outcome.why, scope);
  if (outcome.exit_code == 0) return fmt::format("Nothing was lost that was promised: {}.", scope);

  std::uint64_t wrongly_lost = 0;
  std::uint64_t journal_lacks = 0;  // named as lost though they are in their streams
  for (const RunResult& r : suite.runs()) {
    std::set<std::uint64_t> blamed;
    std::set<std::uint64_t> lacking;
    for (const Violation& v : r.verdict.violations) {
      using enum ViolationKind;
      if (v.kind == lost || v.kind == lost_acked || v.kind == false_ack)
        blamed.insert(v.events.begin(), v.events.end());
      if (v.kind == lost) lacking.insert(v.events.begin(), v.events.end());
    }
    for (const std::uint64_t n : r.verdict.lost_events) {
      wrongly_lost += blamed.count(n);
      lacking.erase(n);
    }
    journal_lacks += lacking.size();
  }
  const std::string loss =
      wrongly_lost != 0
          ? counted(wrongly_lost, "event") + " that may not be lost " + is_or_are(wrongly_lost) + " gone"
      : journal_lacks != 0 ? counted(journal_lacks, "event") + " " + is_or_are(journal_lacks) +
                                 " missing from the journal, what had to be in the streams is there"
                           : "no promised event was lost, but another promise broke";
  return fmt::format("A promise was broken in {} of {}: {} ({} of death, {} accepted).", grouped(t.broken),
                     counted(t.runs, "run"), loss, counted(classes, "kind"), counted(t.published, "event"));
}

}  // namespace s2::scenarios
