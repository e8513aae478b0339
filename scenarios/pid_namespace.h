// A process that is restored from a checkpoint, in a PID namespace of its own: its pid is taken from the
// checkpoint, and two restores of one checkpoint would ask for the same.
//
// For child.cpp alone, between fork and exec of a process with threads: only calls that are safe there.
#pragma once

namespace s2::scenarios {

// Exit code of a child whose program did not restore anything.
inline constexpr int kNotRestored = 126;

// Runs the program as pid 2 of a new PID namespace, with /proc to match. It restores a process as its sibling
// and ends with exit code 0; from then on this process stands for that one: it hands SIGTERM on, and ends as
// that one ends. With this process everything in the namespace goes. Needs CAP_SYS_ADMIN. Never returns: what
// keeps the program from being run is written to `error_pipe` as an errno, as in child.cpp.
[[noreturn]] void restore_in_own_pids(const char* program, char* const* arguments, char* const* environment,
                                      int error_pipe);

}  // namespace s2::scenarios
