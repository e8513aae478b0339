// Flush before delete, the control plane's side: ask the VM's writer for a flush, check the stream's tail
// with a reader of one's own, destroy the VM, and record `complete` or what is missing.
//
// `complete` means that nothing of what was accepted is missing. The writer's word is not enough for it: a
// flush that was answered 200 counts only where the stream is as long as it says, and where each event's
// number up to the one that it vouches for is in the stream. What the flush names as dropped or lost is
// missing, and so is what the stream leaves out between its first event and the last one that was accepted,
// but for numbers that the flush says are no events of the stream. Of other streams, and of what came before
// this one's first event, the flush's word is all there is. Whatever goes wrong before, the VM is destroyed
// once the deadline has passed; then the stream is read, which takes kReadWithin (reader.h) at the most. At
// most kMaxMissingNamed ranges are named; a longer list ends with a count. Blocking; any thread. Source:
// system rule "Flush before delete", steps 2 to 7.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "scenarios/reader.h"

namespace s2::scenarios {

struct TeardownRequest {
  std::string telemetry;        // base URL of the VM's telemetry API, "http://10.0.0.7:8080"
  std::string telemetry_token;  // may be empty
  ServiceAddress service;
  std::string stream;                          // empty: the one that the telemetry API names
  std::chrono::milliseconds deadline{10'000};  // of everything before the destroy
};

struct TeardownRecord {
  std::string stream;
  bool flushed = false;                        // the writer answered 200 …
  std::int64_t flushed_ns = -1;                // … at this time of clock.h
  std::optional<std::uint64_t> through;        // its cut-off: every event up to it is said to be stored
  std::optional<std::uint64_t> tail;           // the stream's end, as the own reader found it
  std::optional<std::uint64_t> last_stored;    // the highest event number in the stream
  std::optional<std::uint64_t> last_accepted;  // the highest that the writer told of
  std::optional<std::uint64_t> drops;          // events that the writer told as dropped or lost by itself
  bool complete = false;                       // the writer says so, and the stream bears it out
  std::vector<MissingRange> missing;           // rising; kMaxMissingNamed at the most
  std::uint64_t missing_more = 0;              // events that are missing beside those
  bool destroyed = false;                      // by `destroy`
  bool left_to_caller = false;                 // there was no `destroy`
  std::string reason;  // one line, where not complete or not destroyed; holds no token
  std::chrono::milliseconds took{0};
};
inline constexpr std::size_t kMaxMissingNamed = 256;

// Ends the VM. The error is one line.
using Destroy = std::function<tl::expected<void, std::string>()>;

// One line: what is wrong with the addresses, or with the rest of the request; empty: nothing. tear_down()
// destroys all the same, whatever is wrong: ask first.
std::string objection_to(const TeardownRequest& request);

// `destroy` empty: the caller destroys, once this has returned.
TeardownRecord tear_down(const TeardownRequest& request, const Destroy& destroy);

// One line of JSON: {"stream","complete",…,"missing":[{"from","to"},…]}.
std::string to_json(const TeardownRecord& record);

}  // namespace s2::scenarios
