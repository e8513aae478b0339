// The stdio driver: operations on stdin, answers and claims on stdout, until end of input or SIGTERM.
//
// run_stdio() owns the calling thread: it polls input, signals and the output's room, and answers publishes
// itself, whatever storage does. Each flush and stop waits on a thread of its own, so that publishes behind
// it are answered meanwhile. Shutdown has its own thread too: publishes that still come are rejected with a
// reason until it is over; a second signal changes nothing. Where the journal's disk hangs, the process ends
// here (_Exit) with the exit code, once all is said. The descriptors stay the caller's. Source:
// contract, "stdio".
#pragma once

#include <chrono>
#include <cstddef>

#include "writer/log.h"
#include "writer/writer.h"

namespace s2::writer {

inline constexpr std::size_t kMaxWaitingOps =
    32;  // flushes and stops at once; one more is answered without waiting

struct StdioOptions {
  int in_fd = 0;
  int out_fd = 1;
  int signal_fd = -1;  // readable: shut down (a signalfd for SIGTERM and SIGINT); -1: none
  std::chrono::milliseconds shutdown_budget{10'000};  // also the deadline of a flush or stop that names none
  WriterOptions writer = {};
  Writer::MakeProducers make_producers = {};  // empty: no durable storage
  Log log = {};
};

// The exit code: 0 nothing is unsaved, 1 something is and was said, 3 the writer cannot run (the log says
// why).
int run_stdio(StdioOptions options);

}  // namespace s2::writer
