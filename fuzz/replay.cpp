// Replay: executions again, from a tape of indices or from a schedule of named deviations. See schedule.h.
#include <algorithm>

#include "fuzz/schedule.h"

namespace s2::fuzz {

std::size_t Schedule::preemptions() const {
  return static_cast<std::size_t>(
      std::count_if(deviations.begin(), deviations.end(), [](const Deviation& one) { return one.preempts; }));
}

bool Schedule::wakes_for_no_reason() const {
  return std::any_of(deviations.begin(), deviations.end(),
                     [](const Deviation& one) { return one.source == sim::Source::spurious; });
}

std::size_t Replayer::choose(const sim::Choices& choices) {
  const sim::Standing& here = choices.here();
  const bool same = here.thread == thread_ && here.kind == kind_ && here.ordinal == ordinal_;
  repeat_ = same ? repeat_ + 1 : 0;
  thread_ = here.thread;
  kind_ = here.kind;
  ordinal_ = here.ordinal;
  const std::size_t index = pick(choices, repeat_);
  if (index == choices.usual() || index >= choices.size()) return index;
  const sim::Choice choice = choices[index];
  const bool named = choice.source == sim::Source::thread || choice.source == sim::Source::spurious;
  made_.deviations.push_back({sim::thread_name(here.thread), here.kind, here.ordinal, repeat_, choice.source,
                              named ? sim::thread_name(choice.standing.thread) : "",
                              choices.preempts(index)});
  return index;
}

std::size_t TapePlayer::pick(const sim::Choices& choices, std::uint32_t) {
  if (next_ >= indices_.size()) return choices.usual();
  return std::min<std::size_t>(indices_[next_++], choices.size() - 1);
}

// Where none is named, none would be taken.
unsigned Follower::spurious_wakeups(unsigned most) {
  return schedule_.wakes_for_no_reason() ? most : 0;
}

std::size_t Follower::pick(const sim::Choices& choices, std::uint32_t repeat) {
  const sim::Standing& here = choices.here();
  for (const Deviation& one : schedule_.deviations) {
    if (one.kind != here.kind || one.ordinal != here.ordinal || one.repeat != repeat) continue;
    if (one.thread != sim::thread_name(here.thread)) continue;
    for (std::size_t i = 0; i < choices.size(); ++i) {
      const sim::Choice choice = choices[i];
      if (choice.source != one.source) continue;
      const bool named = one.source == sim::Source::thread || one.source == sim::Source::spurious;
      if (!named || sim::thread_name(choice.standing.thread) == one.target) return i;
    }
  }
  return choices.usual();
}

}  // namespace s2::fuzz
