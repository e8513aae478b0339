// The step summary: a few lines of Markdown for a CI page.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/escape.h"
#include "scenarios/report.h"

namespace s2::scenarios {
namespace {
constexpr std::size_t kMaxRunsInSummary = 10;  // failing runs spelled out

std::string shutdown(const Totals& t) {
  if (t.shutdown_p50_ms < 0) return "–";
  return fmt::format("{} / {} / {}", t.shutdown_p50_ms, t.shutdown_p99_ms, t.shutdown_max_ms);
}
}  // namespace

std::string step_summary(const Suite& suite) {
  const int code = outcome_of(suite).exit_code;
  std::string out = fmt::format("### {} Last events: {}\n\n{}\n\n", code == 0 ? "✅" : "❌",
                                code == 0   ? "held"
                                : code == 1 ? "broken"
                                            : "no verdict",
                                for_markdown(verdict_sentence(suite)));
  out +=
      "| teardown | faults | runs | published | stored | acked | lost | duplicated | shutdown p50 / p99 / "
      "max, ms | verdict |\n";
  out += "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n";
  const std::vector<Cell> cells = cells_of(suite);
  for (const Teardown teardown : kTeardowns) {
    std::vector<const RunResult*> runs;
    std::string faults;
    for (const Cell& c : cells) {
      if (c.teardown != teardown) continue;
      runs.insert(runs.end(), c.runs.begin(), c.runs.end());
      faults += (faults.empty() ? "" : ", ") + for_markdown(c.fault);
    }
    if (runs.empty()) continue;
    const Totals t = totals_of(runs);
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", name(teardown), faults,
                       t.runs, grouped(t.published), grouped(t.stored), grouped(t.acked), grouped(t.lost),
                       grouped(t.duplicated), shutdown(t),
                       t.broken > 0    ? fmt::format("**{} broken**", t.broken)
                       : t.invalid > 0 ? fmt::format("{} invalid", t.invalid)
                                       : "held");
  }
  for (const Skipped& s : suite.options().skipped)
    out += fmt::format("\nskipped: {}: {}\n", for_markdown(s.scenario), for_markdown(s.why));
  std::size_t told = 0;
  for (const RunResult& r : suite.runs()) {
    if (r.verdict.outcome != Verdict::Outcome::broken || ++told > kMaxRunsInSummary) continue;
    out += fmt::format("\n**{}** ({}, fault {})\n\n", for_markdown(r.scenario), name(r.teardown),
                       for_markdown(r.fault));
    for (const Violation& v : r.verdict.violations) {
      out +=
          fmt::format("- {} {}: {}\n", name(v.invariant), for_markdown(name(v.kind)), for_markdown(v.detail));
    }
    out += fmt::format("\n<pre>{}</pre>\n", for_markdown_html(suite.replay_line(r)));
  }
  if (told > kMaxRunsInSummary)
    out += fmt::format("\n… and {} more failing runs.\n", told - kMaxRunsInSummary);
  return out;
}

}  // namespace s2::scenarios
