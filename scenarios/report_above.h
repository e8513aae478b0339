// The report that a run's directory belongs to: runs/<run>/ stands beside results.json, which says how the
// run was made.
//
// Reads files; any thread.
#pragma once

#include <filesystem>
#include <optional>

#include "scenarios/report.h"

namespace s2::scenarios {

struct ReportAbove {
  std::string results;  // the path of its results.json
  SuiteOptions options;
};

// `path`: runs/<run>, or a file in it. Nothing: no report there tells of that run.
std::optional<ReportAbove> report_above(const std::filesystem::path& path);

}  // namespace s2::scenarios
