// Groups one stream's records into batches: by linger, by count, by metered bytes, or because a flush asked.
//
// No clock, no thread, no lock: the producer calls it with `now` under its own lock. Linger counts from a
// batch's first record; no batch exceeds S2's limits (1000 records, 1 MiB metered). Source: plan "Batcher";
// S2 spec "append".
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "wire/types.h"

namespace s2::writer {

// Records of one stream that are appended together, each with the writer's sequence number.
struct Batch {
  std::vector<std::uint64_t> seqs;
  wire::AppendInput input;  // records.size() == seqs.size()
  std::size_t metered = 0;
};

// A batch that still grows: until it is due, or so much more is in it than it holds.
struct Lingering {
  std::chrono::steady_clock::time_point due;
  std::size_t records = 0;  // so many more
  std::size_t bytes = 0;    // metered
  std::size_t holds = 0;    // records
};

class Batcher {
 public:
  using Time = std::chrono::steady_clock::time_point;

  Batcher(std::chrono::milliseconds linger, std::size_t max_records);

  // Whether a record of that size begins a batch: only then add() looks at `now`.
  bool begins_batch(std::size_t metered) const;
  // `metered` is the record's, at most 1 MiB (the caller refuses larger ones). True when a batch became due
  // by it.
  bool add(std::uint64_t seq, wire::AppendRecord&& record, std::size_t metered, Time now);
  // All that is here is due now.
  void flush();
  // The batch that still grows, if there is one.
  std::optional<Lingering> lingering() const;
  // When the first batch is due (Time::min(): it is already); nothing when there is none.
  std::optional<Time> due() const;
  // The first batch if it is due; with `even_if_lingering` in any case.
  std::optional<Batch> take(Time now, bool even_if_lingering = false);
  bool empty() const { return batches_.empty(); }

 private:
  struct Growing {
    Batch batch;
    Time due;
    bool closed = false;  // full, or flushed
  };
  bool takes_more(std::size_t metered) const;  // the last batch, a record of that size

  std::chrono::milliseconds linger_;
  std::size_t max_records_;
  std::size_t last_records_ = 0;  // of the batch begun last: room for as many is made in the next
  std::deque<Growing>
      batches_;  // only the last one may still grow; bounded by the producer's in-flight limits
};

}  // namespace s2::writer
