// See suite_plan.h.
#include "scenarios/suite_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "scenarios/property.h"

namespace s2::scenarios {
namespace {

constexpr double kGoldenRatio = 0.6180339887498949;  // spreads any number of points evenly

}  // namespace

Instant sweep_instant(const Scenario& scenario, std::uint64_t k, Prng& prng) {
  const TeardownSpec& teardown = scenario.teardown;
  const std::uint64_t kinds = teardown.instants.size();
  const InstantKind kind = teardown.instants[k % kinds];
  const std::uint64_t step = k / kinds;
  switch (kind) {
    case InstantKind::byte: {
      // By magnitude: the head of a connection is as interesting as the middle of a large append.
      const double lo = static_cast<double>(std::max<std::uint64_t>(1, teardown.bytes.lo));
      const double hi = static_cast<double>(teardown.bytes.hi);
      const double place = std::fmod(static_cast<double>(step) * kGoldenRatio, 1.0);
      return {kind, static_cast<std::uint64_t>(lo * std::pow(hi / lo, place))};
    }
    case InstantKind::wall:
      return {kind, prng.between(teardown.wall.lo, teardown.wall.hi)};
    default:
      break;
  }
  const std::uint64_t span = teardown.ordinal.hi - teardown.ordinal.lo + 1;
  return {kind, teardown.ordinal.lo + step % span};
}

SuitePlan::SuitePlan(std::vector<Scenario> scenarios, std::vector<std::string> sources, std::uint64_t seed,
                     std::size_t property_cases)
    : scenarios_(std::move(scenarios)), sources_(std::move(sources)), seed_(seed) {
  for (std::size_t i = 0; i < scenarios_.size(); ++i) {
    for (std::size_t combination = 0; combination < scenarios_[i].combinations(); ++combination) {
      for (std::size_t repeat = 0; repeat < scenarios_[i].weight; ++repeat)
        slots_.push_back({i, combination, repeat});
    }
  }
  for (std::size_t i = 0; i < property_cases; ++i) slots_.push_back({kProperty, 0, i});
  // Mixed, so that the first few runs of a suite are already of every kind, and slow ones do not stand
  // together.
  Prng prng = Prng::forked(seed, "order");
  for (std::size_t i = slots_.size(); i > 1; --i) std::swap(slots_[i - 1], slots_[prng.between(0, i - 1)]);
}

PlannedRun SuitePlan::run(std::size_t index, unsigned attempt) const {
  const Slot& slot = slots_[index % slots_.size()];
  const std::size_t round = index / slots_.size();
  PlannedRun planned;
  RunIdentity& identity = planned.identity;
  const std::string source = slot.scenario == kProperty ? kPropertySource : sources_[slot.scenario];
  identity.source = source;
  identity.combination = slot.combination;
  Prng prng = Prng::forked(
      seed_, fmt::format("{}:{}:{}:{}:{}", source, slot.combination, slot.repeat, round, attempt));
  identity.seed = prng.next();
  if (slot.scenario == kProperty) {
    const PropertyCase drawn = draw_property_case(prng.next(), slot.repeat + round * 7);
    identity.property_case = print(drawn);
    planned.drawn = to_scenario(drawn, identity.seed);
    return planned;
  }
  const Scenario& scenario = scenarios_[slot.scenario];
  if (!scenario.teardown.instants.empty()) {
    const std::uint64_t k =
        (round * scenario.combinations() + slot.combination) * scenario.weight + slot.repeat;
    Instant instant = sweep_instant(scenario, k, prng);
    if (protocol_time(instant.kind)) instant.value = std::max<std::uint64_t>(1, instant.value >> attempt);
    identity.instant = instant;
  }
  planned.drawn = draw(scenario, slot.combination, identity.seed, identity.instant);
  return planned;
}

}  // namespace s2::scenarios
