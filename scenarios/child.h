// The writer under test as a process: started in a session of its own, signalled, reaped, and never
// left behind.
//
// Any thread may call any member; the death of the process is seen exactly once. SIGTERM goes to the started
// process; SIGKILL, SIGSTOP and SIGCONT go to its group. kill_and_reap() may be called from inside the
// emulator's observer. The destructor kills what is left. The ends of its pipes belong to whoever took them.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "scenarios/ledger.h"

namespace s2::scenarios {

enum class Lineage {
  ordinary,
  checkpointed,  // it may be: with a session of its own, because CRIU takes no part of another's
  restored,      // the child is what the program restores (pid_namespace.h)
};

struct Command {
  std::vector<std::string> words;
  std::map<std::string, std::string> set;  // over this process's environment
  std::vector<std::string> unset;
  Lineage lineage = Lineage::ordinary;
};

// The harness's ends; close them when done.
struct Pipes {
  int in = -1;   // the child's stdin
  int out = -1;  // its stdout
  int err = -1;  // its stderr
};

class Child {
 public:
  // Error: one line, such as "cannot start `s2-writer`: No such file or directory".
  static tl::expected<std::unique_ptr<Child>, std::string> start(const Command& command, Pipes& pipes);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void term();
  void pause();
  void resume();
  // SIGKILL to the group, and the process reaped before it returns. False if it had ended before.
  bool kill_and_reap();
  // Whether it has ended; reaps it then.
  bool ended();
  bool wait_until(std::chrono::steady_clock::time_point deadline);
  // After its end: what of the group is still alive is noted as leaked and killed.
  void end_group();

  int pid() const { return pid_; }
  Process facts() const;
  void note_ready(std::int64_t t_ns);
  void expect_kill();  // somebody else sends SIGKILL now

 private:
  class State;
  Child(int pid, std::unique_ptr<State> state);

  int pid_;
  std::unique_ptr<State> state_;
};

}  // namespace s2::scenarios
