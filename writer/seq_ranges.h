// Sequence numbers as ranges, of which only so many are named: the others are counted.
//
// Pure; one thread at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

namespace s2::writer {

struct SeqRange {
  std::uint64_t from = 0, to = 0;
  bool operator==(const SeqRange&) const = default;
};

// Rising, and no two of them touch.
struct SeqRanges {
  std::vector<SeqRange> named;
  std::uint64_t more = 0;  // numbers beside those that are named

  std::uint64_t count() const {
    std::uint64_t all = more;
    for (const SeqRange& each : named) all += each.to - each.from + 1;
    return all;
  }
  // Those behind `through`; of what is not named nobody knows, so that it stays behind.
  SeqRanges behind(std::uint64_t through) const {
    SeqRanges rest;
    for (const SeqRange& each : named) {
      if (each.to > through) rest.named.push_back({std::max(each.from, through + 1), each.to});
    }
    return rest;
  }
  // `most`: what may be named. A number that is there already changes nothing.
  void add(std::uint64_t seq, std::size_t most) {
    const auto next =
        std::ranges::lower_bound(named, seq, {}, &SeqRange::to);  // the first that does not end before it
    if (next != named.end() && next->from <= seq) return;
    const bool joins_next = next != named.end() && next->from == seq + 1;
    const bool joins_last = next != named.begin() && std::prev(next)->to + 1 == seq;
    if (joins_next && joins_last) {
      std::prev(next)->to = next->to;
      named.erase(next);
    } else if (joins_next) {
      next->from = seq;
    } else if (joins_last) {
      std::prev(next)->to = seq;
    } else if (named.size() < most) {
      named.insert(next, {seq, seq});
    } else {
      ++more;
    }
  }
};

}  // namespace s2::writer
