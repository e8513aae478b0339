// Flags and the environment: durations, sizes, numbers, budgets and the whole configuration. What several
// parsers take they take alike, what is taken is within its limits, and an error is one line without a
// secret.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "emulator/units.h"
#include "fuzz/targets/target.h"
#include "scenarios/command_line.h"
#include "scenarios/options.h"
#include "scenarios/quantity.h"
#include "scenarios/shell_words.h"
#include "writer/config.h"
#include "writer/duration.h"

using namespace s2;
using s2::fuzz::must;

namespace {

void quantities(std::string_view text) {
  using std::chrono::microseconds;
  const auto writers = writer::parse_duration(text);
  const auto harness = scenarios::parse_duration(text);
  const auto emulators = emulator::parse_duration(text);
  if (!writers) fuzz::must_be_line(writers.error());
  if (writers)
    must(writers->count() >= 0 && *writers <= std::chrono::hours(24), "a duration keeps to its limit");
  if (writers && harness)
    must(microseconds(*writers) == *harness, "writer and harness take a duration alike");
  if (emulators && harness)
    must(microseconds(*emulators) == *harness, "emulator and harness take a duration alike");
  if (harness)
    must(scenarios::parse_duration(scenarios::print_duration(*harness)) == harness, "a duration comes back");
  if (emulators)
    must(emulator::parse_duration(emulator::print_duration(*emulators)) == emulators,
         "a duration comes back");

  const auto size = writer::parse_size(text);
  const auto metered = emulator::parse_size(text);
  if (!size) fuzz::must_be_line(size.error());
  if (size) must(*size >= 0, "a size is not negative");
  if (size && metered)
    must(static_cast<std::uint64_t>(*size) == *metered, "writer and emulator take a size alike");
  const auto integer = writer::parse_integer(text);
  if (!integer) fuzz::must_be_line(integer.error());
  if (const auto decimal = emulator::parse_decimal(text); decimal && integer)
    must(static_cast<std::uint64_t>(*integer) == *decimal, "a number is a number");
  if (const auto shard = scenarios::parse_shard(text))
    must(shard->index < shard->of, "a shard is one of them");
}

// `NAME=VALUE` words are the environment, the others the command line.
void configuration(const std::vector<std::string>& words) {
  constexpr std::string_view kSecret = "geheim-4711";
  std::map<std::string, std::string> variables = {{"S2_ACCESS_TOKEN", std::string(kSecret)}};
  std::vector<std::string> arguments;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (word.starts_with("S2_") && equals != std::string::npos) {
      const std::string name = word.substr(0, equals), value = word.substr(equals + 1);
      if (!value.starts_with('@') && value.find('\0') == std::string::npos)
        variables[name] = value;  // no files
    } else {
      arguments.push_back(word);
    }
  }
  const auto line = writer::config_from(arguments, [&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
  if (!line) {
    fuzz::must_be_line(line.error());
    return must(line.error().find(kSecret) == std::string::npos, "an error holds no secret");
  }
  if (line->action == writer::CommandLine::Action::help ||
      line->action == writer::CommandLine::Action::version)
    return;
  const writer::Config& config = line->config;
  must(config.listen_port >= 0 && config.listen_port <= 65535 && !config.listen_host.empty(),
       "it can be listened on");
  must(config.ring.events >= 1 && config.ring.bytes >= 1, "a ring holds an event");
  must(config.shutdown.whole.count() > 0, "a shutdown has some time");
  int sum = 0;
  for (const int share : config.shutdown.shares) {
    must(share >= 0, "a step's share is not negative");
    sum += share;
  }
  must(sum <= writer::kWholeShare, "all steps together have no more than the whole");
  for (const auto grace : config.budget.around)
    must(config.shutdown.whole < grace, "a shutdown is within its grace");
  (void)writer::plan_text(config.shutdown, config.budget);
}

void harness(const std::vector<std::string>& words) {
  std::vector<const char*> arguments = {"s2-scenarios"};
  for (const std::string& word : words) arguments.push_back(word.c_str());
  const auto parsed =
      scenarios::parse_options(static_cast<int>(arguments.size()), arguments.data(), "/nowhere");
  if (parsed.options) return must(parsed.error.empty() && parsed.exit_code == 0, "options are no error");
  if (parsed.exit_code == 0) return must(!parsed.out.empty(), "help is told");
  must(parsed.exit_code == 2, "bad usage is 2");
  fuzz::must_be_line(parsed.error);
}

}  // namespace

FUZZ_TARGET(flags, input) {
  quantities(input);
  const std::string text(input);
  writer::BudgetWishes wishes;
  if (const auto taken = writer::parse_step_budgets(text, wishes); !taken) fuzz::must_be_line(taken.error());
  if (const auto taken = writer::parse_graces(text, wishes); !taken) fuzz::must_be_line(taken.error());
  if (const auto words = scenarios::split_shell_words(text)) {
    configuration(*words);
    const bool names_files = text.find('@') != std::string::npos || text.find('\0') != std::string::npos;
    if (!names_files) harness(*words);
  }
}
