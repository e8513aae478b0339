// Flush before delete, the control plane's side: ask the VM's writer for a flush, check the stream's tail
// with a reader of one's own, destroy the VM, and record `complete` or what is missing.
//
// The writer's word is not enough: a flush that was answered 200 counts only where the stream is as long as
// it says, or, where it does not say, where the stream's last event is the last one that it vouches for. One
// stream is looked at; of those of sessions that ended before, the flush's word is all there is. Whatever
// goes wrong before, the VM is destroyed once the deadline has passed, and the record says so. Blocking; any
// thread. Source: system rule "Flush before delete", steps 2 to 7.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <tl/expected.hpp>

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
  std::optional<std::uint64_t> last_stored;    // the highest event number near the stream's end
  std::optional<std::uint64_t> last_accepted;  // the highest that the writer told of
  std::optional<std::uint64_t> drops;          // events that the writer told as dropped or lost by itself
  bool complete = false;                       // the writer says so, and the stream bears it out
  bool destroyed = false;
  std::string reason;  // one line, where not complete or not destroyed; holds no token
  std::chrono::milliseconds took{0};
};

// Ends the VM. The error is one line.
using Destroy = std::function<tl::expected<void, std::string>()>;

TeardownRecord tear_down(const TeardownRequest& request, const Destroy& destroy);

// Events that are known, or must be feared, not to be stored.
struct Missing {
  std::uint64_t from = 0;
  std::optional<std::uint64_t> to;  // nothing: nobody knows the last one
};
std::optional<Missing> missing_of(const TeardownRecord& record);

// One line of JSON: {"stream","complete",…,"missing":{"from","to"}}.
std::string to_json(const TeardownRecord& record);

}  // namespace s2::scenarios
