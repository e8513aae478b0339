// See realm_process.h: the smallest run, made before all others, tells what is wrong with all of them.
#include <fmt/format.h>

#include "scenarios/process_run.h"
#include "scenarios/realm_process.h"

namespace s2::scenarios {
namespace {

RunRequest smallest_run(const char* name) {
  RunRequest request;
  request.drawn.name = name;
  request.drawn.workloads = {Workload{WorkloadKind::single, exactly(1), exactly(1), exactly(0), exactly(0)}};
  request.drawn.faults = {Fault{}};
  request.drawn.teardown.ends = {EndBy::end_of_input};
  return request;
}

// Nothing that the writer sent was taken, for there was no stream to take it.
bool finds_no_stream(const Ledger& ledger) {
  bool refused = false;
  for (const ServiceAppend& append : ledger.appends) {
    if (append.committed) return false;
    refused = refused || append.error_code == "stream_not_found";
  }
  return refused;
}

}  // namespace

std::string ProcessRealm::why_no_fork() const {
  if (options_.over_http)
    return "both branches of a fork would listen on one port: its writer is driven over stdin, "
           "--writer-driver stdio";
  if (!why_no_checkpoint().empty()) return why_no_checkpoint();
  if (options_.own_writer) return "";
  const RunRequest request = smallest_run("identity");
  if (ProcessRun(options_, cancelled_, request).answers_identity()) return "";
  return "the writer does not answer {\"op\":\"identity\",…}: nobody can tell it that it was forked";
}

tl::expected<void, std::string> ProcessRealm::preflight(std::string* log) const {
  if (options_.external) {
    if (auto readable = Reader(*options_.external).check(); !readable) return readable;
  }
  const RunRequest request = smallest_run("preflight");
  RunOutcome outcome = ProcessRun(options_, cancelled_, request).go();
  if (log) *log = outcome.log;
  const Ledger& ledger = outcome.ledger;
  if (options_.external && finds_no_stream(ledger)) {
    return tl::unexpected(
        fmt::format("the basin `{0}` does not create streams on append, as each run needs it: set "
                    "create_stream_on_append in "
                    "its config (PATCH /v1/basins/{0})",
                    options_.external->basin));
  }
  if (ledger.invalid.empty()) return {};
  if (ledger.publications.empty()) return tl::unexpected(ledger.invalid);
  return tl::unexpected("before the first scenario, one event and the end of input: " + ledger.invalid);
}

}  // namespace s2::scenarios
