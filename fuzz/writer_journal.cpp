// See writer_journal.h.
#include "fuzz/writer_journal.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <ctime>
#include <string>
#include <system_error>
#include <vector>

namespace s2::fuzz {
namespace {

constexpr std::string_view kJournalPrefix = "s2-fuzz-";

std::filesystem::path memory_or_temporary() {
  const std::filesystem::path memory("/dev/shm");
  std::error_code error;
  return std::filesystem::is_directory(memory, error) ? memory : std::filesystem::temp_directory_path();
}

bool is_gone(std::string_view name) {
  if (!name.starts_with(kJournalPrefix)) return false;
  name.remove_prefix(kJournalPrefix.size());
  pid_t process = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), process);
  if (error != std::errc() || end != name.data() + name.size() || process <= 0) return false;
  return ::kill(process, 0) != 0 && errno == ESRCH;
}

}  // namespace

std::filesystem::path journal_directory_of(pid_t process) {
  return memory_or_temporary() / fmt::format("{}{}", kJournalPrefix, process);
}

void remove_journal_of(pid_t process) {
  std::error_code ignored;
  std::filesystem::remove_all(journal_directory_of(process), ignored);
}

void remove_journals_left(std::chrono::seconds unchanged_for) {
  std::error_code ignored;
  std::vector<std::filesystem::path> left;
  for (const auto& entry : std::filesystem::directory_iterator(memory_or_temporary(), ignored)) {
    struct stat status{};
    if (is_gone(entry.path().filename().string()) && ::lstat(entry.path().c_str(), &status) == 0 &&
        S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() &&
        std::time(nullptr) - status.st_mtime >= unchanged_for.count())
      left.push_back(entry.path());
  }
  for (const std::filesystem::path& each : left) std::filesystem::remove_all(each, ignored);
}

}  // namespace s2::fuzz
