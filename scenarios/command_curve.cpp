// See commands.h: curve. Every point is a scenario of a plan like any other, run several times; invalid runs
// are drawn again, and what breaks a promise is counted and said.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <tl/expected.hpp>

#include "scenarios/commands.h"
#include "scenarios/curve.h"
#include "scenarios/progress.h"
#include "scenarios/run_files.h"
#include "scenarios/suite_run.h"

namespace s2::scenarios {
namespace {

constexpr std::size_t kRunsOfAPoint = 10;
constexpr const char* kSource = "@curve-";

std::size_t point_of(const std::string& source) {
  std::size_t index = 0;
  const std::string digits = source.substr(std::string(kSource).size());
  std::from_chars(digits.data(), digits.data() + digits.size(), index);
  return index;
}

// Into the suite's page, where one stands in the same directory; whether it does.
tl::expected<bool, std::string> join_report(const std::string& dir, const std::string& page) {
  const std::string path = dir + "/index.html";
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  const std::string report{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (auto written = write_file(path, with_curve_section(report, curve_section_of(page))); !written)
    return tl::unexpected(written.error());
  return true;
}

}  // namespace

int curve_command(const Options& options, const std::atomic<bool>& cancelled) {
  const unsigned runs = static_cast<unsigned>(options.runs > 0 ? options.runs : kRunsOfAPoint);
  std::vector<CurveResult> results;
  std::vector<Scenario> scenarios;
  std::vector<std::string> sources;
  for (const CurvePoint& point : curve_points()) {
    sources.push_back(kSource + std::to_string(results.size()));
    scenarios.push_back(curve_scenario(point, runs));
    results.push_back({point, 0, 0, 0, {}, {}});
  }
  if (auto made = make_directory(options.out); !made) return fail(3, made.error());
  const ProcessRealm realm(realm_options(options), cancelled);
  if (auto ready = realm.preflight(); !ready) return fail(3, ready.error());
  const SuitePlan plan(std::move(scenarios), std::move(sources), options.seed, 0);
  SuiteSize size;
  size.runs = plan.round();
  size.jobs = options.jobs;
  std::string harness_fault;
  std::size_t broken = 0, invalid = 0;
  {
    Progress progress(size.runs);
    run_suite(realm, plan, size, cancelled, [&](FinishedRun run) {
      progress.add(run.verdict.outcome);
      if (harness_fault.empty()) harness_fault = run.outcome.harness_fault;
      broken += run.verdict.outcome == Verdict::Outcome::broken;
      invalid += run.verdict.outcome == Verdict::Outcome::invalid;
      results[point_of(run.planned.identity.source)].add(run.verdict);
    });
  }
  if (cancelled.load()) return fail(3, "interrupted; every writer is ended, no curve was written");
  if (!harness_fault.empty()) return fail(3, harness_fault);
  for (const CurveResult& result : results) {
    if (result.runs == 0) {
      return fail(3, fmt::format("no run of a point of the sweep `{}` was valid; `run --teardown` tells why",
                                 name(result.point.sweep)));
    }
  }
  const std::string page = curve_html(results, options.writer);
  for (const auto& [file, bytes] :
       {std::pair{"curve.csv", curve_csv(results)}, std::pair{"curve.html", page}}) {
    if (auto written = write_file(fmt::format("{}/{}", options.out, file), bytes); !written)
      return fail(3, written.error());
  }
  const auto joined = join_report(options.out, page);
  if (!joined) return fail(3, joined.error());
  if (options.json) {
    fmt::print("{}\n", curve_json(results, options.seed));
  } else {
    fmt::print("{}\n", curve_table(results));
    fmt::print("{}\n", curve_advice(results));
    fmt::print("{} runs, {} invalid, {} broke a promise. {}/curve.html, {}/curve.csv{}\n", size.runs, invalid,
               broken, options.out, options.out, *joined ? ", and a section of index.html" : "");
  }
  return broken > 0 ? 1 : 0;
}

}  // namespace s2::scenarios
