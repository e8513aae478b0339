// The shapes of the writer's world: what is drawn, and in words; see writer_world.h.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "fuzz/writer_world.h"
#include "sim/world.h"

namespace s2::fuzz {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kBigOneIn =
    256;  // executions with an event over a limit: they cost many others' time
constexpr std::uint64_t kUnstorableOneIn = 128;
constexpr std::uint64_t kNoTimeOneIn = 3;
constexpr std::uint64_t kJournalOneIn = 16;  // and those with files
constexpr std::uint64_t kTokenRefusedOneIn = 48;
constexpr std::uint64_t kLastFaultyAppend = 6;
constexpr std::uint64_t kMostRefusedOpens = 12;
constexpr std::uint64_t kByteFaultOneIn = 3;  // of the faults
constexpr std::uint64_t kGoneOneIn = 8;
constexpr std::uint64_t kSlowOneIn = 8;  // executions with a service that takes its time
constexpr std::array<std::uint64_t, 3> kBytes = {300, 1500, 6000};
constexpr milliseconds kLongLinger{100};

template <class T, std::size_t N>
T one_of(const std::array<T, N>& values) {
  return values[sim::choose(N)];
}

// Of a direction's bytes: the first ones are those of the connection, then come appends.
std::uint64_t draw_byte() {
  return 1 + sim::choose(one_of(kBytes));
}

scenarios::ByteFault draw_byte_fault() {
  using Kind = scenarios::ByteFault::Kind;
  scenarios::ByteFault fault;
  fault.kind = one_of(std::array{Kind::reset, Kind::reset, Kind::half_open, Kind::half_open, Kind::silence});
  fault.to_server = sim::choose(2) == 0;
  fault.byte = draw_byte();
  if (fault.kind == Kind::half_open) fault.lasts = milliseconds(one_of(std::array{0, 0, 30, 3000}));
  if (fault.kind == Kind::silence) {
    fault.lasts = milliseconds(one_of(std::array{30, 3000, 20'000}));
  } else if (sim::choose(3) == 0) {
    fault.closed = milliseconds(one_of(std::array{300, 8000}));
    fault.refuses = sim::choose(2) == 0;
  }
  return fault;
}

}  // namespace

WriterShape draw_shape(const WriterLimits& limits) {
  WriterShape shape;
  shape.publishers = 1 + sim::choose(limits.publishers);
  shape.events = 1 + sim::choose(limits.events);
  shape.sessions = 1 + sim::choose(limits.sessions);
  shape.ring_events = one_of(std::array<std::uint64_t, 4>{kRoomyRing, kRoomyRing, 2, 1 + sim::choose(4)});
  shape.batch_records = 1 + sim::choose(4);
  shape.in_flight_records = one_of(std::array<std::uint64_t, 3>{8192, 8192, 1 + sim::choose(kFewInFlight)});
  shape.linger = one_of(std::array{milliseconds(0), milliseconds(1), kLongLinger});
  shape.budget = milliseconds(one_of(std::array{10'000, 10'000, 60'000, 400}));
  shape.no_time = sim::choose(kNoTimeOneIn) == 0;
  shape.between = milliseconds(one_of(std::array{0, 0, 0, 60, 200}));
  if (shape.between.count() > 0 && shape.linger == kLongLinger)
    shape.batch_records = kRoomyRing;  // the linger alone closes one
  shape.big_event = sim::choose(kBigOneIn) == 0;
  shape.unstorable_event = sim::choose(kUnstorableOneIn) == 0;
  // What it leaves lying shows itself where the linger alone sends it, and nothing else is slow.
  if (shape.unstorable_event) shape.linger = kLongLinger, shape.batch_records = kRoomyRing;
  const std::uint64_t faults = shape.unstorable_event && sim::choose(4) != 0 ? 0 : limits.faults;
  shape.journal = sim::choose(kJournalOneIn) == 0;
  const bool bytes = limits.way == WriterWay::http2;
  for (std::uint64_t i = sim::choose(faults + 1); i > 0; --i) {
    if (bytes && sim::choose(kByteFaultOneIn) == 0) {
      shape.byte_faults.push_back(draw_byte_fault());
      continue;
    }
    shape.faults.push_back({static_cast<scenarios::DirectFault>(sim::choose(scenarios::kDirectFaults)),
                            1 + sim::choose(kLastFaultyAppend)});
  }
  if (faults > 0 && sim::choose(6) == 0) {
    shape.refused_from = 1 + sim::choose(2);
    shape.refused_opens = 1 + sim::choose(kMostRefusedOpens);
    // A grace that is shorter than the pause between two attempts.
    if (sim::choose(3) == 0) shape.budget = milliseconds(400), shape.refused_opens = kMostRefusedOpens;
  }
  for (std::uint64_t i = sim::choose(limits.acts + 1); i > 0; --i) {
    shape.acts.push_back(static_cast<Act>(sim::choose(kActs)));
  }
  // A session that starts again before its stop is done.
  const bool restarts = shape.no_time && shape.acts.size() < limits.acts && sim::choose(4) != 0;
  if (restarts) shape.acts.push_back(Act::restart);
  // What can go wrong there takes several preemptions: they are met in a short execution.
  if (restarts && sim::choose(2) == 0) shape.publishers = shape.events = 1;
  const bool renews = std::any_of(shape.acts.begin(), shape.acts.end(),
                                  [](Act act) { return act == Act::inherit || act == Act::leave; });
  if (faults > 0 && !renews && sim::choose(kTokenRefusedOneIn) == 0) {
    shape.faults.push_back({scenarios::DirectFault::token_refused, 1 + sim::choose(kLastFaultyAppend)});
  }
  if (bytes && sim::choose(kGoneOneIn) == 0) {
    shape.byte_faults.push_back(
        {.kind = scenarios::ByteFault::Kind::gone, .to_server = sim::choose(2) == 0, .byte = draw_byte()});
  }
  if (faults > 0 && sim::choose(kSlowOneIn) == 0)
    shape.latency = milliseconds(one_of(std::array{20, 100, 800, 2500}));
  shape.join_first = sim::choose(2) == 0;
  shape.settle = shape.join_first && sim::choose(3) == 0;
  shape.teardown = one_of(std::array{Teardown::shutdown, Teardown::shutdown, Teardown::stop_then_shutdown,
                                     Teardown::stop_then_shutdown, Teardown::destroy});
  if (restarts && sim::choose(2) == 0) shape.teardown = Teardown::stop_then_shutdown;
  for (unsigned n = 0; n < kSimplifications; ++n) {
    if ((limits.plain >> n & 1U) != 0) simplify(shape, n);
  }
  return shape;
}

void simplify(WriterShape& shape, unsigned n) {
  const WriterShape plain;
  // Of each list the last first, so that a number means the same whatever else is left out.
  constexpr unsigned kOfEach = 3;
  const auto leave_out = [&](auto& list, unsigned first) {
    const std::size_t index = kOfEach - 1 - (n - first);
    if (index < list.size()) list.erase(list.begin() + static_cast<std::ptrdiff_t>(index));
  };
  constexpr unsigned kFaults = 14, kByteFaults = kFaults + kOfEach, kActsFrom = kByteFaults + kOfEach;
  constexpr unsigned kLatency = kActsFrom + kOfEach;
  static_assert(kLatency + 1 == kSimplifications);
  if (n == kLatency) {
    shape.latency = plain.latency;
    return;
  }
  if (n >= kActsFrom) return leave_out(shape.acts, kActsFrom);
  if (n >= kByteFaults) return leave_out(shape.byte_faults, kByteFaults);
  if (n >= kFaults) return leave_out(shape.faults, kFaults);
  switch (n) {
    case 0:
      shape.settle = plain.settle;
      return;
    case 1:
      shape.join_first = shape.settle = plain.join_first;
      return;
    case 2:
      shape.teardown = plain.teardown;
      return;
    case 3:
      shape.no_time = plain.no_time;
      return;
    case 4:
      shape.budget = plain.budget;
      return;
    case 5:
      shape.between = plain.between;
      return;
    case 6:
      shape.linger = plain.linger;
      return;
    case 7:
      shape.ring_events = plain.ring_events;
      return;
    case 8:
      shape.in_flight_records = plain.in_flight_records;
      return;
    case 9:
      shape.batch_records = plain.batch_records;
      return;
    case 10:
      shape.big_event = plain.big_event;
      return;
    case 11:
      shape.unstorable_event = plain.unstorable_event;
      return;
    case 12:
      shape.journal = plain.journal;
      return;
    default:
      shape.refused_from = shape.refused_opens = plain.refused_opens;
  }
}

std::string describe(const scenarios::ByteFault& fault) {
  constexpr std::array kKinds = {"connection reset", "half-open", "silence", "the machine is gone"};
  std::string text = fmt::format("{} behind byte {} to the {}", kKinds[static_cast<std::size_t>(fault.kind)],
                                 fault.byte, fault.to_server ? "service" : "writer");
  if (fault.lasts.count() > 0) text += fmt::format(" for {} ms", fault.lasts.count());
  if (fault.closed.count() > 0)
    text +=
        fmt::format(", then {} for {} ms", fault.refuses ? "connections refused" : "no connection answered",
                    fault.closed.count());
  return text;
}

std::string describe(const WriterShape& shape) {
  constexpr std::array<const char*, kActs> kNames = {"flush",
                                                     "stop and start again",
                                                     "storing off and on",
                                                     "storing off",
                                                     "pause",
                                                     "another identity that inherits",
                                                     "another identity that leaves all",
                                                     "an event astray"};
  constexpr std::array kTeardowns = {"shutdown", "stop, then shutdown", "destroyed"};
  std::string text = fmt::format(
      "{} publisher{} x {} event{}, {} session{}, ring {}, batch {}, in flight {}, linger {} ms, budget {} "
      "ms",
      shape.publishers, shape.publishers == 1 ? "" : "s", shape.events, shape.events == 1 ? "" : "s",
      shape.sessions, shape.sessions == 1 ? "" : "s", shape.ring_events, shape.batch_records,
      shape.in_flight_records, shape.linger.count(), shape.budget.count());
  if (shape.between.count() > 0) text += fmt::format(", {} ms between events", shape.between.count());
  if (shape.no_time) text += ", no time for an end";
  if (shape.big_event) text += ", one event too big for its data";
  if (shape.unstorable_event) text += ", one event too big for S2";
  if (shape.journal) text += ", journal";
  for (const auto& each : shape.faults)
    text += fmt::format(", {} at append {}", scenarios::name_of(each.fault), each.append);
  if (shape.refused_opens > 0)
    text += fmt::format(", {} connections refused from {}", shape.refused_opens, shape.refused_from);
  for (const auto& each : shape.byte_faults) text += ", " + describe(each);
  if (shape.latency.count() > 0) text += fmt::format(", {} ms an append", shape.latency.count());
  for (const Act act : shape.acts) text += fmt::format(", {}", kNames[static_cast<std::size_t>(act)]);
  if (shape.settle) {
    text += ", all stored first";
  } else if (shape.join_first) {
    text += ", publishers end first";
  }
  return text + fmt::format(", {}", kTeardowns[static_cast<std::size_t>(shape.teardown)]);
}

}  // namespace s2::fuzz
