// The files of one run under `<out>/runs/<run>/` that only the runner has: history.jsonl and writer.log.
//
// Any thread. timeline.json beside them is the report's.
#pragma once

#include <string>
#include <tl/expected.hpp>

#include "scenarios/realm_process.h"

namespace s2::scenarios {

// Error: one line, such as "cannot write build/report/runs/…/writer.log: No space left on device".
tl::expected<void, std::string> write_run_files(const std::string& out, const RunOutcome& outcome);
tl::expected<void, std::string> write_file(const std::string& path, const std::string& bytes);
tl::expected<void, std::string> make_directory(const std::string& path);

}  // namespace s2::scenarios
