// Realm `process`: one run of a drawn scenario with a real writer process, a real socket and (unless an
// endpoint is given) an emulator of its own.
//
// A realm is read-only after it was made; run() may be called from many threads at once, each call being one
// run with its own emulator, child and driver. Nothing of a run is alive when run() returns.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "scenarios/ledger.h"
#include "scenarios/reader.h"
#include "scenarios/scenario.h"

namespace s2::scenarios {

struct RealmOptions {
  std::vector<std::string> writer;         // the command's words
  bool own_writer = true;                  // s2-writer, which has both drivers
  bool over_http = false;                  // driven over its telemetry API, instead of stdin and stdout
  std::optional<ServiceAddress> external;  // nothing: an emulator for each run
  std::chrono::milliseconds ready_within{10'000};
  std::chrono::milliseconds slack{5'000};  // before the judge calls a writer late
};

struct RunRequest {
  Scenario drawn;  // one workload, single values
  std::uint64_t seed = 0;
  std::string replay;  // token
};

struct RunOutcome {
  Ledger ledger;
  std::string log;                               // the writer's stderr, without the token
  std::vector<std::string> histories;            // one a stream, in s2-verification's format
  std::string harness_fault;                     // what the embedded emulator did wrong, or empty
  std::chrono::milliseconds service_stalled{0};  // the longest time that it answered nobody (ServicePulse)
};

class ProcessRealm {
 public:
  // `cancelled`: set to end every run early (the outcome is invalid then).
  ProcessRealm(RealmOptions options, const std::atomic<bool>& cancelled)
      : options_(std::move(options)), cancelled_(cancelled) {}

  // Whether this writer starts, says `ready` and takes an event, and the endpoint can be read and creates
  // streams on append. Error: one line, exit code 3; `log` is the writer's then.
  tl::expected<void, std::string> preflight(std::string* log = nullptr) const;
  // Why this machine, or what was asked of the realm, makes runs of this scenario impossible: one line;
  // empty: nothing does.
  std::string why_not(const Scenario& scenario) const;
  RunOutcome run(const RunRequest& request) const;

 private:
  std::string why_no_fork() const;
  RealmOptions options_;
  const std::atomic<bool>& cancelled_;
};

// Why the embedded emulator cannot have been a stream of S2, judging by its history; empty where it can.
std::string fault_of_service(const std::string& history, const std::string& stream);

// 16 hex digits, from the seed (and, with an endpoint that outlives the run, from chance).
std::string run_name(std::uint64_t seed, bool unique);

}  // namespace s2::scenarios
