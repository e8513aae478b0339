// See commands.h: run and replay.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "scenarios/commands.h"
#include "scenarios/escape.h"
#include "scenarios/judge.h"
#include "scenarios/ledger_json.h"
#include "scenarios/progress.h"
#include "scenarios/promises.h"
#include "scenarios/property.h"
#include "scenarios/quantity.h"
#include "scenarios/recording.h"
#include "scenarios/report.h"
#include "scenarios/run_files.h"
#include "scenarios/scenario_text.h"
#include "scenarios/selection.h"
#include "scenarios/suite_run.h"
#include "scenarios/token.h"

namespace s2::scenarios {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kDefaultPropertyCases = 40;  // a round of the whole suite
constexpr std::size_t kLeastRuns = 300;            // of the whole suite, when --runs does not say
constexpr unsigned kMaxShrinkTries = 60;
constexpr unsigned kMaxReplayTries = 8;
constexpr auto kShrinkWithin = std::chrono::seconds(20);

SuiteOptions suite_options(const Options& options) {
  SuiteOptions suite;
  suite.seed = options.seed;
  suite.writer = options.writer;
  suite.replay_command = options.program + " replay";
  suite.replay_flags = options.flags;
  suite.requested = options.teardowns;
  return suite;
}

// Takes out what cannot be run here; it is told of in the report.
std::vector<Skipped> skip_impossible(Selection& selection, const ProcessRealm& realm) {
  std::vector<Skipped> skipped;
  Selection kept;
  for (std::size_t i = 0; i < selection.scenarios.size(); ++i) {
    const Scenario& scenario = selection.scenarios[i];
    if (std::string why = realm.why_not(scenario); !why.empty()) {
      skipped.push_back({scenario.name, scenario.teardown.kind, std::move(why)});
      continue;
    }
    kept.scenarios.push_back(scenario);
    kept.sources.push_back(selection.sources[i]);
  }
  selection = std::move(kept);
  return skipped;
}

double seconds_since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

int print_outcome(const Suite& suite, const Options& options) {
  const SuiteOutcome outcome = outcome_of(suite);
  if (options.json) {
    fmt::print("{}\n", results_json(suite));
  } else {
    fmt::print("{}\n{}\n", terminal_table(suite, options.color), verdict_text(suite, options.color));
  }
  if (outcome.exit_code == 3) return fail(3, outcome.why);
  return outcome.exit_code;
}

// What the first failing property case shrinks to, as a scenario file that `run` takes.
tl::expected<void, std::string> shrink_failure(const ProcessRealm& realm, const FinishedRun& failing,
                                               const Options& options, const std::atomic<bool>& cancelled) {
  const std::uint64_t seed = failing.planned.identity.seed;
  const auto drawn = parse_property_case(failing.planned.identity.property_case);
  const auto fails = [&](const PropertyCase& candidate) {
    if (cancelled.load()) return false;
    PlannedRun planned;
    planned.identity = {kPropertySource, print(candidate), 0, seed, std::nullopt};
    planned.drawn = to_scenario(candidate, seed);
    return make_run(realm, planned).verdict.outcome == Verdict::Outcome::broken;
  };
  const Shrunk shrunk = shrink_property_case(*drawn, fails, kMaxShrinkTries, Clock::now() + kShrinkWithin);
  const std::string text = print_scenario(to_scenario(shrunk.smallest, seed));
  const std::string path = fmt::format("{}/property-{}.scenario", options.out, failing.outcome.ledger.run);
  if (auto written = write_file(path, text); !written) return written;
  FILE* to = options.json ? stderr : stdout;
  fmt::print(
      to,
      "A property-based run failed. The smallest scenario that still fails ({} steps down in {} tries):\n\n",
      shrunk.steps, shrunk.tries);
  fmt::print(to, "{}\nIt stands in {}: {} run {}{}{}\n\n", text, path, options.program, path,
             options.flags.empty() ? "" : " ", options.flags);
  return {};
}

// "; its log: PATH", written there; empty: there is nothing in it.
std::string kept_log(const std::string& path, const std::string& log) {
  if (log.empty() || !write_file(path, log)) return "";
  return "; its log: " + path;
}

// The token of `argument`: itself, or the one in runs/<run>/timeline.json.
tl::expected<std::string, std::string> token_of(const std::string& argument) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path path(argument);
  if (!fs::exists(path, error)) return argument;
  if (fs::is_directory(path, error)) path /= "timeline.json";
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto ledger = ledger_from_json(text);
  if (!ledger) return tl::unexpected(fmt::format("{}: {}", path.string(), ledger.error()));
  return ledger->replay;
}

// Whoever replays a run without --writer may not know that a token does not hold it.
void say_which_writer(const Options& options) {
  if (!options.recorded_in.empty()) {
    fmt::print(stderr, "s2-scenarios: the writer is `{}`, as {} has it\n", visible(options.writer),
               visible(options.recorded_in));
  } else if (options.own_writer) {
    fmt::print(
        stderr,
        "s2-scenarios: the writer is s2-writer, the one beside this program: --writer names another\n");
  }
}

// What of a run happens when the harness's clock says so, not when the protocol has come to a point; empty:
// nothing.
std::string moment_of_wall_clock(const Scenario& drawn) {
  switch (drawn.teardown.kind) {
    case Teardown::flush_then_kill:
      return "the kill instant (the answer of a flush or stop)";
    case Teardown::cut_heal:
    case Teardown::cut_kill:
      return "the moment of the cut";
    case Teardown::server_drain:
      return drawn.teardown.lasts.lo > 0 ? "the moment of the drain" : "";
    case Teardown::pause:
    case Teardown::zombie:
      return "the moment of the pause";
    case Teardown::respawn:
      return "the moment of the kill";
    default:
      break;
  }
  const auto instant = instant_of(drawn);
  if (!instant || instant->kind != InstantKind::wall) return "";
  return fmt::format("the kill instant ({})", print(*instant));
}

}  // namespace

RealmOptions realm_options(const Options& options) {
  RealmOptions realm;
  realm.writer = options.writer_words;
  realm.own_writer = options.own_writer;
  realm.over_http = options.over_http;
  realm.ready_within = options.ready_within;
  realm.slack = options.slack;
  if (options.endpoint) realm.external = ServiceAddress{*options.endpoint, options.basin, options.token};
  return realm;
}

int run_command(const Options& options, const std::atomic<bool>& cancelled) {
  auto selection = select_scenarios(options);
  if (!selection) return fail(2, selection.error());
  const bool whole = options.names.empty() && options.teardowns.empty() && !options.long_suite;
  if (options.property_only && !options.names.empty()) {
    return fail(2, "--property draws its own scenarios: no names");
  }
  const std::size_t cases =
      options.property_cases.value_or(whole || options.property_only ? kDefaultPropertyCases : 0);
  const ProcessRealm realm(realm_options(options), cancelled);
  std::vector<Skipped> skipped = skip_impossible(*selection, realm);
  if (!skipped.empty() && selection->scenarios.empty()) {
    return fail(3,
                fmt::format("skipped: {}: {}; nothing is left to run", skipped[0].scenario, skipped[0].why));
  }
  const SuitePlan plan(selection->scenarios, selection->sources, options.seed, cases);
  if (plan.round() == 0) return fail(2, "there is nothing to run: --property with --cases 0");

  SuiteSize size;
  size.runs = options.runs > 0 || options.duration ? options.runs
              : whole && !options.endpoint         ? std::max(plan.round(), kLeastRuns)
                                                   : plan.round();
  size.duration = options.duration;
  size.jobs = options.jobs;
  size.shard = options.shard;
  size.shards = options.shards;

  if (auto made = make_directory(options.out); !made) return fail(3, made.error());
  browser_recording();  // unpacked before the clock runs
  std::string log;
  if (auto ready = realm.preflight(&log); !ready)
    return fail(3, ready.error() + kept_log(options.out + "/preflight.log", log));

  const auto began = Clock::now();
  Suite suite(suite_options(options));
  suite.options().skipped = std::move(skipped);
  suite.options().directory = options.out;
  std::optional<FinishedRun> failed_property;
  tl::expected<void, std::string> files;
  std::string harness_fault;
  {
    Progress progress(size.runs == 0 ? 0 : (size.runs + size.shards - 1 - size.shard) / size.shards);
    run_suite(realm, plan, size, cancelled, [&](FinishedRun run) {
      progress.add(run.verdict.outcome);
      if (harness_fault.empty()) harness_fault = run.outcome.harness_fault;
      const bool kept = suite.add(run.outcome.ledger, run.verdict);
      if ((kept || options.keep_all) && files) files = write_run_files(options.out, run.outcome);
      if (!kept && options.keep_all && files)
        files = write_file(fmt::format("{}/runs/{}/timeline.json", options.out, run.outcome.ledger.run),
                           ledger_to_json(run.outcome.ledger));
      const bool property = run.planned.identity.source == kPropertySource;
      if (property && run.verdict.outcome == Verdict::Outcome::broken && !failed_property) {
        failed_property = std::move(run);
      }
    });
  }
  if (cancelled.load()) return fail(3, "interrupted; every writer is ended, no report was written");
  suite.options().seconds = seconds_since(began);
  if (failed_property && files) files = shrink_failure(realm, *failed_property, options, cancelled);
  if (files) files = write_report(suite, options.out);
  const int code = print_outcome(suite, options);
  if (!files) return fail(3, files.error());
  if (!harness_fault.empty()) return fail(3, harness_fault);
  return code;
}

int replay_command(const Options& options, const std::atomic<bool>& cancelled) {
  const auto token = token_of(options.names[0]);
  if (!token) return fail(2, token.error());
  const auto identity = parse_token(*token);
  if (!identity) return fail(2, identity.error());
  const auto planned = find_run(*identity);
  if (!planned) return fail(2, planned.error());
  const ProcessRealm realm(realm_options(options), cancelled);
  if (const std::string why = realm.why_not(planned->drawn); !why.empty())
    return fail(3, fmt::format("skipped: {}: {}", planned->drawn.name, why));
  say_which_writer(options);
  if (auto ready = realm.preflight(); !ready) return fail(3, ready.error());

  const auto began = Clock::now();
  // The harness does the same each time; what the writer's threads had done by then differs. So the run is
  // made again until it breaks a promise, or has held so often.
  FinishedRun run = make_run(realm, *planned);
  unsigned tries = 1;
  while (run.verdict.outcome != Verdict::Outcome::broken && tries < kMaxReplayTries && !cancelled.load()) {
    FinishedRun again = make_run(realm, *planned);
    ++tries;
    if (again.verdict.outcome != Verdict::Outcome::invalid) run = std::move(again);
  }
  fmt::print(stderr, "s2-scenarios: {} of at most {} tries\n", tries, kMaxReplayTries);
  if (cancelled.load()) return fail(3, "interrupted; the writer is ended");
  Suite suite(suite_options(options));
  suite.options().requested.clear();
  if (options.out_given) suite.options().directory = options.out;
  suite.options().seconds = seconds_since(began);
  const bool kept = suite.add(run.outcome.ledger, run.verdict);
  if (options.out_given) {
    if (auto made = make_directory(options.out); !made) return fail(3, made.error());
    if (kept) {
      if (auto written = write_run_files(options.out, run.outcome); !written) return fail(3, written.error());
    }
    if (auto written = write_report(suite, options.out); !written) return fail(3, written.error());
  }
  if (options.json) {
    fmt::print("{}\n", results_json(suite));
  } else {
    fmt::print("{}\n{}\n", print_scenario(planned->drawn), verdict_text(suite, options.color));
  }
  if (const std::string moment = moment_of_wall_clock(planned->drawn); !moment.empty()) {
    fmt::print(stderr,
               "s2-scenarios: {} is of the wall clock: another run of the same token may meet the writer "
               "elsewhere\n",
               moment);
  }
  switch (run.verdict.outcome) {
    case Verdict::Outcome::held:
      return 0;
    case Verdict::Outcome::broken:
      return 1;
    case Verdict::Outcome::invalid:
      break;
  }
  return fail(3, "the run is invalid: " + run.verdict.invalid);
}

}  // namespace s2::scenarios
