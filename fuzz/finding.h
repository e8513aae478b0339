// A failure as people and programs read it: the promise that is broken, the shortest schedule that still
// breaks it, its steps, and the line that replays it.
//
// Values. find_smallest() runs executions on the calling OS thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/target.h"

namespace s2::fuzz {

struct Finding {
  std::string target;     // with its size
  std::string mutant;     // planted bug, or ""
  std::string invariant;  // "I4"
  std::string kind;       // "lost", as in results.json
  std::string by;  // what saw it: an invariant, "deadlock", "idle", "timeout", "leak", "crash", "escape"
  std::string detail;
  std::string shape;  // of the world, in words
  std::vector<std::string> steps;
  std::size_t preemptions = 0;
  bool fewest = false;     // no schedule of this shape with fewer preemptions fails so
  std::string token;       // what `replay` takes; "" when it is longer than a line may be:
  std::string long_token;  // then this, by a file
  const std::string& schedule_text() const { return token.empty() ? long_token : token; }
  Schedule schedule;
  std::string found_by;  // the strategy
  std::uint64_t execution = 0;
};

// Fills in invariant, kind, by and detail. "I4 lost: what" says itself what it is; other endings are I8.
void classify(sim::Ending ending, const std::string& why, Finding& finding);

// The story of an execution, a line each; `followed` as replay() gives it.
std::vector<std::string> steps_of(sim::Execution execution, const Schedule& followed);

struct SmallestOptions {
  std::chrono::milliseconds for_sizes{8000};  // looking for it in smaller sizes, with other draws
  std::chrono::milliseconds for_schedule{
      1000};  // for a shorter schedule, each time and in each of several ways
};
// The same failure in the smallest size and the shortest schedule that can be had in the time given.
Finding find_smallest(const Target& target, const std::string& mutant, const Failure& failure,
                      const SmallestOptions& options);

}  // namespace s2::fuzz
