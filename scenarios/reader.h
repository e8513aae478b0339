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

namespace s2::scenarios {

inline constexpr auto kReadWithin = std::chrono::seconds(60);  // all streams of one run
inline constexpr std::size_t kMaxStreamsRead = 10'000;

struct ServiceAddress {
  std::string endpoint;  // "http://127.0.0.1:4321", with or without a path (/v1 is added)
  std::string basin;
  std::string token;  // may be empty
};

// Where a stream ends, and the bodies of its last records (at most kLastRecords), oldest first.
struct StreamEnd {
  std::uint64_t tail = 0;
  std::vector<std::string> last_bodies;
};
inline constexpr int kLastRecords = 200;

class Reader {
 public:
  explicit Reader(ServiceAddress service) : service_(std::move(service)) {}

  // Every stream whose name begins with `prefix` (empty: all), each whole; probes are those of `run`.
  // Error: one line that says what was asked and what came; never the token.
  tl::expected<std::vector<StoredStream>, std::string> read_all(const std::string& prefix,
                                                                const std::string& run);
  // A stream that does not exist ends at 0.
  tl::expected<StreamEnd, std::string> end_of(const std::string& stream);
  // Whether the basin can be listed at all: reachable, present, permitted.
  tl::expected<void, std::string> check();

 private:
  ServiceAddress service_;
};

}  // namespace s2::scenarios
