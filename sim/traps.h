// What an OS thread that simulates is told by the kernel: that a fiber's stack is full, and that a system
// call was made by its instruction, past every function of the C library.
//
// Internal to sim. Both stand back where somebody handles the signal already, as sanitizers do.
#pragma once
#include <memory>

namespace s2::sim {

// Belongs to one OS thread. Handlers are the process's, set once.
class Traps {
 public:
  Traps() = default;
  Traps(const Traps&) = delete;
  Traps& operator=(const Traps&) = delete;
  ~Traps();
  void set();  // before the first execution on this OS thread
  // While an execution is under way, system calls that come from elsewhere than the C library's code end in
  // SIGSYS. Linux 5.11 and later; elsewhere nothing happens.
  void begin();
  void end() { selector_ = kAllow; }

 private:
  static constexpr char kAllow = 0, kBlock = 1;  // the kernel's
  volatile char selector_ = kAllow;              // which it reads at each system call
  unsigned forks_seen_ = 0;                      // a child process begins without it
  bool armed_ = false;
  std::unique_ptr<char[]> stack_;  // of handlers, where the thread had none
};

}  // namespace s2::sim
