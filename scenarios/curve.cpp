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
constexpr std::uint64_t kLinger = 100 * kMs, kBatch = 50;  // the writer's defaults
constexpr std::uint64_t kGraceBacklog = 400, kGraceLatency = 20 * kMs;
constexpr std::uint64_t kKillRate = 1000;  // events a second
constexpr std::uint64_t kKillFrom = 150 * kMs, kKillTo = 900 * kMs;
constexpr std::uint64_t kRing = 16384;  // never overrun here: losses are the death's
constexpr std::uint64_t kPatience = 30 * kSecond;

std::int64_t median(const std::vector<std::int64_t>& rising) {
  return rising.empty() ? -1 : rising[rising.size() / 2];
}

std::string plural(std::uint64_t n, const char* what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

std::vector<const CurveResult*> of_sweep(const std::vector<CurveResult>& results, Sweep sweep) {
  std::vector<const CurveResult*> out;
  for (const CurveResult& r : results) {
    if (r.point.sweep == sweep && r.runs > 0) out.push_back(&r);
  }
  return out;
}

std::string grace_advice(const std::vector<const CurveResult*>& rows) {
  // From which point on nothing was lost any more, in any run.
  std::size_t from = rows.size();
  while (from > 0 && rows[from - 1]->most_lost() == 0) --from;
  const CurvePoint& p = rows.front()->point;
  const std::string load = fmt::format("a backlog of {} events and {} that S2 takes for each append",
                                       p.backlog, curve_time(p.ack_latency));
  if (from == rows.size()) {
    return fmt::format("No grace up to {} saved everything with {}: up to {} were lost there.",
                       curve_time(rows.back()->point.grace), load, plural(rows.back()->most_lost(), "event"));
  }
  std::size_t runs = 0;
  std::int64_t slowest = -1;
  for (std::size_t i = from; i < rows.size(); ++i) {
    runs += rows[i]->runs;
    if (!rows[i]->shutdown_ms.empty()) slowest = std::max(slowest, rows[i]->shutdown_ms.back());
  }
  std::string out = fmt::format(
      "With {}, the smallest grace at which nothing was lost is {}: {} from there on lost no event", load,
      curve_time(rows[from]->point.grace), plural(runs, "run"));
  if (slowest >= 0) out += fmt::format(", and the slowest shutdown took {} ms", slowest);
  if (from > 0) {
    out += fmt::format("; at {} up to {} were lost", curve_time(rows[from - 1]->point.grace),
                       plural(rows[from - 1]->most_lost(), "event"));
  }
  return out + ".";
}

std::string kill_advice(const std::vector<const CurveResult*>& rows) {
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
                     told(most), plural(runs, "death"));
}

std::string shutdown_advice(const std::vector<const CurveResult*>& rows) {
  const CurveResult* slowest = nullptr;
  std::size_t runs = 0;
  for (const CurveResult* r : rows) {
    runs += r->runs;
    if (r->shutdown_ms.empty()) continue;
    if (slowest == nullptr || r->shutdown_ms.back() > slowest->shutdown_ms.back()) slowest = r;
  }
  if (slowest == nullptr) return "No shutdown was seen to end.";
  return fmt::format("The slowest of {} took {} ms: a backlog of {}, where S2 takes {} for each append.",
                     plural(runs, "shutdown"), slowest->shutdown_ms.back(),
                     plural(slowest->point.backlog, "event"), curve_time(slowest->point.ack_latency));
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
    out.push_back({Sweep::grace, grace, kLinger, kBatch, kGraceBacklog, kGraceLatency});
  }
  for (const std::uint64_t linger : kLingers) {
    for (const std::uint64_t batch : kBatches) out.push_back({Sweep::kill, 0, linger, batch, 0, 0});
  }
  for (const std::uint64_t latency : kLatencies) {
    for (const std::uint64_t backlog : kBacklogs) {
      out.push_back({Sweep::shutdown, kPatience, kLinger, kBatch, backlog, latency});
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
  s.config.ring_capacity = exactly(kRing);
  s.config.linger = exactly(point.linger);
  s.config.max_records = exactly(point.batch);
  return s;
}

std::vector<std::string> curve_advice(const std::vector<CurveResult>& results) {
  std::vector<std::string> out;
  if (const auto rows = of_sweep(results, Sweep::grace); !rows.empty()) out.push_back(grace_advice(rows));
  if (const auto rows = of_sweep(results, Sweep::kill); !rows.empty()) out.push_back(kill_advice(rows));
  if (const auto rows = of_sweep(results, Sweep::shutdown); !rows.empty())
    out.push_back(shutdown_advice(rows));
  return out;
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
