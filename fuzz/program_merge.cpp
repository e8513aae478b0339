// merge, and what explore has to do with the campaign's ledger; see program_commands.h.
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "fuzz/campaign_merge.h"
#include "fuzz/program_commands.h"
#include "scenarios/escape.h"

namespace s2::fuzz {
namespace {

// A ledger is read and written by the writer as it is, whatever bug is planted for the search.
class WithoutPlantedBug {
 public:
  explicit WithoutPlantedBug(std::string planted) : planted_(std::move(planted)) { plant_bug(""); }
  ~WithoutPlantedBug() { plant_bug(planted_); }
  WithoutPlantedBug(const WithoutPlantedBug&) = delete;
  WithoutPlantedBug& operator=(const WithoutPlantedBug&) = delete;

 private:
  const std::string planted_;
};

tl::expected<std::unique_ptr<CampaignLedger>, std::string> ledger_at(const std::string& text) {
  const auto address = parse_ledger_address(text);
  if (!address) return tl::unexpected(address.error());
  return CampaignLedger::make(*address, [](const char* name) -> const char* { return std::getenv(name); });
}

std::string shard_text(const ShardRecord& record) {
  return fmt::format("shard {}/{} of {}", record.asked.shard + 1, record.asked.shards,
                     scenarios::visible(campaign_text(record)));
}

void say(const std::string& line) {
  fmt::print(stderr, "s2-fuzz: {}\n", line);
}

// A line a shard. Nothing: an error was said, the exit code is 2.
bool read_results(const std::string& path, std::vector<ShardRecord>& into) {
  std::ifstream file(path, std::ios::binary);
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto record = shard_record_of_json(line);
    if (!record) {
      complain(2, fmt::format("merge: line {} of {} is no result of `s2-fuzz explore --json`", number, path));
      return false;
    }
    into.push_back(std::move(*record));
  }
  if (number != 0 && file.eof()) return true;
  complain(2, fmt::format("merge: {} cannot be read, or is empty", path));
  return false;
}

// What came from elsewhere moves no cursor.
Finding harmless(Finding finding) {
  for (std::string* text : {&finding.invariant, &finding.kind, &finding.detail, &finding.shape,
                            &finding.found_by, &finding.token}) {
    *text = scenarios::visible(*text);
  }
  for (std::string& step : finding.steps) step = scenarios::visible(step);
  return finding;
}

std::string shards_text(const MergedCampaign& campaign) {
  std::string text = fmt::format("{} of {} shards", campaign.seen.size(), campaign.first.asked.shards);
  if (!campaign.missing.empty()) text += ", missing: " + ranges_text(campaign.missing);
  if (!campaign.stopped.empty()) text += ", stopped early: " + ranges_text(campaign.stopped);
  return text;
}

std::string sums_text(const CampaignResult& sum) {
  return fmt::format(
      "{} executions in {:.1f} s of machines, {} points{}{}{}", sum.executions, sum.seconds, sum.points,
      kills_text(sum), sum.exhausted ? "; everything was tried" : "",
      sum.differing == 0 ? "" : fmt::format("; {} executions were not repeatable", sum.differing));
}

void print_merged(const Merged& merged) {
  for (const Finding& finding : merged.sum.findings) print_finding(harmless(finding), "");
  for (const MergedCampaign& campaign : merged.campaigns) {
    print_out(fmt::format("{}  {}: {}; {}\n", campaign.sum.findings.empty() ? "held  " : "broken",
                          scenarios::visible(campaign_text(campaign.first)), shards_text(campaign),
                          sums_text(campaign.sum)));
  }
  print_out(fmt::format("{}  {} campaign{}: {}\n", merged.sum.findings.empty() ? "HELD  " : "BROKEN",
                        merged.campaigns.size(), merged.campaigns.size() == 1 ? "" : "s",
                        sums_text(merged.sum)));
}

}  // namespace

int open_ledger(const FuzzOptions& options, std::unique_ptr<CampaignLedger>& ledger) {
  const WithoutPlantedBug clean(options.campaign.mutant);
  auto made = ledger_at(options.ledger);
  if (!made) return complain(2, "--ledger: " + made.error());
  const auto contents = (*made)->read();
  if (!contents) return complain(3, contents.error());
  ShardRecord ours;
  ours.asked = options.campaign;
  const ShardRecord* broken = nullptr;
  bool done = false, stopped = false;
  for (const ShardRecord& record : contents->records) {
    if (!same_campaign(record, ours)) continue;
    if (record.asked.shard == ours.asked.shard) (record.stopped ? stopped : done) = true;
    if (!record.result.findings.empty()) broken = &record;
  }
  if (done && !options.again) {
    return complain(2, fmt::format("{} is in the ledger {} already (--again does it once more)",
                                   shard_text(ours), options.ledger));
  }
  if (stopped && !done)
    say(fmt::format("{} is in the ledger, stopped early: it is done again", shard_text(ours)));
  if (broken != nullptr) {
    const Finding finding = harmless(broken->result.findings.front());
    say(fmt::format("{} has found a failure already: {} {}: {}; going on", shard_text(*broken),
                    finding.invariant, finding.kind, finding.detail));
  }
  ledger = std::move(*made);
  return 0;
}

int write_ledger(CampaignLedger& ledger, const ShardRecord& record) {
  const WithoutPlantedBug clean(record.asked.mutant);
  const auto written = ledger.append(record);
  return written ? 0 : complain(3, written.error());
}

int merge_command(const FuzzOptions& options) {
  std::vector<ShardRecord> records;
  for (const std::string& source : options.sources) {
    if (!is_ledger_address(source)) {
      if (!read_results(source, records)) return 2;
      continue;
    }
    const auto ledger = ledger_at(source);
    if (!ledger) return complain(2, "merge: " + ledger.error());
    auto contents = (*ledger)->read();
    if (!contents) return complain(3, contents.error());
    if (contents->strange != 0)
      say(fmt::format("{} records of {} are no results, and left out", contents->strange, source));
    std::move(contents->records.begin(), contents->records.end(), std::back_inserter(records));
  }
  if (records.empty()) return complain(3, "merge: there is no result in it yet");
  const Merged merged = merge_shards(records);
  if (options.json) {
    print_out(to_json_line(merged));
  } else {
    print_merged(merged);
  }
  if (!merged.sum.findings.empty()) return 1;
  if (merged.complete() || options.partial) return 0;
  flush_out();
  for (const MergedCampaign& campaign : merged.campaigns) {
    if (campaign.missing.empty()) continue;
    const bool one = campaign.missing.size() == 1;
    return complain(3, fmt::format("merge: shard{} {} of {} of {} {} missing (--partial does without)",
                                   one ? "" : "s", ranges_text(campaign.missing), campaign.first.asked.shards,
                                   campaign_text(campaign.first), one ? "is" : "are"));
  }
  return 3;
}

}  // namespace s2::fuzz
