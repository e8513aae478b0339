// Tells an execution: one line for each turn of a thread. See explore.h.
#include <algorithm>
#include <cstdio>

#include "fuzz/explore.h"
#include "fuzz/source_lines.h"
#include "fuzz/turns.h"

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

// What was chosen at a mark, of the thread that stands there.
std::string mark_text(const Mark& mark) {
  const Deviation* chosen = mark.deviation;
  if (chosen == nullptr) return "preempted here";
  switch (chosen->source) {
    case sim::Source::timer:
      return chosen->preempts ? "a timer fires early here" : "a timer fires here";
    case sim::Source::signal:
      return chosen->preempts ? "a signal is delivered early here" : "a signal is delivered here";
    case sim::Source::spurious:
      return chosen->target +
             (chosen->preempts ? " wakes early here, for no reason" : " wakes for no reason here");
    case sim::Source::thread:
      break;
  }
  if (chosen->preempts) return "preempted here";
  return chosen->target + (wakes(chosen->kind) ? " is woken here" : " goes next here");
}

// What a line tells: the steps [first, end) of one thread, and the marks at the last of them.
struct TurnLine {
  std::size_t first = 0, end = 0;
  std::size_t marks = 0, marks_end = 0;  // indices
};

class Teller {
 public:
  Teller(const sim::Execution& execution, const SourceLines* lines, const Schedule& followed)
      : execution_(execution), lines_(lines), marks_(marks_of(execution, followed)) {
    for (const std::string& name : execution.thread_names) widest_ = std::max(widest_, name.size());
  }

  std::string story() {
    std::string story;
    const std::vector<sim::TraceStep>& trace = execution_.trace;
    for (TurnLine turn; turn.first < trace.size(); turn.first = turn.end) {
      turn.marks = turn.marks_end;
      turn.end = turn.first + 1;
      const auto is_marked = [&] { return turn.marks < marks_.size() && marks_[turn.marks].step < turn.end; };
      while (turn.end < trace.size() && trace[turn.end].thread == trace[turn.first].thread && !is_marked())
        ++turn.end;
      while (turn.marks_end < marks_.size() && marks_[turn.marks_end].step < turn.end) ++turn.marks_end;
      const std::string& name = execution_.thread_names[trace[turn.first].thread];
      story += time_text(trace[turn.first].now) + "  " + name + ":" +
               std::string(widest_ - name.size(), ' ') + turn_text(turn) + "\n";
    }
    for (; note_ < execution_.notes.size(); ++note_) {
      const sim::TraceNote& note = execution_.notes[note_];
      story += time_text(note.now) + "  " + execution_.thread_names[note.thread] + ": " + note.text + "\n";
    }
    return story;
  }

 private:
  // A turn that nothing cut short ends where its thread waits: there it stands until its next line.
  std::string turn_text(const TurnLine& turn) {
    const std::vector<sim::TraceStep>& trace = execution_.trace;
    std::string text;
    const auto say = [&](const std::string& what) { text += (text.empty() ? " " : "; ") + what; };
    for (; note_ < execution_.notes.size() && execution_.notes[note_].step <= turn.end; ++note_) {
      const sim::TraceNote& note = execution_.notes[note_];
      if (note.step == turn.end && note.thread != trace[turn.first].thread) break;
      say(note.text);
    }
    const bool cut = turn.marks != turn.marks_end;
    const sim::TraceStep& last = trace[turn.end - 1];
    const bool noted = !text.empty();
    if (!noted) {
      for (std::size_t i = turn.first; i < turn.end; ++i) {
        if (turn.end - turn.first > 2 * kNamedPoints + 1 && i == turn.first + kNamedPoints) {
          text += ", …";
          i = turn.end - kNamedPoints;
        }
        text += (i == turn.first ? " " : ", ") +
                step_text(execution_, trace[i], !cut && i + 1 == turn.end ? lines_ : nullptr);
      }
    }
    if (turn.end - turn.first > 1) text += " [" + std::to_string(turn.end - turn.first) + " points]";
    if (noted && !cut && last.kind != sim::Kind::exit)
      text += "  stands at " + step_text(execution_, last, lines_);
    for (std::size_t mark = turn.marks; mark != turn.marks_end; ++mark)
      text += "  <- " + mark_text(marks_[mark]) + ": " + step_text(execution_, last, lines_);
    return text;
  }

  const sim::Execution& execution_;
  const SourceLines* lines_;
  std::vector<Mark> marks_;
  std::size_t widest_ = 0;
  std::size_t note_ = 0;  // the next
};

}  // namespace

std::string story_of(const sim::Execution& execution, const SourceLines* lines, const Schedule* followed) {
  const Schedule none;
  std::string story = Teller(execution, lines, followed == nullptr ? none : *followed).story();
  story += time_text(execution.virtual_time) + "  " + sim::name_of(execution.ending);
  if (!execution.why.empty()) story += ": " + execution.why;
  return story + "\n";
}

}  // namespace s2::fuzz
