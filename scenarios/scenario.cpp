// See scenario.h: names, and the draw that closes a scenario.
#include "scenarios/scenario.h"

#include <algorithm>
#include <array>
#include <utility>

#include "scenarios/prng.h"
#include "scenarios/promises.h"
#include "scenarios/quantity.h"

namespace s2::scenarios {
namespace {

constexpr std::array<std::string_view, 17> kWorkloads = {
    "recorded",    "steady",   "trickle",          "burst",      "single",      "sizes",
    "text",        "sessions", "through-shutdown", "behind-ack", "flush-twice", "silence",
    "storage-off", "overlap",  "browser",          "restarts",   "early"};
constexpr std::array<std::string_view, 14> kFaults = {"none",
                                                      "lost-ack",
                                                      "cut-before-commit",
                                                      "cut-mid-response",
                                                      "delay",
                                                      "delay-before-commit",
                                                      "429",
                                                      "500",
                                                      "503",
                                                      "503-after-commit",
                                                      "hang-before-commit",
                                                      "hang-after-commit",
                                                      "goaway",
                                                      "down"};
constexpr std::array<std::string_view, 15> kInstants = {
    "append_received", "committed",   "ack_sent",   "byte",          "connection_opened", "wall",
    "lingering",       "backing_off", "after_term", "shutting_down", "mid_drain",         "mid_close",
    "closed",          "suspended",   "flushed"};
constexpr std::array<std::string_view, 4> kCuts = {"reset", "silent", "veth", "refused"};
constexpr std::array<std::string_view, 4> kEnds = {"stop", "end-of-input", "term", "kill"};

constexpr std::uint64_t kUsPerMs = 1000;

template <class Enum, std::size_t N>
std::optional<Enum> find(const std::array<std::string_view, N>& names, std::string_view text) {
  const auto at = std::find(names.begin(), names.end(), text);
  if (at == names.end()) return std::nullopt;
  return static_cast<Enum>(at - names.begin());
}

template <class Names>
std::string joined(const Names& names) {
  std::string all;
  for (const std::string_view each : names) all += (all.empty() ? "" : ", ") + std::string(each);
  return all;
}

void close(Range& range, Prng& prng) {
  range = exactly(prng.between(range.lo, range.hi));
}
void close(std::optional<Range>& range, Prng& prng) {
  if (range) close(*range, prng);
}

// Durations that the writer's environment takes are whole milliseconds.
void close_to_ms(std::optional<Range>& range, Prng& prng) {
  close(range, prng);
  if (range) range = exactly(range->lo / kUsPerMs * kUsPerMs);
}

// Small places and large ones alike: bytes are drawn by their magnitude first.
std::uint64_t draw_bytes(const Range& range, Prng& prng) {
  if (range.fixed()) return range.lo;
  std::uint64_t hi = range.hi;
  while (hi > std::max<std::uint64_t>(range.lo, 200) && prng.chance(40)) hi /= 2;
  return prng.between(range.lo, std::max(range.lo, hi));
}

void draw_instant(TeardownSpec& teardown, Prng& prng, const std::optional<Instant>& given) {
  Instant instant;
  if (given) {
    instant = *given;
  } else {
    instant.kind = prng.pick(teardown.instants);
    switch (instant.kind) {
      case InstantKind::byte:
        instant.value = draw_bytes(teardown.bytes, prng);
        break;
      case InstantKind::wall:
        instant.value = prng.between(teardown.wall.lo, teardown.wall.hi);
        break;
      default:
        instant.value = prng.between(teardown.ordinal.lo, teardown.ordinal.hi);
    }
  }
  teardown.instants = {instant.kind};
  switch (instant.kind) {
    case InstantKind::byte:
      teardown.bytes = exactly(instant.value);
      break;
    case InstantKind::wall:
      teardown.wall = exactly(instant.value);
      break;
    default:
      teardown.ordinal = exactly(instant.value);
  }
}

}  // namespace

Scenario draw(const Scenario& scenario, std::size_t index, std::uint64_t seed,
              const std::optional<Instant>& instant) {
  Scenario drawn = scenario;
  drawn.workloads = {scenario.workloads[index % scenario.workloads.size()]};
  if (!scenario.faults_together) {
    drawn.faults = {scenario.faults[index / scenario.workloads.size() % scenario.faults.size()]};
  }

  Prng workload = Prng::forked(seed, "workload");
  close(drawn.workloads[0].events, workload);
  close(drawn.workloads[0].publishers, workload);
  close(drawn.workloads[0].rate, workload);
  close(drawn.workloads[0].silence, workload);

  Prng fault = Prng::forked(seed, "fault");
  for (Fault& each : drawn.faults) {
    close(each.after, fault);
    close(each.times, fault);
    close(each.duration, fault);
  }

  Prng teardown = Prng::forked(seed, "teardown");
  close(drawn.teardown.at, teardown);
  close(drawn.teardown.grace, teardown);
  close(drawn.teardown.lasts, teardown);
  if (!drawn.teardown.cuts.empty()) drawn.teardown.cuts = {teardown.pick(drawn.teardown.cuts)};
  if (!drawn.teardown.ends.empty()) drawn.teardown.ends = {teardown.pick(drawn.teardown.ends)};
  if (!drawn.teardown.instants.empty()) draw_instant(drawn.teardown, teardown, instant);
  close(drawn.teardown.ordinal, teardown);
  close(drawn.teardown.bytes, teardown);
  close(drawn.teardown.wall, teardown);
  close(drawn.heal_bound, teardown);

  Prng config = Prng::forked(seed, "config");
  close(drawn.config.ring_capacity, config);
  close_to_ms(drawn.config.linger, config);
  close(drawn.config.max_records, config);
  close_to_ms(drawn.config.shutdown_budget, config);
  drawn.config.fixed_stream_percent = config.chance(drawn.config.fixed_stream_percent) ? 100 : 0;
  return drawn;
}

std::optional<Instant> instant_of(const Scenario& drawn) {
  if (drawn.teardown.instants.empty()) return std::nullopt;
  const InstantKind kind = drawn.teardown.instants[0];
  if (kind == InstantKind::byte) return Instant{kind, drawn.teardown.bytes.lo};
  if (kind == InstantKind::wall) return Instant{kind, drawn.teardown.wall.lo};
  return Instant{kind, drawn.teardown.ordinal.lo};
}

bool protocol_time(InstantKind kind) {
  return kind < InstantKind::wall || after_the_end_was_asked(kind);
}

bool after_the_end_was_asked(InstantKind kind) {
  return kind == InstantKind::mid_drain || kind == InstantKind::mid_close;
}

std::string fault_name(const Scenario& drawn) {
  std::string all;
  for (const Fault& fault : drawn.faults) {
    if (fault.kind != FaultKind::none) all += (all.empty() ? "" : "+") + std::string(name(fault.kind));
  }
  return all.empty() ? "none" : all;
}

std::string_view name(WorkloadKind kind) {
  return kWorkloads[static_cast<std::size_t>(kind)];
}
std::string_view name(FaultKind kind) {
  return kFaults[static_cast<std::size_t>(kind)];
}
std::string_view name(InstantKind kind) {
  return kInstants[static_cast<std::size_t>(kind)];
}
std::string_view name(CutHow how) {
  return kCuts[static_cast<std::size_t>(how)];
}
std::string_view name(EndBy how) {
  return kEnds[static_cast<std::size_t>(how)];
}
std::optional<WorkloadKind> workload_named(std::string_view text) {
  return find<WorkloadKind>(kWorkloads, text);
}
std::optional<FaultKind> fault_named(std::string_view text) {
  return find<FaultKind>(kFaults, text);
}
std::optional<InstantKind> instant_named(std::string_view text) {
  return find<InstantKind>(kInstants, text);
}
std::optional<CutHow> cut_named(std::string_view text) {
  return find<CutHow>(kCuts, text);
}
std::optional<EndBy> end_named(std::string_view text) {
  return find<EndBy>(kEnds, text);
}

std::string list_of_names(std::string_view what) {
  if (what == "workload") return joined(kWorkloads);
  if (what == "fault") return joined(kFaults);
  if (what == "instant") return joined(kInstants);
  if (what == "cut") return joined(kCuts);
  if (what == "end") return joined(kEnds);
  std::string all;
  for (const Teardown each : kTeardowns) all += (all.empty() ? "" : ", ") + std::string(name(each));
  return all;
}

std::string print(const Instant& instant) {
  if (instant.kind == InstantKind::wall) {
    return "wall " + print_duration(std::chrono::microseconds(instant.value));
  }
  return std::string(name(instant.kind)) + " " + std::to_string(instant.value);
}

}  // namespace s2::scenarios
