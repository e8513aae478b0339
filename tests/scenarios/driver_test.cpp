// The driver and the child process, against tiny writers made of sh and Python.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "scenarios/child.h"
#include "scenarios/driver_line.h"
#include "scenarios/writer_driver.h"

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;
using Kind = Statement::Kind;

const std::string kRun = "0123456789abcdef";
auto soon() {
  return std::chrono::steady_clock::now() + 20s;
}

struct Started {
  std::unique_ptr<Child> child;
  std::unique_ptr<WriterDriver> driver;
};

Started start(std::vector<std::string> words) {
  Pipes pipes;
  auto child = Child::start({std::move(words), {}, {}}, pipes);
  EXPECT_TRUE(child) << child.error();
  return {std::move(*child), std::make_unique<WriterDriver>(pipes, kRun)};
}

Started sh(const std::string& script) {
  return start({"/bin/sh", "-c", script});
}
Started python(const std::string& script) {
  return start({"python3", "-c", script});
}

EventShape event(std::size_t bytes = 10) {
  return shape_of("console_log", "console", "\"" + std::string(bytes, 'x') + "\"");
}

bool gone(int pid) {
  for (int i = 0; i < 400; ++i) {
    if (kill(pid, 0) != 0) return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

TEST(DriverLine, EveryLineOfTheProtocolIsUnderstood) {
  const auto said = [](const char* line) { return std::get<Statement>(parse_writer_line(line)); };
  EXPECT_EQ(std::get<Published>(parse_writer_line(R"({"published":17,"seq":18})")).seq, 18U);
  EXPECT_EQ(std::get<Rejected>(parse_writer_line(R"({"rejected":17,"reason":"full"})")).reason, "full");
  EXPECT_EQ(said(R"({"ready":true})").kind, Kind::ready);
  EXPECT_EQ(said(R"({"started":"s"})").session, "s");
  EXPECT_EQ(said(R"({"storage":false})").text, "off");
  EXPECT_EQ(said(R"({"storage":true})").kind, Kind::storage);
  EXPECT_EQ(said(R"({"dropped":{"from":3,"to":9}})").to, 9U);
  EXPECT_EQ(said(R"({"acked":18,"session":"s"})").session, "s");
  EXPECT_EQ(said(R"({"flushed":{"through":18}})").through, 18U);
  EXPECT_EQ(said(R"({"flush_failed":{"durable_through":12,"pending":6}})").pending, 6U);
  EXPECT_EQ(said(R"({"stopped":{"through":18}})").kind, Kind::stopped);
  EXPECT_EQ(said(R"({"lost":{"from":13,"to":18,"reason":"r"}})").text, "r");
  const Statement identified = said(R"({"identified":"b","after":57,"pending":0,"left":12})");
  EXPECT_EQ(identified.kind, Kind::identified);
  EXPECT_EQ(identified.session, "b");
  EXPECT_EQ(identified.through, 57U);
  EXPECT_EQ(identified.pending, 12U);
  EXPECT_EQ(said(R"({"not_identified":"b","reason":"r"})").text, "r");
  for (const char* bad :
       {R"({"identified":"b","after":57})", R"({"identified":1})", "", "null", "[]", "{}",
        R"({"ready":false})", R"({"published":1})", R"({"acked":-1})", R"({"dropped":{"from":3}})",
        R"({"lost":7})", R"({"storage":"off"})", "hello", "{\"ready\":tr"}) {
    EXPECT_EQ(said(bad).kind, Kind::garbage) << bad;
  }
}

TEST(DriverLine, ABranchIsToldWhoItIs) {
  DriverOp op{.kind = DriverOp::Kind::identity, .session = "b", .on = true};
  EXPECT_EQ(stdio_line(op, ""), "{\"op\":\"identity\",\"session\":\"b\",\"inherit\":true}\n");
  op.stream = "fixed";
  op.on = false;
  EXPECT_EQ(stdio_line(op, ""),
            "{\"op\":\"identity\",\"session\":\"b\",\"stream\":\"fixed\",\"inherit\":false}\n");
}

TEST(Driver, NeitherSideWaitsForTheOtherWhenBothTalkAtOnce) {
  // Prints far more than a pipe holds before it reads anything, while as much waits for its stdin.
  auto writer = python(R"(
import sys, json
print('{"ready":true}', flush=True)
for i in range(20000): print('{"acked":%d}' % i)
sys.stdout.flush()
for line in sys.stdin: print('{"published":%d,"seq":1}' % json.loads(line)["n"], flush=True)
)");
  ASSERT_TRUE(writer.driver->wait_ready(soon()));
  for (int i = 0; i < 300; ++i) ASSERT_NE(writer.driver->publish("s", 0, event(5000), soon()), 0U);
  EXPECT_TRUE(writer.driver->wait_answered(soon()));
  writer.driver->close_input();
  EXPECT_TRUE(writer.child->wait_until(soon()));
  EXPECT_TRUE(writer.driver->wait_output_end(soon()));
  EXPECT_EQ(writer.driver->count(Kind::acked), 20000U);
  EXPECT_EQ(writer.driver->accepted(), 300U);
}

TEST(Driver, APublishGivesUpWhenTheWriterReadsNothing) {
  auto writer = sh("echo '{\"ready\":true}'; exec sleep 60");
  ASSERT_TRUE(writer.driver->wait_ready(soon()));
  std::uint64_t last = 1;
  for (int i = 0; i < 20 && last != 0; ++i) {
    last = writer.driver->publish("s", 0, event(1'000'000), std::chrono::steady_clock::now() + 50ms);
  }
  EXPECT_EQ(last, 0U);
  EXPECT_LT(writer.driver->sent(), 12U);
  EXPECT_TRUE(writer.child->kill_and_reap());
}

TEST(Driver, AHalfLineAtTheEndIsIgnoredAndGarbageIsKept) {
  auto writer = sh("echo '{\"ready\":true}'; echo 'Traceback: oh'; printf '{\"acked\":5'; echo log >&2");
  ASSERT_TRUE(writer.driver->wait_ready(soon()));
  ASSERT_TRUE(writer.driver->wait_output_end(soon()));
  const auto said = writer.driver->statements();
  ASSERT_EQ(said.size(), 2U);
  EXPECT_EQ(said[1].kind, Kind::garbage);
  EXPECT_EQ(said[1].text, "Traceback: oh");
  EXPECT_EQ(writer.driver->log(), "log\n");
}

TEST(Driver, AnAnswerThatNobodyAskedForIsGarbage) {
  auto writer = sh(
      R"(echo '{"ready":true}'; read x; echo '{"published":1,"seq":1}'; echo '{"published":1,"seq":2}'; echo '{"published":9,"seq":3}')");
  ASSERT_TRUE(writer.driver->wait_ready(soon()));
  writer.driver->publish("s", 0, event(), soon());
  ASSERT_TRUE(writer.driver->wait_output_end(soon()));
  EXPECT_EQ(writer.driver->accepted(), 1U);
  EXPECT_EQ(writer.driver->count(Kind::garbage), 2U);
  EXPECT_EQ(writer.driver->publications()[0].seq, 1U);
}

TEST(Driver, WhatIsPublishedBehindTheWordThatStoringIsOffWasPublishedWhileItWasOff) {
  auto writer = sh(
      R"(echo '{"ready":true}'; read x; echo '{"published":1,"seq":1}'; read x; echo '{"storage":false}'; )"
      R"(read x; echo '{"published":2,"seq":2}'; read x; echo '{"storage":true}'; read x; echo '{"published":3,"seq":3}')");
  ASSERT_TRUE(writer.driver->wait_ready(soon()));
  writer.driver->publish("s", 0, event(), soon());
  writer.driver->storage(false);
  writer.driver->publish("s", 0, event(), soon());
  writer.driver->storage(true);
  writer.driver->publish("s", 0, event(), soon());
  ASSERT_TRUE(writer.driver->wait_output_end(soon()));
  const auto made = writer.driver->publications();
  ASSERT_EQ(made.size(), 3U);
  EXPECT_TRUE(made[0].storage_on);
  EXPECT_FALSE(made[1].storage_on);
  EXPECT_TRUE(made[2].storage_on);
  EXPECT_EQ(writer.driver->count(Kind::storage), 2U);
}

TEST(Driver, AWriterThatDoesNotKnowTheSwitchStoresOn) {
  auto writer = sh(R"(echo '{"ready":true}'; read x; read x; echo '{"published":1,"seq":1}')");
  ASSERT_TRUE(writer.driver->wait_ready(soon()));
  writer.driver->storage(false);
  writer.driver->publish("s", 0, event(), soon());
  ASSERT_TRUE(writer.driver->wait_output_end(soon()));
  EXPECT_TRUE(writer.driver->publications().at(0).storage_on);
}

TEST(Driver, ReadyMustBeTheFirstLine) {
  auto writer = sh("echo hello; echo '{\"ready\":true}'");
  EXPECT_FALSE(writer.driver->wait_ready(soon()));
  EXPECT_EQ(writer.driver->first_garbage(), "hello");
}

TEST(Child, ACommandThatIsNotThereIsOneClearLine) {
  Pipes pipes;
  const auto child = Child::start({{"no-such-writer"}, {}, {}}, pipes);
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error(), "cannot start `no-such-writer`: No such file or directory");
}

TEST(Child, AKillTakesTheWholeGroupAndIsReapedBeforeItReturns) {
  auto writer = sh("sleep 60 & echo \"$!\" >&2; echo '{\"ready\":true}'; wait");
  ASSERT_TRUE(writer.driver->wait_ready(soon()));
  while (writer.driver->log().find('\n') == std::string::npos) std::this_thread::sleep_for(1ms);
  const int grandchild = std::stoi(writer.driver->log());
  EXPECT_TRUE(writer.child->kill_and_reap());
  EXPECT_FALSE(writer.child->kill_and_reap());
  EXPECT_NE(kill(writer.child->pid(), 0), 0);
  writer.child->end_group();
  EXPECT_TRUE(writer.child->facts().leaked_pids.empty());
  EXPECT_EQ(writer.child->facts().exit_signal, SIGKILL);
  EXPECT_TRUE(gone(grandchild));
}

TEST(Child, WhatOutlivesItsEndIsLeakedAndKilled) {
  auto writer = sh("sleep 60 >/dev/null 2>&1 & echo \"$!\" >&2; echo '{\"ready\":true}'; exit 0");
  ASSERT_TRUE(writer.child->wait_until(soon()));
  while (writer.driver->log().find('\n') == std::string::npos) std::this_thread::sleep_for(1ms);
  const int grandchild = std::stoi(writer.driver->log());
  writer.child->end_group();
  EXPECT_EQ(writer.child->facts().leaked_pids, std::vector<int>{grandchild});
  EXPECT_EQ(writer.child->facts().exit_code, 0);
  EXPECT_TRUE(gone(grandchild));
}

TEST(Child, TermGoesToTheStartedProcessAndPauseHoldsTheGroup) {
  auto writer =
      sh("trap 'echo \"{\\\"acked\\\":1}\"; exit 1' TERM; echo '{\"ready\":true}'; while :; do sleep 0.01; "
         "done");
  ASSERT_TRUE(writer.driver->wait_ready(soon()));
  writer.child->pause();
  writer.child->term();
  EXPECT_FALSE(writer.child->wait_until(std::chrono::steady_clock::now() + 100ms));
  writer.child->resume();
  ASSERT_TRUE(writer.child->wait_until(soon()));
  const Process facts = writer.child->facts();
  EXPECT_EQ(facts.exit_code, 1);
  EXPECT_GE(facts.exited_ns, facts.resume_ns);
  EXPECT_GE(facts.resume_ns - facts.pause_ns, 100'000'000);
}

TEST(Child, InheritsNoDescriptorBeyondItsThreeStreams) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);  // without close-on-exec, as some library might open it
  auto writer = sh("echo '{\"ready\":true}'; ls /proc/self/fd | wc -l >&2");
  ASSERT_TRUE(writer.driver->wait_output_end(soon()));
  EXPECT_LE(std::stoi(writer.driver->log()), 4);  // 0, 1, 2, and the directory that ls reads
  close(ends[0]), close(ends[1]);
}

}  // namespace
}  // namespace s2::scenarios
