// See options.h.
#include "scenarios/options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "scenarios/command_line.h"
#include "scenarios/origin.h"
#include "scenarios/promises.h"
#include "scenarios/quantity.h"
#include "scenarios/report_above.h"
#include "scenarios/scenario.h"
#include "scenarios/shell_words.h"
#include "scenarios/suite_run.h"

namespace s2::scenarios {
namespace {

constexpr const char* kVersion = "0.1.0";
constexpr const char* kExitCodes =
    "Exit codes: 0 every promise held; 1 a promise was broken; 2 bad usage; 3 the harness could not do its "
    "work.\n"
    "Each flag has a twin in the environment: S2_SCENARIOS_SEED for --seed, and so on.";

constexpr std::array<std::string_view, 12> kNotForReplay = {
    "--runs", "--duration", "--shard", "--teardown", "--suite", "--cases", "--property",  // which runs
    "--out",  "--keep-all", "--json",  "--token",    "--help"};

struct BadUsage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What CLI11 fills in, as text; made into Options afterwards, so that each error is one of ours.
struct Raw {
  std::vector<std::string> names;
  std::string argument;
  std::string duration, shard, writer, driver = "stdio", realm = "process", suite = "quick", ready = "10s",
                                       slack = "5s";
  std::string endpoint, token;
  std::vector<std::string> teardowns;
  bool no_color = false;
  std::uint64_t property_cases = 0;
};

std::string shell_quoted(const std::string& text) {
  const bool plain = !text.empty() && text.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789_./:=,+-") == std::string::npos;
  if (plain) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string twin(const char* flag) {
  return twin_of("S2_SCENARIOS_", flag);
}

template <class Value>
CLI::Option* add_flag_with_twin(CLI::App& app, const char* flag, Value& into, const std::string& what) {
  CLI::Option* added = app.add_option(flag, into, what)->envname(twin(flag))->capture_default_str();
  if constexpr (std::is_unsigned_v<Value>) added->check(whole_number(std::numeric_limits<Value>::max()));
  return added;
}

// What every command needs that starts writers.
void add_writer_flags(CLI::App& app, Options& options, Raw& raw) {
  const auto option = [&](const char* flag, auto& into, const std::string& what) {
    return add_flag_with_twin(app, flag, into, what);
  };
  option("--seed", options.seed,
         "all chance comes from it: the same seed draws the same runs, whatever --jobs is; what a "
         "writer has done by a moment of the wall clock differs all the same");
  option("--jobs", options.jobs, "runs at a time, 1 to 256; runs mostly wait");
  option("--writer", raw.writer,
         "the command under test, split like shell words and run without a shell "
         "[s2-writer, the one beside this program]");
  option("--writer-driver", raw.driver,
         "how it is driven: stdio (lines of JSON) or http (its telemetry API)");
  option("--ready-timeout", raw.ready, "how long a writer may take to its first line");
  option("--slack", raw.slack,
         "what a slow machine may add to a deadline before the writer counts as late; more for sanitizers");
  app.add_flag("--no-color", raw.no_color, "no colour on the terminal (so does NO_COLOR)")
      ->envname(twin("--no-color"));
  app.footer(kExitCodes);
}

void add_run_flags(CLI::App& app, Options& options, Raw& raw) {
  add_writer_flags(app, options, raw);
  const auto option = [&](const char* flag, auto& into, const std::string& what) {
    return add_flag_with_twin(app, flag, into, what);
  };
  option("--runs", options.runs, "how many runs; 0: every combination of the suite at least once");
  option("--duration", raw.duration,
         "instead of a number of runs: begin none after this long, such as 90s or 10m");
  option("--shard", raw.shard, "I/N: only every N-th run, beginning with the I-th (1 to N)");
  option("--endpoint", raw.endpoint,
         "an S2 endpoint instead of an emulator for each run, such as http://127.0.0.1:43211; a proxy "
         "before it makes the faults, cuts and kills");
  option("--basin", options.basin, "with --endpoint: the basin, which must create streams on append");
  option("--token", raw.token, "with --endpoint: the access token, or @FILE that holds it; never printed");
  option("--realm", raw.realm, "where writers live: process; sim and vm are not built yet");
  option("--teardown", raw.teardowns, "only these classes: " + list_of_names("class"))->delimiter(',');
  app.add_flag("--keep-all", options.keep_all,
               "write runs/<run>/ for every run, not only for failing ones and a sample of the others")
      ->envname(twin("--keep-all"));
  option("--suite", raw.suite,
         "quick: lowered time-outs, every class and fault; long: recorded speed, default "
         "time-outs, long silences");
  app.add_option("--cases", raw.property_cases,
                 "property-based runs in a round, drawn and shrunk by RapidCheck "
                 "[40 when no name is given]")
      ->envname(twin("--cases"));
  app.add_flag("--property", options.property_only, "nothing but property-based runs")
      ->envname(twin("--property"));
  option("--out", options.out, "directory of the report: index.html, junit.xml, results.json, runs/");
  app.add_flag("--json", options.json, "results.json on stdout instead of the table")
      ->envname(twin("--json"));
}

// The flags that were given, again for a shell: those that say how a run is made. Not those that choose the
// runs: a token and a scenario are one, and --runs would make it so often. Not the token, nor --out: a replay
// must not overwrite the report that names it.
std::string given_flags(const CLI::App& app) {
  std::string all;
  for (const CLI::Option* option : app.get_options()) {
    const std::string flag = option->get_name(false, true);
    if (option->count() == 0 || flag.rfind("--", 0) != 0) continue;
    const std::string name = flag.substr(0, flag.find(','));
    if (std::find(kNotForReplay.begin(), kNotForReplay.end(), name) != kNotForReplay.end()) continue;
    all += (all.empty() ? "" : " ") + name;
    if (option->get_items_expected_max() == 0) continue;
    std::string values;
    for (const std::string& value : option->results()) values += (values.empty() ? "" : ",") + value;
    all += " " + shell_quoted(values);
  }
  return all;
}

std::chrono::microseconds duration_of(const char* flag, const std::string& text) {
  const auto parsed = parse_duration(text);
  if (!parsed || parsed->count() == 0) {
    throw BadUsage(fmt::format("{}: `{}` is no duration, expected one such as 250ms, 5s or 2m", flag, text));
  }
  return *parsed;
}

void read_shard(Options& options, const std::string& text) {
  const auto shard = parse_shard(text);
  if (!shard) throw BadUsage(fmt::format("--shard: `{}` is not I/N with 1 <= I <= N, such as 2/4", text));
  options.shard = shard->index;
  options.shards = shard->of;
}

// An empty variable of another flag is as good as none. This one means that somebody's script has lost the
// writer, and a suite that holds for another one would hide it.
void refuse_empty_writer(const CLI::App& app, const Raw& raw) {
  if (!raw.writer.empty()) return;
  const char* variable = getenv(twin("--writer").c_str());
  const bool given = app.get_option("--writer")->count() > 0;
  if (!given && variable == nullptr) return;
  throw BadUsage(fmt::format("{} is empty: it takes the command under test; without it, that is s2-writer",
                             given ? "--writer" : twin("--writer")));
}

void finish(Options& options, const Raw& raw, const std::string& program_dir) {
  if (raw.driver != "stdio" && raw.driver != "http")
    throw BadUsage(fmt::format("--writer-driver: there is no driver `{}`, but stdio and http", raw.driver));
  options.over_http = raw.driver == "http";
  if (raw.realm != "process") {
    throw BadUsage(raw.realm == "sim" || raw.realm == "vm"
                       ? fmt::format("--realm {} is not built yet; process is", raw.realm)
                       : fmt::format("--realm: there is no realm `{}`", raw.realm));
  }
  if (raw.suite != "quick" && raw.suite != "long") {
    throw BadUsage(fmt::format("--suite: there is no suite `{}`, expected quick or long", raw.suite));
  }
  options.long_suite = raw.suite == "long";
  if (options.jobs < 1 || options.jobs > kMaxJobs) throw BadUsage(fmt::format("--jobs is 1 to {}", kMaxJobs));
  if (!raw.duration.empty()) options.duration = duration_of("--duration", raw.duration);
  if (!raw.shard.empty()) read_shard(options, raw.shard);
  const auto milliseconds_of = [](const char* flag, const std::string& text) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration_of(flag, text));
  };
  options.ready_within = milliseconds_of("--ready-timeout", raw.ready);
  options.slack = milliseconds_of("--slack", raw.slack);
  for (const std::string& each : raw.teardowns) {
    const auto teardown = teardown_named(each);
    if (!teardown) {
      throw BadUsage(fmt::format("--teardown: there is no class `{}`, expected one of {}", each,
                                 list_of_names("class")));
    }
    options.teardowns.push_back(*teardown);
  }
  options.own_writer = raw.writer.empty();
  options.writer = raw.writer;
  if (options.own_writer) {
    const std::string beside = program_dir + "/s2-writer";
    options.writer_words = {access(beside.c_str(), X_OK) == 0 ? beside : "s2-writer"};
    options.writer = "s2-writer";
  } else {
    auto words = split_shell_words(raw.writer);
    if (!words) throw BadUsage(fmt::format("--writer: `{}`: {}", raw.writer, words.error()));
    options.writer_words = std::move(*words);
  }
  if (!raw.endpoint.empty()) {
    try {
      parse_origin(raw.endpoint);
    } catch (const std::invalid_argument& error) {
      throw BadUsage(std::string("--endpoint: ") + error.what());
    }
    if (options.basin.empty()) throw BadUsage("--endpoint needs --basin");
    if (raw.token.empty())
      throw BadUsage(fmt::format("--endpoint needs --token (or {}); an endpoint that asks for none takes any",
                                 twin("--token")));
    options.endpoint = raw.endpoint;
  } else if (!options.basin.empty() || !raw.token.empty()) {
    throw BadUsage("--basin and --token go with --endpoint");
  }
  const auto token = secret_of(raw.token);
  if (!token) throw BadUsage("--token: " + token.error());
  options.token = *token;
  options.color = !raw.no_color && getenv("NO_COLOR") == nullptr && isatty(STDOUT_FILENO);
}

// The flags of the report that tells of this run, without those that were given; `report` becomes its path.
// With another writer, none: they were for the report's.
std::vector<std::string> recorded_flags(const CLI::App& app, const std::string& run, std::string& report) {
  std::vector<std::string> words;
  std::error_code error;
  if (app.get_option("--writer")->count() > 0 || !std::filesystem::exists(run, error)) return words;
  const auto above = report_above(run);
  if (!above) return words;
  report = above->results;
  if (above->options.replay_flags.empty()) return words;
  const auto recorded = split_shell_words(above->options.replay_flags);
  if (!recorded) throw BadUsage(fmt::format("{}: `replay_flags`: {}", report, recorded.error()));
  bool taken = false;  // the flag, and with it its value
  for (const std::string& word : *recorded) {
    if (word.starts_with("--")) {
      const CLI::Option* same = app.get_option_no_throw(word);
      taken = same == nullptr || same->count() == 0;
    }
    if (taken) words.push_back(word);
  }
  return words;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

ParsedOptions parse_options(int argc, const char* const* argv, const std::string& program_dir) {
  CLI::App app("Kills an event writer in the ordinary ways and proves what was lost.", "s2-scenarios");
  app.set_version_flag("--version", std::string("s2-scenarios ") + kVersion);
  app.require_subcommand(1);
  app.footer(kExitCodes);
  Options options;
  Raw raw;
  const auto subcommand = [&](const char* name, const char* what) { return app.add_subcommand(name, what); };

  subcommand("list", "the scenarios: name, class, suites, combinations, purpose");
  CLI::App* run =
      subcommand("run", "run scenarios (all of the suite, or those named; a name may be a .scenario file)");
  CLI::App* replay = subcommand("replay",
                                "make one run again, up to 8 times until it breaks a promise: a token, or a "
                                "path under runs/, whose report "
                                "then says with which writer");
  CLI::App* curve = subcommand("curve",
                               "events lost against grace, linger and batch size, and shutdown time against "
                               "backlog: table, curve.html, curve.csv");
  CLI::App* check = subcommand(
      "check", "decide whether a history is linearizable, and judge the timeline.json beside it again");
  CLI::App* report = subcommand("report", "write a report's files again from its results and timelines");
  run->add_option("NAME", raw.names, "scenarios, or files that hold one");
  replay->add_option("TOKEN", raw.argument, "the token of a replay line, or a directory runs/<run>")
      ->required();
  check->add_option("HISTORY", raw.argument, "a history of one stream, as s2-emulator and run write it")
      ->required();
  report->add_option("DIR", raw.argument, "directory of a report")->required();
  add_run_flags(*run, options, raw);
  add_run_flags(*replay, options, raw);
  add_writer_flags(*curve, options, raw);
  curve->add_option("--runs", options.runs, "of each point; 0: 10")
      ->envname(twin("--runs"))
      ->check(whole_number(std::numeric_limits<std::uint64_t>::max()));
  curve->add_option("--out", options.out, "directory of curve.html and curve.csv")
      ->envname(twin("--out"))
      ->capture_default_str();
  curve->add_flag("--json", options.json, "the points on stdout instead of the table")
      ->envname(twin("--json"));
  for (CLI::App* each : {check, report}) {
    each->add_flag("--no-color", raw.no_color, "no colour on the terminal");
    each->footer(kExitCodes);
  }

  ParsedOptions parsed;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    const int code = app.exit(error, out, err);
    if (code == 0) {
      parsed.out = out.str();
    } else {
      parsed.exit_code = 2;
      parsed.error = one_line(error.what());
      if (const auto words = app.remaining(); app.get_subcommands().empty() && !words.empty()) {
        std::vector<std::string> commands;
        for (const CLI::App* each : app.get_subcommands({})) commands.push_back(each->get_name());
        parsed.error = no_such_command(words.front(), commands);
      }
    }
    return parsed;
  }
  try {
    options.command = *run      ? CommandName::run
                      : *replay ? CommandName::replay
                      : *curve  ? CommandName::curve
                      : *check  ? CommandName::check
                      : *report ? CommandName::report
                                : CommandName::list;
    CLI::App* flagged = *run ? run : *replay ? replay : *curve ? curve : nullptr;
    options.names = *run ? raw.names : std::vector<std::string>{raw.argument};
    if (flagged) {
      refuse_empty_writer(*flagged, raw);
      if (*replay) {
        const std::vector<std::string> recorded = recorded_flags(*replay, raw.argument, options.recorded_in);
        if (!recorded.empty()) {
          std::vector<const char*> all(argv, argv + argc);
          for (const std::string& word : recorded) all.push_back(word.c_str());
          parsed = parse_options(static_cast<int>(all.size()), all.data(), program_dir);
          if (parsed.options) parsed.options->recorded_in = options.recorded_in;
          return parsed;
        }
      }
      finish(options, raw, program_dir);
      options.out_given = flagged->get_option("--out")->count() > 0;
      if (!*curve && flagged->get_option("--cases")->count() > 0) options.property_cases = raw.property_cases;
      options.flags = given_flags(*flagged);
      options.program = shell_quoted(argv[0]);
    } else {
      options.color = !raw.no_color && getenv("NO_COLOR") == nullptr && isatty(STDOUT_FILENO);
    }
    parsed.options = std::move(options);
  } catch (const BadUsage& error) {
    parsed.exit_code = 2;
    parsed.error = one_line(error.what());
  }
  return parsed;
}

}  // namespace s2::scenarios
