// The lines on stdout: whole, in order, bounded, and no burden to whoever says them.
#include "writer/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "tests/writer/rig.h"

namespace s2::writer {
namespace {

using namespace test;

class OutputTest : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    ASSERT_EQ(pipe2(pipe, O_CLOEXEC), 0);
  }
  void TearDown() override {
    ::close(pipe[0]);
    ::close(pipe[1]);
  }
  std::string read_bytes(std::size_t count) {
    std::string all;
    char buffer[4096];
    while (all.size() < count) {
      ssize_t got = ::read(pipe[0], buffer, std::min(sizeof buffer, count - all.size()));
      if (got <= 0) break;
      all.append(buffer, static_cast<std::size_t>(got));
    }
    return all;
  }
  int pipe[2];
};

TEST_F(OutputTest, LinesComeOutWholeAndInOrder) {
  Output output(pipe[1], [] {}, [] {});
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    output.say("line " + std::to_string(i));
    expected += "line " + std::to_string(i) + "\n";
  }
  EXPECT_TRUE(output.flush(in(kLong)));
  EXPECT_EQ(read_bytes(expected.size()), expected);
}

TEST_F(OutputTest, WhatWasWaitedForIsInThePipe) {
  Output output(pipe[1], [] {}, [] {});
  output.say("x");
  output.wait_said();
  ASSERT_EQ(fcntl(pipe[0], F_SETFL, O_NONBLOCK), 0);
  char buffer[2];
  EXPECT_EQ(::read(pipe[0], buffer, 2), 2);
}

TEST_F(OutputTest, SayNeverWaitsAndRoomEndsAndComesBack) {
  std::atomic<int> rooms{0};
  Output output(pipe[1], [&] { ++rooms; }, [] {});
  const std::string line(999, 'x');
  std::size_t said = 0;
  for (; output.has_room(); said += 1000) output.say(line);  // nobody reads
  EXPECT_GE(said, kOutputRoomBytes);
  EXPECT_FALSE(output.flush(in(kShort)));
  EXPECT_EQ(read_bytes(said).size(), said);
  EXPECT_TRUE(output.flush(in(kLong)));
  EXPECT_TRUE(output.has_room());
  while (rooms == 0) std::this_thread::yield();
}

TEST_F(OutputTest, AReaderThatDoesNotReadCostsTheAllowanceOnce) {
  Output output(pipe[1], [] {}, [] {});
  output.limit_waiting(kShort);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 2000; ++i) {  // more than the pipe takes
    output.say(std::string(999, 'x'));
    output.wait_said();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 100 * kShort);  // a wait each would be 1,900
  EXPECT_FALSE(output.flush(in(kShort)));
}

TEST_F(OutputTest, UnderAnAllowanceALineIsStillInThePipeWhenItsCallerGoesOn) {
  Output output(pipe[1], [] {}, [] {});
  output.limit_waiting(kLong);
  ASSERT_EQ(fcntl(pipe[0], F_SETFL, O_NONBLOCK), 0);
  for (int i = 0; i < 300; ++i) {  // how often a line that nobody waits for would be there by chance
    output.say("x");
    output.wait_said();
    char buffer[2];
    ASSERT_EQ(::read(pipe[0], buffer, 2), 2);
  }
}

TEST_F(OutputTest, ReaderThatIsGoneIsToldOnce) {
  std::atomic<int> broken{0};
  Output output(pipe[1], [] {}, [&] { ++broken; });
  ::close(pipe[0]);
  output.say("nobody");
  while (broken == 0) std::this_thread::yield();
  output.say("nobody");
  EXPECT_FALSE(output.flush(in(kLong)));
  EXPECT_TRUE(output.broken());
  EXPECT_EQ(broken, 1);
  pipe[0] = ::open("/dev/null", O_RDONLY);
}

}  // namespace
}  // namespace s2::writer
