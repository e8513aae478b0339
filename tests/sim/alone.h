// One execution in a process of its own: what it says, or what became of the process.
#pragma once
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>

#include "sim/world.h"
#include "tests/sim/dice.h"

namespace s2::sim {

struct Call {
  const char* name;
  std::function<void()> body;
};

inline constexpr unsigned kPatienceSeconds = 10;  // of a process that a call could block for ever

// What goes to stderr comes before what the execution says.
inline std::string told_by(const std::function<void()>& body) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(kPatienceSeconds);
    dup2(ends[1], STDERR_FILENO);
    Dice dice(1);
    const Execution execution = run({.chooser = dice}, body);
    const std::string text = std::string(name_of(execution.ending)) + ": " + execution.why;
    _exit(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? text + "ended by signal " + std::to_string(WTERMSIG(status)) : text;
}

}  // namespace s2::sim
