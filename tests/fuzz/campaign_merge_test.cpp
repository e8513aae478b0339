// Shards of campaigns, written and read as JSON, and merged: what is counted, what is missing, and what is
// not believed.
#include "fuzz/campaign_merge.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "fuzz/campaign_ledger.h"

namespace s2::fuzz {
namespace {

ShardRecord shard(unsigned number, unsigned of, std::uint64_t executions = 100) {
  ShardRecord record;
  record.asked.target = "ring";
  record.asked.seed = 7;
  record.asked.shard = number - 1;
  record.asked.shards = of;
  record.result.executions = executions;
  record.result.points = executions * 10;
  record.result.kill_instants = executions * 11;
  record.result.seconds = record.result.job_seconds = 2;
  return record;
}

Finding failure(const std::string& token, const std::string& kind = "lost") {
  Finding finding;
  finding.target = "ring";
  finding.invariant = finding.by = "I4";
  finding.kind = kind;
  finding.detail = "event #1 is not stored";
  finding.steps = {"main: publishes"};
  finding.token = token;
  return finding;
}

TEST(CampaignRecord, ComesBackAsItWasWritten) {
  ShardRecord record = shard(2, 3);
  record.asked.mutant = "no-drain";
  record.asked.strategy = "dfs";
  record.asked.preemptions = 5;
  record.asked.seed = ~std::uint64_t{0};
  record.asked.jobs = 4;
  record.asked.executions = 2000;
  record.asked.duration = std::chrono::hours(24);
  record.stopped = true;
  record.result.findings.push_back(failure("ring/s2r1:1::"));
  const std::string line = to_json_line(record);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto read = shard_record_of_json(line);
  ASSERT_TRUE(read);
  EXPECT_EQ(to_json_line(*read), line);
  EXPECT_TRUE(same_campaign(*read, record));
  EXPECT_EQ(read->asked.shard, 1U);
  EXPECT_TRUE(read->stopped);
}

TEST(CampaignRecord, LosesItsStoriesRatherThanItsPlaceInTheLedger) {
  ShardRecord record = shard(1, 1);
  record.result.findings.push_back(failure("ring/s2r1:1::"));
  record.result.findings[0].steps.assign(10'000, std::string(200, 'x'));
  record.result.findings[0].detail = std::string(100'000, '\1');
  constexpr std::size_t kMost = 100'000;
  const std::string line = to_json_line_within(record, kMost);
  EXPECT_LE(line.size(), kMost);
  const auto read = shard_record_of_json(line);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->result.findings.size(), 1U);
  EXPECT_EQ(read->result.findings[0].token, "ring/s2r1:1::");
  EXPECT_EQ(to_json_line_within(shard(1, 1), kMost), to_json_line(shard(1, 1)));
}

TEST(CampaignRecord, IsNotMadeOfWhatIsNone) {
  const std::string line = to_json_line(shard(2, 3));
  const auto damaged = [&](const std::string& from, const std::string& to) {
    std::string text = line;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return shard_record_of_json(text.replace(at, from.size(), to)).has_value();
  };
  EXPECT_TRUE(damaged("\"seed\":7", "\"seed\":8"));
  EXPECT_FALSE(damaged("\"seed\":7", "\"seed\":-1"));
  EXPECT_FALSE(damaged("\"seed\":7", "\"seed\":1e300"));
  EXPECT_FALSE(damaged("\"shard\":2", "\"shard\":4"));
  EXPECT_FALSE(damaged("\"shard\":2", "\"shard\":0"));
  EXPECT_FALSE(damaged("\"shards\":3", "\"shards\":4000000000"));
  EXPECT_FALSE(damaged("\"jobs\":1", "\"jobs\":0"));
  EXPECT_FALSE(damaged("\"stopped\":false", "\"stopped\":0"));
  EXPECT_FALSE(damaged("\"target\":\"ring\"", "\"target\":null"));
  EXPECT_FALSE(damaged("\"target\":\"ring\"", "\"target\":\"" + std::string(1000, 'x') + "\""));
  EXPECT_FALSE(damaged("\"executions\":100", "\"executions\":1e300"));
  EXPECT_FALSE(damaged("\"executions\":100", "\"executions\":true"));
  EXPECT_FALSE(damaged("\"campaign\"", "\"champagne\""));
  for (const char* text : {"", "{}", "[]", "null", "7", "{\"verdict\":\"held\"}", "\xff\xfe", "[[[[["})
    EXPECT_FALSE(shard_record_of_json(text)) << text;
  for (std::size_t cut = 0; cut + 2 < line.size(); ++cut) {
    EXPECT_FALSE(shard_record_of_json(std::string_view(line).substr(0, cut)));
  }
}

TEST(CampaignMerge, SumsShardsAndNamesTheMissing) {
  const Merged merged = merge_shards({shard(4, 5), shard(1, 5), shard(2, 5, 50)});
  ASSERT_EQ(merged.campaigns.size(), 1U);
  const MergedCampaign& campaign = merged.campaigns[0];
  EXPECT_EQ(campaign.seen, (std::vector<unsigned>{1, 2, 4}));
  EXPECT_EQ(campaign.missing, (std::vector<unsigned>{3, 5}));
  EXPECT_FALSE(merged.complete());
  EXPECT_EQ(merged.sum.executions, 250U);
  EXPECT_EQ(merged.sum.points, 2500U);
  EXPECT_EQ(merged.sum.kill_instants, 2750U);
  EXPECT_DOUBLE_EQ(merged.sum.seconds, 6);
  EXPECT_TRUE(merged.sum.findings.empty());
  EXPECT_TRUE(merge_shards({shard(1, 2), shard(2, 2)}).complete());
}

TEST(CampaignMerge, CountsAShardOnceHoweverOftenItStandsThere) {
  ShardRecord stopped = shard(1, 2, 30);
  stopped.stopped = true;
  stopped.result.findings.push_back(failure("ring/s2r1:1::"));
  const Merged merged = merge_shards({stopped, shard(1, 2), shard(1, 2), shard(2, 2)});
  EXPECT_EQ(merged.sum.executions, 200U);
  EXPECT_EQ(merged.campaigns[0].records, 4U);
  EXPECT_TRUE(merged.campaigns[0].stopped.empty());  // it was run again
  EXPECT_EQ(merged.sum.findings.size(), 1U);         // what only the shorter one says counts, too
  EXPECT_EQ(merge_shards({stopped}).campaigns[0].stopped, (std::vector<unsigned>{1}));
}

TEST(CampaignMerge, KeepsEachFailureOnce) {
  ShardRecord one = shard(1, 2), two = shard(2, 2);
  one.result.findings = {failure("ring/s2r1:1::"), failure("ring/s2r1:2::")};
  two.result.findings = {failure("ring/s2r1:2::"), failure("ring/s2r1:2::", "duplicated")};
  const Merged merged = merge_shards({one, two});
  EXPECT_EQ(merged.sum.findings.size(), 3U);
  const auto json = nlohmann::json::parse(to_json_line(merged));
  EXPECT_EQ(json.at("verdict"), "broken");
  EXPECT_EQ(json.at("complete"), true);
  EXPECT_EQ(json.at("failures").size(), 3U);
  EXPECT_EQ(json.at("campaigns").at(0).at("failures"), 3);
}

TEST(CampaignMerge, DoesNotMixCampaigns) {
  std::vector<ShardRecord> records(8, shard(1, 2));
  records[1].asked.seed = 8;
  records[2].asked.target = "writer";
  records[3].asked.mutant = "no-drain";
  records[4].asked.strategy = "pct";
  records[5].asked.shards = 3;
  records[6].version = "0.0.1";
  records[7].asked.preemptions = 9;  // which the portfolio does not look at
  records.push_back(shard(2, 2));
  const Merged merged = merge_shards(records);
  EXPECT_EQ(merged.campaigns.size(), 7U);
  EXPECT_EQ(merged.campaigns[0].seen, (std::vector<unsigned>{1, 2}));
  EXPECT_FALSE(merged.complete());
  EXPECT_EQ(merged.sum.executions, 800U);
  ShardRecord dfs = shard(1, 2), deeper = shard(2, 2);
  dfs.asked.strategy = deeper.asked.strategy = "dfs";
  deeper.asked.preemptions = dfs.asked.preemptions + 1;
  EXPECT_EQ(merge_shards({dfs, deeper}).campaigns.size(), 2U);
}

TEST(CampaignMerge, SaysTheSameInWhateverOrderAndHoweverOftenShardsCome) {
  EXPECT_TRUE(rc::check([] {
    const auto below = [](unsigned least, unsigned end) {
      return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(least, end));
    };
    const unsigned of = below(1, 6);
    std::vector<ShardRecord> records;
    for (unsigned i = 1; i <= of; ++i) {
      const unsigned copies = below(0, 3);
      for (unsigned copy = 0; copy < copies; ++copy) records.push_back(shard(i, of, below(1, 1000)));
    }
    if (records.empty()) records.push_back(shard(of, of));
    std::uint64_t most = 0;
    for (unsigned i = 0; i < of; ++i) {
      std::uint64_t longest = 0;
      for (const ShardRecord& record : records) {
        if (record.asked.shard == i) longest = std::max(longest, record.result.executions);
      }
      most += longest;
    }
    const Merged merged = merge_shards(records);
    RC_ASSERT(merged.sum.executions == most);
    RC_ASSERT(merged.campaigns[0].seen.size() + merged.campaigns[0].missing.size() == of);
    std::vector<ShardRecord> backwards(records.rbegin(), records.rend());
    backwards.insert(backwards.end(), records.begin(), records.end());
    const Merged again = merge_shards(backwards);
    RC_ASSERT(again.sum.executions == most);
    RC_ASSERT(again.campaigns[0].missing == merged.campaigns[0].missing);
  }));
}

TEST(CampaignMerge, WritesManyNumbersShort) {
  EXPECT_EQ(ranges_text({}), "");
  EXPECT_EQ(ranges_text({3}), "3");
  EXPECT_EQ(ranges_text({1, 2, 3, 5, 8, 9}), "1-3, 5, 8-9");
  std::vector<unsigned> odd;
  for (unsigned i = 1; i < 2000; i += 2) odd.push_back(i);
  EXPECT_LT(ranges_text(odd).size(), 200U);
}

TEST(CampaignLedger, HasAnAddress) {
  const auto address = parse_ledger_address("s2://some-basin/campaigns/night 7");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->basin, "some-basin");
  EXPECT_EQ(address->stream, "campaigns/night 7");
  for (const char* text :
       {"", "s2://", "s2://basin", "s2://basin/", "s2:///stream", "http://basin/stream", "file"})
    EXPECT_FALSE(parse_ledger_address(text)) << text;
  EXPECT_FALSE(parse_ledger_address("s2://basin/" + std::string(513, 'x')));
}

TEST(CampaignLedger, SaysWhatIsMissingInTheEnvironmentAndNeverASecret) {
  const LedgerAddress address{"some-basin", "stream"};
  const auto none = CampaignLedger::make(address, [](const char*) -> const char* { return nullptr; });
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().find("S2_ACCESS_TOKEN"), std::string::npos);
  const auto bad = CampaignLedger::make(address, [](const char* name) -> const char* {
    return std::string_view(name) == "S2_ACCESS_TOKEN" ? "a secret" : nullptr;
  });
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().find("a secret"), std::string::npos);
  EXPECT_FALSE(CampaignLedger::make({"x", "stream"}, [](const char* name) -> const char* {
    return std::string_view(name) == "S2_ACCESS_TOKEN" ? "token" : nullptr;
  }));
}

}  // namespace
}  // namespace s2::fuzz
