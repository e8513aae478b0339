// The report for other programs: results.json out and in, and junit.xml.
#include "scenarios/report_data.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "scenarios/escape.h"
#include "scenarios/kill_instants.h"
#include "scenarios/report.h"

namespace s2::scenarios {
namespace {

using nlohmann::ordered_json;

ordered_json run_json(const RunResult& r) {
  const Verdict& v = r.verdict;
  ordered_json j = {{"scenario", r.scenario},
                    {"realm", r.realm},
                    {"teardown", name(r.teardown)},
                    {"fault", r.fault},
                    {"workload", r.workload},
                    {"run", r.run},
                    {"seed", r.seed},
                    {"verdict", name(v.outcome)},
                    {"published", v.published},
                    {"published_while_off", v.published_off},
                    {"offered", v.offered},
                    {"rejected", v.rejected},
                    {"stored", v.stored},
                    {"acked", v.acked},
                    {"lost", v.lost},
                    {"lost_reported", v.lost_reported},
                    {"duplicated", v.duplicated},
                    {"reordered", v.reordered},
                    {"unacked_at_death", v.unacked_at_death},
                    {"violations", ordered_json::array()},
                    {"not_checked", ordered_json::array()},
                    {"replay", r.replay},
                    {"kill", nullptr},
                    {"shutdown_ms", nullptr}};
  for (const Violation& x : v.violations) {
    j["violations"].push_back({{"invariant", name(x.invariant)},
                               {"kind", name(x.kind)},
                               {"detail", x.detail},
                               {"first_n", x.first_n == 0 ? ordered_json(nullptr) : ordered_json(x.first_n)},
                               {"events", x.events}});
  }
  for (const NotChecked& n : v.not_checked) {
    j["not_checked"].push_back({{"invariant", name(n.invariant)}, {"why", n.why}});
  }
  if (!r.kill.instant.empty()) {
    j["kill"] = {{"instant", r.kill.instant},
                 {"at_ns", r.kill.t_ns < 0 ? ordered_json(nullptr) : ordered_json(r.kill.t_ns)},
                 {"protocol_time", r.kill.protocol_time},
                 {"fired", r.kill.fired},
                 {"number", r.kill.number}};
  }
  if (v.shutdown_ms >= 0) j["shutdown_ms"] = v.shutdown_ms;
  if (v.outcome == Verdict::Outcome::broken) j["lost_events"] = v.lost_events;  // n of each
  if (!v.invalid.empty()) j["invalid"] = v.invalid;
  if (!r.ended.empty()) j["writer_ended"] = r.ended;
  if (r.garbage_lines > 0) j["not_understood"] = {{"lines", r.garbage_lines}, {"first", r.garbage}};
  if (!r.log.empty()) j["log"] = r.log;
  return j;
}

ordered_json milliseconds_or_null(std::int64_t ms) {
  return ms < 0 ? ordered_json(nullptr) : ordered_json(ms);
}

template <class T>
T value_or(const ordered_json& j, const char* key, T otherwise) {
  const auto it = j.find(key);
  return it == j.end() || it->is_null() ? otherwise : it->template get<T>();
}

RunResult run_from(const ordered_json& j) {
  RunResult r;
  r.scenario = j.at("scenario").get<std::string>();
  r.realm = value_or<std::string>(j, "realm", "process");
  r.fault = value_or<std::string>(j, "fault", "none");
  r.workload = value_or<std::string>(j, "workload", "");
  r.run = value_or<std::string>(j, "run", "");
  r.replay = value_or<std::string>(j, "replay", "");
  r.seed = value_or<std::uint64_t>(j, "seed", 0);
  const auto teardown = teardown_named(j.at("teardown").get<std::string>());
  if (!teardown) throw std::invalid_argument("unknown teardown " + j.at("teardown").get<std::string>());
  r.teardown = *teardown;
  Verdict& v = r.verdict;
  const std::string outcome = j.at("verdict").get<std::string>();
  v.outcome = outcome == "held"     ? Verdict::Outcome::held
              : outcome == "broken" ? Verdict::Outcome::broken
                                    : Verdict::Outcome::invalid;
  v.invalid = value_or<std::string>(j, "invalid", "");
  v.published = value_or<std::uint64_t>(j, "published", 0);
  v.published_off = value_or<std::uint64_t>(j, "published_while_off", 0);
  v.offered = value_or<std::uint64_t>(j, "offered", 0);
  v.rejected = value_or<std::uint64_t>(j, "rejected", 0);
  v.stored = value_or<std::uint64_t>(j, "stored", 0);
  v.acked = value_or<std::uint64_t>(j, "acked", 0);
  v.lost = value_or<std::uint64_t>(j, "lost", 0);
  v.lost_reported = value_or<std::uint64_t>(j, "lost_reported", 0);
  v.duplicated = value_or<std::uint64_t>(j, "duplicated", 0);
  v.reordered = value_or<std::uint64_t>(j, "reordered", 0);
  v.unacked_at_death = value_or<std::uint64_t>(j, "unacked_at_death", 0);
  v.shutdown_ms = value_or<std::int64_t>(j, "shutdown_ms", -1);
  v.lost_events = value_or<std::vector<std::uint64_t>>(j, "lost_events", {});
  for (const ordered_json& x : value_or<ordered_json>(j, "violations", ordered_json::array())) {
    Violation violation;
    violation.invariant = invariant_named(x.at("invariant").get<std::string>()).value();
    violation.kind = violation_kind_named(x.at("kind").get<std::string>()).value();
    violation.detail = x.at("detail").get<std::string>();
    violation.first_n = value_or<std::uint64_t>(x, "first_n", 0);
    violation.events = value_or<std::vector<std::uint64_t>>(x, "events", {});
    v.violations.push_back(std::move(violation));
  }
  for (const ordered_json& x : value_or<ordered_json>(j, "not_checked", ordered_json::array())) {
    v.not_checked.push_back(
        {invariant_named(x.at("invariant").get<std::string>()).value(), x.at("why").get<std::string>()});
  }
  if (const ordered_json kill = value_or<ordered_json>(j, "kill", nullptr); kill.is_object()) {
    r.kill.instant = value_or<std::string>(kill, "instant", "");
    r.kill.t_ns = value_or<std::int64_t>(kill, "at_ns", -1);
    r.kill.protocol_time = value_or<bool>(kill, "protocol_time", false);
    r.kill.fired = value_or<bool>(kill, "fired", false);
    r.kill.number = value_or<int>(kill, "number", 0);
  }
  r.ended = value_or<std::string>(j, "writer_ended", "");
  if (const ordered_json said = value_or<ordered_json>(j, "not_understood", nullptr); said.is_object()) {
    r.garbage_lines = value_or<std::uint64_t>(said, "lines", 0);
    r.garbage = value_or<std::string>(said, "first", "");
  }
  r.log = value_or<std::string>(j, "log", "");
  return r;
}

}  // namespace

std::string results_json(const Suite& suite) {
  const Totals t = totals_of(suite);
  ordered_json runs = ordered_json::array();
  for (const RunResult& r : suite.runs()) runs.push_back(run_json(r));
  ordered_json skipped = ordered_json::array();
  for (const Skipped& s : suite.options().skipped)
    skipped.push_back({{"scenario", s.scenario}, {"teardown", name(s.teardown)}, {"why", s.why}});
  const SuiteOptions& o = suite.options();
  const SuiteOutcome outcome = outcome_of(suite);
  ordered_json j = {{"version", 1},
                    {"verdict", t.broken > 0 ? "broken" : "held"},
                    {"exit_code", outcome.exit_code},
                    {"why", outcome.why},
                    {"seed", o.seed},
                    {"writer", o.writer},
                    {"replay_command", o.replay_command},
                    {"replay_flags", o.replay_flags},
                    {"seconds", o.seconds},
                    {"runs", std::move(runs)},
                    {"skipped", std::move(skipped)},
                    {"totals",
                     {{"runs", t.runs},
                      {"held", t.held},
                      {"broken", t.broken},
                      {"invalid", t.invalid},
                      {"published", t.published},
                      {"published_while_off", t.published_off},
                      {"stored", t.stored},
                      {"acked", t.acked},
                      {"lost", t.lost},
                      {"lost_reported", t.lost_reported},
                      {"duplicated", t.duplicated},
                      {"reordered", t.reordered},
                      {"kill_runs", t.kill_runs},
                      {"kill_runs_with_unacked", t.kill_runs_telling},
                      {"shutdown_ms",
                       {{"p50", milliseconds_or_null(t.shutdown_p50_ms)},
                        {"p99", milliseconds_or_null(t.shutdown_p99_ms)},
                        {"max", milliseconds_or_null(t.shutdown_max_ms)}}}}}};
  if (const auto counts = kills_by_instant(suite)) {
    for (const KillInstant& each : kill_instants()) {
      ordered_json row = {{"number", each.number}, {"instant", each.words}};
      if (each.shown_by) {
        row["runs"] = (*counts)[static_cast<std::size_t>(each.number) - 1];
      } else {
        row["not_reachable"] = each.note;
      }
      j["kill_instants"].push_back(std::move(row));
    }
  }
  return j.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

tl::expected<Suite, std::string> results_from_json(std::string_view text) {
  try {
    const ordered_json j = ordered_json::parse(text);
    SuiteOptions o;
    o.seed = value_or<std::uint64_t>(j, "seed", 0);
    o.writer = value_or<std::string>(j, "writer", "");
    o.replay_command = value_or<std::string>(j, "replay_command", o.replay_command);
    o.replay_flags = value_or<std::string>(j, "replay_flags", "");
    o.seconds = value_or<double>(j, "seconds", 0);
    for (const ordered_json& s : value_or<ordered_json>(j, "skipped", ordered_json::array())) {
      o.skipped.push_back({s.at("scenario").get<std::string>(),
                           teardown_named(s.at("teardown").get<std::string>()).value(),
                           s.at("why").get<std::string>()});
    }
    Suite suite(std::move(o));
    for (const ordered_json& run : j.at("runs")) suite.restore(run_from(run), std::nullopt);
    return suite;
  } catch (const std::exception& e) {  // json::exception, bad_optional_access, invalid_argument
    return tl::unexpected("results.json cannot be read: " + visible(e.what()));
  }
}

std::string junit_xml(const Suite& suite) {
  const Totals t = totals_of(suite);
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  out += fmt::format(
      "<testsuites name=\"s2-scenarios\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{:.3f}\">\n",
      t.runs, t.broken, t.invalid, suite.options().seconds);
  for (const Teardown teardown : kTeardowns) {
    std::vector<const RunResult*> runs;
    for (const RunResult& r : suite.runs()) {
      if (r.teardown == teardown) runs.push_back(&r);
    }
    if (runs.empty()) continue;
    const Totals sum = totals_of(runs);
    out += fmt::format("  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
                       name(teardown), sum.runs, sum.broken, sum.invalid);
    for (const RunResult* r : runs) {
      out += fmt::format("    <testcase classname=\"{}.{}\" name=\"{} [{}]\"", name(teardown),
                         for_xml(r->fault), for_xml(r->scenario), for_xml(r->replay));
      if (r->verdict.outcome == Verdict::Outcome::held) {
        out += "/>\n";
        continue;
      }
      out += ">\n";
      if (r->verdict.outcome == Verdict::Outcome::invalid) {
        out += fmt::format("      <skipped message=\"invalid: {}\"/>\n", for_xml(r->verdict.invalid));
      }
      std::string body;
      for (const Violation& v : r->verdict.violations) {
        body += fmt::format("{} {}: {}\n", name(v.invariant), name(v.kind), for_xml(v.detail));
      }
      if (!r->verdict.violations.empty()) {
        const Violation& first = r->verdict.violations.front();
        out += fmt::format("      <failure type=\"{} {}\" message=\"{}\">{}replay: {}</failure>\n",
                           name(first.invariant), name(first.kind), for_xml(first.detail), body,
                           for_xml(suite.replay_line(*r)));
      }
      out += "    </testcase>\n";
    }
    out += "  </testsuite>\n";
  }
  for (const Skipped& s : suite.options().skipped) {
    out += fmt::format(
        "  <testsuite name=\"{0}\" tests=\"1\" failures=\"0\" skipped=\"1\">\n    <testcase "
        "classname=\"{0}\" "
        "name=\"{1}\"><skipped message=\"{2}\"/></testcase>\n  </testsuite>\n",
        name(s.teardown), for_xml(s.scenario), for_xml(s.why));
  }
  return out + "</testsuites>\n";
}

}  // namespace s2::scenarios
