// A directory of this process's own below the system's temporary one, gone with the object; where the process
// is killed first, the next one that makes such a directory takes it away.
//
// It is locked (flock) for as long as it is somebody's, and the kernel ends the lock with the process: what
// bears the name and is locked by nobody was left. The started programs do not inherit the lock. Any thread.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace s2::scenarios {

// What it is for: a part of the name.
inline constexpr std::array<std::string_view, 4> kScratchKinds = {"browser", "journal", "fork", "criu"};
enum class Scratch { browser, journal, fork, criu };

class ScratchDirectory {
 public:
  // The error is one line.
  static tl::expected<ScratchDirectory, std::string> make(Scratch what) {
    static std::once_flag once;
    std::call_once(once, remove_left);
    constexpr int kTries = 8;
    std::string path;
    for (int i = 0; i < kTries; ++i) {
      path = below_temporary(prefix(kScratchKinds[static_cast<std::size_t>(what)]) + "XXXXXX");
      if (::mkdtemp(path.data()) == nullptr)
        return tl::unexpected(fmt::format("{} cannot be made: {}", path, std::strerror(errno)));
      ScratchDirectory made(path, lock(path));
      if (made.lock_ >= 0) return made;  // else another process took it for one that was left
    }
    return tl::unexpected(fmt::format("{} cannot be locked", path));
  }
  ScratchDirectory(ScratchDirectory&& other) noexcept
      : path_(std::exchange(other.path_, {})), lock_(std::exchange(other.lock_, -1)) {}
  ScratchDirectory& operator=(ScratchDirectory&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(lock_, other.lock_);
    return *this;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
    if (lock_ >= 0) ::close(lock_);
  }
  const std::string& path() const { return path_; }

  // Those of this user whose process is gone. make() does it once.
  static void remove_left() {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(below_temporary(""), ignored)) {
      const std::string name = entry.path().filename().string();
      const auto is_of = [&](std::string_view kind) { return name.starts_with(prefix(kind)); };
      if (std::ranges::none_of(kScratchKinds, is_of)) continue;
      struct stat status{};
      if (::lstat(entry.path().c_str(), &status) != 0 || !S_ISDIR(status.st_mode) ||
          status.st_uid != ::geteuid())
        continue;
      const int locked = lock(entry.path());
      if (locked < 0) continue;
      std::filesystem::remove_all(entry.path(), ignored);
      ::close(locked);
    }
  }

 private:
  ScratchDirectory(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  static std::string prefix(std::string_view kind) { return fmt::format("s2-scratch-{}-", kind); }
  static std::string below_temporary(const std::string& name) {
    return (std::filesystem::temp_directory_path() / name).string();
  }
  // The descriptor that holds it; below 0: it is somebody's, or gone.
  static int lock(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -1;
    struct stat status{};
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0 && ::fstat(fd, &status) == 0 && status.st_nlink > 0) return fd;
    ::close(fd);
    return -1;
  }

  std::string path_;
  int lock_;
};

}  // namespace s2::scenarios
