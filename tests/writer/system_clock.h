// The system's clock of this test program, which a test may set back; the steady one stays as it is.
#pragma once

#include <chrono>

namespace s2::writer::test {

class ClockBack {
 public:
  explicit ClockBack(std::chrono::seconds by);
  ~ClockBack();  // as it was
  ClockBack(const ClockBack&) = delete;
  ClockBack& operator=(const ClockBack&) = delete;
};

}  // namespace s2::writer::test
