// What a platform team needs to choose its figures: how much is lost at which grace, at which linger and
// batch size, and how long a shutdown takes.
//
// Three sweeps of many small runs. Plain values and pure functions; any thread. The runs themselves are the
// realm's, the losses the judge's: here they are only counted. `s2-scenarios curve` puts it together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/judge.h"
#include "scenarios/scenario.h"

namespace s2::scenarios {

enum class Sweep {
  grace,     // SIGTERM with a backlog, then SIGKILL after the grace
  kill,      // SIGKILL at a random moment of a steady load
  shutdown,  // a stop with a backlog; nothing is killed
};

// Times in microseconds. What a sweep does not vary stands at its fixed value.
struct CurvePoint {
  Sweep sweep = Sweep::grace;
  std::uint64_t grace = 0;
  std::uint64_t linger = 0;
  std::uint64_t batch = 0;        // records
  std::uint64_t backlog = 0;      // events published at once, right before the end
  std::uint64_t ack_latency = 0;  // what S2 takes for each append of a session, one after the other
};

struct CurveResult {
  CurvePoint point;
  std::size_t runs = 0;    // judged; invalid ones are left out
  std::size_t broken = 0;  // of them
  std::uint64_t accepted = 0;
  std::vector<std::uint64_t> lost;        // events a run, rising
  std::vector<std::int64_t> shutdown_ms;  // of the runs that ended by themselves, rising
  void add(const Verdict& verdict);
  double mean_lost() const;
  std::uint64_t most_lost() const { return lost.empty() ? 0 : lost.back(); }
};

std::vector<CurvePoint> curve_points();
// `runs`: how often it is to be run.
Scenario curve_scenario(const CurvePoint& point, unsigned runs);

// One sentence: the grace to give, with a margin, the runs behind it and the worst case seen; or that there
// were too few runs for advice (kLeastRunsOfAdvice at graces that lost nothing). Empty without a grace sweep.
inline constexpr std::size_t kLeastRunsOfAdvice = 30;
inline constexpr int kAdviceMargin = 2;  // times what was enough
std::string curve_advice(const std::vector<CurveResult>& results);
// What one sweep showed, as a sentence. Empty where it has no run.
std::string curve_sentence(const std::vector<CurveResult>& results, Sweep sweep);
std::string curve_csv(const std::vector<CurveResult>& results);
std::string curve_json(const std::vector<CurveResult>& results, std::uint64_t seed);
std::string curve_table(const std::vector<CurveResult>& results);  // for a terminal
// A page of its own, and the same as a section of a suite's page (curve_html.cpp).
std::string curve_html(const std::vector<CurveResult>& results, const std::string& writer);
// The section of a page that curve_html() made; empty: it has none.
std::string curve_section_of(const std::string& page);
// `page` (index.html) with the section before its footer, in the place of one that is there.
std::string with_curve_section(const std::string& page, const std::string& section);

std::string_view name(Sweep sweep);        // "grace"
std::string curve_time(std::uint64_t us);  // "250ms"

}  // namespace s2::scenarios
