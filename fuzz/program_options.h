// The command line of s2-fuzz: every flag, its twin in the environment, and what is wrong with a bad one.
//
// Parsed once, in main(), before any process is forked.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/campaign.h"

namespace s2::fuzz {

enum class FuzzCommand { explore, replay, mutants, determinism, hashes, list, merge };

struct FuzzOptions {
  FuzzCommand command = FuzzCommand::explore;
  CampaignOptions campaign;
  std::string token;             // replay
  std::string token_file;        // that it was read from, or ""
  std::uint64_t seeds = 1000;    // determinism, hashes
  std::uint64_t first_seed = 0;  // hashes
  bool duration_given = false;
  bool json = false;
  bool no_none = false;              // mutants: without the writer as it is
  std::string out;                   // explore: directory for result.json, pictures and long schedules
  std::string picture;               // replay: file
  std::string ledger;                // explore: s2://BASIN/STREAM
  bool again = false;                // explore: though the ledger has this shard
  std::vector<std::string> sources;  // merge: files and ledgers
  bool partial = false;              // merge: though shards are missing
};

struct ParsedFuzzOptions {
  std::optional<FuzzOptions> options;  // nothing: end now, with `exit_code`
  int exit_code = 0;
  std::string out;    // for stdout (help, version)
  std::string error;  // one line for stderr
};

// Of the names the one with the fewest letters wrong; "" when that is another word. Names are short.
std::string nearest_name(std::string_view name, const std::vector<std::string>& names);

ParsedFuzzOptions parse_fuzz_options(int argc, const char* const* argv);

}  // namespace s2::fuzz
