// Explores. See explore.h.
#include "fuzz/explore.h"

#include "fuzz/core_clock.h"
#include "fuzz/crash.h"

namespace s2::fuzz {
namespace {

using RealClock = std::chrono::steady_clock;

// Behind an order that does not end (a limit of points says little) the search goes on for a while: another
// order of the same bug may break what has a name.
constexpr std::uint64_t kMoreBehindALimit = 300;  // executions, and as many as there were
constexpr unsigned kMostLimits = 8;

Failure failure_of(const sim::Execution& execution) {
  Failure failure;
  failure.ending = execution.ending;
  failure.why = execution.why;
  failure.trace_hash = execution.trace_hash;
  return failure;
}

void count(Exploration& sum, const sim::Execution& execution) {
  ++sum.executions;
  sum.points += execution.points;
  sum.choices += execution.choices;
  sum.switches += execution.switches;
  sum.preemptions += execution.preemptions;
  sum.abandoned += execution.ending == sim::Ending::abandoned ? 1 : 0;
  sum.virtual_time += execution.virtual_time;
}

}  // namespace

sim::WorldOptions plain_world(sim::Chooser& chooser) {
  return {.chooser = chooser, .spurious_wakeups = kMostSpurious};
}

Exploration explore(Strategy& strategy, const ExploreOptions& options, const Program& program) {
  Exploration sum;
  Tape tape(strategy);
  const sim::WorldOptions world = options.world(tape);
  CrashWatch crashes(tape, strategy, options, program);
  if (options.warm_up) {
    TapePlayer plain({}, mixed(options.seed), 0);
    sim::run(options.world(plain), program);
  }
  const auto begin = RealClock::now();
  const auto core_begin = CoreClock::now();
  std::uint64_t end = options.max_executions;
  unsigned limits = 0;
  for (std::uint64_t i = 0; i < end; ++i) {
    if (RealClock::now() - begin >= options.max_time || (options.stop && options.stop())) break;
    if (options.max_core_time != kNoCoreBound && CoreClock::now() - core_begin >= options.max_core_time)
      break;
    tape.begin(mixed(options.seed * 0x9E3779B97F4A7C15ULL + i * options.shards + options.shard));
    crashes.begins(i + 1);
    const sim::Execution execution = sim::run(world, program);
    const std::uint64_t draw_seed = strategy.draw_seed();
    const std::string found_by = strategy.name();
    const bool more = strategy.end(execution);
    count(sum, execution);
    const bool fails = sim::is_failure(execution.ending);
    const bool again = fails || (options.rerun_one_in != 0 && i % options.rerun_one_in == 0);
    if (again && execution.ending != sim::Ending::abandoned) {
      TapePlayer player(tape.indices(), draw_seed, tape.spurious());
      const sim::Execution rerun = sim::run(options.world(player), program);
      ++sum.reruns;
      std::optional<Failure> failure;
      if (rerun.trace_hash != execution.trace_hash) {
        ++sum.differing;
        failure = failure_of(execution);
        failure->ending = sim::Ending::escaped;
        failure->why = "an execution and its rerun differ: something comes from outside the world (first: " +
                       std::string(sim::name_of(execution.ending)) + " " + execution.why +
                       "; second: " + sim::name_of(rerun.ending) + " " + rerun.why + ")";
      } else if (fails) {
        failure = failure_of(execution);
      }
      if (failure) {
        failure->schedule = player.made();
        failure->found_by = found_by;
        failure->execution = i + 1;
        const bool says_little = failure->ending == sim::Ending::limit;
        if (!sum.failure || !says_little) sum.failure = std::move(failure);
        if (!says_little || ++limits == kMostLimits) break;
        if (limits == 1) end = std::min(end, 2 * (i + 1) + kMoreBehindALimit);
      }
    }
    if (!more) {
      sum.exhausted = true;
      break;
    }
  }
  sum.real_time = RealClock::now() - begin;
  sum.core_time = CoreClock::now() - core_begin;
  return sum;
}

sim::Execution replay(const Schedule& schedule, const World& world, const Program& program, bool trace,
                      Schedule* made) {
  Follower follower(schedule);
  sim::WorldOptions options = world(follower);
  options.keep_trace = options.keep_trace || trace;
  sim::Execution execution = sim::run(options, program);
  if (made != nullptr) *made = follower.made();
  return execution;
}

}  // namespace s2::fuzz
