// Failures made small and readable; see finding.h.
#include "fuzz/finding.h"

#include <algorithm>
#include <cctype>
#include <tuple>

#include "fuzz/core_clock.h"
#include "fuzz/source_lines.h"

namespace s2::fuzz {
namespace {

constexpr std::uint64_t kExecutionsPerSize = 4000;
constexpr std::size_t kFewPreemptions = 2;  // then nobody looks for fewer in other sizes
constexpr std::uint64_t kSizeSeed = 7;

// "I4 lost": what two failures have in common when they are the same.
std::string signature(const Failure& failure) {
  Finding finding;
  classify(failure.ending, failure.why, finding);
  return finding.by + " " + finding.kind;
}

// "I4 lost: detail" into its parts.
bool says_itself(const std::string& why, Finding& finding) {
  if (why.size() < 2 || why[0] != 'I' || std::isdigit(static_cast<unsigned char>(why[1])) == 0) return false;
  const std::size_t blank = why.find(' '), colon = why.find(": ");
  if (blank == std::string::npos || colon == std::string::npos || blank > colon) return false;
  finding.invariant = finding.by = why.substr(0, blank);
  finding.kind = why.substr(blank + 1, colon - blank - 1);
  finding.detail = why.substr(colon + 2);
  return true;
}

}  // namespace

void classify(sim::Ending ending, const std::string& why, Finding& finding) {
  finding.detail = why;
  finding.invariant = "I8";
  finding.kind = "hung";
  switch (ending) {
    case sim::Ending::failed:
      if (says_itself(why, finding)) return;
      finding.by = "harness";
      finding.kind = "crashed";
      return;
    case sim::Ending::deadlock:
      finding.by = "deadlock";
      return;
    case sim::Ending::idle:
      finding.by = "idle";
      return;
    case sim::Ending::limit:
      finding.by = "timeout";
      return;
    case sim::Ending::leaked_thread:
      finding.by = "leak";
      finding.kind = "leaked";
      return;
    case sim::Ending::uncaught:
      finding.by = "crash";
      finding.kind = "crashed";
      return;
    case sim::Ending::escaped:
      finding.by = "escape";
      finding.kind = "crashed";
      return;
    case sim::Ending::finished:
    case sim::Ending::abandoned:
      finding.by.clear();
      finding.kind.clear();
      finding.invariant.clear();
      return;
  }
}

std::vector<std::string> steps_of(sim::Execution execution, const Schedule& followed) {
  const SourceLines places(execution);
  name_objects(execution, places);
  const std::string text = story_of(execution, &places, &followed);
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

namespace {

constexpr std::size_t kMostToFollow = 4;  // a person follows so many
constexpr int kPatienceForALongOne = 3;   // times as long in smaller sizes, where it has more,
constexpr int kPatienceForNoLine = 15;    // and where it has no line

struct Candidate {
  Target target;
  Shrunk shrunk;
  std::size_t length() const { return text_of(shrunk.failure.schedule).size(); }
  bool is_small() const {
    return shrunk.failure.schedule.preemptions() <= kFewPreemptions && length() <= kMostTokenBytes / 2;
  }
};

Candidate shrunk_candidate(const Target& target, const Failure& failure, std::chrono::milliseconds time) {
  ShrinkOptions options;
  options.world = target.world;
  options.max_time = time;
  options.guarded = target.guarded;
  return {target, shrink(failure, options, target.program)};
}

const std::string kAny;  // of signatures

// The failure of that signature in this size; nothing when the search does not come upon it.
std::optional<Failure> search_again(const Target& target, const std::string& wanted, std::uint64_t seed,
                                    std::chrono::nanoseconds time) {
  const auto strategy = make_portfolio();
  ExploreOptions options;
  options.seed = seed;
  options.max_executions = kExecutionsPerSize;
  options.max_time = time;
  options.world = target.world;
  Exploration found = explore(*strategy, options, target.program);
  if (!found.failure || (wanted != kAny && signature(*found.failure) != wanted)) return std::nullopt;
  return std::move(found.failure);
}

// What the order of that failure leads to in a target; nothing where it breaks nothing there.
std::optional<Failure> replayed(Failure failure, const Target& target) {
  const sim::Execution execution =
      replay(failure.schedule, target.world, target.program, false, &failure.schedule);
  if (!sim::is_failure(execution.ending)) return std::nullopt;
  failure.ending = execution.ending;
  failure.why = execution.why;
  failure.trace_hash = execution.trace_hash;
  return failure;
}

// Leaves out what the failure does not need of what was drawn, as long as the same order shows it; nothing
// where it needs all.
std::optional<Candidate> simplified(const Candidate& found, const std::string& wanted) {
  const auto shape_of = [&](const Target& target) {
    std::string shape;
    replay(found.shrunk.failure.schedule, target.world, [&] { shape = target.shape(); });
    return shape;
  };
  std::optional<Candidate> simple;
  const auto best = [&]() -> const Candidate& { return simple ? *simple : found; };
  for (std::size_t i = 0; i < best().target.simpler.size();) {
    const auto target = target_named(best().target.simpler[i]);
    if (!target || shape_of(*target) == shape_of(best().target)) {
      ++i;
      continue;
    }
    auto failure = replayed(best().shrunk.failure, *target);
    if (!failure || signature(*failure) != wanted) {
      ++i;
      continue;
    }
    simple = Candidate{*target, {.failure = std::move(*failure)}};  // its list has one less
  }
  return simple;
}

}  // namespace

Finding find_smallest(const Target& target, const std::string& mutant, const Failure& failure,
                      const SmallestOptions& options) {
  // Where its names do not lead to it again, any failure of the program that can be told is better.
  const auto followed_again = replayed(failure, target);
  const std::string wanted =
      followed_again && signature(*followed_again) == signature(failure) ? signature(failure) : kAny;
  const auto began = CoreClock::now();
  std::optional<Candidate> best;
  const auto has_line = [&](const Candidate& candidate) {
    return replay_text(candidate.target.name, mutant, candidate.shrunk.failure.schedule).size() <=
           kMostTokenBytes;
  };
  const auto rank = [&](const Candidate& candidate) {
    return std::tuple(!has_line(candidate), candidate.shrunk.failure.schedule.preemptions(),
                      candidate.length());
  };
  const auto is_short = [&](const Candidate& candidate) {
    return has_line(candidate) && candidate.shrunk.failure.schedule.preemptions() <= kMostToFollow;
  };
  // Round by round, each with other draws: the first in a small size may still be a long order.
  const auto search_until = [&](CoreClock::time_point until, std::uint64_t seed, const auto& is_enough) {
    for (; !target.smaller.empty() && CoreClock::now() < until; ++seed) {
      for (const std::string& name : target.smaller) {
        if (CoreClock::now() >= until || (best && is_enough(*best))) break;
        const auto smaller = target_named(name);
        if (!smaller) continue;
        const auto again = search_again(*smaller, wanted, seed, until - CoreClock::now());
        if (!again) continue;
        Candidate candidate = shrunk_candidate(*smaller, *again, options.for_schedule);
        if (!best || rank(candidate) < rank(*best)) best = std::move(candidate);
      }
      if (best && is_enough(*best)) break;
    }
    return seed;
  };
  const std::uint64_t seed = search_until(began + options.for_sizes, kSizeSeed,
                                          [](const Candidate& candidate) { return candidate.is_small(); });
  if (!best) best = shrunk_candidate(target, failure, options.for_schedule);
  if (!is_short(*best)) {
    const int patience = has_line(*best) ? kPatienceForALongOne : kPatienceForNoLine;
    search_until(began + options.for_sizes * patience, seed, is_short);
  }
  if (const auto simple = simplified(*best, signature(best->shrunk.failure))) {
    Candidate candidate = shrunk_candidate(simple->target, simple->shrunk.failure, options.for_schedule);
    if (has_line(candidate) || !has_line(*best)) best = std::move(candidate);
  }
  const Shrunk& shrunk = best->shrunk;

  Finding finding;
  finding.target = best->target.name;
  finding.mutant = mutant;
  finding.schedule = shrunk.failure.schedule;
  finding.preemptions = finding.schedule.preemptions();
  finding.fewest = shrunk.fewest;
  finding.found_by = failure.found_by;
  finding.execution = failure.execution;
  finding.token = replay_text(best->target.name, mutant, finding.schedule);
  if (finding.token.size() > kMostTokenBytes) finding.long_token.swap(finding.token);
  const Target& small = best->target;
  if (small.shape) replay(finding.schedule, small.world, [&] { finding.shape = small.shape(); });
  Schedule followed;
  const sim::Execution execution = replay(finding.schedule, small.world, small.program, true, &followed);
  if (sim::is_failure(execution.ending)) {
    classify(execution.ending, execution.why, finding);
  } else {
    classify(shrunk.failure.ending, shrunk.failure.why + " (and this order does not show it again)", finding);
  }
  finding.steps = steps_of(execution, followed);
  return finding;
}

}  // namespace s2::fuzz
