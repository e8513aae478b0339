// A program that crashes in the world (a signal, an abort) takes the search with it. Told all the same: where
// it was, and the schedule that makes it again.
//
// The search goes on in a child of the process, which is left to wait for it: so there is somebody to tell.
#pragma once

#include <cstdint>
#include <functional>

#include "fuzz/schedule.h"

namespace s2::fuzz {

struct ExploreOptions;
inline constexpr int kCrashedExitCode = 1;

// While it lives, if `options.on_crash` is there: a crash ends the process with kCrashedExitCode, behind two
// lines on stderr: what happened where, and what on_crash() makes of the token. Of the calling process it is
// a child in which the constructor returns; the process itself only waits, and ends as the child does. For a
// process of one thread, one at a time. Throws std::system_error where no process can be had.
class CrashWatch {
 public:
  // `tape` and `strategy` are what the executions to come use.
  CrashWatch(const Tape& tape, const Strategy& strategy, const ExploreOptions& options,
             const std::function<void()>& program);
  ~CrashWatch();
  CrashWatch(const CrashWatch&) = delete;
  CrashWatch& operator=(const CrashWatch&) = delete;

  void begins(std::uint64_t execution);  // from 1; before, it is the usual order
};

}  // namespace s2::fuzz
