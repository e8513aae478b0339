// What a stream held, record by record, as far as a read of the history shows it: the acknowledged appends
// have their places, and where a read gives only a tail and a hash, the gaps between them are filled from the
// appends of unknown outcome by meeting in the middle (the stream hash runs backwards, too).
//
// Pure; any thread. Real time and guards are looked at only to leave out what cannot be: the records found
// are those that a read's hash proves, whoever appended them.
#pragma once

#include <string>
#include <vector>

#include "scenarios/linear_history.h"

namespace s2::scenarios {

inline constexpr std::size_t kMaxFillStates = 3'000'000;  // partial fillings of one gap, in each direction

struct Placed {
  std::uint64_t begin = 0;  // sequence number of its first record
  std::uint64_t end = 0;
  std::uint32_t op = 0;
};

// Where each acknowledged append stands, in order. `wrong`: two of them overlap, or one cannot be at all.
struct Places {
  std::vector<Placed> fixed;
  std::string wrong;
};
Places places_of(const LinearHistory& history);

struct KnownLog {
  enum class Kind {
    known,       // `records` are the stream's first ones; none when no read tells
    impossible,  // no records at all give what the reads say; `why`
    undecided,   // the search for them was given up; `why`
  };
  Kind kind = Kind::known;
  std::vector<std::uint64_t> records;  // hashes
  std::string why;
};
KnownLog known_log(const LinearHistory& history, const Places& places);

}  // namespace s2::scenarios
