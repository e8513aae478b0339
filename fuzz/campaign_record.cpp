// Shards of a campaign as JSON; see campaign_record.h.
#include "fuzz/campaign_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "fuzz/result_json.h"

namespace s2::fuzz {
namespace {

using AskedJson = nlohmann::ordered_json;

constexpr std::size_t kMostDetailBytes = 1024;  // of a failure whose story is left out
constexpr std::size_t kMostNameBytes = 200;     // of a target, a strategy, …: more is no name

AskedJson asked_json(const ShardRecord& record) {
  const CampaignOptions& asked = record.asked;
  return {{"target", asked.target},
          {"mutant", asked.mutant},
          {"strategy", asked.strategy},
          {"preemptions", asked.preemptions},
          {"seed", asked.seed},
          {"shard", asked.shard + 1},
          {"shards", asked.shards},
          {"jobs", asked.jobs},
          {"executions", asked.executions},
          {"duration_ms", asked.duration.count()},
          {"version", record.version},
          {"stopped", record.stopped}};
}

struct NoRecord : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::uint64_t asked_at(const AskedJson& json, const char* key, std::uint64_t least, std::uint64_t most) {
  const AskedJson& value = json.at(key);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() < least || value.get<std::uint64_t>() > most)
    throw NoRecord(key);
  return value;
}

std::string name_at(const AskedJson& json, const char* key) {
  std::string name = json.at(key);
  if (name.size() > kMostNameBytes) throw NoRecord(key);
  return name;
}

// For a strategy that goes through them; others do not look at it.
bool counts_preemptions(const CampaignOptions& asked) {
  return asked.strategy.starts_with("dfs");
}

}  // namespace

std::string to_json_line(const ShardRecord& record) {
  std::string line = to_json_line(record.result);
  line.erase(line.rfind('}'));
  return line +
         ",\"campaign\":" + asked_json(record).dump(-1, ' ', false, AskedJson::error_handler_t::replace) +
         "}\n";
}

std::string to_json_line_within(const ShardRecord& record, std::size_t bytes) {
  std::string line = to_json_line(record);
  if (line.size() <= bytes) return line;
  ShardRecord shorter = record;
  for (Finding& finding : shorter.result.findings) {
    finding.steps.clear();
    finding.long_token.clear();
    finding.detail.resize(std::min(finding.detail.size(), kMostDetailBytes));
    finding.shape.resize(std::min(finding.shape.size(), kMostDetailBytes));
  }
  return to_json_line(shorter);
}

std::optional<ShardRecord> shard_record_of_json(std::string_view text) {
  constexpr auto kAny = ~std::uint64_t{0};
  constexpr std::uint64_t kMostMilliseconds = 1ULL << 52;
  auto result = result_of_json(text);
  if (!result) return std::nullopt;
  ShardRecord record;
  record.result = std::move(*result);
  CampaignOptions& asked = record.asked;
  try {
    const AskedJson json = AskedJson::parse(text).at("campaign");
    asked.target = name_at(json, "target");
    asked.mutant = name_at(json, "mutant");
    asked.strategy = name_at(json, "strategy");
    asked.preemptions = static_cast<unsigned>(asked_at(json, "preemptions", 0, ~0U));
    asked.seed = asked_at(json, "seed", 0, kAny);
    asked.shards = static_cast<unsigned>(asked_at(json, "shards", 1, kMaxShards));
    asked.shard = static_cast<unsigned>(asked_at(json, "shard", 1, asked.shards)) - 1;
    asked.jobs = static_cast<unsigned>(asked_at(json, "jobs", 1, kMaxJobs));
    asked.executions = asked_at(json, "executions", 0, kAny);
    asked.duration = std::chrono::milliseconds(asked_at(json, "duration_ms", 0, kMostMilliseconds));
    record.version = name_at(json, "version");
    record.stopped = json.at("stopped").get<bool>();
    return record;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  } catch (const NoRecord&) {
    return std::nullopt;
  }
}

bool same_campaign(const ShardRecord& one, const ShardRecord& other) {
  const CampaignOptions &a = one.asked, &b = other.asked;
  return one.version == other.version && a.target == b.target && a.mutant == b.mutant &&
         a.strategy == b.strategy && a.seed == b.seed && a.shards == b.shards &&
         (!counts_preemptions(a) || a.preemptions == b.preemptions);
}

std::string campaign_text(const ShardRecord& record) {
  const CampaignOptions& asked = record.asked;
  return fmt::format("{}{}, {}{}, seed {}", asked.target, asked.mutant.empty() ? "" : " with " + asked.mutant,
                     asked.strategy,
                     counts_preemptions(asked) ? fmt::format(" up to {} preemptions", asked.preemptions) : "",
                     asked.seed);
}

}  // namespace s2::fuzz
