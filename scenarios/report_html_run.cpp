// See report_html.h.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "scenarios/escape.h"
#include "scenarios/report_html.h"
#include "scenarios/timeline_svg.h"

namespace s2::scenarios {
namespace {

constexpr std::size_t kMaxLostListed = 60;  // events named in a failing run; all of them are in timeline.json
constexpr std::int64_t kCloseUpMarginNs =
    100'000'000;                  // shown before the first event that a violation is about
constexpr int kCloseUpShare = 3;  // a close-up is worth drawing when it shows less than 1/3

std::string head(const RunResult& r) {
  std::string facts = fmt::format("{} × {}", name(r.teardown), for_html(r.fault));
  if (!r.workload.empty()) facts += " · workload " + for_html(r.workload);
  facts += fmt::format(" · realm {} · seed {}", for_html(r.realm), r.seed);
  if (!r.kill.instant.empty()) facts += " · kill instant: " + for_html(r.kill.instant);
  const Verdict& v = r.verdict;
  facts += fmt::format("<br>{} accepted, {} stored, {} acked, {} lost, {} duplicated", grouped(v.published),
                       grouped(v.stored), grouped(v.acked), grouped(v.lost), grouped(v.duplicated));
  if (v.offered > 0) facts += fmt::format(", {} offered", grouped(v.offered));
  if (v.rejected > 0) facts += fmt::format(", {} rejected", grouped(v.rejected));
  if (v.shutdown_ms >= 0) facts += fmt::format(" · shutdown {} ms", v.shutdown_ms);
  return "<p class=\"facts\">" + facts + "</p>\n";
}

std::string violations(const Verdict& v) {
  if (v.violations.empty() && v.not_checked.empty()) return "";
  std::string out = "<ul class=\"violations\">";
  for (const Violation& x : v.violations) {
    out += fmt::format("<li><b>{} {}</b> {}<small>{}: {}</small></li>\n", name(x.invariant), name(x.kind),
                       for_html(x.detail), name(x.invariant), sentence(x.invariant));
  }
  out += "</ul>\n";
  for (const NotChecked& n : v.not_checked) {
    out += fmt::format("<p class=\"warn\">{} was not checked: {}</p>\n", name(n.invariant), for_html(n.why));
  }
  return out;
}

std::string conduct(const RunResult& r) {
  std::string out;
  if (!r.ended.empty()) out += for_html(r.ended);
  if (r.garbage_lines > 0) out += (out.empty() ? "" : "<br>") + for_html(garbage_text(r));
  if (!out.empty()) out = "<p class=\"warn\">" + out + "</p>\n";
  if (!r.log.empty())
    out += fmt::format("<p class=\"soft\">The writer's log: <a href=\"{0}\"><code>{0}</code></a></p>\n",
                       for_html(r.log));
  return out;
}

std::string replay(const Suite& suite, const RunResult& r) {
  const bool exact = !r.kill.fired || r.kill.protocol_time;
  return fmt::format(
      "<div class=\"replay\"><span>Replay this run (one click selects the "
      "line){}</span><code>{}</code></div>\n",
      exact ? "" : "; it was killed by the wall clock, so a replay may differ",
      for_html(suite.replay_line(r)));
}

// Where a lost event was last seen.
std::string last_seen(const Ledger& ledger, const Publication& p) {
  const ServiceAppend* last = nullptr;
  for (const ServiceAppend& a : ledger.appends) {
    if (std::find(a.probes.begin(), a.probes.end(), p.n) != a.probes.end()) last = &a;
  }
  std::string out;
  if (last != nullptr) {
    const char* how = last->outcome == ServiceAppend::Outcome::acked     ? "acknowledged"
                      : last->outcome == ServiceAppend::Outcome::refused ? "refused"
                                                                         : "outcome unknown";
    out = fmt::format("append {}: {}{}", last->id, how, last->committed ? ", committed" : ", not committed");
    if (!last->error_code.empty()) out += " (" + last->error_code + ")";
  } else {
    out = "accepted, in no append";
  }
  for (const Statement& s : ledger.statements) {
    const bool names = s.epoch == p.epoch && p.seq != 0 && s.from <= p.seq && p.seq <= s.to;
    if (names && s.kind == Statement::Kind::dropped) return out + "; reported as dropped";
    if (names && s.kind == Statement::Kind::lost) return out + "; reported as lost: " + s.text;
  }
  return out;
}

std::string lost_events(const Ledger& ledger, const Verdict& v) {
  if (v.lost_events.empty()) return "";
  const bool broken = v.outcome == Verdict::Outcome::broken;
  std::unordered_set<std::uint64_t> blamed;  // named by a violation: these first
  for (const Violation& x : v.violations) blamed.insert(x.events.begin(), x.events.end());
  const std::unordered_set<std::uint64_t> lost(v.lost_events.begin(), v.lost_events.end());
  std::vector<const Publication*> rows;
  for (const Publication& p : ledger.publications) {
    if (lost.count(p.n) > 0) rows.push_back(&p);
  }
  std::stable_sort(rows.begin(), rows.end(), [&](const Publication* a, const Publication* b) {
    return blamed.count(a->n) > blamed.count(b->n);
  });
  const std::int64_t zero = whole_run(ledger).begin_ns;
  std::string out = fmt::format("<details{}><summary>{} lost event{}{}</summary><div class=\"wide\"><table>",
                                broken ? " open" : "", grouped(rows.size()), rows.size() == 1 ? "" : "s",
                                broken ? "" : ", as this kind of death allows");
  out +=
      "<thead><tr><th>type</th><th class=\"r\">n</th><th class=\"r\">seq</th><th>session</th><th "
      "class=\"r\">bytes</th>"
      "<th class=\"r\">sent, ms</th><th>last seen</th></tr></thead><tbody>\n";
  for (std::size_t i = 0; i < std::min(rows.size(), kMaxLostListed); ++i) {
    const Publication& p = *rows[i];
    out += fmt::format(
        "<tr><td><code{}>{}</code></td><td class=\"r\">{}</td><td "
        "class=\"r\">{}</td><td><code>{}</code></td><td "
        "class=\"r\">{}</td><td class=\"r\">{:.1f}</td><td>{}</td></tr>\n",
        blamed.count(p.n) > 0 ? " class=\"bad\"" : "", for_html(p.type), p.n, p.seq, for_html(p.session),
        grouped(p.bytes), static_cast<double>(p.sent_ns - zero) / 1e6, for_html(last_seen(ledger, p)));
  }
  out += "</tbody></table></div>";
  if (rows.size() > kMaxLostListed) {
    out += fmt::format("<p class=\"soft\">… and {} more in runs/{}/timeline.json</p>",
                       rows.size() - kMaxLostListed, for_html(ledger.run));
  }
  return out + "</details>\n";
}

// From just before what went wrong, or the death, to the end.
Window close_up(const Ledger& ledger, const Verdict& v) {
  const Window whole = whole_run(ledger);
  std::int64_t from = -1;
  const auto consider = [&](std::int64_t t) {
    if (t >= 0 && (from < 0 || t < from)) from = t;
  };
  std::unordered_set<std::uint64_t> blamed;
  for (const Violation& x : v.violations) blamed.insert(x.events.begin(), x.events.end());
  for (const Publication& p : ledger.publications) {
    if (blamed.count(p.n) > 0) consider(p.sent_ns);
  }
  if (from < 0) {
    for (const Process& p : ledger.processes) consider(p.term_ns), consider(p.kill_ns), consider(p.exited_ns);
  }
  return {from < 0 ? whole.begin_ns : std::max(whole.begin_ns, from - kCloseUpMarginNs), whole.end_ns};
}

std::string timelines(const Ledger& ledger, const Verdict& v) {
  const Window whole = whole_run(ledger);
  const Window close = close_up(ledger, v);
  std::string out = timeline_html(ledger, whole, "The whole run");
  if (close.span() * kCloseUpShare < whole.span()) {
    out +=
        timeline_html(ledger, close, v.violations.empty() ? "The last moments" : "From where it went wrong");
  }
  return out;
}

}  // namespace

std::string run_anchor(const RunResult& r) {
  std::string id = "run-";
  for (const char c : r.run) {
    const bool plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
    id += plain ? c : '_';
  }
  return id;
}

std::string run_card_html(const Suite& suite, const RunResult& r, const Ledger& ledger) {
  const bool broken = r.verdict.outcome == Verdict::Outcome::broken;
  const std::string inner = head(r) + violations(r.verdict) + conduct(r) + replay(suite, r) +
                            timelines(ledger, r.verdict) + lost_events(ledger, r.verdict);
  const std::string_view verdict = name(r.verdict.outcome);
  if (broken) {
    return fmt::format(
        "<section class=\"run {}\" id=\"{}\"><div class=\"head\"><span class=\"pill "
        "{}\">{}</span><h3>{}</h3></div>\n{}</section>\n",
        verdict, run_anchor(r), verdict, verdict, for_html(r.scenario), inner);
  }
  return fmt::format(
      "<details class=\"run\" id=\"{}\"><summary><span class=\"pill {}\">{}</span> "
      "{}</summary>\n{}</details>\n",
      run_anchor(r), verdict, verdict, for_html(r.scenario), inner);
}

std::string run_words_html(const Suite& suite, const RunResult& r) {
  const std::string_view verdict = name(r.verdict.outcome);
  return fmt::format(
      "<section class=\"run {}\" id=\"{}\"><div class=\"head\"><span class=\"pill "
      "{}\">{}</span><h3>{}</h3></div>\n{}{}{}{}</section>\n",
      verdict, run_anchor(r), verdict, verdict, for_html(r.scenario), head(r), violations(r.verdict),
      conduct(r), replay(suite, r));
}

}  // namespace s2::scenarios
