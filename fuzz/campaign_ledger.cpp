// The ledger of a campaign; see campaign_ledger.h.
#include "fuzz/campaign_ledger.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <stop_token>
#include <thread>

#include "writer/config.h"
#include "writer/producer.h"
#include "writer/s2_client.h"
#include "writer/tcp_transport.h"

namespace s2::fuzz {
namespace {

using LedgerClock = std::chrono::steady_clock;

constexpr std::string_view kLedgerScheme = "s2://";
constexpr std::size_t kRecordsAPage = 100;
constexpr std::size_t kMostRecordsRead = 200'000;
constexpr int kReadAttempts = 5;  // of one page, by a service that is not reached or is busy
constexpr std::chrono::milliseconds kBetweenReads{200};  // times the attempt
constexpr std::chrono::seconds kPageWithin{20};
constexpr std::chrono::seconds kAppendWithin{20};
constexpr std::chrono::seconds kCloseWithin{1};
constexpr std::size_t kMostRecordBytes = wire::kMaxBatchMeteredBytes - 1024;  // metering takes a few

std::string refusal_text(const wire::ApiError& error) {
  return fmt::format("S2 answered {}{}{}", error.status, error.code.empty() ? "" : " " + error.code,
                     error.message.empty() ? "" : ": " + error.message.substr(0, 200));
}

// What became of the one record, and what held it up last.
class OneRecord final : public writer::ProducerListener {
 public:
  void acked(const std::string&, std::span<const std::uint64_t>, std::uint64_t) override {
    const std::lock_guard lock(mutex_);
    acked_ = true;
  }
  void failed(const std::string&, std::span<const std::uint64_t>, const writer::AppendFailure& why) override {
    const std::lock_guard lock(mutex_);
    why_ = why.reason;
  }
  void note(const std::string&, const std::string& line) override {
    const std::lock_guard lock(mutex_);
    held_up_ = line;
  }
  bool is_acked() const {
    const std::lock_guard lock(mutex_);
    return acked_;
  }
  std::string why() const {
    const std::lock_guard lock(mutex_);
    if (!why_.empty()) return why_;
    return fmt::format("no acknowledgement within {} s{}", kAppendWithin.count(),
                       held_up_.empty() ? "" : " (" + held_up_ + ")");
  }

 private:
  mutable std::mutex mutex_;
  bool acked_ = false;
  std::string why_, held_up_;
};

}  // namespace

struct CampaignLedger::Parts {
  LedgerAddress address;
  writer::ProducerOptions producer;
  std::unique_ptr<writer::Transport> transport;
  std::unique_ptr<writer::AppendClient> client;

  std::string name() const { return fmt::format("{}{}/{}", kLedgerScheme, address.basin, address.stream); }

  // Records from `from` on, a page; nothing beyond the end.
  tl::expected<std::vector<wire::SequencedRecord>, std::string> page(std::uint64_t from) {
    std::string why;
    const auto channel = client->make_channel(address.stream, [] {});
    for (int attempt = 1; attempt <= kReadAttempts; ++attempt) {
      if (attempt > 1) std::this_thread::sleep_for(kBetweenReads * (attempt - 1));
      auto records = channel->read_back(from, kRecordsAPage, LedgerClock::now() + kPageWithin);
      if (records) return std::move(*records);
      const writer::ReadError& error = records.error();
      if (error.refused && error.error.code == "stream_not_found")
        return std::vector<wire::SequencedRecord>();
      why = error.refused ? refusal_text(error.error) : error.reason;
      if (error.refused && !wire::is_retryable(error.error)) break;
    }
    return tl::unexpected(fmt::format("the ledger {} cannot be read: {}", name(), why));
  }
};

bool is_ledger_address(std::string_view text) {
  return text.starts_with(kLedgerScheme);
}

tl::expected<LedgerAddress, std::string> parse_ledger_address(std::string_view text) {
  const std::string_view rest = is_ledger_address(text) ? text.substr(kLedgerScheme.size()) : "";
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == rest.size() ||
      rest.size() - slash - 1 > wire::kMaxStreamNameBytes) {
    return tl::unexpected(fmt::format("`{}` is not s2://BASIN/STREAM", text));
  }
  return LedgerAddress{std::string(rest.substr(0, slash)), std::string(rest.substr(slash + 1))};
}

CampaignLedger::CampaignLedger(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
CampaignLedger::~CampaignLedger() = default;

tl::expected<std::unique_ptr<CampaignLedger>, std::string> CampaignLedger::make(
    const LedgerAddress& address, const Environment& environment) {
  const char* token = environment("S2_ACCESS_TOKEN");
  if (token == nullptr || *token == '\0') {
    return tl::unexpected(std::string(
        "S2_ACCESS_TOKEN is not set: a token that may read the stream and append to it, or @FILE"));
  }
  // Names that are this program's business: which basin, and nothing of how a writer drives.
  const auto ours = [&](const char* name) -> const char* {
    const std::string_view text(name);
    if (text == "S2_BASIN") return address.basin.c_str();
    const bool asked = text == "S2_ACCESS_TOKEN" || text == "S2_READ_TOKEN" || text == "S2_BASIN_ENDPOINT" ||
                       text == "S2_ACCOUNT_ENDPOINT" || text == "S2_WRITER_HTTP" ||
                       text == "S2_WRITER_OPEN_TIMEOUT" || text == "S2_WRITER_ACK_TIMEOUT";
    return asked ? environment(name) : nullptr;
  };
  auto line = writer::config_from({}, ours);
  if (!line) return tl::unexpected(line.error());
  const writer::Config& config = line->config;
  auto parts = std::make_unique<Parts>();
  parts->address = address;
  parts->producer = config.producer;
  parts->producer.linger = std::chrono::milliseconds(0);
  parts->producer.fencing = false;  // many append to it
  parts->producer.epoch_token = "campaign";
  // Only the pauses between attempts come from it: machines that end together should not meet again.
  parts->producer.jitter_seed = static_cast<std::uint64_t>(LedgerClock::now().time_since_epoch().count()) ^
                                static_cast<std::uint64_t>(::getpid());
  parts->transport = writer::make_tcp_transport({.offer_http2 = config.http != writer::HttpChoice::http1});
  auto client = writer::make_s2_client({.basin = config.basin,
                                        .basin_endpoint = config.basin_endpoint,
                                        .access_token = config.access_token.reveal(),
                                        .read_token = config.read_token.reveal(),
                                        .http = config.http},
                                       *parts->transport);
  if (!client) return tl::unexpected(client.error());
  parts->client = std::move(*client);
  return std::unique_ptr<CampaignLedger>(new CampaignLedger(std::move(parts)));
}

tl::expected<LedgerContents, std::string> CampaignLedger::read() {
  LedgerContents contents;
  std::uint64_t next = 0;
  for (std::size_t read = 0; read < kMostRecordsRead;) {
    const auto page = parts_->page(next);
    if (!page) return tl::unexpected(page.error());
    const std::size_t before = read;
    for (const wire::SequencedRecord& record : *page) {
      if (record.seq_num < next) continue;  // a trimmed stream begins later than it was asked for
      next = record.seq_num + 1;
      ++read;
      if (wire::is_command(record.headers)) continue;
      if (auto shard = shard_record_of_json(record.body)) {
        contents.records.push_back(std::move(*shard));
      } else {
        ++contents.strange;
      }
    }
    if (read == before) return contents;
  }
  return tl::unexpected(
      fmt::format("the ledger {} has over {} records: begin another", parts_->name(), kMostRecordsRead));
}

tl::expected<void, std::string> CampaignLedger::append(const ShardRecord& record) {
  constexpr std::uint64_t kTheOne = 1;
  OneRecord told;
  std::string why;
  {
    const auto producers = writer::make_producers(parts_->producer, *parts_->client, told);
    wire::AppendRecord wanted;
    std::string line = to_json_line_within(record, kMostRecordBytes);
    line.pop_back();  // a record needs no end of line
    wanted.body = std::move(line);
    const auto deadline = LedgerClock::now() + kAppendWithin;
    const auto taken = producers->submit(parts_->address.stream, kTheOne, std::move(wanted), {}, deadline);
    if (taken == writer::Submit::too_large) why = "the result is larger than a record of S2 may be";
    if (taken == writer::Submit::taken) producers->wait_acked(kTheOne, deadline);
    producers->close(LedgerClock::now() + kCloseWithin);
  }
  if (told.is_acked()) return {};
  return tl::unexpected(
      fmt::format("the ledger {} was not written: {}", parts_->name(), why.empty() ? told.why() : why));
}

}  // namespace s2::fuzz
