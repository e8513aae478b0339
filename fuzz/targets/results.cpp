// results.json of a report, and recorded workloads: what is taken is told again as it was.
#include <string>

#include "fuzz/targets/target.h"
#include "scenarios/recording.h"
#include "scenarios/report_data.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(results, input) {
  if (const auto suite = scenarios::results_from_json(input)) {
    const std::string printed = scenarios::results_json(*suite);
    const auto again = scenarios::results_from_json(printed);
    must(again && scenarios::results_json(*again) == printed, "results come back");
  } else {
    must(!suite.error().empty() && suite.error().find('\n') == std::string::npos, "an error is one line");
  }
  if (const auto recording = scenarios::parse_recording(input)) {
    for (const scenarios::RecordedEvent& event : *recording) must(event.t_us >= 0, "a recording begins at 0");
  } else {
    must(recording.error().find('\n') == std::string::npos, "an error is one line");
  }
}
