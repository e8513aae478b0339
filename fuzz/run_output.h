// A program that is run for what it says on its stdout.
//
// Waits for the child. Any thread; not inside a world.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace s2::fuzz {

struct RunLimits {
  bool quiet = false;                  // nothing on stdin, and its stderr is thrown away
  std::size_t most_bytes = 256 << 20;  // of its output
  std::chrono::milliseconds most_time = std::chrono::hours(24 * 365);
};
struct RunOutput {
  int exit_code = -1;  // -1: could not be run, was ended by a signal, or had to be, because of a limit
  std::string output;
};
// The first word is the program, looked for in PATH where it has no slash.
RunOutput output_of(const std::vector<std::string>& words, const RunLimits& limits = {});

// How a child of this process ended, as waitpid() tells it; waits for that.
int status_of(int pid);

}  // namespace s2::fuzz
