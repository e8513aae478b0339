// See picture.h. The frame is picture_page.html, which says what the numbers in a turn's style mean.
#include "fuzz/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "fuzz/picture_page.h"
#include "fuzz/turns.h"
#include "scenarios/escape.h"

namespace s2::fuzz {
namespace {

using scenarios::for_html;

constexpr std::size_t kMostText = 4000;                     // bytes of what is said about the execution, each
constexpr std::size_t kMostName = 48;                       // bytes of a thread's or object's name
constexpr std::size_t kMostPlace = 96;                      // bytes of a place in the source
constexpr std::size_t kMostLanes = 16;                      // threads with a lane of their own
constexpr std::size_t kMostMarks = 64;                      // of the losing order
constexpr std::size_t kUnfoldedMarks = 12;                  // of them, listed without a fold
constexpr std::size_t kMostTurns = 1000;                    // drawn
constexpr std::size_t kMostTurnBytes = 600'000;             // for all of them
constexpr std::size_t kMostLastSteps = 48;                  // threads whose last step is told at the end
constexpr std::size_t kShownLines = 3;                      // of a long turn, before and after what is folded
constexpr std::size_t kMostFolded = 40;                     // lines within a fold
constexpr std::size_t kMostNote = 200;                      // bytes of what the program noted
constexpr std::size_t kMostNotedLines = 2000;               // of one turn, from which on no note is drawn
constexpr std::size_t kBoxesAbreast = 5;                    // with more lanes than this, a box covers several
constexpr auto kLongPause = std::chrono::microseconds(50);  // of virtual time between turns, worth telling

std::string cut(std::string_view text, std::size_t most) {
  return text.size() <= most ? std::string(text) : std::string(text.substr(0, most)) + "…";
}

std::string lines_html(std::string_view text) {
  const std::string shown = cut(text, kMostText);
  std::string html;
  for (std::size_t at = 0; at < shown.size();) {
    const std::size_t end = std::min(shown.find('\n', at), shown.size());
    html += "<p>" + for_html(std::string_view(shown).substr(at, end - at)) + "</p>\n";
    at = end + 1;
  }
  return html;
}

std::string milliseconds(std::chrono::nanoseconds time) {
  return fmt::format("{:.6f} ms", static_cast<double>(time.count()) / 1e6);
}

std::string pause_text(std::chrono::nanoseconds time) {
  const auto seconds = static_cast<double>(time.count()) / 1e9;
  if (seconds >= 1) return fmt::format("{:.4g} s", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.4g} ms", seconds * 1e3);
  return fmt::format("{:.4g} µs", seconds * 1e6);
}

// The class by which a kind of point is coloured.
char colour_of(sim::Kind kind) {
  using sim::Kind;
  switch (kind) {
    case Kind::lock:
    case Kind::trylock:
    case Kind::unlocked:
    case Kind::read_lock:
    case Kind::write_lock:
    case Kind::rw_unlocked:
      return 'l';
    case Kind::wait:
    case Kind::notify_one:
    case Kind::notify_all:
    case Kind::notified:
    case Kind::sem_wait:
    case Kind::sem_post:
    case Kind::posted:
    case Kind::futex_wait:
    case Kind::futex_wake:
    case Kind::spurious:
      return 'w';
    case Kind::start:
    case Kind::create:
    case Kind::created:
    case Kind::join:
    case Kind::exit:
    case Kind::signal:
      return 'e';
    case Kind::sleep:
    case Kind::yield:
    case Kind::clock:
    case Kind::timer:
      return 'c';
    case Kind::once:
    case Kind::random:
    case Kind::atomic:
    case Kind::user:
      return 'u';
  }
  return 'u';
}

// Equal steps in a row, or what the program noted before the step; a marked step stands alone.
struct Line {
  std::size_t step = 0;
  std::size_t count = 1;
  std::string place;
  std::size_t marks = 0, marks_end = 0;  // indices
  const sim::TraceNote* note = nullptr;
  bool stays() const { return marks != marks_end || note != nullptr; }  // is never folded
};

class Page {
 public:
  Page(const sim::Execution& execution, const Picture& about)
      : execution_(execution),
        about_(about),
        turns_(turns_of(execution)),
        marks_(marks_of(execution, about.followed)) {
    all_marks_ = marks_.size();
    if (marks_.size() > kMostMarks) marks_.resize(kMostMarks);
    std::size_t mark = 0;
    for (std::size_t turn = 0; turn < turns_.size(); ++turn) {
      lanes_.try_emplace(thread_of(turn), std::min(lanes_.size(), kMostLanes));
      first_mark_.push_back(mark);
      while (mark < marks_.size() && marks_[mark].step < turns_[turn].end) ++mark;
    }
    first_mark_.push_back(mark);
    columns_ = std::max<std::size_t>(1, std::min(lanes_.size(), kMostLanes + 1));
  }

  std::string body() const { return verdict() + order() + picture() + end(); }

 private:
  bool failed() const { return sim::is_failure(execution_.ending); }
  const sim::TraceStep& step(std::size_t index) const { return execution_.trace[index]; }
  std::uint32_t thread_of(std::size_t turn) const { return step(turns_[turn].first).thread; }
  std::string thread_html(std::uint32_t thread) const {
    return for_html(cut(execution_.thread_names[thread], kMostName));
  }
  std::string place_at(std::size_t index) const {
    return about_.place_of ? cut(about_.place_of(step(index)), kMostPlace) : "";
  }
  std::string step_html(std::size_t index) const {
    const sim::TraceStep& one = step(index);
    std::string html = fmt::format("<b class={}>{}</b>", colour_of(one.kind), sim::name_of(one.kind));
    if (one.object == 0) return html;
    const std::string& name = execution_.object_names[one.object];
    return html + "&nbsp;" +
           (name.empty() ? fmt::format("object&nbsp;{}", one.object) : for_html(cut(name, kMostName)));
  }
  static std::string place_html(const std::string& place) {
    return place.empty() ? "" : "<small>" + for_html(place) + "</small>";
  }

  std::string verdict() const {
    const sim::Execution& e = execution_;
    std::string html = fmt::format("<div class=\"verdict{}\"><span class=pill>{}</span><h1>{}</h1>\n{}",
                                   failed() ? "" : " held", sim::name_of(e.ending),
                                   for_html(cut(about_.title, kMostText)), lines_html(about_.lost));
    html += fmt::format(
        "<p class=facts>{} points · {} choices · {} preemption{} · {} threads · {} of virtual time · order "
        "{:016x}</p>\n",
        e.points, e.choices, e.preemptions, e.preemptions == 1 ? "" : "s", e.threads,
        pause_text(e.virtual_time), e.trace_hash);
    if (!about_.replay.empty()) {
      html += "<p class=replay><span>Run it again</span><code>" + for_html(cut(about_.replay, kMostText)) +
              "</code></p>";
    }
    return html + "</div>\n";
  }

  // Who had the next turn after a mark: the target by the name that it bears at the end.
  std::string next_html(const Mark& mark) const {
    const std::size_t next = mark.step + 1;
    const bool other = next < execution_.trace.size() && step(next).thread != step(mark.step).thread;
    const std::string target = mark.deviation == nullptr ? "" : mark.deviation->target;
    const std::vector<std::string>& names = execution_.thread_names;
    if (!target.empty() && std::find(names.begin(), names.end(), target) != names.end())
      return for_html(cut(target, kMostName));
    if (other) return thread_html(step(next).thread);
    return target.empty() ? "another thread" : for_html(cut(target, kMostName));
  }

  // What was chosen at a mark.
  std::string chosen_html(const Mark& mark) const {
    if (mark.deviation == nullptr) return next_html(mark) + " goes first";
    switch (mark.deviation->source) {
      case sim::Source::timer:
        return mark.deviation->preempts ? "the earliest timer fires, though others could go on"
                                        : "the earliest timer fires";
      case sim::Source::signal:
        return "the signal is delivered";
      case sim::Source::spurious:
        return for_html(cut(mark.deviation->target, kMostName)) + " wakes for no reason";
      case sim::Source::thread:
        break;
    }
    if (mark.deviation->preempts) return next_html(mark) + " goes first";
    return next_html(mark) + (wakes(mark.deviation->kind) ? " is woken" : " goes next");
  }

  std::string order() const {
    std::string html = fmt::format("<h2>The {}order</h2>\n", failed() ? "losing " : "");
    if (marks_.empty()) {
      return html +
             "<p>It takes no special order: each thread runs until it waits, and the first that can goes "
             "on.</p>\n";
    }
    html += "<ol class=order>\n";
    for (std::size_t i = 0; i < marks_.size(); ++i) {
      if (i == kUnfoldedMarks) {
        html += fmt::format("</ol>\n<details><summary>{} more</summary><ol class=order>\n",
                            all_marks_ - kUnfoldedMarks);
      }
      const std::size_t at = marks_[i].step;
      html +=
          fmt::format("<li><a href=\"#m{0}\"><u>{0}</u></a><b>{1}</b> stands {2} {3}: <b>{4}</b> {5}</li>\n",
                      i + 1, thread_html(step(at).thread), is_after(step(at).kind) ? "after" : "before",
                      step_html(at), chosen_html(marks_[i]), place_html(place_at(at)));
    }
    if (all_marks_ > marks_.size())
      html += fmt::format("<li>… and {} choices more</li>\n", all_marks_ - marks_.size());
    return html + (marks_.size() > kUnfoldedMarks ? "</ol></details>\n" : "</ol>\n");
  }

  static unsigned hue(std::size_t lane) {  // far from the marks' red, and from the lane before
    return static_cast<unsigned>(45 + lane * 113 % 275);
  }

  std::string picture() const {
    if (turns_.empty()) return "<h2>Threads and time</h2>\n<p>No trace was kept of this execution.</p>\n";
    std::string head, rails = "<i></i>";
    std::vector<std::string> names(columns_);
    for (const auto& [thread, lane] : lanes_) names[lane] = thread_html(thread);
    if (lanes_.size() > kMostLanes) names.back() = fmt::format("{} others", lanes_.size() - kMostLanes);
    for (std::size_t lane = 0; lane < columns_; ++lane) {
      head += fmt::format("<b style=\"--h:{}\">{}</b>", hue(lane), names[lane]);
      rails += fmt::format("<i style=\"--h:{}\"></i>", hue(lane));
    }
    return fmt::format(
        "<h2>Threads and time</h2>\n<p class=soft>One lane a thread, time downward; a box is a thread's "
        "turn, a "
        "line in it a point that it came to. Numbers mark where the order is not the usual one.</p>\n"
        "<div class=picture style=\"--lanes:{}\"><div class=rails>{}</div>\n<div "
        "class=head><i></i>{}</div>\n{}</div>\n",
        columns_, rails, head, turns());
  }

  // Most wanted first: the marks with what is around them, then the end, then what is nearest to it.
  std::vector<std::size_t> by_importance() const {
    std::vector<std::size_t> wanted;
    for (std::size_t turn = 0; turn < turns_.size(); ++turn) {
      if (first_mark_[turn] == first_mark_[turn + 1]) continue;
      for (std::size_t near = turn == 0 ? 0 : turn - 1; near < std::min(turn + 2, turns_.size()); ++near)
        wanted.push_back(near);
    }
    wanted.push_back(0);
    const std::size_t fill = std::min(turns_.size(), kMostTurns);
    for (std::size_t back = 1; back <= fill; ++back) wanted.push_back(turns_.size() - back);
    return wanted;
  }

  std::string turns() const {
    std::map<std::size_t, std::string> drawn;
    std::size_t bytes = 0;
    for (const std::size_t turn : by_importance()) {
      if (drawn.size() >= kMostTurns) break;
      if (drawn.contains(turn)) continue;
      std::string html = turn_html(turn);
      if (bytes + html.size() > kMostTurnBytes) continue;
      bytes += html.size();
      drawn.emplace(turn, std::move(html));
    }
    std::string html;
    std::size_t next = 0;
    const auto skip_to = [&](std::size_t turn) {
      if (turn == next) return;
      const std::size_t end = turns_[turn - 1].end;
      html += fmt::format("<div class=gap>… {} turns, {} points …</div>\n", turn - next,
                          end - turns_[next].first);
    };
    for (const auto& [turn, one] : drawn) {
      skip_to(turn);
      html += one;
      next = turn + 1;
    }
    skip_to(turns_.size());
    return html;
  }

  std::string turn_html(std::size_t turn) const {
    const std::size_t lane = lanes_.at(thread_of(turn));
    const std::size_t from = turn == 0 ? lane : lanes_.at(thread_of(turn - 1));
    const std::size_t width = (columns_ + kBoxesAbreast - 1) / kBoxesAbreast;
    const std::size_t box = std::min(lane, columns_ - width);
    const std::size_t first = turns_[turn].first;
    std::string html = fmt::format(
        "<div class=turn style=\"--b:{};--x:{};--n:{};--s:{};--w:{};--h:{}\">", lane + 2,
        std::min(lane, from) + 2, std::max(lane, from) - std::min(lane, from) + 1, box + 2, width, hue(lane));
    if (turn != 0) {
      const std::size_t mark = first_mark_[turn];
      const bool marked = mark != 0 && marks_[mark - 1].step + 1 == first;
      html += fmt::format("<i class=\"go{}{}\"></i>", lane > from ? " r" : "", marked ? " m" : "");
    }
    html +=
        fmt::format("<i class=dot></i><span class=who>{}</span><span class=t>", thread_html(thread_of(turn)));
    const auto now = step(first).now;
    const auto passed = turn == 0 ? now : now - step(first - 1).now;
    if (turn == 0 || now != step(turns_[turn - 1].first).now) html += milliseconds(now);
    if (passed >= kLongPause) html += " <small>+" + pause_text(passed) + "</small>";
    html += fmt::format("</span><div class=\"box{}\">", box != lane ? " right" : "");
    if (lane == kMostLanes) html += "<p><b>" + thread_html(thread_of(turn)) + "</b></p>";
    return html + resumed_html(turn) + lines_of_turn(turn) + "</div></div>\n";
  }

  // Where the thread of a turn stood when it was left the last time: what it does first now.
  std::string resumed_html(std::size_t turn) const {
    std::size_t back = turn;
    const std::size_t far = turn < kMostTurns ? 0 : turn - kMostTurns;
    while (back > far) {
      if (thread_of(--back) == thread_of(turn))
        return "<p class=on>goes on: " + step_html(turns_[back].end - 1) + "</p>";
    }
    return "";
  }

  // Notes before the step `until` from `note` on; `note` moves past them.
  void add_notes(std::size_t& note, std::size_t until, std::vector<Line>& all) const {
    for (; note < execution_.notes.size() && execution_.notes[note].step <= until; ++note) {
      if (all.size() < kMostNotedLines)
        all.push_back({.step = until, .count = 0, .place = "", .note = &execution_.notes[note]});
    }
  }

  std::vector<Line> lines(std::size_t turn) const {
    std::vector<Line> all;
    std::size_t mark = first_mark_[turn];
    const std::size_t first = turns_[turn].first, end = turns_[turn].end;
    auto note = static_cast<std::size_t>(
        std::partition_point(execution_.notes.begin(), execution_.notes.end(),
                             [&](const sim::TraceNote& one) { return one.step < first; }) -
        execution_.notes.begin());
    for (std::size_t i = first; i < end; ++i) {
      add_notes(note, i, all);
      Line line{.step = i, .count = 1, .place = place_at(i), .marks = mark, .marks_end = mark};
      while (mark < first_mark_[turn + 1] && marks_[mark].step == i) line.marks_end = ++mark;
      const bool again = !all.empty() && !all.back().stays() && !line.stays() &&
                         step(all.back().step).kind == step(i).kind &&
                         step(all.back().step).object == step(i).object && all.back().place == line.place;
      if (again)
        ++all.back().count;
      else
        all.push_back(std::move(line));
    }
    if (turn + 1 == turns_.size()) add_notes(note, end, all);
    return all;
  }

  std::string line_html(const Line& line, std::uint32_t thread) const {
    if (line.note != nullptr) {
      const bool own = line.note->thread == thread;
      return "<p class=n>" + (own ? "" : thread_html(line.note->thread) + ": ") +
             for_html(cut(line.note->text, kMostNote)) + "</p>";
    }
    std::string html = line.marks != line.marks_end ? "<p class=m>" : "<p>";
    html += step_html(line.step);
    if (line.count > 1) html += fmt::format(" ×{}", line.count);
    html += place_html(line.place);
    for (std::size_t mark = line.marks; mark != line.marks_end; ++mark) {
      html += fmt::format("<em id=m{0}><u>{0}</u> {1} this: {2}</em>", mark + 1,
                          is_after(step(line.step).kind) ? "after" : "before", chosen_html(marks_[mark]));
    }
    return html + "</p>";
  }

  // Lines [first, end) behind one that counts them by kind.
  std::string folded_html(const std::vector<Line>& all, std::size_t first, std::size_t end) const {
    std::map<sim::Kind, std::size_t> counts;
    std::size_t points = 0;
    for (std::size_t i = first; i < end; ++i) {
      counts[step(all[i].step).kind] += all[i].count;
      points += all[i].count;
    }
    std::string html = fmt::format("<details><summary>{} points:", points);
    for (const auto& [kind, count] : counts)
      html += fmt::format("{} {} {}", kind == counts.begin()->first ? "" : ",", count, sim::name_of(kind));
    html += "</summary>";
    const std::size_t shown = std::min(end, first + kMostFolded);
    for (std::size_t i = first; i < shown; ++i) html += line_html(all[i], step(all[i].step).thread);
    if (shown != end) html += fmt::format("<p class=soft>… and {} lines</p>", end - shown);
    return html + "</details>";
  }

  std::string lines_of_turn(std::size_t turn) const {
    const std::vector<Line> all = lines(turn);
    const auto draw = [&](const Line& line) { return line_html(line, thread_of(turn)); };
    // Where the program said what it did, its points are by the way, but for the last.
    const bool noted =
        std::any_of(all.begin(), all.end(), [](const Line& line) { return line.note != nullptr; });
    std::string html;
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::size_t end = i;
      while (end < all.size() && !all[end].stays()) ++end;
      const std::size_t head = noted ? 0 : kShownLines;
      const std::size_t tail = !noted ? kShownLines : end == all.size() ? 1 : 0;
      const std::size_t fold = end - i > head + tail + 1 ? i + head : end;
      for (; i < fold; ++i) html += draw(all[i]);
      if (i < end) {
        html += folded_html(all, i, end - tail);
        for (i = end - tail; i < end; ++i) html += draw(all[i]);
      }
      if (i < all.size()) html += draw(all[i]);
    }
    return html;
  }

  std::string end() const {
    std::string html =
        fmt::format("<div class=\"end{}\"><span class=pill>{}</span><div class=why>{}</div>\n",
                    failed() ? "" : " held", sim::name_of(execution_.ending), lines_html(execution_.why));
    std::map<std::uint32_t, std::size_t> last;
    for (std::size_t turn = 0; turn < turns_.size(); ++turn) last[thread_of(turn)] = turns_[turn].end - 1;
    std::erase_if(last, [&](const auto& one) { return step(one.second).kind == sim::Kind::exit; });
    if (last.empty()) return html + "</div>\n";
    html += "<p class=soft>Where each thread that had not ended was last:</p><ul>\n";
    std::size_t told = 0;
    for (const auto& [thread, at] : last) {
      if (++told > kMostLastSteps) break;
      html += fmt::format("<li><b>{}</b> at {} {}</li>\n", thread_html(thread), step_html(at),
                          place_html(place_at(at)));
    }
    if (last.size() > kMostLastSteps)
      html += fmt::format("<li>… and {} more</li>", last.size() - kMostLastSteps);
    return html + "</ul></div>\n";
  }

  const sim::Execution& execution_;
  const Picture& about_;
  std::vector<Turn> turns_;
  std::vector<Mark> marks_;
  std::size_t all_marks_ = 0;
  std::vector<std::size_t> first_mark_;         // by turn, and one more
  std::map<std::uint32_t, std::size_t> lanes_;  // by thread
  std::size_t columns_ = 1;
};

std::string with(std::string_view frame, std::string_view key, std::string_view value) {
  const std::size_t at = frame.find(key);
  return std::string(frame.substr(0, at)) + std::string(value) + std::string(frame.substr(at + key.size()));
}

}  // namespace

std::string picture_of(const sim::Execution& execution, const Picture& about) {
  // The title last: what it holds is not looked through any more.
  const std::string page = with(kPicturePage, "{{body}}", Page(execution, about).body());
  return with(page, "{{title}}", for_html(cut(about.title, kMostText)));
}

}  // namespace s2::fuzz
