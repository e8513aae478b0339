// See guardian.h.
#include "scenarios/guardian.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <vector>

namespace s2::scenarios {
namespace {

std::atomic<int> pipe_to_guardian{-1};

// A whole message, so that two threads never mix theirs: writes of up to PIPE_BUF bytes are atomic.
void tell(int message) {
  const int fd = pipe_to_guardian.load();
  if (fd < 0) return;
  while (write(fd, &message, sizeof message) < 0 && errno == EINTR) {
  }
}

[[noreturn]] void keep_watch(int fd) {
  setsid();  // a Ctrl-C at the terminal is the harness's to handle
  for (int each = 1; each < NSIG; ++each) signal(each, SIG_IGN);
  std::vector<int> groups;
  int message = 0;
  for (;;) {
    const ssize_t got = read(fd, &message, sizeof message);
    if (got < 0 && errno == EINTR) continue;
    if (got != sizeof message) break;
    if (message > 0) {
      groups.push_back(message);
    } else if (const auto at = std::find(groups.begin(), groups.end(), -message); at != groups.end()) {
      groups.erase(at);
    }
  }
  for (const int group : groups) kill(-group, SIGKILL);
  _exit(0);
}

}  // namespace

void start_guardian() {
  if (pipe_to_guardian.load() >= 0) return;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  const pid_t pid = fork();
  if (pid == 0) {
    // Nothing of the harness's may be held open here, its standard streams least of all.
    const int fd = dup2(ends[0], 3);
    close_range(4, ~0U, 0);
    const int nowhere = open("/dev/null", O_RDWR);
    for (int each = 0; each < 3; ++each) dup2(nowhere, each);
    keep_watch(fd);
  }
  close(ends[0]);
  if (pid < 0) {
    close(ends[1]);
    return;
  }
  pipe_to_guardian.store(ends[1]);
}

void guard_group(int group) {
  tell(group);
}
void forget_group(int group) {
  tell(-group);
}

}  // namespace s2::scenarios
