// The command that destroys a VM, run to its end or the end of its time.
//
// Blocking; any thread. What it prints goes to this program's stderr as it comes: stdout is the record's. Its
// stdin is empty.
#pragma once

#include <chrono>
#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace s2::scenarios {

// Error: one line, with the command's last words.
tl::expected<void, std::string> run_destroy_command(const std::vector<std::string>& words,
                                                    std::chrono::milliseconds within);

}  // namespace s2::scenarios
