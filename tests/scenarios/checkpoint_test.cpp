// A process is restored from one checkpoint as often as one likes: each goes on from the same state, alone,
// and ends as itself.
#include "scenarios/checkpoint.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;

auto before_long() {
  return std::chrono::steady_clock::now() + 20s;
}

class Checkpoints : public testing::Test {
 protected:
  void SetUp() override {
    if (!why_no_checkpoint().empty()) GTEST_SKIP() << why_no_checkpoint();
    signal(SIGPIPE, SIG_IGN);
    directory_ = (std::filesystem::temp_directory_path() / "s2-checkpoint-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(directory_.data()), nullptr);
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  struct Held {
    std::unique_ptr<Child> child;
    Pipes pipes;
    ~Held() { close_all(); }
    Held(std::unique_ptr<Child> taken, const Pipes& ends) : child(std::move(taken)), pipes(ends) {}
    Held(Held&& other) noexcept : child(std::move(other.child)), pipes(std::exchange(other.pipes, {})) {}
    void say(const std::string& line) const {
      EXPECT_EQ(write(pipes.in, line.data(), line.size()), static_cast<ssize_t>(line.size()));
    }
    // To the end of a line, or of the pipe.
    std::string hear() const {
      std::string line;
      for (char c = 0; c != '\n';) {
        pollfd waiting{pipes.out, POLLIN, 0};
        if (poll(&waiting, 1, 20'000) <= 0 || read(pipes.out, &c, 1) <= 0) break;
        line += c;
      }
      return line;
    }
    void close_input() { close(std::exchange(pipes.in, -1)); }
    void close_all() {
      for (const int fd : {pipes.in, pipes.out, pipes.err})
        if (fd >= 0) close(fd);
      pipes = {};
    }
  };

  // A shell that has counted to three, checkpointed.
  tl::expected<Checkpoint, std::string> counter(const std::string& at_the_end) {
    Pipes pipes;
    auto child =
        Child::start({{"/bin/sh", "-c",
                       "n=0; while read -r word; do n=$((n + 1)); echo \"$word $n\"; done; " + at_the_end},
                      {},
                      {},
                      Lineage::checkpointed},
                     pipes);
    if (!child) return tl::unexpected(child.error());
    const Held source(std::move(*child), pipes);
    for (int n = 1; n <= 3; ++n) {
      source.say("source\n");
      EXPECT_EQ(source.hear(), "source " + std::to_string(n) + "\n");
    }
    auto taken = take_checkpoint(*source.child, directory_);
    EXPECT_TRUE(source.child->ended());
    EXPECT_EQ(source.child->facts().exit_signal, SIGKILL);
    EXPECT_GE(source.child->facts().kill_ns, 0);
    return taken;
  }
  Held restored(const Checkpoint& checkpoint, const std::string& name) {
    Pipes pipes;
    auto child = restore(checkpoint, name, pipes);
    EXPECT_TRUE(child) << child.error();
    return {std::move(*child), pipes};
  }

  std::string directory_;
};

TEST_F(Checkpoints, TwoRestoresGoOnFromTheSameStateAndShareNothing) {
  const auto checkpoint = counter("exit 7");
  ASSERT_TRUE(checkpoint) << checkpoint.error();
  Held first = restored(*checkpoint, "first"), second = restored(*checkpoint, "second");
  first.say("first\n");
  EXPECT_EQ(first.hear(), "first 4\n");
  first.say("first\n");
  EXPECT_EQ(first.hear(), "first 5\n");
  second.say("second\n");
  EXPECT_EQ(second.hear(), "second 4\n");
  // Nobody but this process holds the other ends: each ends at the end of its own input, and says how.
  for (Held* each : {&first, &second}) {
    each->close_input();
    EXPECT_EQ(each->hear(), "");
    EXPECT_TRUE(each->child->wait_until(before_long()));
    EXPECT_EQ(each->child->facts().exit_code, 7);
  }
  EXPECT_EQ(why_not_restored(*checkpoint, "first"), "");
}

TEST_F(Checkpoints, SigtermReachesWhatWasRestoredAndItsDeathIsTheChilds) {
  const auto checkpoint = counter("");
  ASSERT_TRUE(checkpoint) << checkpoint.error();
  Held branch = restored(*checkpoint, "branch");
  branch.say("branch\n");
  EXPECT_EQ(branch.hear(), "branch 4\n");
  branch.child->term();
  EXPECT_TRUE(branch.child->wait_until(before_long()));
  EXPECT_EQ(branch.child->facts().exit_signal, SIGTERM);
}

TEST_F(Checkpoints, AKilledChildLeavesNothingOfItsBranchBehind) {
  const auto checkpoint = counter("");
  ASSERT_TRUE(checkpoint) << checkpoint.error();
  Held branch = restored(*checkpoint, "branch");
  branch.say("branch\n");
  EXPECT_EQ(branch.hear(), "branch 4\n");
  EXPECT_TRUE(branch.child->kill_and_reap());
  EXPECT_EQ(branch.hear(), "");  // the end of the pipe, which only the restored process held
}

TEST_F(Checkpoints, ARestoreThatFailsEndsTheChildAndSaysWhy) {
  const auto checkpoint = counter("");
  ASSERT_TRUE(checkpoint) << checkpoint.error();
  std::filesystem::remove(directory_ + "/inventory.img");
  Held branch = restored(*checkpoint, "branch");
  EXPECT_TRUE(branch.child->wait_until(before_long()));
  EXPECT_NE(branch.child->facts().exit_code, 0);
  const std::string why = why_not_restored(*checkpoint, "branch");
  EXPECT_EQ(why.rfind("criu restore: Error ", 0), 0U) << why;
  EXPECT_EQ(why.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace s2::scenarios
