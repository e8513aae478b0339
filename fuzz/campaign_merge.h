// What many shards have done, as one: sums, failures once each, and which shards have said nothing.
//
// Pure values; any thread. A shard that stands there several times (it was stopped and run again, or its
// record was written twice) does the same executions each time, because they come from the seed: the longest
// of its records is counted, and the failures of all.
#pragma once

#include <string>
#include <vector>

#include "fuzz/campaign_record.h"

namespace s2::fuzz {

// Shards are counted from 1 here.
struct MergedCampaign {
  ShardRecord first;  // what all its shards have in common
  std::vector<unsigned> seen, missing;
  std::vector<unsigned> stopped;  // of those seen: none of their records is of a whole search
  std::size_t records = 0;
  CampaignResult sum;  // `seconds` of all shards together
};

struct Merged {
  std::vector<MergedCampaign> campaigns;  // in the order in which they first come
  CampaignResult sum;
  bool complete() const;
};

Merged merge_shards(const std::vector<ShardRecord>& records);

std::string to_json_line(const Merged& merged);
// "1-4, 7": for messages.
std::string ranges_text(const std::vector<unsigned>& numbers);

}  // namespace s2::fuzz
