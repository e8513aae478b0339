// Explores the orders of one program: runs executions until a failure, a count or a time; replays, shrinks,
// tells.
//
// Each call belongs to the OS thread that makes it; several OS threads may explore at the same time.
#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fuzz/schedule.h"

namespace s2::fuzz {

// The program under test: called once an execution, inside the world. What it draws with sim::choose (its
// sizes, its faults) is part of the execution.
using Program = std::function<void()>;
// Limits, hooks and options of the world; the chooser is the explorer's.
using World = std::function<sim::WorldOptions(sim::Chooser&)>;
sim::WorldOptions plain_world(sim::Chooser& chooser);

inline constexpr std::chrono::nanoseconds kNoCoreBound = std::chrono::nanoseconds::max();

struct ExploreOptions {
  std::uint64_t seed = 1;
  std::uint64_t max_executions = 100'000;
  std::chrono::nanoseconds max_time = std::chrono::hours(24);
  std::chrono::nanoseconds max_core_time = kNoCoreBound;  // for which this thread may have a core
  unsigned rerun_one_in = 100;     // executions run twice, their hashes compared; 0: none
  bool warm_up = true;             // one execution that counts for nothing: statics and once flags
  unsigned shard = 0, shards = 1;  // of a campaign: the same seed, other executions
  World world = plain_world;
  std::function<bool()> stop = {};  // asked between executions
  // What to say of the token where the program crashes: the line that makes it again. If it is there, the
  // search goes on in a child of the process (crash.h).
  std::function<std::string(const std::string& token)> on_crash = {};
};

struct Failure {
  sim::Ending ending = sim::Ending::finished;
  std::string why;
  std::uint64_t trace_hash = 0;
  Schedule schedule;
  std::string found_by;         // the strategy
  std::uint64_t execution = 0;  // which one found it, from 1
};

struct Exploration {
  std::optional<Failure> failure;
  std::uint64_t executions = 0, points = 0, choices = 0, switches = 0, preemptions = 0;
  std::uint64_t abandoned = 0;              // left out by a reduction
  std::uint64_t reruns = 0, differing = 0;  // a differing rerun ends the exploration with a failure `escaped`
  std::chrono::nanoseconds virtual_time{}, real_time{};
  std::chrono::nanoseconds core_time{};  // for which this thread had a core
  bool exhausted = false;                // the strategy has nothing more to try
};

Exploration explore(Strategy& strategy, const ExploreOptions& options, const Program& program);

// Runs a schedule once. With `trace`, the execution keeps its trace. `made`, if given, gets the schedule as
// it was followed: deviations that were not met, or were what would have happened anyway, are not in it.
sim::Execution replay(const Schedule& schedule, const World& world, const Program& program,
                      bool trace = false, Schedule* made = nullptr);

struct ShrinkOptions {
  World world = plain_world;
  std::uint64_t max_executions = 20'000;                        // for each of the two ways
  std::chrono::nanoseconds max_time = std::chrono::seconds(5);  // of a core
  bool guarded = false;  // the program is as DfsOptions::reduced asks: more can be tried
  // Whether an execution shows the same failure; by default: the same ending, and for failed() the same words
  // up to the first colon.
  std::function<bool(const sim::Execution&)> same;
};
struct Shrunk {
  Failure failure;
  bool fewest = false;  // no schedule with fewer preemptions fails so: all of them were tried
  std::uint64_t executions = 0;
};
// First takes deviations away as long as the failure stays; then tries all schedules with 0, 1, ...
// preemptions, fewer than are left, and takes the first that fails.
Shrunk shrink(const Failure& failure, const ShrinkOptions& options, const Program& program);

// An execution (with its trace) as a person reads it: a line for each turn of a thread, with what the program
// noted of itself in it (sim::note), where it stands at its end, and what was chosen there that the default
// policy would not choose. That is known of the schedule that was `followed`, as replay() gives it; without
// it, only preemptions by another thread are. With `lines`, the places in the source.
class SourceLines;
std::string story_of(const sim::Execution& execution, const SourceLines* lines = nullptr,
                     const Schedule* followed = nullptr);

}  // namespace s2::fuzz
