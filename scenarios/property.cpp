// See property.h.
#include "scenarios/property.h"

#include <fmt/format.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "scenarios/promises.h"

namespace s2::scenarios {
namespace {

// The choices of a case, each 0..limit, 0 the simplest. Reordering or narrowing them changes what old tokens
// mean.
enum Choice : std::size_t {
  kWorkload,
  kEvents,      // + 1
  kPublishers,  // + 1
  kRate,        // index into kRates
  kTeardown,
  kAt,  // percent that is *left*: 0 is all of the workload
  kInstant,
  kValue,  // + 1: ordinal; bytes and time are scaled
  kLasts,  // × 10 ms, + 20 ms
  kCut,
  kEnd,
  kFault,
  kAfter,
  kTimes,  // + 1
  kDelay,  // + 1 ms
  kSecondFault,
  kLinger,      // ms; the last: longer than anybody waits, where no class waits for it
  kMaxRecords,  // 50 - x
  kFixedStream,
  kRing,  // index into kRings
  kChoices,
};

constexpr std::array<unsigned, kChoices> kLimits = {13, 99, 3, 2, 9,  100, 5,  15, 25, 1,
                                                    2,  12, 4, 2, 59, 12,  20, 49, 1,  2};
constexpr std::array<unsigned, 3> kRates = {2000, 500, 0};    // events a second
constexpr std::array<unsigned, 3> kRings = {1024, 512, 256};  // events; more than any workload here holds
constexpr std::array<unsigned, 3> kSmallRings = {32, 16, 8};
// By simplicity, not as in the enums.
constexpr std::array kWorkloadOrder = {WorkloadKind::steady,           WorkloadKind::burst,
                                       WorkloadKind::single,           WorkloadKind::recorded,
                                       WorkloadKind::behind_ack,       WorkloadKind::flush_twice,
                                       WorkloadKind::through_shutdown, WorkloadKind::sessions,
                                       WorkloadKind::trickle,          WorkloadKind::text,
                                       WorkloadKind::silence,          WorkloadKind::sizes,
                                       WorkloadKind::storage_off,      WorkloadKind::overlap};
constexpr std::array kEndOrder = {EndBy::stop, EndBy::end_of_input, EndBy::term};

// Two rows of kLimits, most cases without a second fault: chance there is 1 in 4.
constexpr unsigned kSecondFaultOneIn = 4;

rc::Gen<unsigned> choice_gen(std::size_t choice) {
  auto whole = rc::gen::inRange(0U, kLimits[choice] + 1);
  if (choice == kSecondFault) {
    return rc::gen::weightedOneOf<unsigned>({{kSecondFaultOneIn - 1, rc::gen::just(0U)}, {1, whole}});
  }
  // What is an alternative and not a size is drawn evenly, however small the case.
  switch (choice) {
    case kEvents:
    case kAfter:
    case kDelay:
      return whole;
    default:
      return rc::gen::resize(100, whole);
  }
}

constexpr std::uint64_t kLongLingerMs = 30'000;

// Classes that end with a request to store everything now, and measure no age before it.
bool ends_before_linger(Teardown teardown) {
  return teardown == Teardown::stop || teardown == Teardown::term || teardown == Teardown::flush_then_kill;
}

std::uint64_t ms(std::uint64_t value) {
  return value * 1000;
}

Fault fault_of(unsigned kind, const std::vector<unsigned>& c) {
  Fault fault;
  fault.kind = static_cast<FaultKind>(kind);
  fault.after = exactly(c[kAfter]);
  fault.times = exactly(c[kTimes] + 1);
  const bool delays = fault.kind == FaultKind::delay || fault.kind == FaultKind::delay_before_commit;
  fault.duration = exactly(delays ? ms(c[kDelay] + 1) : 0);
  return fault;
}

void set_teardown(Scenario& scenario, const std::vector<unsigned>& c) {
  TeardownSpec& teardown = scenario.teardown;
  teardown.kind = kTeardowns[c[kTeardown]];
  teardown.at = exactly(100 - c[kAt]);
  teardown.lasts = exactly(ms(20 + 10 * c[kLasts]));
  teardown.cuts = {static_cast<CutHow>(c[kCut])};
  teardown.grace = exactly(ms(8000));
  teardown.wall = exactly(ms(5) * c[kValue]);
  teardown.ordinal = exactly(c[kValue] + 1);
  teardown.bytes = exactly(1ULL << std::min(c[kValue] + 1, 14U));
  switch (teardown.kind) {
    case Teardown::kill: {
      const auto kind = static_cast<InstantKind>(c[kInstant]);
      teardown.instants = {kind};
      if (kind == InstantKind::connection_opened) teardown.ordinal = exactly(1);
      if (kind == InstantKind::wall) teardown.wall = exactly(ms(1 + 10 * c[kValue]));
      break;
    }
    case Teardown::term_short:
      teardown.grace = exactly(ms(1 + 5 * c[kValue]));
      break;
    case Teardown::stop:
      teardown.ends = {kEndOrder[c[kEnd] % 2]};
      break;
    case Teardown::cut_kill:
      teardown.ends = {c[kEnd] == 0 ? EndBy::kill : c[kEnd] == 1 ? EndBy::stop : EndBy::term};
      break;
    case Teardown::cut_heal:
    case Teardown::server_drain:
    case Teardown::overflow:
    case Teardown::pause:
    case Teardown::respawn:  // these two are not drawn yet: kLimits
    case Teardown::zombie:
    case Teardown::browser_delete:
    case Teardown::fork:
      teardown.ends = {kEndOrder[c[kEnd]]};
      break;
    case Teardown::term:
    case Teardown::flush_then_kill:
      break;
  }
}

}  // namespace

// Choice by choice: RapidCheck's gen::exec keeps its state in one place for all threads.
PropertyCase draw_property_case(std::uint64_t seed, std::size_t size) {
  rc::Random random(seed);
  PropertyCase drawn;
  for (std::size_t i = 0; i < kChoices; ++i) {
    drawn.choices.push_back(choice_gen(i)(random.split(), static_cast<int>(20 + size % 80)).value());
  }
  return drawn;
}

Scenario to_scenario(const PropertyCase& drawn, std::uint64_t seed) {
  const std::vector<unsigned>& c = drawn.choices;
  Scenario scenario;
  scenario.name = "property";
  scenario.purpose = "Drawn by RapidCheck as " + print(drawn) + ".";
  set_teardown(scenario, c);
  const bool overflow = scenario.teardown.kind == Teardown::overflow;

  Workload workload;
  workload.kind = overflow ? WorkloadKind::burst : kWorkloadOrder[c[kWorkload]];
  workload.events = exactly(overflow ? 100 + 2 * c[kEvents] : c[kEvents] + 1);
  workload.publishers = exactly(c[kPublishers] + 1);
  workload.rate = exactly(
      workload.kind == WorkloadKind::burst || workload.kind == WorkloadKind::recorded ? 0 : kRates[c[kRate]]);
  switch (workload.kind) {
    case WorkloadKind::sizes:
      workload.events = exactly(1 + c[kEvents] % 8);
      break;
    case WorkloadKind::trickle:
      workload.events = exactly(1 + c[kEvents] % 15);
      workload.silence = exactly(ms(15));
      break;
    case WorkloadKind::single:
      workload.silence = exactly(ms(10));
      break;
    case WorkloadKind::silence:
      workload.silence = exactly(ms(300));
      break;
    case WorkloadKind::behind_ack:
      workload.events = exactly(1 + c[kEvents] % 25);
      break;
    default:
      break;
  }
  scenario.workloads = {workload};

  scenario.faults = {fault_of(c[kFault], c)};
  if (c[kSecondFault] != 0) scenario.faults.push_back(fault_of(c[kSecondFault], c));
  if (overflow)
    scenario.faults = {
        {FaultKind::delay_before_commit, exactly(0), exactly(10'000), exactly(ms(5 + c[kDelay]))}};
  scenario.faults_together = true;

  WriterConfig& config = scenario.config;
  const bool lingers = c[kLinger] == kLimits[kLinger] && ends_before_linger(scenario.teardown.kind);
  config.linger = exactly(ms(lingers ? kLongLingerMs : c[kLinger]));
  config.max_records = exactly(overflow ? 5 : 50 - c[kMaxRecords]);
  config.ring_capacity = exactly(overflow ? kSmallRings[c[kRing]] : kRings[c[kRing]]);
  config.shutdown_budget = exactly(ms(scenario.teardown.kind == Teardown::cut_kill ? 1000 : 6000));
  config.fixed_stream_percent = c[kFixedStream] ? 100 : 0;
  // A client that waits 5 s for each lost answer makes a run of half a minute.
  config.environment = {{"S2_WRITER_ACK_TIMEOUT", "400ms"}, {"S2_WRITER_OPEN_TIMEOUT", "400ms"}};
  // A fault must come while there are still appends: there are at least so many full batches.
  const std::uint64_t batches = workload.events.lo / config.max_records->lo;
  for (Fault& fault : scenario.faults) fault.after = exactly(std::min(fault.after.lo, batches / 2));
  return draw(scenario, 0, seed);
}

std::string print(const PropertyCase& drawn) {
  return fmt::format("{}", fmt::join(drawn.choices, "."));
}

std::optional<PropertyCase> parse_property_case(std::string_view text) {
  PropertyCase parsed;
  for (std::size_t i = 0; i < kChoices; ++i) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    unsigned value = 0;
    const auto [rest, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || rest != part.data() + part.size() || value > kLimits[i]) return std::nullopt;
    if ((dot == std::string_view::npos) != (i + 1 == kChoices)) return std::nullopt;
    parsed.choices.push_back(value);
    text.remove_prefix(dot == std::string_view::npos ? text.size() : dot + 1);
  }
  return parsed;
}

Shrunk shrink_property_case(const PropertyCase& failing,
                            const std::function<bool(const PropertyCase&)>& fails, unsigned max_tries,
                            std::chrono::steady_clock::time_point deadline) {
  const auto smaller = [](const std::vector<unsigned>& choices) {
    return rc::shrink::eachElement(choices, [](unsigned value) { return rc::shrink::towards(value, 0U); });
  };
  Shrunk shrunk{failing, 0, 0};
  auto candidates = smaller(failing.choices);
  while (auto candidate = candidates.next()) {
    if (shrunk.tries >= max_tries || std::chrono::steady_clock::now() >= deadline) break;
    ++shrunk.tries;
    if (!fails({*candidate})) continue;
    shrunk.smallest = {*candidate};
    ++shrunk.steps;
    candidates = smaller(*candidate);
  }
  return shrunk;
}

}  // namespace s2::scenarios
