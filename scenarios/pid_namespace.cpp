// See pid_namespace.h. Two processes stand between the harness and the restored one: the child, which keeps
// its place in the harness's namespace, and the first process of the new one, which adopts what is restored.
#include "scenarios/pid_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace s2::scenarios {
namespace {

constexpr int kErrors = 3;               // the error pipe's descriptor from here on
constexpr int kNothingWasRestored = -1;  // where a wait status is expected

volatile pid_t hands_on_to = 0;  // of this process, after the fork: nobody else's

void hand_on(int signal) {
  if (hands_on_to != 0) kill(hands_on_to, signal);
}

void hand_on_sigterm(pid_t to) {
  hands_on_to = to;
  struct sigaction action{};
  action.sa_handler = hand_on;
  sigaction(SIGTERM, &action, nullptr);
}

void report(int pipe, int value) {
  while (write(pipe, &value, sizeof value) < 0 && errno == EINTR) {
  }
}

[[noreturn]] void not_run(int error_pipe, int error) {
  report(error_pipe, error);
  _exit(kNotRestored);
}

// The first process of the namespace: whoever is orphaned in there becomes its child.
[[noreturn]] void adopt(const char* program, char* const* arguments, char* const* environment, int error_pipe,
                        int ending) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    not_run(error_pipe, errno);
  const pid_t restorer = _Fork();
  if (restorer < 0) not_run(error_pipe, errno);
  if (restorer == 0) {
    execve(program, arguments, environment);
    not_run(error_pipe, errno);
  }
  hand_on_sigterm(-1);                               // everybody in the namespace but this process
  for (int each = 0; each < 3; ++each) close(each);  // the pipes end with the restored process
  close(error_pipe);
  bool restored = false;
  int status = 0, last = kNothingWasRestored;
  for (;;) {
    const pid_t ended = waitpid(-1, &status, 0);
    if (ended < 0 && errno == EINTR) continue;
    if (ended < 0) break;
    if (ended != restorer) {
      last = status;
      if (restored) break;
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      last = kNothingWasRestored;
      break;
    } else {
      restored = true;
      if (last != kNothingWasRestored) break;  // it had ended before
    }
  }
  report(ending, last);
  _exit(0);
}

}  // namespace

void restore_in_own_pids(const char* program, char* const* arguments, char* const* environment,
                         int error_pipe) {
  // Neither of the two processes in between becomes another program: what the harness holds open, the other
  // ends of these very pipes among it, is closed by hand.
  if (error_pipe != kErrors && dup3(error_pipe, kErrors, O_CLOEXEC) < 0) not_run(error_pipe, errno);
  error_pipe = kErrors;
  close_range(kErrors + 1, ~0U, 0);
  int ending[2];
  if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0 || pipe2(ending, O_CLOEXEC) != 0) not_run(error_pipe, errno);
  const pid_t first = _Fork();
  if (first < 0) not_run(error_pipe, errno);
  if (first == 0) adopt(program, arguments, environment, error_pipe, ending[1]);
  hand_on_sigterm(first);
  for (int each = 0; each < 3; ++each) close(each);
  close(error_pipe);
  close(ending[1]);
  int status = kNothingWasRestored;
  while (read(ending[0], &status, sizeof status) < 0 && errno == EINTR) {
  }
  while (waitpid(first, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (status == kNothingWasRestored) _exit(kNotRestored);
  if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
  signal(WTERMSIG(status), SIG_DFL);
  kill(getpid(), WTERMSIG(status));
  _exit(128 + WTERMSIG(status));
}

}  // namespace s2::scenarios
