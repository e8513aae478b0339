// Ends a process whose simulated program neither ends nor passes a point: a loop without a call in it, or a
// call that left the world and waits for ever. Nothing in the world can see that, because nothing in it runs.
//
// For a process of one OS thread that runs worlds (a job of a campaign): uses SIGALRM and the real interval
// timer.
#pragma once

#include <chrono>

namespace s2::fuzz {

inline constexpr std::chrono::seconds kWithoutAPoint{30};  // of real time, within an execution
inline constexpr int kHungExitCode = 86;

// From here on. The stack goes to stderr, and the process ends with kHungExitCode.
void watch_for_points(std::chrono::milliseconds patience = kWithoutAPoint);

}  // namespace s2::fuzz
