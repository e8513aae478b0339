// Reads results.json back. Used by read_report (report_files.cpp) and its tests.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "scenarios/report.h"

namespace s2::scenarios {

tl::expected<Suite, std::string> results_from_json(std::string_view text);

}  // namespace s2::scenarios
