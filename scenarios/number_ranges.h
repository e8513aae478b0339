// Event numbers as ranges, and what the records of a stream say of its own: which are there, which are not.
//
// Pure; one thread at a time.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "scenarios/ledger.h"

namespace s2::scenarios {

class NumberRanges {
 public:
  static constexpr std::uint64_t kOpen = std::numeric_limits<std::uint64_t>::max();  // nobody knows the last

  void add(std::uint64_t from, std::uint64_t to);  // nothing where to < from
  void remove(std::uint64_t from, std::uint64_t to);
  void add(const NumberRanges& other);
  void remove(const NumberRanges& other);
  bool contains(std::uint64_t number) const;
  bool empty() const { return ranges_.empty(); }
  std::uint64_t count() const;  // of numbers; an open range counts as one
  std::uint64_t first() const { return ranges_.begin()->first; }
  std::uint64_t last() const { return ranges_.rbegin()->second; }
  // Rising, and no two of them touch; the last one is open where it ends at kOpen.
  std::vector<MissingRange> list() const;

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // from, to
};

// The numbers of the envelopes in a stream. The same envelope again is a duplicate and says nothing; another
// one with a number that was there begins anew: it is another process's. Markers are those of `source.kind`
// "writer".
class StoredNumbers {
 public:
  void take(std::string_view body);  // a record's, in the stream's order; what is no envelope is passed over

  const NumberRanges& there() const { return there_; }
  bool ended() const { return ended_at_.has_value(); }
  // Between the first and the last of them: those that are not there. What comes behind a session's end may
  // be another stream's, and is none; what a marker says was dropped is one.
  NumberRanges holes() const;

 private:
  NumberRanges there_, elsewhere_, dropped_;
  std::unordered_map<std::uint64_t, std::size_t> texts_;  // by number: the hash of the envelope
  std::optional<std::uint64_t> ended_at_;  // the last record was a session's end, with this number
};

}  // namespace s2::scenarios
