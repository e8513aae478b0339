// Which scenarios a command line asks for: the suite's, or those named, files among them.
//
// Reads files; any thread.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "scenarios/options.h"
#include "scenarios/scenario.h"
#include "scenarios/suite_plan.h"

namespace s2::scenarios {

struct Selection {
  std::vector<Scenario> scenarios;
  std::vector<std::string> sources;  // how a token names each: its name, or its file
};

// Error: one line, exit code 2.
tl::expected<Selection, std::string> select_scenarios(const Options& options);

// The run that a token names. Error: one line, exit code 2.
tl::expected<PlannedRun, std::string> find_run(const RunIdentity& identity);

}  // namespace s2::scenarios
