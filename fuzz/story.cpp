// Tells an execution: one line for each turn of a thread. See explore.h.
#include <cstdio>

#include "fuzz/explore.h"

namespace s2::fuzz {
namespace {

std::string step_text(const sim::Execution& execution, const sim::TraceStep& step) {
  std::string text = sim::name_of(step.kind);
  if (step.object == 0) return text;
  const std::string& name = execution.object_names[step.object];
  return text + " " + (name.empty() ? "object " + std::to_string(step.object) : name);
}

std::string time_text(std::chrono::nanoseconds time) {
  char text[32];
  std::snprintf(text, sizeof text, "%12.6f ms", static_cast<double>(time.count()) / 1e6);
  return text;
}

}  // namespace

std::string story_of(const sim::Execution& execution) {
  std::string story;
  std::size_t turn = execution.trace.size();
  for (std::size_t i = 0; i < execution.trace.size(); ++i) {
    const sim::TraceStep& step = execution.trace[i];
    if (turn == execution.trace.size() || execution.trace[turn].thread != step.thread) {
      story += (story.empty() ? "" : "\n") + time_text(step.now) + "  " +
               execution.thread_names[step.thread] + ":";
      turn = i;
    }
    story += (i == turn ? " " : ", ") + step_text(execution, step);
    if (step.preempted) story += "  <- preempted here";
  }
  story += "\n" + time_text(execution.virtual_time) + "  " + sim::name_of(execution.ending);
  if (!execution.why.empty()) story += ": " + execution.why;
  return story + "\n";
}

}  // namespace s2::fuzz
