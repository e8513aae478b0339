// What a process leaves of its journal when it ends abruptly goes with the next look, and nothing else does.
#include "fuzz/writer_journal.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

namespace s2::fuzz {
namespace {

using namespace std::chrono_literals;

pid_t ended_process() {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  waitpid(pid, nullptr, 0);
  return pid;
}

void make_journal_of(pid_t process) {
  std::filesystem::create_directory(journal_directory_of(process));
  std::ofstream(journal_directory_of(process) / "console.jsonl") << "{}\n";
}

TEST(WriterJournal, OfAProcessThatHasEndedIsRemovedWhenItIsOld) {
  const pid_t gone = ended_process();
  make_journal_of(gone);
  make_journal_of(getpid());
  remove_journals_left(1h);
  EXPECT_TRUE(std::filesystem::exists(journal_directory_of(gone)));
  std::filesystem::last_write_time(journal_directory_of(gone),
                                   std::filesystem::file_time_type::clock::now() - 2h);
  std::filesystem::last_write_time(journal_directory_of(getpid()),
                                   std::filesystem::file_time_type::clock::now() - 2h);
  remove_journals_left(1h);
  EXPECT_FALSE(std::filesystem::exists(journal_directory_of(gone)));
  EXPECT_TRUE(std::filesystem::exists(journal_directory_of(getpid())));  // it lives
  remove_journal_of(getpid());
  EXPECT_FALSE(std::filesystem::exists(journal_directory_of(getpid())));
}

}  // namespace
}  // namespace s2::fuzz
