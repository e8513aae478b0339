// Where the simulated writer's journal has its files: in memory, a directory for each process.
//
// An execution makes its own anew and takes it away at its end; where the process ends first, or a thread was
// given up that owned it, it is left. Whoever started the process takes it away then. Any thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>

namespace s2::fuzz {

inline constexpr std::chrono::hours kJournalIsOld{1};

std::filesystem::path journal_directory_of(pid_t process);
// Of a process that has ended, or of this one between two executions. No error when there is none.
void remove_journal_of(pid_t process);
// Those of this user whose process has ended, and that nobody has changed for so long: a process of another
// container may use the same memory.
void remove_journals_left(std::chrono::seconds unchanged_for = kJournalIsOld);

}  // namespace s2::fuzz
