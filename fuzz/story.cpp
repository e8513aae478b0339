// Tells an execution: one line for each turn of a thread. See explore.h.
#include <algorithm>
#include <cstdio>

#include "fuzz/explore.h"
#include "fuzz/source_lines.h"
#include "fuzz/turns.h"

namespace s2::fuzz {
namespace {

// Of a turn that has no notes, its points are named where there are no more than these.
constexpr std::size_t kNamedPoints = 6;
// In a program that notes what it does, so many turns in a row without a note are one line.
constexpr std::size_t kFoldedTurns = 3;
constexpr std::size_t kNamedTurns = 8;  // in such a line

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
      : execution_(execution),
        lines_(lines),
        marks_(marks_of(execution, followed)),
        last_step_(execution.thread_names.size()) {
    for (const std::string& name : execution.thread_names) widest_ = std::max(widest_, name.size());
    for (std::size_t i = 0; i < execution.trace.size(); ++i) last_step_[execution.trace[i].thread] = i;
  }

  bool marked() const { return !marks_.empty(); }

  std::string story() {
    const std::vector<sim::TraceStep>& trace = execution_.trace;
    std::vector<TurnLine> quiet;
    for (TurnLine turn; turn.first < trace.size(); turn.first = turn.end) {
      turn.marks = turn.marks_end;
      turn.end = turn.first + 1;
      const auto is_marked = [&] { return turn.marks < marks_.size() && marks_[turn.marks].step < turn.end; };
      while (turn.end < trace.size() && trace[turn.end].thread == trace[turn.first].thread && !is_marked())
        ++turn.end;
      while (turn.marks_end < marks_.size() && marks_[turn.marks_end].step < turn.end) ++turn.marks_end;
      if (can_be_folded(turn)) {
        quiet.push_back(turn);
        continue;
      }
      tell_quiet(quiet);
      tell(turn);
    }
    tell_quiet(quiet);
    for (; note_ < execution_.notes.size(); ++note_) {
      const sim::TraceNote& note = execution_.notes[note_];
      story_ += time_text(note.now) + "  " + execution_.thread_names[note.thread] + ": " + note.text + "\n";
    }
    return std::move(story_);
  }

 private:
  bool is_noted(const TurnLine& turn) const {
    if (note_ >= execution_.notes.size()) return false;
    const sim::TraceNote& note = execution_.notes[note_];
    return note.step < turn.end ||
           (note.step == turn.end && note.thread == execution_.trace[turn.first].thread);
  }

  // Nothing happened in it that the story is about, and its thread stands somewhere else at the end.
  bool can_be_folded(const TurnLine& turn) const {
    const sim::TraceStep& last = execution_.trace[turn.end - 1];
    return !execution_.notes.empty() && turn.marks == turn.marks_end && !is_noted(turn) &&
           (last_step_[last.thread] != turn.end - 1 || last.kind == sim::Kind::exit);
  }

  void tell_quiet(std::vector<TurnLine>& turns) {
    if (turns.size() < kFoldedTurns) {
      for (const TurnLine& turn : turns) tell(turn);
    } else {
      std::string names;
      for (std::size_t i = 0; i < std::min(turns.size(), kNamedTurns); ++i) {
        const sim::TraceStep& last = execution_.trace[turns[i].end - 1];
        names += (i == 0 ? " " : ", ") + execution_.thread_names[last.thread] +
                 (last.kind == sim::Kind::exit ? " ends" : "");
      }
      if (turns.size() > kNamedTurns)
        names += " and " + std::to_string(turns.size() - kNamedTurns) + " turns more";
      begin_line(turns.front(), "…");
      story_ += names + " [" + std::to_string(turns.back().end - turns.front().first) + " points]\n";
    }
    turns.clear();
  }

  void tell(const TurnLine& turn) {
    begin_line(turn, execution_.thread_names[execution_.trace[turn.first].thread] + ":");
    story_ += turn_text(turn) + "\n";
  }

  void begin_line(const TurnLine& turn, const std::string& who) {
    const std::size_t columns = who == "…" ? 1 : who.size();
    story_ += time_text(execution_.trace[turn.first].now) + "  " + who +
              std::string(widest_ + 1 - std::min(widest_ + 1, columns), ' ');
  }

  // A turn that nothing cut short ends where its thread waits: there it stands until its next line.
  std::string turn_text(const TurnLine& turn) {
    const std::vector<sim::TraceStep>& trace = execution_.trace;
    std::string text;
    for (; is_noted(turn); ++note_) text += (text.empty() ? " " : "; ") + execution_.notes[note_].text;
    const bool cut = turn.marks != turn.marks_end;
    const sim::TraceStep& last = trace[turn.end - 1];
    const std::size_t points = turn.end - turn.first;
    const bool named = text.empty() && points <= kNamedPoints;
    for (std::size_t i = turn.first; named && i < turn.end; ++i) {
      text += (i == turn.first ? " " : ", ") +
              step_text(execution_, trace[i], !cut && i + 1 == turn.end ? lines_ : nullptr);
    }
    if (!named && last.kind == sim::Kind::exit) text += text.empty() ? " ends" : "; ends";
    if (points > 1) text += " [" + std::to_string(points) + " points]";
    const bool breaks = turn.end == trace.size() && execution_.ending == sim::Ending::failed;
    if (!named && !cut && !breaks && last.kind != sim::Kind::exit)
      text += "  stands at " + step_text(execution_, last, lines_);
    for (std::size_t mark = turn.marks; mark != turn.marks_end; ++mark)
      text += "  <- " + mark_text(marks_[mark]) + ": " + step_text(execution_, last, lines_);
    if (breaks && !cut)
      text += named ? "  <- it breaks here"
                    : "  <- it breaks here, behind: " + step_text(execution_, last, lines_);
    return text;
  }

  const sim::Execution& execution_;
  const SourceLines* lines_;
  std::vector<Mark> marks_;
  std::vector<std::size_t> last_step_;  // by thread
  std::size_t widest_ = 0;
  std::size_t note_ = 0;  // the next
  std::string story_;
};

}  // namespace

std::string story_of(const sim::Execution& execution, const SourceLines* lines, const Schedule* followed) {
  const Schedule none;
  Teller teller(execution, lines, followed == nullptr ? none : *followed);
  std::string story = teller.story();
  if (followed != nullptr && !teller.marked() && sim::is_failure(execution.ending))
    story.insert(0, "no special order: each thread runs until it waits, and the first that can goes next\n");
  story += time_text(execution.virtual_time) + "  " + sim::name_of(execution.ending);
  if (!execution.why.empty()) story += ": " + execution.why;
  return story + "\n";
}

}  // namespace s2::fuzz
