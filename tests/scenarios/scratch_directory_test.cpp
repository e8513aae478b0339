// Directories of a run's own: gone with their object, and with the next run where a process was killed.
#include "scenarios/scratch_directory.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>

namespace s2::scenarios {
namespace {

namespace fs = std::filesystem;

// A process that makes one, says its name, and waits until it is killed.
struct Owner {
  Owner() {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    pid = ::fork();
    if (pid == 0) {
      const auto made = ScratchDirectory::make(Scratch::browser);
      if (made && ::write(ends[1], made->path().data(), made->path().size()) > 0) ::pause();
      ::_exit(1);
    }
    ::close(ends[1]);
    std::array<char, 4096> name{};
    const ssize_t got = ::read(ends[0], name.data(), name.size());
    ::close(ends[0]);
    path.assign(name.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  }
  ~Owner() { kill(); }
  void kill() {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = 0;
  }
  pid_t pid;
  std::string path;
};

TEST(ScratchDirectory, IsGoneWithItsObjectWhateverStandsInIt) {
  std::string path;
  {
    auto made = ScratchDirectory::make(Scratch::journal);
    ASSERT_TRUE(made) << made.error();
    const ScratchDirectory held = std::move(*made);
    path = held.path();
    EXPECT_TRUE(fs::is_directory(path));
    fs::create_directories(path + "/profile/below");
    std::ofstream(path + "/profile/file") << "text";
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(ScratchDirectory, WhatAKilledProcessLeftGoesWithTheNextOneAndWhatIsHeldStays) {
  Owner killed, alive;
  const auto own = ScratchDirectory::make(Scratch::browser);
  ASSERT_TRUE(own) << own.error();
  ASSERT_TRUE(fs::is_directory(killed.path) && fs::is_directory(alive.path));
  std::ofstream(killed.path + "/file") << "text";
  killed.kill();
  EXPECT_TRUE(fs::exists(killed.path));
  ScratchDirectory::remove_left();
  EXPECT_FALSE(fs::exists(killed.path));
  EXPECT_TRUE(fs::exists(alive.path));
  EXPECT_TRUE(fs::exists(own->path()));
  alive.kill();
  ScratchDirectory::remove_left();
  EXPECT_FALSE(fs::exists(alive.path));
}

}  // namespace
}  // namespace s2::scenarios
