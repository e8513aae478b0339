// The command line of s2-scenarios: every flag, its twin in the environment, and what is wrong with a bad
// one.
//
// Parsed once, in main(), before any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/ledger.h"

namespace s2::scenarios {

enum class CommandName { list, run, replay, curve, check, report };

struct Options {
  CommandName command = CommandName::run;
  std::vector<std::string> names;  // run: scenarios or files; replay, check, report: the one argument
  std::uint64_t seed = 1;
  std::size_t runs = 0;  // 0: the suite's own number, or the curve's for each of its points
  std::optional<std::chrono::microseconds> duration;
  unsigned jobs = 8;
  unsigned shard = 0, shards = 1;
  std::string writer;
  std::vector<std::string> writer_words;
  bool over_http = false;  // --writer-driver http
  bool own_writer = true;  // --writer was not given
  std::optional<std::string> endpoint;
  std::string basin;
  std::string token;
  std::vector<Teardown> teardowns;
  bool long_suite = false;
  bool property_only = false;
  std::optional<std::size_t> property_cases;
  std::string out = "build/report";
  bool out_given = false;
  bool keep_all = false;  // every run's files, not those of a sample
  bool json = false;
  bool color = true;
  std::chrono::milliseconds ready_within{10'000};
  std::chrono::milliseconds slack{5'000};
  std::string program = "s2-scenarios";  // as it was called, quoted for a shell
  std::string recorded_in;               // replay: the report that the flags that were not given come from
  std::string flags;                     // as given, for a replay line: how a run is made; without secrets
};

struct ParsedOptions {
  std::optional<Options> options;  // nothing: end now, with `exit_code`
  int exit_code = 0;
  std::string out;    // for stdout (help, version)
  std::string error;  // one line for stderr
};

// `program_dir`: where the default writer is looked for first.
ParsedOptions parse_options(int argc, const char* const* argv, const std::string& program_dir);

}  // namespace s2::scenarios
