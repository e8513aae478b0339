// One shard of a campaign as JSON: what was asked of it, and what came of it. `explore --json` prints such a
// line, the campaign's ledger holds them, `merge` reads them.
//
// Pure values; any thread. What is read may come from anybody: a line that is no such record is nothing.
// Neither hosts nor secrets are in it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "fuzz/campaign.h"

namespace s2::fuzz {

struct ShardRecord {
  CampaignOptions asked;  // all but `smallest`
  std::string version = kVersion;
  bool stopped = false;  // by a signal, before it had done what was asked
  CampaignResult result;
};

// A line with its end.
std::string to_json_line(const ShardRecord& record);
// The same in at most so many bytes, if need be without the stories of its failures (their tokens tell them
// again).
std::string to_json_line_within(const ShardRecord& record, std::size_t bytes);
std::optional<ShardRecord> shard_record_of_json(std::string_view text);

// Whether two shards divide one search among them.
bool same_campaign(const ShardRecord& one, const ShardRecord& other);
// "writer with no-drain, portfolio, seed 7": for messages.
std::string campaign_text(const ShardRecord& record);

}  // namespace s2::fuzz
