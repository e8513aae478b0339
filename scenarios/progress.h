// The line on a terminal that says how far a suite is. Silent where stderr is no terminal.
//
// One thread at a time. The line is wiped by the destructor.
#pragma once

#include <chrono>
#include <cstddef>

#include "scenarios/judge.h"

namespace s2::scenarios {

class Progress {
 public:
  explicit Progress(std::size_t runs);  // 0: not known
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void add(Verdict::Outcome outcome);

 private:
  void draw();

  const bool shown_;
  const std::size_t runs_;
  const std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::time_point drawn_;
  std::size_t done_ = 0, broken_ = 0, invalid_ = 0;
};

}  // namespace s2::scenarios
