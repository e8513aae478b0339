// The records of one stream, in memory: appended at the tail, trimmed from the front, found by sequence
// number or timestamp.
//
// One thread at a time. The store owns its records; they are dense in sequence number and never decrease in
// timestamp or in arrival. It knows no rules of S2 beyond that: the service decides what is appended, trimmed
// and read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "wire/types.h"

namespace s2::emulator {

class Store {
 public:
  // Takes the record as the next one. Timestamps below the tail's are raised to it.
  void append(wire::AppendRecord&& record, std::uint64_t timestamp, std::size_t metered_bytes,
              std::uint64_t arrival);

  // Drops the records below that sequence number (never beyond the tail).
  void trim(std::uint64_t seq_num);
  // Drops the records that arrived at or before that time; gives the arrival of the last one dropped.
  std::optional<std::uint64_t> expire(std::uint64_t arrival);

  wire::StreamPosition tail() const { return tail_; }
  std::uint64_t first_seq_num() const { return tail_.seq_num - records_.size(); }
  bool empty() const { return records_.empty(); }
  std::size_t size() const { return records_.size(); }
  std::size_t metered_bytes() const { return metered_bytes_; }

  // `seq_num` is one that is held.
  const wire::SequencedRecord& record(std::uint64_t seq_num) const { return at(seq_num).record; }
  std::size_t metered_bytes_of(std::uint64_t seq_num) const { return at(seq_num).metered_bytes; }

  // The first held record at or after that timestamp, or the tail's sequence number.
  std::uint64_t find_timestamp(std::uint64_t timestamp) const;

 private:
  struct Held {
    wire::SequencedRecord record;
    std::size_t metered_bytes;
    std::uint64_t arrival;  // milliseconds; what retention counts from
  };

  const Held& at(std::uint64_t seq_num) const { return records_[seq_num - first_seq_num()]; }
  void pop_front();

  std::deque<Held> records_;
  wire::StreamPosition tail_;  // next sequence number, last timestamp
  std::size_t metered_bytes_ = 0;
};

}  // namespace s2::emulator
