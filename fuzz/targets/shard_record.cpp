// Results of shards, as they come from files and from a campaign's ledger, and what they add up to.
#include <string>

#include "fuzz/campaign_ledger.h"
#include "fuzz/campaign_merge.h"
#include "fuzz/targets/target.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(shard_record, input) {
  (void)fuzz::parse_ledger_address(input);
  const auto record = fuzz::shard_record_of_json(input);
  if (!record) return;
  const std::string line = fuzz::to_json_line(*record);
  const auto again = fuzz::shard_record_of_json(line);
  must(again.has_value(), "a record comes back");
  must(fuzz::to_json_line(*again) == line, "a record comes back as it was");
  must(fuzz::same_campaign(*record, *again), "a record is of its own campaign");
  const fuzz::Merged merged = fuzz::merge_shards({*record, *again});
  must(merged.campaigns.size() == 1 && merged.campaigns[0].seen.size() == 1, "a shard is counted once");
  must(merged.sum.executions == record->result.executions, "its executions are counted once");
  (void)fuzz::to_json_line(merged);
}
