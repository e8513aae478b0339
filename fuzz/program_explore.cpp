// explore, replay and list; see program_commands.h.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "fuzz/program_commands.h"
#include "fuzz/result_json.h"

namespace s2::fuzz {
namespace {

constexpr std::size_t kMostLineBytes = 400;  // of a step on the terminal; a turn may have thousands of points

std::string shortened(const std::string& line) {
  if (line.size() <= kMostLineBytes) return line;
  return line.substr(0, kMostLineBytes / 2) + " … " + line.substr(line.size() - kMostLineBytes / 2);
}

// What makes a finding again; "" when nothing that is kept does.
std::string replay_command_of(const Finding& finding, const std::string& file) {
  if (!finding.token.empty()) return "s2-fuzz replay " + finding.token;
  return file.empty() ? "" : "s2-fuzz replay @" + file;
}

std::string counts_of(const ShardRecord& record) {
  const CampaignResult& result = record.result;
  const CampaignOptions& options = record.asked;
  return fmt::format(
      "{}{}: {} executions in {:.1f} s ({:.0f} a second and core), {} points{}{}{}{}{}", options.target,
      options.mutant.empty() ? "" : " with " + options.mutant, result.executions, result.seconds,
      result.executions_per_core_second(), result.points, kills_text(result),
      result.states != 0 ? fmt::format("; {} states, {} classes", result.states, result.classes) : "",
      result.exhausted ? fmt::format("; every order with up to {} preemptions was tried", options.preemptions)
                       : "",
      is_one_tree(options) ? "; by one job: nothing is drawn, so that there is one tree" : "",
      record.stopped ? "; stopped early" : "");
}

// Whether a debugger has this process.
bool is_traced() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("TracerPid:")) return line.find_first_of("123456789") != std::string::npos;
  }
  return false;
}

}  // namespace

void print_finding(const Finding& finding, const std::string& file) {
  print_out(fmt::format("BROKEN  {} {}: {}\n", finding.invariant, finding.kind, finding.detail));
  if (!finding.found_by.empty())
    print_out(fmt::format("        found by {} in execution {}; {} preemption{}{}\n", finding.found_by,
                          finding.execution, finding.preemptions, finding.preemptions == 1 ? "" : "s",
                          finding.fewest ? ", and with fewer it does not break so" : ""));
  if (!finding.shape.empty()) print_out(fmt::format("        {}\n", finding.shape));
  for (const std::string& step : finding.steps) print_out(fmt::format("  {}\n", shortened(step)));
  if (const std::string command = replay_command_of(finding, file); !command.empty()) {
    print_out(fmt::format("        replay: {}\n", command));
  } else if (finding.execution != 0) {
    print_out(fmt::format("        the schedule is too long for a line: --out DIR keeps it\n"));
  }
}

int explore_command(const FuzzOptions& options, const volatile bool& stop) {
  if (!options.out.empty()) {
    std::error_code error;
    std::filesystem::create_directories(options.out, error);
    if (error) throw std::runtime_error("--out: cannot make " + options.out + ": " + error.message());
  }
  std::unique_ptr<CampaignLedger> ledger;
  if (!options.ledger.empty()) {
    const int refused = open_ledger(options, ledger);
    if (!ledger) return refused;
  }
  ShardRecord record{.asked = options.campaign, .result = run_campaign(options.campaign, stop)};
  const CampaignResult& result = record.result;
  record.stopped = stop && result.findings.empty();
  const std::filesystem::path out(options.out);
  std::vector<std::string> files(result.findings.size());  // of schedules too long for a line
  for (std::size_t i = 0; i < result.findings.size() && !options.out.empty(); ++i) {
    if (!result.findings[i].long_token.empty())
      files[i] = (out / fmt::format("schedule-{}.txt", i + 1)).string();
  }
  // Said before anything is written: a full disk loses no finding.
  if (options.json) {
    print_out(to_json_line(record));
  } else {
    for (std::size_t i = 0; i < result.findings.size(); ++i) print_finding(result.findings[i], files[i]);
    print_out(fmt::format("{}  {}\n", result.findings.empty() ? "HELD " : "BROKEN", counts_of(record)));
  }
  flush_out();
  int failed = 0;
  if (!options.out.empty()) {
    try {
      write_file((out / "result.json").string(), to_json_line(record));
      for (std::size_t i = 0; i < result.findings.size(); ++i) {
        const Finding& finding = result.findings[i];
        if (!files[i].empty()) write_file(files[i], finding.long_token + "\n");
        if (finding.schedule_text().empty()) continue;  // a crash of a job
        write_picture(finding, replay_command_of(finding, files[i]),
                      (out / fmt::format("picture-{}.html", i + 1)).string());
      }
    } catch (const std::exception& error) {
      complain(3, error.what());
      if (result.findings.empty()) failed = 3;
    }
  }
  if (ledger) {
    if (const int code = write_ledger(*ledger, record); code != 0) failed = code;
  }
  return failed != 0 ? failed : result.findings.empty() ? 0 : 1;
}

void read_token_file(FuzzOptions& options) {
  if (!options.token.starts_with('@')) return;
  options.token_file = options.token.substr(1);
  std::ifstream file(options.token_file);
  if (!std::getline(file, options.token)) throw std::runtime_error("cannot read " + options.token_file);
}

int replay_command(const FuzzOptions& options) {
  std::string error;
  const auto token = parse_replay_token(options.token, error);
  if (!token) return complain(2, error);
  const auto target = target_named(token->target);
  if (!target) return complain(2, "replay: " + no_such_target(token->target));
  if (!plant_bug(token->mutant)) return complain(2, "replay: " + no_planted_bug(token->mutant));
  if (const std::string why = bug_is_elsewhere(token->mutant, token->target); !why.empty())
    return complain(2, "replay: " + why);

  World world = target->world;
  if (is_traced()) {
    world = [&](sim::Chooser& chooser) {
      sim::WorldOptions limits = target->world(chooser);
      limits.on_failure = [] { ::raise(SIGTRAP); };
      return limits;
    };
  }
  Finding finding;
  finding.target = token->target;
  finding.mutant = token->mutant;
  finding.schedule = token->schedule;
  finding.preemptions = token->schedule.preemptions();
  if (target->shape) replay(token->schedule, target->world, [&] { finding.shape = target->shape(); });
  const LandingCounts before = target->landings ? target->landings() : LandingCounts{};
  Schedule made;
  const sim::Execution execution = replay(token->schedule, world, target->program, true, &made);
  const std::size_t all = token->schedule.deviations.size();
  const std::size_t missed =
      all -
      static_cast<std::size_t>(std::count_if(
          token->schedule.deviations.begin(), token->schedule.deviations.end(), [&](const Deviation& one) {
            return std::find(made.deviations.begin(), made.deviations.end(), one) != made.deviations.end();
          }));
  const bool broken = sim::is_failure(execution.ending);
  classify(execution.ending, execution.why, finding);
  finding.steps = steps_of(execution, made);
  (options.token_file.empty() ? finding.token : finding.long_token) = options.token;
  if (!options.picture.empty())
    write_picture(finding, replay_command_of(finding, options.token_file), options.picture);
  if (options.json) {
    CampaignResult result;
    result.executions = 1;
    result.points = execution.points;
    if (target->landings) result.kill_instants = execution.points + target->landings().judged - before.judged;
    result.virtual_seconds = std::chrono::duration<double>(execution.virtual_time).count();
    if (broken) result.findings.push_back(finding);
    print_out(replay_json_line(result, all, all - missed));
  } else if (broken) {
    print_finding(finding, options.token_file);
  } else {
    print_out(fmt::format("        {}\n", finding.shape));
    for (const std::string& step : finding.steps) print_out(fmt::format("  {}\n", shortened(step)));
    print_out(missed == 0
                  ? fmt::format("HELD    {}: nothing was broken in this order\n", target->name)
                  : fmt::format("MISSED  {}: another order than the token's, and nothing was broken in it\n",
                                target->name));
  }
  flush_out();
  // A token of another day may name points that the program does not come to any more: then it is another
  // order, which says nothing of the token's.
  if (missed == 0) return broken ? 1 : 0;
  return complain(
      broken ? 1 : 3,
      fmt::format(
          "replay: {} of the {} places that the token names were not met: {}", missed, all,
          broken ? "the failure may be another" : "what was run says nothing of the order that is meant"));
}

std::string kills_text(const CampaignResult& result) {
  if (result.kill_instants == 0) return "";
  return fmt::format(
      ", {} kill instants judged{}", result.kill_instants,
      result.cut == 0 ? ""
                      : fmt::format(" (of what was under way after {} sends, not every order)", result.cut));
}

std::string no_planted_bug(const std::string& name) {
  std::vector<std::string> names;
  for (const PlantedBugText& bug : planted_bugs()) names.push_back(bug.name);
  const std::string near = nearest_name(name, names);
  return fmt::format("there is no planted bug `{}`{} (s2-fuzz list names all)", name,
                     near.empty() ? "" : fmt::format(", did you mean `{}`?", near));
}

int list_command(const FuzzOptions& options) {
  const auto bugs = planted_bugs();
  if (options.json) {
    print_out(list_json(targets(), bugs));
    return 0;
  }
  print_out(fmt::format("targets (--target):\n"));
  for (const Target& target : targets()) print_out(fmt::format("  {:<24}{}\n", target.name, target.about));
  print_out(fmt::format(
      "\n{} planted bugs (--mutant){}\n", bugs.size(),
      bugs.empty() ? fmt::format(": those are in {}, which is not there", program_with_bugs()) : ":"));
  for (const PlantedBugText& bug : bugs) print_out(fmt::format("  {:<24}{}\n", bug.name, bug.effect));
  return 0;
}

}  // namespace s2::fuzz
