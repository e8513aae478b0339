// Many shards as one; see campaign_merge.h.
#include "fuzz/campaign_merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "fuzz/result_json.h"

namespace s2::fuzz {
namespace {

using MergedJson = nlohmann::ordered_json;

constexpr std::size_t kMostRangesShown = 20;

void add_seconds(CampaignResult& sum, const CampaignResult& part) {
  const double seconds = sum.seconds + part.seconds;  // of machines, which do not wait for each other
  add(sum, part);
  sum.seconds = seconds;
}

void add_failures(CampaignResult& sum, const ShardRecord& record) {
  CampaignResult failures;
  failures.findings = record.result.findings;
  add(sum, failures);
}

MergedCampaign merge_one(const std::vector<const ShardRecord*>& records) {
  MergedCampaign merged;
  merged.first = *records.front();
  merged.records = records.size();
  merged.first.result = {};
  struct Shard {
    const ShardRecord* longest = nullptr;
    bool whole = false;
  };
  std::map<unsigned, Shard> shards;
  for (const ShardRecord* record : records) {
    Shard& shard = shards[record->asked.shard];
    shard.whole = shard.whole || !record->stopped;
    if (shard.longest == nullptr || record->result.executions > shard.longest->result.executions)
      shard.longest = record;
  }
  const unsigned all = merged.first.asked.shards;
  merged.sum.exhausted = shards.size() == all;
  for (unsigned i = 0; i < all; ++i) {
    const auto at = shards.find(i);
    if (at == shards.end()) {
      merged.missing.push_back(i + 1);
      continue;
    }
    merged.seen.push_back(i + 1);
    if (!at->second.whole) merged.stopped.push_back(i + 1);
    const CampaignResult& result = at->second.longest->result;
    add_seconds(merged.sum, result);
    merged.sum.exhausted = merged.sum.exhausted && result.exhausted;
  }
  for (const ShardRecord* record : records) add_failures(merged.sum, *record);
  return merged;
}

MergedJson campaign_json(const MergedCampaign& campaign) {
  const CampaignOptions& asked = campaign.first.asked;
  return {{"target", asked.target},
          {"mutant", asked.mutant},
          {"strategy", asked.strategy},
          {"preemptions", asked.preemptions},
          {"seed", asked.seed},
          {"version", campaign.first.version},
          {"shards", asked.shards},
          {"seen", campaign.seen},
          {"missing", campaign.missing},
          {"stopped", campaign.stopped},
          {"records", campaign.records},
          {"verdict", campaign.sum.findings.empty() ? "held" : "broken"},
          {"executions", campaign.sum.executions},
          {"seconds", campaign.sum.seconds},
          {"points", campaign.sum.points},
          {"kill_instants", campaign.sum.kill_instants},
          {"exhausted", campaign.sum.exhausted},
          {"failures", campaign.sum.findings.size()}};
}

}  // namespace

bool Merged::complete() const {
  return std::all_of(campaigns.begin(), campaigns.end(),
                     [](const MergedCampaign& campaign) { return campaign.missing.empty(); });
}

Merged merge_shards(const std::vector<ShardRecord>& records) {
  std::vector<std::vector<const ShardRecord*>> campaigns;
  for (const ShardRecord& record : records) {
    const auto at = std::find_if(campaigns.begin(), campaigns.end(), [&](const auto& campaign) {
      return same_campaign(*campaign.front(), record);
    });
    (at == campaigns.end() ? campaigns.emplace_back() : *at).push_back(&record);
  }
  Merged merged;
  merged.sum.exhausted = !campaigns.empty();
  for (const auto& campaign : campaigns) {
    merged.campaigns.push_back(merge_one(campaign));
    const CampaignResult& sum = merged.campaigns.back().sum;
    add_seconds(merged.sum, sum);
    merged.sum.exhausted = merged.sum.exhausted && sum.exhausted;
  }
  return merged;
}

std::string to_json_line(const Merged& merged) {
  MergedJson campaigns = MergedJson::array();
  for (const MergedCampaign& campaign : merged.campaigns) campaigns.push_back(campaign_json(campaign));
  std::string line = to_json_line(merged.sum);
  line.erase(line.rfind('}'));
  return line + fmt::format(",\"complete\":{},\"campaigns\":", merged.complete()) +
         campaigns.dump(-1, ' ', false, MergedJson::error_handler_t::replace) + "}\n";
}

std::string ranges_text(const std::vector<unsigned>& numbers) {
  std::string text;
  std::size_t shown = 0;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    if (shown++ == kMostRangesShown) return text + ", …";
    text += (text.empty() ? "" : ", ") + std::to_string(numbers[i]);
    if (end - i > 1) text += "-" + std::to_string(numbers[end - 1]);
    i = end;
  }
  return text;
}

}  // namespace s2::fuzz
