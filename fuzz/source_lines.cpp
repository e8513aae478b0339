// Asks addr2line; see source_lines.h.
#include "fuzz/source_lines.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string_view>
#include <vector>

namespace s2::fuzz {
namespace {

// Addresses are read from a file, so that any number of them fits.
std::string output_of_addr2line(const std::string& module, const std::vector<std::uint64_t>& addresses) {
  char name[] = "/tmp/s2-fuzz-addresses-XXXXXX";
  const int file = ::mkstemp(name);
  if (file < 0) return "";
  ::unlink(name);
  std::string text;
  char line[32];
  for (const std::uint64_t address : addresses) {
    std::snprintf(line, sizeof line, "0x%llx\n", static_cast<unsigned long long>(address));
    text += line;
  }
  int ends[2];
  const bool ready = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                     ::lseek(file, 0, SEEK_SET) == 0 && ::pipe(ends) == 0;
  if (!ready) {
    ::close(file);
    return "";
  }
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(file, STDIN_FILENO);
    ::dup2(ends[1], STDOUT_FILENO);
    if (const int nowhere = ::open("/dev/null", O_WRONLY); nowhere >= 0) ::dup2(nowhere, STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    ::execlp("addr2line", "addr2line", "-a", "-i", "-e", module.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(file);
  ::close(ends[1]);
  std::string said;
  char buffer[65536];
  while (pid > 0) {
    const ssize_t got = ::read(ends[0], buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    said.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  while (pid > 0 && ::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return said;
}

bool is_the_programs(std::string_view place) {
  return !place.starts_with("?") && !place.starts_with("/usr/") &&
         place.find("/sim/") == std::string_view::npos && place.find(":?") == std::string_view::npos &&
         !place.ends_with(":0");
}

std::string base_name(std::string_view place) {
  place = place.substr(0, place.find(" (discriminator"));
  const std::size_t slash = place.rfind('/');
  return std::string(slash == std::string_view::npos ? place : place.substr(slash + 1));
}

}  // namespace

SourceLines::SourceLines(const sim::Execution& execution) {
  // The program's own name may be another than its file's: argv[0] is what dladdr() says.
  Dl_info own{};
  std::error_code error;
  dladdr(reinterpret_cast<const void*>(&output_of_addr2line), &own);
  const std::string self = std::filesystem::read_symlink("/proc/self/exe", error).string();
  std::map<std::string, std::map<std::uint64_t, const void*>> modules;
  for (const sim::TraceStep& step : execution.trace) {
    for (const void* frame : step.frames) {
      if (frame == nullptr || places_.contains(frame)) continue;
      places_[frame] = "";
      Dl_info info{};
      if (dladdr(frame, &info) == 0 || info.dli_fname == nullptr) continue;
      // A return address is behind its call.
      const auto offset =
          reinterpret_cast<std::uintptr_t>(frame) - reinterpret_cast<std::uintptr_t>(info.dli_fbase) - 1;
      modules[info.dli_fbase == own.dli_fbase ? self : info.dli_fname][offset] = frame;
    }
  }
  for (const auto& [module, frames] : modules) {
    std::vector<std::uint64_t> addresses;
    for (const auto& [offset, frame] : frames) addresses.push_back(offset);
    const std::string said = output_of_addr2line(module, addresses);
    std::string* place = nullptr;
    for (std::size_t begin = 0; begin < said.size();) {
      const std::size_t end = std::min(said.find('\n', begin), said.size());
      const std::string line = said.substr(begin, end - begin);
      begin = end + 1;
      if (line.starts_with("0x")) {
        const auto found = frames.find(std::strtoull(line.c_str(), nullptr, 16));
        place = found == frames.end() ? nullptr : &places_[found->second];
      } else if (place != nullptr && place->empty() && is_the_programs(line)) {
        *place = base_name(line);
      }
    }
  }
}

std::string SourceLines::of(const sim::TraceStep& step) const {
  for (const void* frame : step.frames) {
    const auto found = places_.find(frame);
    if (found != places_.end() && !found->second.empty()) return found->second;
  }
  return "";
}

}  // namespace s2::fuzz
