// index.html: verdict, matrix, classes, failing runs, a sample of the good ones, all runs. The frame is
// report_page.html.
#include "scenarios/report_html.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "scenarios/escape.h"
#include "scenarios/kill_instants.h"
#include "scenarios/quantity.h"
#include "scenarios/report_page.h"

namespace s2::scenarios {
namespace {

constexpr std::size_t kMaxFailingCards = 120;  // beyond it failing runs stand only in the table of all runs
constexpr std::size_t kMaxFaultName = 32;      // bytes, in the matrix's head
constexpr std::size_t kMaxRunRows = 3000;      // of the table of all runs

std::string_view cell_class(const Totals& t) {
  return t.broken > 0 ? "broken" : t.held == 0 && t.invalid > 0 ? "invalid" : "held";
}

std::string ms(std::int64_t v) {
  return v < 0 ? "–" : grouped(static_cast<std::uint64_t>(v));
}

std::string verdict_html(const Suite& suite) {
  const int code = outcome_of(suite).exit_code;
  const Totals t = totals_of(suite);
  const SuiteOptions& o = suite.options();
  const char* cls = code == 0 ? "held" : code == 1 ? "broken" : "invalid";
  std::string out =
      fmt::format("<div class=\"verdict {}\"><span class=\"pill {}\">{}</span><h1>{}</h1>\n", cls, cls,
                  code == 0   ? "held"
                  : code == 1 ? "broken"
                              : "no verdict",
                  for_html(verdict_sentence(suite)));
  out += fmt::format("<p class=\"soft\">Writer <code>{}</code> · suite seed {}", for_html(o.writer), o.seed);
  if (o.seconds > 0) out += fmt::format(" · {:.1f} s", o.seconds);
  out += "</p></div>\n<div class=\"tiles\">";
  const auto tile = [&](const std::string& value, const char* label, const char* colour = "") {
    out += fmt::format("<div><b class=\"{}\">{}</b><span>{}</span></div>", colour, value, label);
  };
  const std::string invalid = "runs, " + grouped(t.invalid) + " of them invalid";
  tile(grouped(t.runs), t.invalid > 0 ? invalid.c_str() : "runs");
  tile(grouped(t.broken), "broken", t.broken > 0 ? "bad" : "ok");
  tile(grouped(t.published), "published");
  tile(grouped(t.stored), "stored");
  tile(grouped(t.acked), "acked");
  tile(grouped(t.lost), t.broken > 0 ? "lost" : "lost, as allowed");
  tile(grouped(t.duplicated), "duplicated");
  tile(fmt::format("{} / {}", ms(t.shutdown_p50_ms), ms(t.shutdown_p99_ms)), "shutdown ms, p50 / p99");
  tile(ms(t.shutdown_max_ms), "shutdown ms, max");
  return out + "</div>\n";
}

std::string cell_html(const Cell* cell) {
  if (cell == nullptr) return "<td class=\"none\">·</td>";
  const Totals t = totals_of(cell->runs);
  std::string inner;
  if (t.broken > 0) {
    const auto first = std::find_if(cell->runs.begin(), cell->runs.end(), [](const RunResult* r) {
      return r->verdict.outcome == Verdict::Outcome::broken;
    });
    inner = fmt::format("<a href=\"#{}\">✗ {} of {}</a>", run_anchor(**first), t.broken, t.runs);
  } else {
    inner = fmt::format("{} {}", t.held == 0 ? "?" : "✓", t.runs);
  }
  if (t.lost > 0) inner += fmt::format("<small>{} lost</small>", grouped(t.lost));
  return fmt::format("<td class=\"{}\">{}</td>", cell_class(t), inner);
}

std::string matrix_html(const Suite& suite) {
  const std::vector<Cell> cells = cells_of(suite);
  std::vector<std::string> faults;
  for (const Cell& c : cells) {
    if (std::find(faults.begin(), faults.end(), c.fault) == faults.end()) faults.push_back(c.fault);
  }
  std::stable_sort(faults.begin(), faults.end(), fault_before);
  std::string out =
      "<h2>Teardown × faults</h2>\n<p class=\"soft\">Each cell: runs, and the events lost in them. Loss in a "
      "green cell is what that kind of death allows, or what the writer told of, such as an event over S2's "
      "limit.</p>\n<div class=\"wide\"><table class=\"matrix\"><thead><tr><th></th>";
  for (const std::string& f : faults) {
    const bool fits = f.size() <= kMaxFaultName;
    out += "<th>" + for_html(f == "none" ? "no fault" : f.substr(0, kMaxFaultName)) + (fits ? "" : "…") +
           "</th>";
  }
  out += "</tr></thead><tbody>\n";
  for (const Teardown t : kTeardowns) {
    std::string row;
    bool any = false;
    for (const std::string& f : faults) {
      const auto it = std::find_if(cells.begin(), cells.end(),
                                   [&](const Cell& c) { return c.teardown == t && c.fault == f; });
      any = any || it != cells.end();
      row += cell_html(it == cells.end() ? nullptr : &*it);
    }
    if (any)
      out += fmt::format("<tr><th>{}<small>{}</small></th>{}</tr>\n", name(t), promise_of(t).sentence, row);
  }
  return out + "</tbody></table></div>\n";
}

std::string checked_by(Teardown t) {
  std::string out;
  for (int i = 1; i <= kInvariants; ++i) {
    const auto invariant = static_cast<Invariant>(i);
    if (promise_of(t).checks(invariant)) out += (out.empty() ? "" : " ") + std::string(name(invariant));
  }
  return out;
}

std::string classes_html(const Suite& suite) {
  std::string out =
      "<h2>By kind of death</h2>\n<div class=\"wide\"><table><thead><tr><th>teardown</th><th "
      "class=\"r\">runs</th><th "
      "class=\"r\">published</th><th class=\"r\">stored</th><th class=\"r\">acked</th><th "
      "class=\"r\">lost</th><th "
      "class=\"r\">duplicated</th><th class=\"r\">shutdown ms<br>p50 / p99 / "
      "max</th><th>checked</th><th>verdict</th>"
      "</tr></thead><tbody>\n";
  std::set<std::string> unchecked;
  for (const Teardown t : kTeardowns) {
    std::vector<const RunResult*> runs;
    for (const RunResult& r : suite.runs()) {
      if (r.teardown != t) continue;
      runs.push_back(&r);
      for (const NotChecked& n : r.verdict.not_checked) {
        unchecked.insert(fmt::format("{} in {}: {}", name(n.invariant), name(t), for_html(n.why)));
      }
    }
    if (runs.empty()) continue;
    const Totals s = totals_of(runs);
    const std::string verdict = s.broken > 0    ? fmt::format("{} broken", s.broken)
                                : s.held == 0   ? fmt::format("{} invalid", s.invalid)
                                : s.invalid > 0 ? fmt::format("held, {} invalid", s.invalid)
                                                : "held";
    out += fmt::format(
        "<tr><td><b>{}</b></td><td class=\"r\">{}</td><td class=\"r\">{}</td><td class=\"r\">{}</td><td "
        "class=\"r\">{}</td><td class=\"r\">{}</td><td class=\"r\">{}</td><td class=\"r\">{} / {} / "
        "{}</td><td "
        "class=\"soft nowrap\">{}</td><td><span class=\"pill {}\">{}</span></td></tr>\n",
        name(t), s.runs, grouped(s.published), grouped(s.stored), grouped(s.acked), grouped(s.lost),
        grouped(s.duplicated), ms(s.shutdown_p50_ms), ms(s.shutdown_p99_ms), ms(s.shutdown_max_ms),
        checked_by(t), cell_class(s), verdict);
  }
  out += "</tbody></table></div>\n<details open><summary>What the columns count</summary><table>";
  for (const auto& [column, words] : columns_of(totals_of(suite)))
    out +=
        fmt::format("<tr><td><b>{}</b></td><td>{}</td></tr>", column == "dup" ? "duplicated" : column, words);
  out += "</table></details>\n";
  if (const auto counts = kills_by_instant(suite)) {
    out +=
        "<h2>Kill instants</h2>\n<div class=\"wide\"><table><thead><tr><th></th><th>instant</th><th "
        "class=\"r\">runs</th><th>in realm process</th></tr></thead><tbody>\n";
    for (const KillInstant& each : kill_instants()) {
      out += fmt::format(
          "<tr><td class=\"r\">{}</td><td>{}</td><td class=\"r\">{}</td><td class=\"soft\">{}{}</td></tr>\n",
          each.number, for_html(each.words),
          each.shown_by ? grouped((*counts)[static_cast<std::size_t>(each.number) - 1]) : "–",
          each.shown_by ? "" : "not reachable: ", for_html(each.note));
    }
    out += "</tbody></table></div>\n";
  }
  for (const Skipped& s : suite.options().skipped) {
    out += fmt::format("<p class=\"warn\">Skipped: {}: {}</p>\n", for_html(s.scenario), for_html(s.why));
  }
  for (const InvalidRuns& each : invalid_runs(suite)) {
    out += fmt::format("<p class=\"warn\">Invalid, and proves nothing: {}: {} (the first: {}{})</p>\n",
                       count_of(each.runs, "run"), for_html(each.why), for_html(each.first->scenario),
                       each.first->ended.empty() ? "" : "; " + for_html(each.first->ended));
  }
  if (const auto told = first_garbage(suite); told.first > 0) {
    out += fmt::format("<p class=\"warn\">In {}, {}</p>\n", count_of(told.first, "run"),
                       for_html(garbage_text(*told.second)));
  }
  for (const std::string& line : unchecked) out += "<p class=\"warn\">Not checked: " + line + "</p>\n";
  out += "<details><summary>What the invariants say</summary><table>";
  for (int i = 1; i <= kInvariants; ++i) {
    const auto invariant = static_cast<Invariant>(i);
    out += fmt::format("<tr><td><b>{}</b></td><td>{}</td></tr>", name(invariant), sentence(invariant));
  }
  return out + "</table></details>\n";
}

const Ledger* ledger_of(const Suite& suite, const RunResult& r) {
  for (const Ledger& l : suite.drawn()) {
    if (l.run == r.run) return &l;
  }
  return nullptr;
}

constexpr const char* kLegend =
    "<p class=\"legend\"><span><i class=\"k-pub\"></i>published</span><span><i "
    "class=\"k-ring\"></i>accepted, in no append "
    "yet</span><span><i class=\"k-ok\"></i>acknowledged, stored</span><span><i "
    "class=\"k-unknown\"></i>outcome unknown, "
    "fault, stored twice</span><span><i class=\"k-gone\"></i>refused, dropped, SIGTERM</span><span><i "
    "class=\"k-lost\"></i>lost, "
    "SIGKILL</span><span><i></i>offered, rejected, asked</span></p>\n";

std::string failing_html(const Suite& suite) {
  std::string cards;
  std::size_t told = 0;
  for (const RunResult& r : suite.runs()) {
    if (r.verdict.outcome != Verdict::Outcome::broken || ++told > kMaxFailingCards) continue;
    const Ledger* ledger = ledger_of(suite, r);
    cards += ledger != nullptr ? run_card_html(suite, r, *ledger) : run_words_html(suite, r);
  }
  if (told == 0) return "";
  std::string out = fmt::format("<h2>Failing runs ({})</h2>\n{}{}", told, kLegend, cards);
  if (told > kMaxFailingCards) {
    out += fmt::format("<p class=\"soft\">… and {} more, in the table below.</p>\n", told - kMaxFailingCards);
  }
  return out;
}

std::string sample_html(const Suite& suite) {
  std::string cards;
  for (const Ledger& l : suite.drawn()) {
    const RunResult* r = suite.result_of(l.run);
    if (r != nullptr && r->verdict.outcome == Verdict::Outcome::held) cards += run_card_html(suite, *r, l);
  }
  if (cards.empty()) return "";
  return std::string("<h2>A sample of the runs that held</h2>\n") + kLegend + cards;
}

std::string all_runs_html(const Suite& suite) {
  std::string out = fmt::format(
      "<h2>All runs</h2>\n<details><summary>{} runs</summary><div "
      "class=\"wide\"><table><thead><tr><th>verdict</th><th>scenario"
      "</th><th>teardown</th><th>fault</th><th>kill instant</th><th class=\"r\">published</th><th "
      "class=\"r\">stored</th><th "
      "class=\"r\">lost</th><th class=\"r\">shutdown ms</th><th>token</th></tr></thead><tbody>\n",
      grouped(suite.runs().size()));
  std::size_t rows = 0;
  for (const RunResult& r : suite.runs()) {
    if (++rows > kMaxRunRows) break;
    const Verdict& v = r.verdict;
    const std::string_view verdict = name(v.outcome);
    out += fmt::format(
        "<tr><td><span class=\"pill {}\">{}</span></td><td>{}{}</td><td>{}</td><td>{}</td><td>{}</td><td "
        "class=\"r\">{}</td><td "
        "class=\"r\">{}</td><td class=\"r\">{}</td><td class=\"r\">{}</td><td><code>{}</code></td></tr>\n",
        verdict, verdict, for_html(r.scenario),
        v.invalid.empty() ? "" : "<br><span class=\"warn\">" + for_html(v.invalid) + "</span>",
        name(r.teardown), for_html(r.fault), for_html(r.kill.instant), grouped(v.published),
        grouped(v.stored), grouped(v.lost), ms(v.shutdown_ms), for_html(r.replay));
  }
  out += "</tbody></table></div></details>\n";
  if (rows > kMaxRunRows) out += fmt::format("<p class=\"soft\">The first {} are shown.</p>\n", kMaxRunRows);
  return out;
}

std::string filled(std::string_view frame, std::string_view key, const std::string& value) {
  const std::size_t at = frame.find(key);
  return std::string(frame.substr(0, at)) + value + std::string(frame.substr(at + key.size()));
}

}  // namespace

std::string page_html(const std::string& title, const std::string& body) {
  return filled(filled(kReportPage, "{{title}}", title), "{{body}}", body);
}

std::string index_html(const Suite& suite) {
  const int code = outcome_of(suite).exit_code;
  const std::string title = code == 0   ? "held · last events"
                            : code == 1 ? "broken · last events"
                                        : "no verdict · last events";
  std::string body = verdict_html(suite) + matrix_html(suite) + classes_html(suite) + failing_html(suite) +
                     sample_html(suite) + all_runs_html(suite);
  body +=
      "<footer>Judged from three ledgers: what was published, what S2 was sent and answered, and what an "
      "independent reader "
      "found afterwards.</footer>";
  return page_html(title, body);
}

}  // namespace s2::scenarios
