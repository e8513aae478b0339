// What s2-fuzz explores, by name: a program to run in a world, and the same in smaller sizes.
//
// The list is made anew by each call; a target may be used on one OS thread at a time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/explore.h"

namespace s2::fuzz {

// Orders in which what was on its way may land.
struct LandingCounts {
  std::uint64_t judged = 0;
  std::uint64_t cut = 0;  // sends behind which there were more of them than are judged
};

struct Target {
  std::string name;  // "writer", or with a size, and what of it is simplified: "writer:1.2.1.0.0-5"
  std::string about;
  Program program;
  World world = plain_world;
  // Its shared memory is guarded as DfsOptions::reduced asks: equivalent orders may be left out.
  bool guarded = true;
  bool draws = true;  // sizes, faults or moments; if not, all its orders are one tree
  // In a world, with the draws of an execution: what they make of it, in words. May be empty.
  std::function<std::string()> shape = {};
  // Names of the same target in sizes that hold less, the smallest first: where a failure is looked for
  // again.
  std::vector<std::string> smaller = {};
  // Names of the same target with one thing less of what it draws: "writer:1.2.1.0.0-8".
  std::vector<std::string> simpler = {};
  // Of a target whose ledger judges every point as if the process died there, in this process so far; every
  // other has none.
  std::function<LandingCounts()> landings = {};
};

std::vector<Target> targets();
// With any size; nothing, when there is no such target.
std::optional<Target> target_named(std::string_view name);
std::string list_of_targets();                      // for messages
std::string no_such_target(std::string_view name);  // why target_named() gives nothing

// The planted bugs that this program has; none in the one that explores the writer as it is.
struct PlantedBugText {
  std::string name, effect;
  std::string target = {};  // where it can be found; empty: where one looks anyway
};
std::vector<PlantedBugText> planted_bugs();
// From now on, for this process. False: there is none of that name ("" is none at all).
bool plant_bug(std::string_view name);
// Why the planted bug is not in the target, in a line; "" when it is, or when it is none. Both are known.
std::string bug_is_elsewhere(std::string_view bug, std::string_view target);

}  // namespace s2::fuzz
