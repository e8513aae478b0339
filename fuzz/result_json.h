// Results as JSON: what `explore --json` prints, and what a job tells its campaign.
//
// Pure values; any thread. Source of the keys: the contract of s2-fuzz (docs/fuzzing.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/campaign.h"

namespace s2::fuzz {

std::string to_json_line(const CampaignResult& result);
// Of a replay: the places that its token names, and how many of them were met.
std::string replay_json_line(const CampaignResult& result, std::size_t places, std::size_t met);
std::optional<CampaignResult> result_of_json(std::string_view text);

// How a planted bug fared; `none` is the writer as it is.
struct MutantResult {
  std::string name, effect;
  bool found = false;
  std::string by, kind, detail;
  std::uint64_t executions = 0;
  double seconds = 0;
  std::size_t preemptions = 0;
  bool fewest = false;  // with fewer it does not break so: all of them were tried
  std::string replay;
};
std::string to_json(const std::vector<MutantResult>& results);
// What `list` says.
std::string list_json(const std::vector<Target>& targets, const std::vector<PlantedBugText>& bugs);
std::optional<std::vector<MutantResult>> mutants_of_json(std::string_view text);

}  // namespace s2::fuzz
