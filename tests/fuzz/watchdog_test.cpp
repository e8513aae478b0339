// A program that goes on without a point is ended and named; one that passes points is left alone.
#include "fuzz/watchdog.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "fuzz/explore.h"

// ThreadSanitizer keeps a signal back until the program's next call, and a loop without one has none.
#if !defined(__SANITIZE_THREAD__)

namespace s2::fuzz {
namespace {

// The exit code of a process that watches itself and runs that program once.
int watched(std::chrono::milliseconds patience, const std::function<void()>& program) {
  const pid_t pid = fork();
  if (pid == 0) {
    watch_for_points(patience);
    replay({}, plain_world, program);
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Watchdog, EndsAProgramThatPassesNoPoint) {
  const auto spins = [] {
    std::thread spinning([] {
      for (volatile bool go_on = true; go_on;) {
      }
    });
    spinning.join();
  };
  EXPECT_EQ(watched(std::chrono::milliseconds(200), spins), kHungExitCode);
}

TEST(Watchdog, LeavesAProgramAloneThatIsOnlySlow) {
  const auto works = [] {
    const auto begin = std::chrono::steady_clock::now();  // virtual: every look at the clock is a point
    while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(20)) {
    }
  };
  EXPECT_EQ(watched(std::chrono::seconds(20), works), 0);
}

}  // namespace
}  // namespace s2::fuzz

#endif
