// See timeline_svg.h. Every lane is an SVG of its own, 1000 units wide and stretched to the page, so that its
// marks fit any screen; the words stand beside it as HTML.
#include "scenarios/timeline_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "scenarios/escape.h"
#include "scenarios/quantity.h"
#include "scenarios/report.h"

namespace s2::scenarios {
namespace {

constexpr int kUnits = 1000;  // width of a lane's coordinate system
constexpr int kStep = kUnits / kColumns;
constexpr int kHeight = 30;                  // its height
constexpr std::size_t kMaxTitledBars = 120;  // appends with a tooltip, a lane
constexpr std::int64_t kMinSpanNs = 1'000'000;

using Kind = Statement::Kind;

std::string time_text(std::int64_t ns) {
  if (ns < 10'000'000) return fmt::format("{:.2f} ms", static_cast<double>(ns) / 1e6);
  if (ns < 10'000'000'000) return fmt::format("{} ms", grouped(static_cast<std::uint64_t>(ns / 1'000'000)));
  return fmt::format("{:.1f} s", static_cast<double>(ns) / 1e9);
}

class Timeline {
 public:
  Timeline(const Ledger& ledger, const Window& window) : l_(ledger), w_(window) {
    w_.end_ns = std::max(w_.end_ns, w_.begin_ns + kMinSpanNs);
    for (const StoredStream& s : l_.stored) {
      for (const StoredRecord& r : s.records) {
        for (const std::uint64_t n : r.probes) ++copies_[n];
      }
    }
    for (const ServiceAppend& a : l_.appends) {
      for (const std::uint64_t n : a.probes) first_append_.try_emplace(n, a.received_ns);
    }
    background();
  }

  std::string html(const std::string& caption) {
    std::string out = "<div class=\"timeline\"><h4>" + caption + "</h4>\n";
    out += publish() + ring() + appends() + commits() + acks() + words() + process() + faults() + read_back();
    out += axis() + moments() + "</div>\n";
    return out;
  }

 private:
  bool inside(std::int64_t t) const { return t >= w_.begin_ns && t <= w_.end_ns; }

  int x(std::int64_t t) const {
    const std::int64_t clamped = std::clamp(t, w_.begin_ns, w_.end_ns);
    const double share = static_cast<double>(clamped - w_.begin_ns) / static_cast<double>(w_.span());
    return static_cast<int>(share * kColumns) * kStep;
  }

  using Ticks = std::set<int>;
  void mark(Ticks& ticks, std::int64_t t) const {
    if (t >= 0 && inside(t)) ticks.insert(x(t));
  }
  static std::string path(const Ticks& ticks, const char* cls, int top = 5, int bottom = kHeight - 5) {
    if (ticks.empty()) return "";
    std::string d;
    for (const int at : ticks) d += fmt::format("M{} {}V{}", at, top, bottom);
    return fmt::format("<path class=\"tick {}\" d=\"{}\"/>", cls, d);
  }
  std::string interval(std::int64_t begin, std::int64_t end, const char* cls, int top, int bottom,
                       const std::string& title = "") const {
    if (end < 0) end = w_.end_ns;
    if (begin < 0 || begin > w_.end_ns || end < w_.begin_ns) return "";
    const std::string box = fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
                                        cls, x(begin), top, std::max(1, x(end) - x(begin)), bottom - top);
    return title.empty() ? box + "/>" : box + "><title>" + for_html(title) + "</title></rect>";
  }
  std::string lane(const char* label, const std::string& note, const std::string& marks,
                   const char* cls = "") const {
    return fmt::format(
        "<div class=\"lane\"><div>{}<small>{}</small></div><svg class=\"{}\" viewBox=\"0 0 {} {}\" "
        "preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}: {}\">{}{}{}</svg></div>\n",
        label, note, cls, kUnits, kHeight, label, note, behind_, marks, over_);
  }

  // What every lane shows: cuts and pauses as shaded zones, SIGTERM, death and exit as lines.
  void background() {
    for (const FiredFault& f : l_.faults) {
      if (f.end_ns != f.begin_ns) behind_ += interval(f.begin_ns, f.end_ns, "zone", 0, kHeight);
    }
    const auto line = [&](std::int64_t t, const char* cls) {
      if (t >= 0 && inside(t))
        over_ += fmt::format("<path class=\"at {}\" d=\"M{} 0V{}\"/>", cls, x(t), kHeight);
    };
    for (const Process& p : l_.processes) {
      if (p.pause_ns >= 0) behind_ += interval(p.pause_ns, p.resume_ns, "zone pause", 0, kHeight);
      line(p.term_ns, "term");
      line(p.kill_ns, "kill");
      if (p.kill_ns < 0) line(p.exited_ns, "exit");
    }
  }

  bool stored(std::uint64_t n) const { return copies_.count(n) > 0; }

  std::string publish() const {
    Ticks accepted, lost, other;
    std::size_t all = 0;
    for (const Publication& p : l_.publications) {
      ++all;
      const bool is_accepted = p.acceptance == Acceptance::accepted;
      mark(!is_accepted ? other : p.storage_on && !stored(p.n) ? lost : accepted, p.sent_ns);
    }
    return lane("publish", fmt::format("{} sent", grouped(all)),
                path(other, "mute", 10) + path(accepted, "pub") + path(lost, "lost", 2, kHeight - 2));
  }

  // How many events were accepted and in no append yet, at each place.
  std::string ring() const {
    std::map<std::int64_t, int> change;
    for (const Publication& p : l_.publications) {
      if (p.acceptance != Acceptance::accepted || !p.storage_on || p.answered_ns < 0) continue;
      const auto sent = first_append_.find(p.n);
      if (sent != first_append_.end() && sent->second <= p.answered_ns) continue;
      ++change[p.answered_ns];
      if (sent != first_append_.end()) {
        --change[sent->second];
      } else if (const std::int64_t dropped = drop_time(p); dropped >= 0) {
        --change[std::max(dropped, p.answered_ns)];
      }
    }
    // The highest level within each place; `now` is carried from one to the next.
    std::vector<int> highest(kColumns + 1, 0);
    int now = 0;
    auto next = change.begin();
    for (; next != change.end() && next->first < w_.begin_ns; ++next) now += next->second;
    int peak = now;
    for (int column = 0; column <= kColumns; ++column) {
      int& level = highest[static_cast<std::size_t>(column)];
      level = now;
      for (; next != change.end() && inside(next->first) && x(next->first) == column * kStep; ++next) {
        now += next->second;
        level = std::max(level, now);
      }
      peak = std::max(peak, level);
    }
    std::string d = fmt::format("M0 {}", kHeight);
    int drawn = -1;
    for (int column = 0; column <= kColumns; ++column) {
      const int level = highest[static_cast<std::size_t>(column)];
      if (level != drawn) d += fmt::format("H{}V{}", column * kStep, y(level, peak));
      drawn = level;
    }
    d += fmt::format("H{}V{}Z", kUnits, kHeight);
    return lane("ring", fmt::format("at most {} waiting", grouped(static_cast<std::uint64_t>(peak))),
                peak == 0 ? "" : fmt::format("<path class=\"area\" d=\"{}\"/>", d), "tall");
  }
  static int y(int count, int peak) {
    return peak == 0 ? kHeight : kHeight - 2 - count * (kHeight - 5) / peak;
  }

  std::int64_t drop_time(const Publication& p) const {
    for (const Statement& s : l_.statements) {
      if (s.kind == Kind::dropped && s.epoch == p.epoch && p.seq != 0 && s.from <= p.seq && p.seq <= s.to)
        return s.t_ns;
    }
    return -1;
  }

  std::string appends() const {
    std::string bars;
    std::set<std::pair<int, int>> seen;  // drawn places: merges what cannot be told apart
    std::size_t titled = 0;
    using Outcome = ServiceAppend::Outcome;
    std::size_t unknown_count = 0;
    for (const ServiceAppend& a : l_.appends) {
      unknown_count += a.outcome == Outcome::unknown;
      const char* cls = a.outcome == Outcome::acked     ? "bar acked"
                        : a.outcome == Outcome::refused ? "bar refused"
                                                        : "bar unknown";
      const std::int64_t end = a.answered_ns >= 0 ? a.answered_ns : std::max(a.committed_ns, a.received_ns);
      if (!inside(a.received_ns) && !inside(end)) continue;
      if (!seen.insert({x(a.received_ns) * 4 + static_cast<int>(a.outcome), x(end)}).second) continue;
      std::string title;
      if (++titled <= kMaxTitledBars) {
        title =
            fmt::format("append {}: {} on {}, {}{}{}", a.id, count_of(a.probes.size()), a.stream, outcome(a),
                        a.answered_ns >= 0 ? " after " + time_text(a.answered_ns - a.received_ns) : "",
                        a.match_seq_num ? fmt::format(", match_seq_num {}", *a.match_seq_num) : "");
      }
      const int top = a.outcome == Outcome::acked ? 12 : a.outcome == Outcome::refused ? 21 : 3;
      bars += interval(a.received_ns, end, cls, top, top + 6, title);
    }
    return lane("append", fmt::format("{}, {} unknown", grouped(l_.appends.size()), unknown_count), bars);
  }
  static const char* outcome(const ServiceAppend& a) {
    switch (a.outcome) {
      case ServiceAppend::Outcome::acked:
        return "acknowledged";
      case ServiceAppend::Outcome::refused:
        return "refused";
      case ServiceAppend::Outcome::unknown:
        return a.committed ? "unknown, committed" : "unknown, not committed";
    }
    return "?";
  }

  std::string commits() const {
    Ticks ticks;
    std::size_t count = 0;
    for (const ServiceAppend& a : l_.appends) {
      count += a.committed;
      if (a.committed) mark(ticks, a.committed_ns);
    }
    return lane("commit", grouped(count), path(ticks, "okay"));
  }

  std::string acks() const {
    Ticks ticks;
    std::size_t count = 0;
    for (const ServiceAppend& a : l_.appends) {
      if (a.outcome != ServiceAppend::Outcome::acked) continue;
      ++count;
      mark(ticks, a.answered_ns);
    }
    return lane("ack", grouped(count), path(ticks, "okay"));
  }

  std::string words() const {
    Ticks acked, good, bad, asked;
    for (const Statement& s : l_.statements) {
      switch (s.kind) {
        case Kind::acked:
          mark(acked, s.t_ns);
          break;
        case Kind::dropped:
        case Kind::lost:
        case Kind::flush_failed:
        case Kind::garbage:
          mark(bad, s.t_ns);
          break;
        case Kind::ask_flush:
        case Kind::ask_start:
        case Kind::ask_stop:
        case Kind::ask_storage:
        case Kind::stdin_closed:
          mark(asked, s.t_ns);
          break;
        default:
          mark(good, s.t_ns);
      }
    }
    return lane("writer says", fmt::format("{} lines", grouped(l_.statements.size())),
                path(asked, "mute", 2, 12) + path(acked, "okay", 14, 26) + path(good, "pub", 4, 26) +
                    path(bad, "gone", 4, 26));
  }

  std::string process() const {
    std::string bars;
    std::string note;
    for (const Process& p : l_.processes) {
      bars += interval(p.spawned_ns, p.exited_ns, "life", 11, 19);
      if (p.pause_ns >= 0) bars += interval(p.pause_ns, p.resume_ns, "asleep", 11, 19, "paused");
      note = p.exit_signal != 0 ? fmt::format("signal {}", p.exit_signal)
                                : fmt::format("exit code {}", p.exit_code);
    }
    return lane("process", note, bars);
  }

  std::string faults() const {
    if (l_.faults.empty()) return "";
    Ticks ticks;
    std::string bars;
    for (const FiredFault& f : l_.faults) {
      mark(ticks, f.begin_ns);
      if (f.end_ns != f.begin_ns) bars += interval(f.begin_ns, f.end_ns, "bar cut", 11, 19, f.what);
    }
    return lane("faults", fmt::format("{} fired", l_.faults.size()), bars + path(ticks, "odd"));
  }

  std::string read_back() const {
    Ticks once, twice, lost;
    std::size_t found = 0;
    for (const Publication& p : l_.publications) {
      const auto it = copies_.find(p.n);
      found += it != copies_.end();
      if (it == copies_.end()) {
        if (p.acceptance == Acceptance::accepted && p.storage_on) mark(lost, p.sent_ns);
      } else {
        mark(it->second > 1 ? twice : once, p.sent_ns);
      }
    }
    return lane("read-back", fmt::format("{} stored", grouped(found)),
                path(once, "okay") + path(twice, "odd", 2, kHeight - 2) + path(lost, "lost", 2, kHeight - 2));
  }

  std::string axis() const {
    constexpr int kLabels = 5;
    std::string out = "<div class=\"axis\">";
    const std::int64_t zero = whole_run(l_).begin_ns;
    for (int i = 0; i < kLabels; ++i) {
      out += "<span>" + time_text(w_.begin_ns - zero + w_.span() * i / (kLabels - 1)) + "</span>";
    }
    return out + "</div>\n";
  }

  std::string moments() const {
    std::vector<std::pair<std::int64_t, std::string>> found;
    const auto add = [&](std::int64_t t, const char* cls, const std::string& text) {
      if (t >= 0 && inside(t))
        found.emplace_back(t, fmt::format("<i class=\"{}\"></i>{}", cls, for_html(text)));
    };
    for (const Process& p : l_.processes) {
      add(p.term_ns, "term", "SIGTERM");
      add(p.pause_ns, "pause", "paused");
      add(p.resume_ns, "pause", "resumed");
      add(p.kill_ns, "kill", l_.kill.fired ? "SIGKILL (" + l_.kill.instant + ")" : "SIGKILL");
      add(p.exited_ns, "", "gone");
    }
    for (const Statement& s : l_.statements) {
      if (s.kind == Kind::ask_flush) add(s.t_ns, "", "flush asked");
      if (s.kind == Kind::flushed) add(s.t_ns, "", fmt::format("flushed through {}", s.through));
      if (s.kind == Kind::ask_stop) add(s.t_ns, "", "stop asked");
      if (s.kind == Kind::stopped) add(s.t_ns, "", fmt::format("stopped through {}", s.through));
      if (s.kind == Kind::storage) add(s.t_ns, "", "storing " + s.text);
      if (s.kind == Kind::identified) add(s.t_ns, "", "a branch is session " + s.session);
      if (s.kind == Kind::stdin_closed) add(s.t_ns, "", "end of input");
    }
    for (const FiredFault& f : l_.faults) {
      if (f.end_ns == f.begin_ns) continue;
      add(f.begin_ns, "cut", f.what);
      add(f.end_ns, "cut", f.what + " ended");
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    constexpr std::size_t kMaxMoments = 16;
    std::string out = "<div class=\"moments\">";
    const std::int64_t zero = whole_run(l_).begin_ns;
    for (std::size_t i = 0; i < std::min(found.size(), kMaxMoments); ++i) {
      out += "<span>" + found[i].second + " <span class=\"num\">" + time_text(found[i].first - zero) +
             "</span></span>";
    }
    if (found.size() > kMaxMoments)
      out += fmt::format("<span>and {} more</span>", found.size() - kMaxMoments);
    return out + "</div>";
  }

  const Ledger& l_;
  Window w_;
  std::unordered_map<std::uint64_t, int> copies_;
  std::unordered_map<std::uint64_t, std::int64_t> first_append_;
  std::string behind_;
  std::string over_;
};

}  // namespace

Window whole_run(const Ledger& l) {
  std::int64_t first = -1;
  std::int64_t last = -1;
  const auto see = [&](std::int64_t t) {
    if (t < 0) return;
    first = first < 0 ? t : std::min(first, t);
    last = std::max(last, t);
  };
  for (const Process& p : l.processes) see(p.spawned_ns), see(p.exited_ns), see(p.kill_ns);
  for (const Publication& p : l.publications) see(p.sent_ns), see(p.answered_ns);
  for (const ServiceAppend& a : l.appends) see(a.received_ns), see(a.committed_ns), see(a.answered_ns);
  for (const Statement& s : l.statements) see(s.t_ns);
  return first < 0 ? Window{0, kMinSpanNs} : Window{first, last};
}

std::string timeline_html(const Ledger& ledger, const Window& window, const std::string& caption) {
  return Timeline(ledger, window).html(caption);
}

}  // namespace s2::scenarios
