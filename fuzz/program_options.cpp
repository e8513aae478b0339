// See program_options.h.
#include "fuzz/program_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <CLI/CLI.hpp>
#include <limits>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "fuzz/campaign_ledger.h"
#include "scenarios/command_line.h"
#include "writer/duration.h"

namespace s2::fuzz {
namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 every promise held; 1 a promise was broken (mutants: one was not found, or the writer as "
    "it is broke one; determinism: a seed differed); 2 bad usage, or a shard that its ledger has already; 3 "
    "the search could not be done, its result or a ledger could not be read or written, (replay) the program "
    "does not come to the token's places any more, or (merge) a shard is missing.\n"
    "Each flag has a twin in the environment: S2_FUZZ_SEED for --seed, and so on.";

struct BadUsage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct RawFuzz {
  std::string duration, shard;
};

std::string twin(const std::string& flag) {
  return scenarios::twin_of("S2_FUZZ_", flag);
}

template <class T>
void add(CLI::App& app, const char* flag, T& into, const std::string& what) {
  CLI::Option* option = app.add_option(flag, into, what)->envname(twin(flag))->capture_default_str();
  if constexpr (std::is_unsigned_v<T>) option->check(scenarios::whole_number(std::numeric_limits<T>::max()));
}

std::string joined(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

void add_search_flags(CLI::App& app, FuzzOptions& options, RawFuzz& raw) {
  add(app, "--duration", raw.duration, "how long, such as 90s or 10m [10s; mutants: 30s for each at most]");
  add(app, "--jobs", options.campaign.jobs, "processes at a time, 1 to 256");
  add(app, "--seed", options.campaign.seed, "all chance comes from it");
}

void read_shard(CampaignOptions& campaign, const std::string& text) {
  const auto shard = scenarios::parse_shard(text);
  if (!shard || shard->of > kMaxShards) {
    throw BadUsage(
        fmt::format("--shard: `{}` is not I/N with 1 <= I <= N <= {}, such as 2/4", text, kMaxShards));
  }
  campaign.shard = shard->index;
  campaign.shards = shard->of;
}

void check(FuzzOptions& options, const RawFuzz& raw) {
  CampaignOptions& campaign = options.campaign;
  if (campaign.jobs < 1 || campaign.jobs > kMaxJobs)
    throw BadUsage(fmt::format("--jobs is 1 to {}", kMaxJobs));
  if (!target_named(campaign.target)) {
    throw BadUsage("--target: " + no_such_target(campaign.target));
  }
  if (options.command == FuzzCommand::determinism && options.seeds == 0)
    throw BadUsage("--seeds is 1 or more");
  const auto names = strategy_names();
  if (std::find(names.begin(), names.end(), campaign.strategy) == names.end()) {
    throw BadUsage(fmt::format("--strategy: there is no strategy `{}`, expected one of {}", campaign.strategy,
                               joined(names)));
  }
  if (!raw.duration.empty()) {
    const auto duration = writer::parse_duration(raw.duration);
    if (!duration || duration->count() <= 0) {
      throw BadUsage(
          fmt::format("--duration: `{}` is no duration, expected one such as 250ms, 5s or 2m", raw.duration));
    }
    campaign.duration = *duration;
    options.duration_given = true;
  } else if (campaign.executions != 0) {
    campaign.duration = std::chrono::hours(24);
  }
  if (!raw.shard.empty()) read_shard(campaign, raw.shard);
  if (is_one_tree(campaign)) {
    if (campaign.shards > 1)
      throw BadUsage(
          fmt::format("--shard: nothing is drawn in `{}`: its depth-first search is one tree, which every "
                      "shard would walk",
                      campaign.target));
    campaign.jobs = 1;
  }
  if (!options.ledger.empty()) {
    if (const auto address = parse_ledger_address(options.ledger); !address)
      throw BadUsage("--ledger: " + address.error());
  }
}

}  // namespace

std::string nearest_name(std::string_view name, const std::vector<std::string>& names) {
  constexpr std::size_t kLettersForAnError = 4;  // of the name: for each so many, one may be wrong
  std::string nearest;
  std::size_t least = 1 + std::max<std::size_t>(1, name.size() / kLettersForAnError);
  for (const std::string& other : names) {  // Levenshtein's distance, row by row
    std::vector<std::size_t> row(other.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < name.size(); ++i) {
      std::size_t diagonal = std::exchange(row[0], i + 1);
      for (std::size_t j = 0; j < other.size(); ++j) {
        const std::size_t changed = diagonal + (name[i] == other[j] ? 0U : 1U);
        diagonal = std::exchange(row[j + 1], std::min({changed, row[j] + 1, row[j + 1] + 1}));
      }
    }
    if (row.back() >= least) continue;
    least = row.back();
    nearest = other;
  }
  return nearest;
}

ParsedFuzzOptions parse_fuzz_options(int argc, const char* const* argv) {
  CLI::App app("Searches the orders of a writer's shutdown for one that loses an event.", "s2-fuzz");
  app.set_version_flag("--version", std::string("s2-fuzz ") + kVersion);
  app.require_subcommand(1);
  app.footer(kExitCodes);
  FuzzOptions options;
  options.campaign.jobs = std::clamp(std::thread::hardware_concurrency(), 1U, kMaxJobs);
  RawFuzz raw;

  CLI::App* explore = app.add_subcommand("explore", "search until a failure, a count or a time");
  CLI::App* replay =
      app.add_subcommand("replay", "make one execution again; stops in a debugger where it broke");
  CLI::App* mutants = app.add_subcommand("mutants", "each planted bug: found or not, by what, how soon");
  CLI::App* determinism = app.add_subcommand(
      "determinism", "each seed twice in one process and once in another: the same order, by hash");
  CLI::App* hashes = app.add_subcommand("hashes", "the hash of each seed's execution, a line each");
  CLI::App* list = app.add_subcommand("list", "the targets and the planted bugs");
  CLI::App* merge = app.add_subcommand("merge", "the results of many shards as one, and who is missing");

  add_search_flags(*explore, options, raw);
  add(*explore, "--target", options.campaign.target, "what is explored: " + list_of_targets());
  add(*explore, "--strategy", options.campaign.strategy, "who goes next: " + joined(strategy_names()));
  add(*explore, "--preemptions", options.campaign.preemptions,
      "dfs: every state that orders with 0, 1, … up to so many lead to (dfs-full: every order); 1000000: "
      "all");
  add(*explore, "--executions", options.campaign.executions, "so many, instead of a time; 0: no bound");
  add(*explore, "--shard", raw.shard, "I/N: the I-th part of a campaign on N machines");
  add(*explore, "--mutant", options.campaign.mutant, "with this planted bug (list names them)");
  add(*explore, "--out", options.out,
      "directory for result.json, a picture of each failure, and schedules too long for a line");
  add(*explore, "--ledger", options.ledger,
      "s2://BASIN/STREAM: append the result to it (S2_ACCESS_TOKEN, S2_BASIN_ENDPOINT)");
  explore->add_flag("--again", options.again, "search although the ledger has this shard already")
      ->envname(twin("--again"));
  merge
      ->add_option("SOURCE", options.sources,
                   "files of what `explore --json` printed, and ledgers: s2://BASIN/STREAM")
      ->required();
  merge->add_flag("--partial", options.partial, "be content with the shards that there are")
      ->envname(twin("--partial"));
  replay
      ->add_option("TOKEN", options.token,
                   "TARGET[+BUG]/SCHEDULE as a failure prints it, or @FILE that holds one")
      ->required();
  add(*replay, "--picture", options.picture, "file for the execution as a page: threads as lanes, time down");
  add_search_flags(*mutants, options, raw);
  mutants->add_flag("--no-none", options.no_none, "leave out the writer as it is")
      ->envname(twin("--no-none"));
  for (CLI::App* each : {determinism, hashes}) {
    add(*each, "--seeds", options.seeds, "how many");
    add(*each, "--target", options.campaign.target, "what is run: " + list_of_targets());
  }
  add(*determinism, "--jobs", options.campaign.jobs, "processes at a time, 1 to 256");
  add(*hashes, "--first-seed", options.first_seed, "the first");
  for (CLI::App* each : {explore, replay, mutants, determinism, list, merge}) {
    each->add_flag("--json", options.json, "one JSON value on stdout instead of text")
        ->envname(twin("--json"));
  }
  for (CLI::App* each : {explore, replay, mutants, determinism, hashes, list, merge})
    each->footer(kExitCodes);

  ParsedFuzzOptions parsed;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    if (app.exit(error, out, err) == 0) {
      parsed.out = out.str();
    } else {
      parsed.exit_code = 2;
      parsed.error = error.what();
      if (const auto words = app.remaining(); app.get_subcommands().empty() && !words.empty()) {
        std::vector<std::string> commands;
        for (const CLI::App* each : app.get_subcommands({})) commands.push_back(each->get_name());
        parsed.error = scenarios::no_such_command(words.front(), commands);
      }
      std::replace(parsed.error.begin(), parsed.error.end(), '\n', ' ');
    }
    return parsed;
  }
  try {
    options.command = *replay        ? FuzzCommand::replay
                      : *mutants     ? FuzzCommand::mutants
                      : *determinism ? FuzzCommand::determinism
                      : *hashes      ? FuzzCommand::hashes
                      : *list        ? FuzzCommand::list
                      : *merge       ? FuzzCommand::merge
                                     : FuzzCommand::explore;
    check(options, raw);
    parsed.options = options;
  } catch (const BadUsage& error) {
    parsed.exit_code = 2;
    parsed.error = error.what();
  }
  return parsed;
}

}  // namespace s2::fuzz
