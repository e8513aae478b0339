// The ledger of a campaign: a stream of S2, to which each shard appends one record, so that many machines
// know of each other by nothing but the service that the writer is tested for.
//
// Real time, real sockets, outside of any world, by the writer's own client and producer (no bug may be
// planted meanwhile). On a program's main thread, while it has no other threads: each call ends those that it
// made. Errors are one line and hold no secret.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "fuzz/campaign_record.h"

namespace s2::writer {
class AppendClient;
class Transport;
}  // namespace s2::writer

namespace s2::fuzz {

struct LedgerAddress {
  std::string basin, stream;
};
// "s2://BASIN/STREAM"; the stream's name may have slashes.
bool is_ledger_address(std::string_view text);
tl::expected<LedgerAddress, std::string> parse_ledger_address(std::string_view text);

struct LedgerContents {
  std::vector<ShardRecord> records;
  std::size_t strange = 0;  // records that are no shard's
};

class CampaignLedger {
 public:
  using Environment = std::function<const char*(const char* name)>;

  // Endpoint, token and time-outs come from the environment, as s2-writer takes them. The error is bad usage.
  static tl::expected<std::unique_ptr<CampaignLedger>, std::string> make(const LedgerAddress& address,
                                                                         const Environment& environment);
  ~CampaignLedger();

  // Everything that is there by now; a stream that does not exist yet is empty.
  tl::expected<LedgerContents, std::string> read();
  // Returns when S2 has acknowledged it: it stands there once.
  tl::expected<void, std::string> append(const ShardRecord& record);

 private:
  struct Parts;
  explicit CampaignLedger(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace s2::fuzz
