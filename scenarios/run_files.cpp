// See run_files.h.
#include "scenarios/run_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace s2::scenarios {

tl::expected<void, std::string> make_directory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error) return {};
  return tl::unexpected(fmt::format("cannot make the directory {}: {}", path, error.message()));
}

tl::expected<void, std::string> write_file(const std::string& path, const std::string& bytes) {
  const auto failed = [&] {
    return tl::unexpected(fmt::format("cannot write {}: {}", path, strerror(errno)));
  };
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return failed();
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = write(fd, bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      const int error = errno;
      close(fd);
      errno = error;
      return failed();
    }
    done += static_cast<std::size_t>(wrote);
  }
  if (close(fd) != 0) return failed();
  return {};
}

tl::expected<void, std::string> write_run_files(const std::string& out, const RunOutcome& outcome) {
  const std::string directory = fmt::format("{}/runs/{}", out, outcome.ledger.run);
  if (auto made = make_directory(directory); !made) return made;
  if (auto written = write_file(directory + "/writer.log", outcome.log); !written) return written;
  if (outcome.histories.empty()) return write_file(directory + "/history.jsonl", "");  // nothing reached S2
  // One stream a file: the first is history.jsonl, a further one history-2.jsonl.
  for (std::size_t i = 0; i < outcome.histories.size(); ++i) {
    const std::string name = i == 0 ? "history.jsonl" : fmt::format("history-{}.jsonl", i + 1);
    if (auto written = write_file(directory + "/" + name, outcome.histories[i]); !written) return written;
  }
  return {};
}

}  // namespace s2::scenarios
