// The records of one stream; see store.h.
#include "emulator/store.h"

#include <algorithm>
#include <utility>

namespace s2::emulator {

void Store::append(wire::AppendRecord&& record, std::uint64_t timestamp, std::size_t metered_bytes,
                   std::uint64_t arrival) {
  timestamp = std::max(timestamp, tail_.timestamp);
  if (!records_.empty()) arrival = std::max(arrival, records_.back().arrival);  // a clock that was set back
  records_.push_back(Held{wire::SequencedRecord{tail_.seq_num, timestamp, std::move(record.headers),
                                                std::move(record.body).to_string()},
                          metered_bytes, arrival});
  tail_ = {tail_.seq_num + 1, timestamp};
  metered_bytes_ += metered_bytes;
}

void Store::trim(std::uint64_t seq_num) {
  while (!records_.empty() && first_seq_num() < seq_num) pop_front();
}

std::optional<std::uint64_t> Store::expire(std::uint64_t arrival) {
  std::optional<std::uint64_t> last;
  while (!records_.empty() && records_.front().arrival <= arrival) {
    last = records_.front().arrival;
    pop_front();
  }
  return last;
}

std::uint64_t Store::find_timestamp(std::uint64_t timestamp) const {
  const auto it = std::ranges::lower_bound(records_, timestamp, {},
                                           [](const Held& held) { return held.record.timestamp; });
  return first_seq_num() + static_cast<std::uint64_t>(it - records_.begin());
}

void Store::pop_front() {
  metered_bytes_ -= records_.front().metered_bytes;
  records_.pop_front();
}

}  // namespace s2::emulator
