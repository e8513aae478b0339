// See curve.h: the three curves as a page that opens from disk. SVG and tables, no script.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "scenarios/curve.h"
#include "scenarios/escape.h"
#include "scenarios/report_html.h"

namespace s2::scenarios {
namespace {

constexpr int kPlotWidth = 760, kPlotHeight = 260, kLeft = 64, kBottom = 44, kTop = 14, kRight = 14;

// The least of 1, 2, 5 × 10^n that is not below it.
double rounded_up(double value) {
  double step = 1;
  while (true) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor * step >= value) return factor * step;
    }
    step *= 10;
  }
}

// A frame with a vertical axis from 0 to `top` and one named place for each column.
class Chart {
 public:
  Chart(std::vector<std::string> columns, double most, const std::string& unit, const std::string& below)
      : columns_(std::move(columns)), top_(rounded_up(std::max(most, 1.0))) {
    svg_ = fmt::format(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" style=\"width:100%;max-width:{}px;height:auto\">",
        kPlotWidth, kPlotHeight, kPlotWidth);
    for (int i = 0; i <= 4; ++i) {
      const double value = top_ * i / 4;
      svg_ += fmt::format("<line x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"var(--line)\"/>",
                          kLeft, kPlotWidth - kRight, y(value), y(value));
      text(kLeft - 8, y(value) + 4, fmt::format("{:g}", value), "end");
    }
    text(kLeft - 8, kPlotHeight - kBottom + 20, unit, "end");
    for (std::size_t i = 0; i < columns_.size(); ++i)
      text(x(i), kPlotHeight - kBottom + 20, columns_[i], "middle");
    text(kPlotWidth / 2.0, kPlotHeight - 6, below, "middle");
  }

  double x(std::size_t column) const {
    const double step =
        static_cast<double>(kPlotWidth - kLeft - kRight) / static_cast<double>(columns_.size());
    return kLeft + step * (static_cast<double>(column) + 0.5);
  }
  double y(double value) const { return kTop + (kPlotHeight - kTop - kBottom) * (1 - value / top_); }

  void bar(std::size_t column, double value, const std::string& said) {
    const double half =
        0.3 * static_cast<double>(kPlotWidth - kLeft - kRight) / static_cast<double>(columns_.size());
    svg_ += fmt::format(
        "<rect x=\"{:.1f}\" width=\"{:.1f}\" y=\"{:.1f}\" height=\"{:.1f}\" fill=\"var(--bad)\" "
        "opacity=\".35\">"
        "<title>{}</title></rect>",
        x(column) - half, 2 * half, y(value), y(0) - y(value), for_html(said));
  }
  void dot(std::size_t column, double value, const std::string& color, const std::string& said) {
    svg_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\"><title>{}</title></circle>",
                        x(column), y(value), color, for_html(said));
  }
  void line(const std::vector<std::pair<std::size_t, double>>& points, const std::string& color) {
    svg_ += "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"" + color + "\" points=\"";
    for (const auto& [column, value] : points) svg_ += fmt::format("{:.1f},{:.1f} ", x(column), y(value));
    svg_ += "\"/>";
  }
  std::string html() const { return svg_ + "</svg>\n"; }

 private:
  void text(double at_x, double at_y, const std::string& what, const char* anchor) {
    svg_ += fmt::format(
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" font-size=\"12\" "
        "style=\"fill:var(--soft);stroke:none\">{}"
        "</text>",
        at_x, at_y, anchor, for_html(what));
  }

  const std::vector<std::string> columns_;
  const double top_;
  std::string svg_;
};

std::string grace_html(const std::vector<const CurveResult*>& rows) {
  std::vector<std::string> columns;
  double most = 0;
  for (const CurveResult* r : rows) {
    columns.push_back(curve_time(r->point.grace));
    most = std::max(most, static_cast<double>(r->most_lost()));
  }
  Chart chart(columns, most, "events", "grace between SIGTERM and SIGKILL");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const CurveResult& r = *rows[i];
    const std::string said = fmt::format("grace {}: {:.1f} lost on average, {} at most, {} runs", columns[i],
                                         r.mean_lost(), r.most_lost(), r.runs);
    chart.bar(i, r.mean_lost(), said);
    chart.dot(i, static_cast<double>(r.most_lost()), r.most_lost() > 0 ? "var(--bad)" : "var(--ok)", said);
  }
  return chart.html() + "<p class=\"soft\">Bars: the mean of the runs. Dots: the worst run.</p>\n";
}

std::string kill_html(const std::vector<const CurveResult*>& rows) {
  std::set<std::uint64_t> lingers, batches;
  double most = 1;
  for (const CurveResult* r : rows) {
    lingers.insert(r->point.linger);
    batches.insert(r->point.batch);
    most = std::max(most, r->mean_lost());
  }
  std::string out = "<div class=\"wide\"><table><thead><tr><th>linger</th>";
  for (const std::uint64_t batch : batches) out += fmt::format("<th class=\"r\">batches of {}</th>", batch);
  out += "</tr></thead><tbody>\n";
  for (const std::uint64_t linger : lingers) {
    out += "<tr><th>" + for_html(curve_time(linger)) + "</th>";
    for (const std::uint64_t batch : batches) {
      const auto at = std::find_if(rows.begin(), rows.end(), [&](const CurveResult* r) {
        return r->point.linger == linger && r->point.batch == batch;
      });
      if (at == rows.end()) {
        out += "<td class=\"r\">–</td>";
        continue;
      }
      out += fmt::format(
          "<td class=\"r\" style=\"background:color-mix(in srgb, var(--bad) {:.0f}%, transparent)\">{:.1f} "
          "<small class=\"soft\">worst {}</small></td>",
          45 * (*at)->mean_lost() / most, (*at)->mean_lost(), (*at)->most_lost());
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string shutdown_html(const std::vector<const CurveResult*>& rows) {
  std::set<std::uint64_t> backlogs, latencies;
  double most = 1;
  for (const CurveResult* r : rows) {
    backlogs.insert(r->point.backlog);
    latencies.insert(r->point.ack_latency);
    if (!r->shutdown_ms.empty()) most = std::max(most, static_cast<double>(r->shutdown_ms.back()));
  }
  std::vector<std::string> columns;
  for (const std::uint64_t backlog : backlogs) columns.push_back(std::to_string(backlog));
  Chart chart(columns, most, "ms", "events in the backlog when the end was asked for");
  const char* const colors[] = {"var(--ok)", "var(--pub)", "var(--warn)", "var(--bad)", "var(--unknown)"};
  std::string legend = "<div class=\"legend\">";
  std::size_t series = 0;
  for (const std::uint64_t latency : latencies) {
    const std::string color = colors[series++ % std::size(colors)];
    std::vector<std::pair<std::size_t, double>> medians;
    for (const CurveResult* r : rows) {
      if (r->point.ack_latency != latency || r->shutdown_ms.empty()) continue;
      const auto column =
          static_cast<std::size_t>(std::distance(backlogs.begin(), backlogs.find(r->point.backlog)));
      const auto p50 = static_cast<double>(r->shutdown_ms[r->shutdown_ms.size() / 2]);
      medians.emplace_back(column, p50);
      chart.dot(column, static_cast<double>(r->shutdown_ms.back()), color,
                fmt::format("{} events at {}: median {} ms, slowest {} ms of {} runs", r->point.backlog,
                            curve_time(latency), p50, r->shutdown_ms.back(), r->runs));
    }
    chart.line(medians, color);
    legend += fmt::format("<span><i style=\"background:{}\"></i>{} for each append</span>", color,
                          for_html(curve_time(latency)));
  }
  return legend + "</div>\n" + chart.html() +
         "<p class=\"soft\">Lines: the median of the runs. Dots: the slowest run.</p>\n";
}

// Around the section; no text of a page holds them, because there `<` is escaped.
constexpr std::string_view kSectionBegins = "<!-- curves -->", kSectionEnds = "<!-- /curves -->";

std::string section_html(const std::vector<CurveResult>& results, const std::string& writer) {
  std::string body =
      fmt::format("{}<section id=\"curves\">\n<h2>How much time an end needs</h2>\n", kSectionBegins);
  body += "<p><b>" + for_html(curve_advice(results)) + "</b></p>\n";
  body += "<p class=\"soft\">Curves of <code>" + for_html(writer) + "</code></p>\n";
  const auto part = [&](Sweep sweep, const char* title, auto drawn) {
    std::vector<const CurveResult*> rows;
    for (const CurveResult& r : results) {
      if (r.point.sweep == sweep && r.runs > 0) rows.push_back(&r);
    }
    if (rows.empty()) return;
    body += std::string("<h3>") + title + "</h3>\n" + drawn(rows);
    if (sweep != Sweep::grace)
      body += "<p class=\"soft\">" + for_html(curve_sentence(results, sweep)) + "</p>\n";
  };
  part(Sweep::grace, "Events lost against the grace", grace_html);
  part(Sweep::kill, "Events lost by a SIGKILL, on average, against linger and batch size", kill_html);
  part(Sweep::shutdown, "How long a shutdown takes", shutdown_html);
  return body + fmt::format("</section>{}\n", kSectionEnds);
}

}  // namespace

std::string curve_html(const std::vector<CurveResult>& results, const std::string& writer) {
  return page_html("curves · last events",
                   section_html(results, writer) +
                       "<footer>Each run is a process that was really killed; what is lost was missing from "
                       "the stored stream.</footer>");
}

std::string curve_section_of(const std::string& page) {
  const std::size_t from = page.find(kSectionBegins), to = page.find(kSectionEnds);
  if (from == std::string::npos || to == std::string::npos || to < from) return "";
  return page.substr(from, to + kSectionEnds.size() - from);
}

std::string with_curve_section(const std::string& page, const std::string& section) {
  std::string out = page;
  if (const std::string old = curve_section_of(page); !old.empty()) out.erase(page.find(old), old.size());
  const std::size_t footer = out.rfind("<footer>");
  if (section.empty() || footer == std::string::npos) return out;
  return out.insert(footer, section);
}

}  // namespace s2::scenarios
