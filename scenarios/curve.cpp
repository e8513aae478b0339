// See curve.h: the points, what is counted at each, and what it says. The page is curve_html.cpp.
#include "scenarios/curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "scenarios/quantity.h"

namespace s2::scenarios {
namespace {

constexpr std::uint64_t kMs = 1000;
constexpr std::uint64_t kSecond = 1000 * kMs;

constexpr std::uint64_t kGraces[] = {0,           2 * kMs,     5 * kMs,     10 * kMs,  20 * kMs,
                                     50 * kMs,    100 * kMs,   200 * kMs,   500 * kMs, 1 * kSecond,
                                     2 * kSecond, 5 * kSecond, 10 * kSecond};
constexpr std::uint64_t kLingers[] = {0, 5 * kMs, 25 * kMs, 100 * kMs, 250 * kMs};
constexpr std::uint64_t kBatches[] = {1, 10, 50, 200};
constexpr std::uint64_t kBacklogs[] = {1, 50, 200, 800};
constexpr std::uint64_t kLatencies[] = {0, 10 * kMs, 50 * kMs, 200 * kMs};

// What a sweep does not vary.
constexpr std::uint64_t kDefaultLinger = 100 * kMs, kBatch = 50;  // the writer's defaults
constexpr std::uint64_t kGraceBacklog = 400, kGraceLatency = 20 * kMs;
constexpr std::uint64_t kKillRate = 1000;  // events a second
constexpr std::uint64_t kKillFrom = 150 * kMs, kKillTo = 900 * kMs;
constexpr std::uint64_t kAmpleRing = 16384;  // never overrun here: losses are the death's
constexpr std::uint64_t kPatience = 30 * kSecond;

std::int64_t median(const std::vector<std::int64_t>& rising) {
  return rising.empty() ? -1 : rising[rising.size() / 2];
}

std::vector<const CurveResult*> of_sweep(const std::vector<CurveResult>& results, Sweep sweep) {
  std::vector<const CurveResult*> out;
  for (const CurveResult& r : results) {
    if (r.point.sweep == sweep && r.runs > 0) out.push_back(&r);
  }
  return out;
}

// The sweep of graces, summed up.
struct GraceFacts {
  std::size_t from = 0;  // from this row on nothing was lost any more, in any run
  std::size_t runs = 0;  // of those rows
  std::int64_t slowest_ms = -1;
  const CurveResult* worst = nullptr;
};

GraceFacts grace_facts(const std::vector<const CurveResult*>& rows) {
  GraceFacts facts;
  facts.from = rows.size();
  while (facts.from > 0 && rows[facts.from - 1]->most_lost() == 0) --facts.from;
  for (std::size_t i = facts.from; i < rows.size(); ++i) {
    facts.runs += rows[i]->runs;
    if (!rows[i]->shutdown_ms.empty())
      facts.slowest_ms = std::max(facts.slowest_ms, rows[i]->shutdown_ms.back());
  }
  facts.worst = *std::max_element(rows.begin(), rows.end(), [](const CurveResult* a, const CurveResult* b) {
    return a->most_lost() < b->most_lost();
  });
  return facts;
}

// The worst that the grace before those that lost nothing did, and the worst of all.
std::string worst_case(const std::vector<const CurveResult*>& rows, const GraceFacts& facts) {
  if (facts.from == 0) return "no grace lost an event";
  const CurveResult& last = *rows[facts.from - 1];
  std::string text = fmt::format("at {} up to {} were lost", curve_time(last.point.grace),
                                 count_of(last.most_lost(), "event"));
  if (facts.worst != &last)
    text += fmt::format(", and {} at the worst, at {}", facts.worst->most_lost(),
                        curve_time(facts.worst->point.grace));
  return text;
}

// The least of 1, 2, 5 × 10^n ms that is not below it.
std::uint64_t round_time(std::uint64_t us) {
  for (std::uint64_t step = kMs;; step *= 10) {
    for (const std::uint64_t factor : {1U, 2U, 5U}) {
      if (factor * step >= us) return factor * step;
    }
  }
}

std::string grace_advice(const std::vector<const CurveResult*>& rows) {
  const CurvePoint& p = rows.front()->point;
  const std::string load = fmt::format("a backlog of {} events and {} that S2 takes for each append",
                                       p.backlog, curve_time(p.ack_latency));
  const GraceFacts facts = grace_facts(rows);
  if (facts.from == rows.size()) {
    return fmt::format("Give more than {}: with {} that lost up to {}, and nothing longer was tried.",
                       curve_time(rows.back()->point.grace), load,
                       count_of(rows.back()->most_lost(), "event"));
  }
  const std::uint64_t enough = rows[facts.from]->point.grace;
  if (facts.runs < kLeastRunsOfAdvice) {
    return fmt::format(
        "{} too few for advice ({} are needed, see --runs): with {}, {} and more lost nothing in them; {}.",
        facts.runs == 1 ? "1 run is" : fmt::format("{} runs are", facts.runs), kLeastRunsOfAdvice, load,
        curve_time(enough), worst_case(rows, facts));
  }
  const auto slowest = static_cast<std::uint64_t>(std::max<std::int64_t>(facts.slowest_ms, 0)) * kMs;
  return fmt::format(
      "Give at least {} between SIGTERM and SIGKILL, {} times what was enough: with {}, {} at {} and more "
      "lost "
      "nothing (so that fewer than 1 in {} would, at 95 % confidence){}; {}.",
      curve_time(round_time(kAdviceMargin * std::max(enough, slowest))), kAdviceMargin, load,
      count_of(facts.runs, "run"), curve_time(enough), facts.runs / 3,
      slowest == 0 ? "" : fmt::format(", and the slowest shutdown took {} ms", facts.slowest_ms),
      worst_case(rows, facts));
}

std::string kill_sentence(const std::vector<const CurveResult*>& rows) {
  const auto worse = [](const CurveResult* a, const CurveResult* b) {
    return std::pair(a->mean_lost(), a->most_lost()) < std::pair(b->mean_lost(), b->most_lost());
  };
  const CurveResult& least = **std::min_element(rows.begin(), rows.end(), worse);
  const CurveResult& most = **std::max_element(rows.begin(), rows.end(), worse);
  std::size_t runs = 0;
  for (const CurveResult* r : rows) runs += r->runs;
  const auto told = [](const CurveResult& r) {
    return fmt::format("linger {} with batches of {} lost {:.1f} events a death (worst {})",
                       curve_time(r.point.linger), r.point.batch, r.mean_lost(), r.most_lost());
  };
  return fmt::format("Under SIGKILL at {} events a second, {}, and {}: {} in all.", kKillRate, told(least),
                     told(most), count_of(runs, "death"));
}

std::string shutdown_sentence(const std::vector<const CurveResult*>& rows) {
  const CurveResult* slowest = nullptr;
  std::size_t runs = 0;
  for (const CurveResult* r : rows) {
    runs += r->runs;
    if (r->shutdown_ms.empty()) continue;
    if (slowest == nullptr || r->shutdown_ms.back() > slowest->shutdown_ms.back()) slowest = r;
  }
  if (slowest == nullptr) return "No shutdown was seen to end.";
  return fmt::format("The slowest of {} took {} ms: a backlog of {}, where S2 takes {} for each append.",
                     count_of(runs, "shutdown"), slowest->shutdown_ms.back(),
                     count_of(slowest->point.backlog, "event"), curve_time(slowest->point.ack_latency));
}

}  // namespace

void CurveResult::add(const Verdict& verdict) {
  if (verdict.outcome == Verdict::Outcome::invalid) return;
  ++runs;
  broken += verdict.outcome == Verdict::Outcome::broken;
  accepted += verdict.published;
  lost.insert(std::upper_bound(lost.begin(), lost.end(), verdict.lost), verdict.lost);
  const std::int64_t ms = verdict.shutdown_ms;
  if (ms >= 0) shutdown_ms.insert(std::upper_bound(shutdown_ms.begin(), shutdown_ms.end(), ms), ms);
}

double CurveResult::mean_lost() const {
  if (lost.empty()) return 0;
  return static_cast<double>(std::accumulate(lost.begin(), lost.end(), std::uint64_t{0})) /
         static_cast<double>(lost.size());
}

std::string curve_time(std::uint64_t us) {
  return us == 0 ? "0ms" : print_duration(std::chrono::microseconds(us));
}

std::string_view name(Sweep sweep) {
  switch (sweep) {
    case Sweep::grace:
      return "grace";
    case Sweep::kill:
      return "kill";
    case Sweep::shutdown:
      return "shutdown";
  }
  return "?";
}

std::vector<CurvePoint> curve_points() {
  std::vector<CurvePoint> out;
  for (const std::uint64_t grace : kGraces) {
    out.push_back({Sweep::grace, grace, kDefaultLinger, kBatch, kGraceBacklog, kGraceLatency});
  }
  for (const std::uint64_t linger : kLingers) {
    for (const std::uint64_t batch : kBatches) out.push_back({Sweep::kill, 0, linger, batch, 0, 0});
  }
  for (const std::uint64_t latency : kLatencies) {
    for (const std::uint64_t backlog : kBacklogs) {
      out.push_back({Sweep::shutdown, kPatience, kDefaultLinger, kBatch, backlog, latency});
    }
  }
  return out;
}

Scenario curve_scenario(const CurvePoint& point, unsigned runs) {
  Scenario s;
  s.name = fmt::format("curve-{}", name(point.sweep));
  s.purpose = "One point of a curve.";
  s.weight = runs;
  Workload load;
  load.kind = WorkloadKind::burst;
  load.events = exactly(point.backlog);
  s.faults = {Fault{}};
  if (point.ack_latency > 0) {
    s.faults[0] = {FaultKind::delay_before_commit, exactly(0), exactly(1'000'000),
                   exactly(point.ack_latency)};
  }
  s.teardown.grace = exactly(point.grace);
  s.config.shutdown_budget = exactly(kPatience);
  switch (point.sweep) {
    case Sweep::grace:
      s.teardown.kind = Teardown::term_short;
      if (point.grace > 0) s.config.shutdown_budget = exactly(point.grace);
      break;
    case Sweep::kill:
      load.kind = WorkloadKind::steady;
      load.events = exactly(kKillTo / kMs * kKillRate / 1000 + 200);
      load.rate = exactly(kKillRate);
      s.teardown.kind = Teardown::kill;
      s.teardown.instants = {InstantKind::wall};
      s.teardown.wall = {kKillFrom, kKillTo};
      break;
    case Sweep::shutdown:
      s.teardown.kind = Teardown::stop;
      s.teardown.ends = {EndBy::end_of_input};
      break;
  }
  s.workloads = {load};
  s.config.ring_capacity = exactly(kAmpleRing);
  s.config.linger = exactly(point.linger);
  s.config.max_records = exactly(point.batch);
  return s;
}

std::string curve_advice(const std::vector<CurveResult>& results) {
  const auto rows = of_sweep(results, Sweep::grace);
  return rows.empty() ? "" : grace_advice(rows);
}

std::string curve_sentence(const std::vector<CurveResult>& results, Sweep sweep) {
  const auto rows = of_sweep(results, sweep);
  if (rows.empty()) return "";
  switch (sweep) {
    case Sweep::grace:
      return grace_advice(rows);
    case Sweep::kill:
      return kill_sentence(rows);
    case Sweep::shutdown:
      return shutdown_sentence(rows);
  }
  return "";
}

std::string curve_csv(const std::vector<CurveResult>& results) {
  std::string out =
      "sweep,grace_ms,linger_ms,batch_records,backlog_events,ack_latency_ms,runs,broken,accepted,lost_mean,"
      "lost_max,shutdown_ms_median,shutdown_ms_max\n";
  const auto ms = [](std::uint64_t us) { return fmt::format("{:g}", static_cast<double>(us) / kMs); };
  for (const CurveResult& r : results) {
    const CurvePoint& p = r.point;
    out +=
        fmt::format("{},{},{},{},{},{},{},{},{},{:.2f},{},{},{}\n", name(p.sweep), ms(p.grace), ms(p.linger),
                    p.batch, p.backlog, ms(p.ack_latency), r.runs, r.broken, r.accepted, r.mean_lost(),
                    r.most_lost(), median(r.shutdown_ms), r.shutdown_ms.empty() ? -1 : r.shutdown_ms.back());
  }
  return out;
}

std::string curve_json(const std::vector<CurveResult>& results, std::uint64_t seed) {
  nlohmann::json points = nlohmann::json::array();
  for (const CurveResult& r : results) {
    const CurvePoint& p = r.point;
    points.push_back({{"sweep", name(p.sweep)},
                      {"grace_us", p.grace},
                      {"linger_us", p.linger},
                      {"batch_records", p.batch},
                      {"backlog_events", p.backlog},
                      {"ack_latency_us", p.ack_latency},
                      {"runs", r.runs},
                      {"broken", r.broken},
                      {"accepted", r.accepted},
                      {"lost", r.lost},
                      {"shutdown_ms", r.shutdown_ms}});
  }
  return nlohmann::json{{"version", 1}, {"seed", seed}, {"advice", curve_advice(results)}, {"points", points}}
      .dump();
}

std::string curve_table(const std::vector<CurveResult>& results) {
  std::string out;
  std::optional<Sweep> last;
  for (const CurveResult& r : results) {
    const CurvePoint& p = r.point;
    if (last != p.sweep) {
      out += last ? "\n" : "";
      out += fmt::format("{:<34} {:>5} {:>9} {:>9} {:>13} {:>13}\n",
                         p.sweep == Sweep::grace  ? "SIGTERM, then SIGKILL after"
                         : p.sweep == Sweep::kill ? "SIGKILL; linger × batch"
                                                  : "stop; backlog at time of an append",
                         "runs", "lost mean", "most", "shutdown p50", "max, ms");
      last = p.sweep;
    }
    const std::string label = p.sweep == Sweep::grace ? curve_time(p.grace)
                              : p.sweep == Sweep::kill
                                  ? fmt::format("{} × {}", curve_time(p.linger), p.batch)
                                  : fmt::format("{} at {}", p.backlog, curve_time(p.ack_latency));
    const auto shown = [](std::int64_t ms) { return ms < 0 ? std::string("-") : std::to_string(ms); };
    out += fmt::format("{:<34} {:>5} {:>9.1f} {:>9} {:>13} {:>13}{}\n", "  " + label, r.runs, r.mean_lost(),
                       r.most_lost(), shown(median(r.shutdown_ms)),
                       shown(r.shutdown_ms.empty() ? -1 : r.shutdown_ms.back()),
                       r.broken > 0 ? fmt::format("  {} broken", r.broken) : "");
  }
  return out;
}

}  // namespace s2::scenarios
