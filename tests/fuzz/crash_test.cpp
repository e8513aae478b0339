// A program that crashes in one order of its threads: said where, with an order that crashes again and holds
// no more than it needs.
#include "fuzz/crash.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "fuzz/explore.h"

namespace s2::fuzz {
namespace {

struct Ended {
  int status = 0;
  std::string error;  // what it said on stderr
};

// Body in a process of its own, which ends with what it returns.
template <class Body>
Ended in_a_process(Body body) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
    ::_exit(body());
  }
  ::close(ends[1]);
  Ended ended;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    ended.error.append(buffer, static_cast<std::size_t>(got));
  ::close(ends[0]);
  ::waitpid(pid, &ended.status, 0);
  return ended;
}

Ended explored(const Program& program) {
  return in_a_process([&] {
    const auto strategy = make_portfolio();
    ExploreOptions options{.max_executions = 20'000};
    options.on_crash = [](const std::string& token) { return "again: program --replay '" + token + "'"; };
    return explore(*strategy, options, program).failure ? 3 : 0;
  });
}

std::string token_in(const std::string& text) {
  const std::size_t from = text.find("again: program --replay '");
  if (from == std::string::npos) return "";
  const std::size_t begin = text.find('\'', from) + 1;
  return text.substr(begin, text.find('\'', begin) - begin);
}

// Whether the order ends a process that runs it.
bool crashes(const std::string& token, const Program& program) {
  std::string error;
  const auto schedule = schedule_of(token, error);
  EXPECT_TRUE(schedule) << error;
  if (!schedule) return false;
  const Ended ended = in_a_process([&] { return (replay(*schedule, plain_world, program), 0); });
  return !WIFEXITED(ended.status) || WEXITSTATUS(ended.status) != 0;
}

struct Session {
  std::mutex mutex;
  int events = 0;
};

// The session is looked at, and used when its end has taken it away.
void check_then_use() {
  std::unique_ptr<Session> session = std::make_unique<Session>();
  std::mutex mutex;
  std::jthread publisher([&] {
    for (int i = 0; i < 3; ++i) {
      {
        const std::lock_guard lock(mutex);
        if (session == nullptr) return;
      }
      std::this_thread::yield();
      volatile int* events = &session->events;
      *events = *events + 1;
    }
  });
  for (int i = 0; i < 4; ++i) std::this_thread::yield();
  const std::lock_guard lock(mutex);
  session.reset();
}

void expect_told(const Ended& ended, const Program& program) {
  ASSERT_TRUE(WIFEXITED(ended.status)) << ended.error;
  EXPECT_EQ(WEXITSTATUS(ended.status), kCrashedExitCode) << ended.error;
  const std::size_t line = ended.error.find("crashed: ");
  ASSERT_NE(line, std::string::npos) << ended.error;
  EXPECT_NE(ended.error.find("tests/fuzz/crash_test.cpp:", line), std::string::npos) << ended.error;
  const std::string token = token_in(ended.error);
  ASSERT_FALSE(token.empty()) << ended.error;
  EXPECT_LE(token.size(), kMostTokenBytes) << token;
  EXPECT_TRUE(crashes(token, program)) << token;
}

TEST(Crash, OfARareOrderIsToldWithItsPlaceAndAnOrderThatCrashesAgain) {
  ASSERT_FALSE(crashes("s2r1:1::", check_then_use));  // the usual order holds
  expect_told(explored(check_then_use), check_then_use);
}

void aborts_when_late() {
  std::mutex mutex;
  bool late = false;
  std::jthread other([&] {
    const std::lock_guard lock(mutex);
    late = true;
  });
  std::this_thread::yield();
  const std::lock_guard lock(mutex);
  if (late && sim::choose(3) == 2) std::abort();
}

TEST(Crash, AnAbortIsOne) {
  expect_told(explored(aborts_when_late), aborts_when_late);
}

TEST(Crash, OfEveryExecutionIsToldAsTheFirstOne) {
  const Program program = [] { std::abort(); };
  const Ended ended = explored(program);
  EXPECT_NE(ended.error.find("the first execution"), std::string::npos) << ended.error;
  expect_told(ended, program);
}

std::size_t deep(std::size_t depth) {
  volatile char frame[1024];
  frame[0] = static_cast<char>(depth);
  return depth == 0 ? 0 : deep(depth - 1) + static_cast<std::size_t>(frame[0]);
}

TEST(Crash, AFullStackIsStillNamedOne) {
  const Ended ended = explored([] {
    std::jthread publisher([] {
      sim::name_thread("publisher");
      deep(10'000);
    });
  });
  EXPECT_EQ(WEXITSTATUS(ended.status), kCrashedExitCode);
  const bool named =
      ended.error.find("sim: stack overflow of thread publisher (limit 512 KiB)") != std::string::npos ||
      ended.error.find("Sanitizer: stack-overflow") != std::string::npos;  // whose handler comes first
  EXPECT_TRUE(named) << ended.error;
  EXPECT_NE(ended.error.find("crashed: "), std::string::npos) << ended.error;
}

TEST(Crash, WhoeverDoesNotCrashEndsAsHeWould) {
  EXPECT_EQ(WEXITSTATUS(explored([] { sim::fail("lost: an event"); }).status), 3);
  const Ended held = explored([] { std::jthread other([] {}); });
  EXPECT_EQ(WEXITSTATUS(held.status), 0);
  EXPECT_EQ(held.error, "");
}

}  // namespace
}  // namespace s2::fuzz
