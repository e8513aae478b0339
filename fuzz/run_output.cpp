// See run_output.h.
#include "fuzz/run_output.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <limits>

namespace s2::fuzz {
namespace {

pid_t spawned(const std::vector<std::string>& words, bool quiet, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  if (quiet) {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  std::vector<char*> arguments;
  for (const std::string& one : words) arguments.push_back(const_cast<char*>(one.c_str()));
  arguments.push_back(nullptr);
  pid_t child = -1;
  if (posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ) != 0) child = -1;
  posix_spawn_file_actions_destroy(&actions);
  return child;
}

// Whether it came to its end within the limits.
bool read_all(int from, const RunLimits& limits, std::string& output) {
  using RunClock = std::chrono::steady_clock;
  constexpr std::int64_t kLongestPoll = std::numeric_limits<int>::max();
  const auto deadline = RunClock::now() + limits.most_time;
  while (output.size() < limits.most_bytes) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - RunClock::now()).count();
    pollfd readable{from, POLLIN, 0};
    if (left <= 0) return false;
    if (poll(&readable, 1, static_cast<int>(std::min(left, kLongestPoll))) < 0 && errno != EINTR)
      return false;
    if (readable.revents == 0) continue;
    char bytes[1 << 16];
    const ssize_t got = read(from, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0;
    output.append(bytes, static_cast<std::size_t>(got));
  }
  return false;
}

}  // namespace

int status_of(int pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

RunOutput output_of(const std::vector<std::string>& words, const RunLimits& limits) {
  RunOutput ran;
  int ends[2];
  if (words.empty() || pipe2(ends, O_CLOEXEC) != 0) return ran;
  const pid_t child = spawned(words, limits.quiet, ends[1]);
  close(ends[1]);
  const bool whole = child > 0 && read_all(ends[0], limits, ran.output);
  close(ends[0]);
  if (child <= 0) return ran;
  if (!whole) kill(child, SIGKILL);
  const int status = status_of(child);
  if (whole && WIFEXITED(status)) ran.exit_code = WEXITSTATUS(status);
  return ran;
}

}  // namespace s2::fuzz
