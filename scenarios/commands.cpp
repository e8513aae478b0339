// See commands.h: list, check, report. run and replay are command_run.cpp.
#include "scenarios/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "scenarios/catalogue.h"
#include "scenarios/escape.h"
#include "scenarios/judge.h"
#include "scenarios/ledger_json.h"
#include "scenarios/linear_check.h"
#include "scenarios/promises.h"
#include "scenarios/report.h"
#include "scenarios/report_above.h"

namespace s2::scenarios {

int fail(int exit_code, const std::string& what) {
  fmt::print(stderr, "s2-scenarios: {}\n", visible(what));
  return exit_code;
}

int list_command(const Options&) {
  const auto catalogue = load_catalogue();
  if (!catalogue) return fail(3, catalogue.error());
  std::size_t width = 0;
  for (const Scenario& scenario : *catalogue) width = std::max(width, scenario.name.size());
  for (const Scenario& scenario : *catalogue) {
    const char* suites = scenario.quick && scenario.in_long ? "quick,long"
                         : scenario.quick                   ? "quick"
                                                            : "long";
    const std::size_t combinations = scenario.combinations();
    fmt::print("{:<{}}  {:<16} {:<10} {:>3} {:<12}  {}\n", scenario.name, width, name(scenario.teardown.kind),
               suites, combinations, combinations == 1 ? "combination" : "combinations", scenario.purpose);
  }
  return 0;
}

namespace {

// 0: linearizable, 1: not, 2: no history, 3: undecided.
int decide_linearizability(const std::string& path) {
  const auto history = parse_history_file(path);
  if (!history) return fail(2, history.error());
  const Linearity linearity = check_linearity(*history);
  switch (linearity.verdict) {
    case Linearity::Verdict::linearizable:
      fmt::print("linearizable: {} operations, in the order {}\n", history->ops.size(),
                 linearity.by_search ? "that a search found" : "of the log");
      return 0;
    case Linearity::Verdict::not_linearizable:
      fmt::print("NOT LINEARIZABLE: {}\n", linearity.why);
      return 1;
    case Linearity::Verdict::undecided:
      break;
  }
  return fail(3, fmt::format("{}: linearizability was not decided: {}", path, linearity.why));
}

// Exit code of the run whose timeline stands beside the history.
int judge_again(const std::filesystem::path& timeline, bool color) {
  std::ifstream file(timeline, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto ledger = ledger_from_json(text);
  if (!ledger) return fail(2, fmt::format("{}: {}", timeline.string(), ledger.error()));
  const auto above = report_above(timeline);
  SuiteOptions suite_options;
  if (above) {
    suite_options.writer = above->options.writer;
    suite_options.replay_command = above->options.replay_command;
    suite_options.replay_flags = above->options.replay_flags;
  }
  suite_options.seed = ledger->seed;
  Suite suite(suite_options);
  suite.add(*ledger, judge(*ledger));
  fmt::print("{}\n", verdict_text(suite, color));
  const Verdict::Outcome outcome = suite.runs().front().verdict.outcome;
  if (!above && outcome == Verdict::Outcome::broken) {
    fmt::print(
        stderr,
        "s2-scenarios: no report stands above {}, which would say what the writer was: the line replays "
        "s2-writer\n",
        visible(timeline.parent_path().string()));
  }
  return outcome == Verdict::Outcome::held ? 0 : outcome == Verdict::Outcome::broken ? 1 : 3;
}

}  // namespace

int check_command(const Options& options) {
  namespace fs = std::filesystem;
  const fs::path history(options.names[0]);
  std::error_code error;
  if (!fs::is_regular_file(history, error))
    return fail(2, fmt::format("there is no history `{}`", history.string()));
  const int linear = decide_linearizability(history.string());
  if (linear == 2) return linear;
  const fs::path timeline = history.parent_path() / "timeline.json";
  const int promises = fs::exists(timeline, error) ? judge_again(timeline, options.color) : 0;
  if (promises == 2) return promises;
  return linear == 1 || promises == 1 ? 1 : std::max(linear, promises);
}

int report_command(const Options& options) {
  auto suite = read_report(options.names[0]);
  if (!suite) return fail(2, suite.error());
  if (auto written = write_report(*suite, options.names[0]); !written) return fail(3, written.error());
  fmt::print("{}\n{}\n", terminal_table(*suite, options.color), verdict_text(*suite, options.color));
  const SuiteOutcome outcome = outcome_of(*suite);
  if (!outcome.why.empty() && outcome.exit_code == 3) return fail(3, outcome.why);
  return outcome.exit_code;
}

}  // namespace s2::scenarios
