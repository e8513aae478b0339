// The target "writer": the reference writer's own objects against the emulator's, in one deterministic world.
//
// Each execution draws a shape (publishers, events, sessions, capacity, batch, linger, faults, what happens
// meanwhile, how it ends), lets it happen in whatever order the chooser takes, and holds every promise
// against it (writer_ledger.h). Two ways over the network: appends handed over one by one (direct_s2.h), or
// HTTP/2 bytes (memory_net.h); and none, for searches of what comes before the client. Compiled twice: with
// the writer as it is, and with its planted bugs.
//
// run_writer() is a body for sim::run(); any number may run, each on an OS thread of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/direct_s2.h"
#include "scenarios/memory_net.h"
#include "sim/world.h"

namespace s2::fuzz {

enum class WriterWay : std::uint8_t { none, direct, http2 };

// The most that a shape may draw: a failure is looked for again in smaller ones.
struct WriterLimits {
  WriterWay way = WriterWay::direct;
  std::uint64_t publishers = 3;
  std::uint64_t events = 4;  // of each publisher
  std::uint64_t sessions = 2;
  std::uint64_t faults = 2;
  std::uint64_t acts = 2;   // things that happen while publishers publish
  std::uint32_t plain = 0;  // bit n: of what is drawn the n-th is simplified
};

// astray: an event for a session that never began, and the end of that session.
enum class Act : std::uint8_t {
  flush,
  restart,
  storing_off_and_on,
  storing_off,
  pause,
  inherit,
  leave,
  astray
};
inline constexpr std::uint64_t kActs = 8;
enum class Teardown : std::uint8_t { shutdown, stop_then_shutdown, destroy };

inline constexpr std::uint64_t kRoomyRing = 64;   // events: never full
inline constexpr std::uint64_t kFewInFlight = 2;  // records: a third one waits for room

struct WriterShape {
  std::uint64_t publishers = 1, events = 1, sessions = 1;
  std::uint64_t ring_events = 64;
  std::uint64_t batch_records = 50, in_flight_records = 8192;
  std::chrono::milliseconds linger{0}, budget{10'000};
  bool no_time = false;                  // for a stop and for the shutdown
  std::chrono::milliseconds between{0};  // a publisher's events
  bool big_event = false, unstorable_event = false;
  bool journal = false;
  bool yields = false;     // before the end: that publishers go first costs a search no preemption
  bool one_piece = false;  // HTTP/2 bytes arrive at once and whole; otherwise that is drawn
  std::vector<scenarios::PlannedFault> faults;
  std::uint64_t refused_from = 0, refused_opens = 0;
  std::vector<scenarios::ByteFault> byte_faults;  // over HTTP/2 bytes only
  std::chrono::milliseconds latency{0};           // of every append
  std::vector<Act> acts;
  bool join_first = false;  // publishers end before the teardown
  bool settle = false;      // and all that they published is stored
  Teardown teardown = Teardown::shutdown;
};

// By sim::choose().
WriterShape draw_shape(const WriterLimits& limits);
// The n-th of what may be drawn (a fault, an act, a tight limit) is left out of a shape, or made roomy.
inline constexpr unsigned kSimplifications = 24;
void simplify(WriterShape& shape, unsigned n);
std::string describe(const WriterShape& shape);
std::string describe(const scenarios::ByteFault& fault);

void run_writer(const WriterShape& shape, WriterWay way);
void run_writer(const WriterLimits& limits);  // of a drawn shape

// Limits for its executions.
sim::WorldOptions writer_world(sim::Chooser& chooser);
sim::WorldOptions writer_http2_world(sim::Chooser& chooser);
// Reading a clock moves nothing: for searches that are to be exhausted, as two readings have no order then.
sim::WorldOptions still_world(sim::Chooser& chooser);

// Of this process, over all executions so far.
struct WriterCounts {
  std::uint64_t branches = 0;       // orders judged of what was on its way
  std::uint64_t cut = 0;            // sends behind which there were more of them
  std::uint64_t events = 0;         // accepted
  std::uint64_t stored_before = 0;  // appends sent again whose acknowledgement was lost; over HTTP/2 bytes
  std::uint64_t deaths = 0;         // machines that were gone; each is one of the branches
};
WriterCounts writer_counts();

}  // namespace s2::fuzz
