// Batching; see batcher.h.
#include "writer/batcher.h"

#include <algorithm>
#include <utility>

#include "writer/planted_bugs.h"

namespace s2::writer {

Batcher::Batcher(std::chrono::milliseconds linger, std::size_t max_records)
    : linger_(std::max(linger, std::chrono::milliseconds(0))),
      max_records_(std::clamp<std::size_t>(max_records, 1, wire::kMaxBatchRecords)) {}

bool Batcher::takes_more(std::size_t metered) const {
  return !batches_.empty() && !batches_.back().closed &&
         batches_.back().batch.metered + metered <= wire::kMaxBatchMeteredBytes;
}

bool Batcher::begins_batch(std::size_t metered) const {
  return !takes_more(metered) || planted(PlantedBug::linger_reset);
}

bool Batcher::add(std::uint64_t seq, wire::AppendRecord&& record, std::size_t metered, Time now) {
  bool became_due = false;
  if (!takes_more(metered)) {
    const bool is_full = !batches_.empty() && !std::exchange(batches_.back().closed, true);
    Batch& begun = batches_.emplace_back(Growing{{}, now + linger_, false}).batch;
    begun.seqs.reserve(last_records_);
    begun.input.records.reserve(last_records_);
    last_records_ = 0;
    became_due = is_full || linger_.count() == 0;
  }
  Growing& last = batches_.back();
  if (planted(PlantedBug::linger_reset)) last.due = now + linger_;
  last.batch.seqs.push_back(seq);
  last.batch.input.records.push_back(std::move(record));
  last.batch.metered += metered;
  ++last_records_;
  if (last.batch.seqs.size() >= max_records_) {
    last.closed = true;
    became_due = true;
  }
  return became_due;
}

void Batcher::flush() {
  if (!batches_.empty()) batches_.back().closed = true;
}

std::optional<Lingering> Batcher::lingering() const {
  if (batches_.empty() || batches_.back().closed) return std::nullopt;
  const Growing& last = batches_.back();
  return Lingering{last.due, max_records_ - last.batch.seqs.size(),
                   wire::kMaxBatchMeteredBytes - last.batch.metered, last.batch.seqs.size()};
}

std::optional<Batcher::Time> Batcher::due() const {
  if (batches_.empty()) return std::nullopt;
  return batches_.front().closed ? Time::min() : batches_.front().due;
}

std::optional<Batch> Batcher::take(Time now, bool even_if_lingering) {
  if (batches_.empty()) return std::nullopt;
  Growing& first = batches_.front();
  if (!first.closed && first.due > now && !even_if_lingering) return std::nullopt;
  Batch out = std::move(first.batch);
  batches_.pop_front();
  return out;
}

}  // namespace s2::writer
