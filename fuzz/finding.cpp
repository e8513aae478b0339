// Failures made small and readable; see finding.h.
#include "fuzz/finding.h"

#include <algorithm>
#include <cctype>

#include "fuzz/source_lines.h"

namespace s2::fuzz {
namespace {

using RealClock = std::chrono::steady_clock;

constexpr std::uint64_t kExecutionsPerSize = 4000;
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

std::string replay_text(const std::string& target, const std::string& mutant, const Schedule& schedule) {
  return target + (mutant.empty() ? "" : "+" + mutant) + "/" + text_of(schedule);
}

std::optional<ReplayToken> parse_replay_token(std::string_view text, std::string& error) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    error = "a token is TARGET[+BUG]/SCHEDULE, as a failure prints it";
    return std::nullopt;
  }
  ReplayToken token;
  const std::string_view head = text.substr(0, slash);
  const std::size_t plus = head.find('+');
  token.target = head.substr(0, plus);
  if (plus != std::string_view::npos) token.mutant = head.substr(plus + 1);
  auto schedule = schedule_of(text.substr(slash + 1), error);
  if (!schedule) return std::nullopt;
  token.schedule = std::move(*schedule);
  return token;
}

std::vector<std::string> steps_of(const sim::Execution& execution) {
  const SourceLines places(execution);
  const std::string text = story_of(execution, &places);
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

Finding find_smallest(const Target& target, const std::string& mutant, const Failure& failure,
                      const SmallestOptions& options) {
  const std::string wanted = signature(failure);
  Target best = target;
  Failure small = failure;
  const auto until = RealClock::now() + options.for_sizes;
  for (const std::string& name : target.smaller) {
    if (RealClock::now() >= until) break;
    const auto candidate = target_named(name);
    if (!candidate) continue;
    const auto strategy = make_portfolio();
    ExploreOptions explore_options;
    explore_options.seed = kSizeSeed;
    explore_options.max_executions = kExecutionsPerSize;
    explore_options.max_time = until - RealClock::now();
    explore_options.world = candidate->world;
    const Exploration found = explore(*strategy, explore_options, candidate->program);
    if (!found.failure || signature(*found.failure) != wanted) continue;
    best = *candidate;
    small = *found.failure;
    break;
  }
  ShrinkOptions shrink_options;
  shrink_options.world = best.world;
  shrink_options.max_time = options.for_schedule;
  const Shrunk shrunk = shrink(small, shrink_options, best.program);

  Finding finding;
  finding.target = best.name;
  finding.mutant = mutant;
  finding.schedule = shrunk.failure.schedule;
  finding.preemptions = finding.schedule.preemptions();
  finding.fewest = shrunk.fewest;
  finding.found_by = failure.found_by;
  finding.execution = failure.execution;
  finding.token = replay_text(best.name, mutant, finding.schedule);
  if (finding.token.size() > kMostTokenBytes) finding.long_token.swap(finding.token);
  if (best.shape) replay(finding.schedule, best.world, [&] { finding.shape = best.shape(); });
  const sim::Execution execution = replay(finding.schedule, best.world, best.program, true);
  classify(execution.ending, execution.why, finding);
  finding.steps = steps_of(execution);
  return finding;
}

}  // namespace s2::fuzz
