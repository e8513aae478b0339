// The report on a terminal: the table teardown × faults, and the verdict in words.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "scenarios/escape.h"
#include "scenarios/kill_instants.h"
#include "scenarios/quantity.h"
#include "scenarios/report.h"

namespace s2::scenarios {
namespace {

constexpr std::size_t kMaxRunsTold = 20;       // failing runs spelled out; the rest stand in the files
constexpr std::size_t kMaxViolationsTold = 4;  // of one run
constexpr std::size_t kNameWidth = 28;         // columns of the first column

struct Paint {
  bool on;
  std::string operator()(const char* code, const std::string& text) const {
    return on && !text.empty() ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
  }
};

constexpr const char* kRed = "1;31";
constexpr const char* kGreen = "32";
constexpr const char* kYellow = "33";
constexpr const char* kDim = "2";
constexpr const char* kBold = "1";

std::string milliseconds_text(std::int64_t v) {
  return v < 0 ? "-" : grouped(static_cast<std::uint64_t>(v));
}

std::string line_of(const std::string& label, const Totals& t) {
  return fmt::format("{:<{}} {:>6} {:>10} {:>10} {:>10} {:>8} {:>6} {:>8} {:>8} {:>8}", label, kNameWidth,
                     t.runs, grouped(t.published), grouped(t.stored), grouped(t.acked), grouped(t.lost),
                     grouped(t.duplicated), milliseconds_text(t.shutdown_p50_ms),
                     milliseconds_text(t.shutdown_p99_ms), milliseconds_text(t.shutdown_max_ms));
}

std::string verdict_of(const Totals& t, const Paint& paint) {
  if (t.broken > 0) return paint(kRed, fmt::format("{} broken", t.broken));
  if (t.invalid > 0) return paint(kYellow, fmt::format("{} invalid", t.invalid));
  return paint(kGreen, "held");
}

// What broke where there is more than one run to look at, the most frequent first.
std::string by_promise(const Suite& suite) {
  std::map<std::string, std::size_t> runs;
  std::size_t broken = 0;
  for (const RunResult& r : suite.runs()) {
    std::set<std::string> kinds;
    for (const Violation& v : r.verdict.violations)
      kinds.insert(fmt::format("{} {}", name(v.invariant), name(v.kind)));
    for (const std::string& kind : kinds) ++runs[kind];
    broken += r.verdict.outcome == Verdict::Outcome::broken;
  }
  if (broken < 2) return "";
  std::vector<std::pair<std::string, std::size_t>> rows(runs.begin(), runs.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string out;
  for (const auto& [kind, count] : rows)
    out += fmt::format("{}{} in {}", out.empty() ? "" : ", ", kind, count_of(count, "run"));
  return "broken promises: " + out + "\n";
}

std::string fitted(std::string text) {
  if (text.size() > kNameWidth) text = utf8(text.substr(0, kNameWidth - 1)) + "~";
  return text;
}

}  // namespace

std::string terminal_table(const Suite& suite, bool colour) {
  const Paint paint{colour};
  std::string out = paint(kDim, fmt::format("{:<{}} {:>6} {:>10} {:>10} {:>10} {:>8} {:>6} {:>26}", "",
                                            kNameWidth, "", "", "", "", "", "", "shutdown, ms")) +
                    "\n";
  out += paint(kBold, fmt::format("{:<{}} {:>6} {:>10} {:>10} {:>10} {:>8} {:>6} {:>8} {:>8} {:>8}",
                                  "teardown × fault", kNameWidth, "runs", "published", "stored", "acked",
                                  "lost", "dup", "p50", "p99", "max")) +
         "\n";
  const std::vector<Cell> cells = cells_of(suite);
  for (const Teardown t : kTeardowns) {
    std::vector<const RunResult*> all;
    std::vector<const Cell*> row;
    for (const Cell& c : cells) {
      if (c.teardown != t) continue;
      row.push_back(&c);
      all.insert(all.end(), c.runs.begin(), c.runs.end());
    }
    if (row.empty()) continue;
    const Totals sum = totals_of(all);
    std::string label = std::string(name(t));
    if (row.size() == 1) label += " × " + visible(row.front()->fault);
    out += paint(kBold, line_of(fitted(label), sum)) + "  " + verdict_of(sum, paint) + "\n";
    if (row.size() == 1) continue;
    for (const Cell* c : row) {
      const Totals part = totals_of(c->runs);
      out += line_of(fitted("  " + visible(c->fault)), part) + "  " + verdict_of(part, paint) + "\n";
    }
  }
  out += paint(kBold, line_of("all", totals_of(suite))) + "  " + verdict_of(totals_of(suite), paint) + "\n";
  for (const auto& [column, words] : columns_of(totals_of(suite)))
    out += paint(kDim, fmt::format("  {:<9}  {}", column, words)) + "\n";
  if (const auto counts = kills_by_instant(suite)) {
    out += paint(kBold, "kill instants, realm process") + "\n";
    for (const KillInstant& each : kill_instants()) {
      const std::size_t runs = (*counts)[static_cast<std::size_t>(each.number) - 1];
      out += fmt::format("{:>4}  {:<42} ", each.number, each.words);
      if (!each.shown_by) {
        out += paint(kDim, fmt::format("not reachable in realm process: {}", each.note)) + "\n";
      } else {
        out += runs == 0 ? paint(kYellow, "no run") + "\n"
                         : fmt::format("{} run{}: {}\n", runs, runs == 1 ? "" : "s", each.note);
      }
    }
  }
  for (const Skipped& s : suite.options().skipped) {
    out += paint(kYellow, fmt::format("skipped: {}: {}\n", visible(s.scenario), visible(s.why)));
  }
  return out;
}

std::string verdict_text(const Suite& suite, bool colour) {
  const Paint paint{colour};
  std::string out = by_promise(suite);
  std::size_t told = 0;
  for (const RunResult& r : suite.runs()) {
    if (r.verdict.outcome != Verdict::Outcome::broken || ++told > kMaxRunsTold) continue;
    out += paint(kRed, "broken") + fmt::format("  {}  ({}, fault {}, seed {})\n", visible(r.scenario),
                                               name(r.teardown), visible(r.fault), r.seed);
    for (std::size_t i = 0; i < std::min(kMaxViolationsTold, r.verdict.violations.size()); ++i) {
      const Violation& v = r.verdict.violations[i];
      out += fmt::format("        {} {}: {}\n", name(v.invariant), name(v.kind), visible(v.detail));
    }
    if (r.verdict.violations.size() > kMaxViolationsTold) {
      out += fmt::format("        and {}\n",
                         count_of(r.verdict.violations.size() - kMaxViolationsTold, "more violation"));
    }
    if (r.garbage_lines > 0) out += fmt::format("        {}\n", visible(garbage_text(r)));
    if (!r.ended.empty()) out += fmt::format("        {}\n", visible(r.ended));
    if (const std::string log = suite.path_of_log(r); !log.empty() && !r.ended.empty())
      out += fmt::format("        its log: {}\n", visible(log));
    if (r.kill.fired && !r.kill.protocol_time) {
      out += paint(kDim, "        killed by the wall clock: the replay may differ\n");
    }
    out += "        replay: " + paint(kBold, visible(suite.replay_line(r))) + "\n";
  }
  if (told > kMaxRunsTold)
    out += fmt::format("… and {} in results.json\n", count_of(told - kMaxRunsTold, "more failing run"));
  for (const InvalidRuns& each : invalid_runs(suite)) {
    out += paint(kYellow, "invalid") + fmt::format("  {}, which {} nothing: {}\n", count_of(each.runs, "run"),
                                                   each.runs == 1 ? "proves" : "prove", visible(each.why));
    out += fmt::format("        {}{}\n",
                       each.runs == 1 ? "" : "the first: ", visible(suite.replay_line(*each.first)));
    if (!each.first->ended.empty()) out += fmt::format("        {}\n", visible(each.first->ended));
  }

  std::string unchecked;
  for (const RunResult& r : suite.runs()) {
    for (const NotChecked& n : r.verdict.not_checked) {
      const std::string line =
          fmt::format("not checked  {} ({}): {}\n", name(n.invariant), name(r.teardown), visible(n.why));
      if (unchecked.find(line) == std::string::npos) unchecked += line;
    }
  }
  out += paint(kYellow, unchecked);
  if (const auto told_badly = first_garbage(suite); told_badly.first > 0) {
    out += paint(kYellow, fmt::format("warning  in {}, {}\n", count_of(told_badly.first, "run"),
                                      visible(garbage_text(*told_badly.second))));
  }

  const int code = outcome_of(suite).exit_code;
  out += paint(code == 0 ? kGreen : kRed, code == 0   ? "HELD"
                                          : code == 1 ? "BROKEN"
                                                      : "NO VERDICT") +
         "  " + verdict_sentence(suite) + "\n";
  return out;
}

}  // namespace s2::scenarios
