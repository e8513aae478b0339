// The independent reader: after the writer's death it reads every stream from 0 to its tail over a real
// socket.
//
// Its own code from the socket up (cpp-httplib, nlohmann/json); shares nothing with writer/ or wire/.
// Blocking; any thread, one call at a time an object. Every wait has a limit, and the whole read has one
// (kReadWithin).
#pragma once

#include <chrono>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "scenarios/ledger.h"
#include "scenarios/number_ranges.h"

namespace s2::scenarios {

inline constexpr auto kReadWithin = std::chrono::seconds(60);  // all streams of one run
inline constexpr std::size_t kMaxStreamsRead = 10'000;

struct ServiceAddress {
  std::string endpoint;  // "http://127.0.0.1:4321", with or without a path (/v1 is added)
  std::string basin;
  std::string token;  // may be empty
};

// What a stream holds by the numbers of its envelopes; those of its last process, where it had several.
struct StreamNumbers {
  std::uint64_t tail = 0;
  NumberRanges there, holes;
  bool ended = false;  // its last envelope is a session's end
};

class Reader {
 public:
  explicit Reader(ServiceAddress service) : service_(std::move(service)) {}

  // Every stream whose name begins with `prefix` (empty: all), each whole; probes are those of `run`.
  // Error: one line that says what was asked and what came; never the token.
  tl::expected<std::vector<StoredStream>, std::string> read_all(const std::string& prefix,
                                                                const std::string& run);
  // A stream that does not exist ends at 0.
  tl::expected<std::uint64_t, std::string> tail_of(const std::string& stream);
  // Reads all of it; of a stream that does not exist nothing is there.
  tl::expected<StreamNumbers, std::string> numbers_of(const std::string& stream);
  // Whether the basin can be listed at all: reachable, present, permitted.
  tl::expected<void, std::string> check();

 private:
  ServiceAddress service_;
};

}  // namespace s2::scenarios
