// Tells an execution: one line for each turn of a thread. See explore.h.
#include <algorithm>
#include <cstdio>

#include "fuzz/explore.h"
#include "fuzz/source_lines.h"

namespace s2::fuzz {
namespace {

// Of a turn that has no notes, so many points are named at its begin and its end.
constexpr std::size_t kNamedPoints = 3;

std::string step_text(const sim::Execution& execution, const sim::TraceStep& step, const SourceLines* lines) {
  std::string text = sim::name_of(step.kind);
  if (step.object != 0) {
    const std::string& name = execution.object_names[step.object];
    text += " " + (name.empty() ? "object " + std::to_string(step.object) : name);
  }
  const std::string place = lines == nullptr ? "" : lines->of(step);
  return place.empty() ? text : text + " (" + place + ")";
}

std::string time_text(std::chrono::nanoseconds time) {
  char text[32];
  std::snprintf(text, sizeof text, "%12.6f ms", static_cast<double>(time.count()) / 1e6);
  return text;
}

// Steps [first, end) of one thread, and the notes in it.
std::string turn_text(const sim::Execution& execution, std::size_t first, std::size_t end, std::size_t& note,
                      const SourceLines* lines) {
  std::string text;
  const auto say = [&](const std::string& what) { text += (text.empty() ? " " : "; ") + what; };
  while (note < execution.notes.size() && execution.notes[note].step <= end) {
    if (execution.notes[note].step == end && execution.notes[note].thread != execution.trace[first].thread)
      break;
    say(execution.notes[note++].text);
  }
  if (text.empty()) {
    for (std::size_t i = first; i < end; ++i) {
      if (end - first > 2 * kNamedPoints + 1 && i == first + kNamedPoints) {
        text += ", …";
        i = end - kNamedPoints;
      }
      text += (i == first ? " " : ", ") + step_text(execution, execution.trace[i], nullptr);
    }
  }
  if (end - first > 1) text += " [" + std::to_string(end - first) + " points]";
  const sim::TraceStep& last = execution.trace[end - 1];
  if (last.preempted) text += "  <- preempted here: " + step_text(execution, last, lines);
  return text;
}

}  // namespace

std::string story_of(const sim::Execution& execution, const SourceLines* lines) {
  std::size_t widest = 0;
  for (const std::string& name : execution.thread_names) widest = std::max(widest, name.size());
  std::string story;
  std::size_t note = 0;
  for (std::size_t first = 0; first < execution.trace.size();) {
    const sim::TraceStep& begin = execution.trace[first];
    std::size_t end = first + 1;
    while (end < execution.trace.size() && execution.trace[end].thread == begin.thread &&
           !execution.trace[end - 1].preempted)
      ++end;
    const std::string& name = execution.thread_names[begin.thread];
    story += time_text(begin.now) + "  " + name + ":" + std::string(widest - name.size(), ' ') +
             turn_text(execution, first, end, note, lines) + "\n";
    first = end;
  }
  for (; note < execution.notes.size(); ++note)
    story += time_text(execution.notes[note].now) + "  " +
             execution.thread_names[execution.notes[note].thread] + ": " + execution.notes[note].text + "\n";
  story += time_text(execution.virtual_time) + "  " + sim::name_of(execution.ending);
  if (!execution.why.empty()) story += ": " + execution.why;
  return story + "\n";
}

}  // namespace s2::fuzz
