// See checkpoint.h. CRIU is called as its command line; its log files, in the checkpoint's directory, have
// the reasons.
#include "scenarios/checkpoint.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "scenarios/scratch_directory.h"

namespace s2::scenarios {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr auto kCriuWithin = 30s;  // a call; on a quiet machine a tenth of a second
constexpr auto kProbeWithin = 10s;
constexpr std::size_t kMaxReasonBytes = 300;
constexpr std::string_view kEcho = "a line comes back\n";

std::string criu() {
  const char* named = getenv("CRIU");
  return named != nullptr && *named != '\0' ? named : "criu";
}

// Not why it failed: what has no consequences (the first stands in every log of a container without
// CAP_SYS_RESOURCE), and what came of an error.
constexpr std::array<std::string_view, 3> kNoReasons = {"Can't setup RLIMIT_NOFILE", "exited, status",
                                                        "Warn "};

// The first line that tells of an error, else the first at all.
std::string reason_in(const std::string& text) {
  std::string first;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    const bool reason = std::none_of(kNoReasons.begin(), kNoReasons.end(), [&](std::string_view none) {
      return line.find(none) != std::string::npos;
    });
    if (!reason) continue;
    if (const std::size_t error = line.find("Error"); error != std::string::npos)
      return line.substr(error, kMaxReasonBytes);
    if (first.empty()) first = line.substr(0, kMaxReasonBytes);
  }
  return first.empty() ? "it gives no reason" : first;
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Reads to the end of the pipe, or to `enough` bytes; false at the deadline.
bool read_pipe(int fd, std::string& text, SteadyTime deadline, std::size_t enough = SIZE_MAX) {
  std::array<char, 4096> buffer;
  while (text.size() < enough) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= 0ms) return false;
    pollfd waiting{fd, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(left.count())) <= 0) continue;
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return enough == SIZE_MAX;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return true;
}

void close_all(const Pipes& pipes) {
  for (const int fd : {pipes.in, pipes.out, pipes.err}) {
    if (fd >= 0) close(fd);
  }
}

// Error: what `criu` said, or that it could not be called.
tl::expected<void, std::string> call(const std::vector<std::string>& arguments, const fs::path& log) {
  const std::string what = fmt::format("criu {}", arguments[0]);
  Command command;
  command.words = {criu()};
  command.words.insert(command.words.end(), arguments.begin(), arguments.end());
  Pipes pipes;
  auto child = Child::start(command, pipes);
  if (!child) return tl::unexpected(child.error());
  std::string said;
  const SteadyTime deadline = std::chrono::steady_clock::now() + kCriuWithin;
  const bool ended = read_pipe(pipes.err, said, deadline) && read_pipe(pipes.out, said, deadline) &&
                     (*child)->wait_until(deadline);
  close_all(pipes);
  if (!ended) return tl::unexpected(fmt::format("{}: it did not end within {} s", what, kCriuWithin.count()));
  if ((*child)->facts().exit_code == 0) return {};
  const std::string logged = log.empty() ? "" : text_of(log);
  return tl::unexpected(fmt::format("{}: {}", what, reason_in(logged.empty() ? said : logged)));
}

// `cat`, checkpointed and restored, still gives back what it is given.
std::string try_it(const std::string& directory) {
  signal(SIGPIPE, SIG_IGN);  // where nothing was restored, nobody reads
  Pipes pipes;
  auto source = Child::start({{"cat"}, {}, {}, Lineage::checkpointed}, pipes);
  if (!source) return source.error();
  auto checkpoint = take_checkpoint(**source, directory);
  close_all(pipes);
  if (!checkpoint) return checkpoint.error();
  auto restored = restore(*checkpoint, "probe", pipes);
  if (!restored) return restored.error();
  const SteadyTime deadline = std::chrono::steady_clock::now() + kProbeWithin;
  std::string said;
  [[maybe_unused]] const ssize_t written = write(pipes.in, kEcho.data(), kEcho.size());
  close(std::exchange(pipes.in, -1));
  const bool ended = read_pipe(pipes.out, said, deadline) && (*restored)->wait_until(deadline);
  close_all(pipes);
  if (std::string why = why_not_restored(*checkpoint, "probe"); !why.empty()) return why;
  if (ended && said == kEcho && (*restored)->facts().exit_code == 0) return "";
  return "criu restore: the restored process does not go on";
}

std::string probe() {
  const auto directory = ScratchDirectory::make(Scratch::criu);
  if (!directory) return directory.error();
  auto checked = call({"check"}, {});
  return checked ? try_it(directory->path()) : checked.error();
}

}  // namespace

tl::expected<Checkpoint, std::string> take_checkpoint(Child& child, const std::string& directory) {
  Checkpoint taken{directory, {}};
  for (std::size_t each = 0; each < taken.pipes.size(); ++each) {
    std::error_code error;
    taken.pipes[each] = fs::read_symlink(fmt::format("/proc/{}/fd/{}", child.pid(), each), error).string();
    if (error) return tl::unexpected(fmt::format("criu dump: the process has ended: {}", error.message()));
  }
  child.expect_kill();
  auto done = call({"dump", "--tree", std::to_string(child.pid()), "--images-dir", directory, "--log-file",
                    "dump.log", "--tcp-close"},
                   fs::path(directory) / "dump.log");
  if (!done) return tl::unexpected(done.error());
  if (!child.wait_until(std::chrono::steady_clock::now() + kCriuWithin))
    return tl::unexpected(std::string("criu dump: the process goes on"));
  return taken;
}

tl::expected<std::unique_ptr<Child>, std::string> restore(const Checkpoint& checkpoint,
                                                          const std::string& name, Pipes& pipes) {
  Command command;
  command.lineage = Lineage::restored;
  command.words = {criu(), "restore", "--restore-detached", "--restore-sibling", "--tcp-close"};
  const auto add = [&](const char* option, std::string value) {
    command.words.emplace_back(option);
    command.words.push_back(std::move(value));
  };
  add("--images-dir", checkpoint.directory);
  add("--log-file", name + ".log");
  add("--pidfile", name + ".pid");
  for (std::size_t each = 0; each < checkpoint.pipes.size(); ++each)
    add("--inherit-fd", fmt::format("fd[{}]:{}", each, checkpoint.pipes[each]));
  return Child::start(command, pipes);
}

std::string why_not_restored(const Checkpoint& checkpoint, const std::string& name) {
  const fs::path directory(checkpoint.directory);
  std::error_code ignored;
  if (fs::exists(directory / (name + ".pid"), ignored)) return "";
  return fmt::format("criu restore: {}", reason_in(text_of(directory / (name + ".log"))));
}

const std::string& why_no_checkpoint() {
  static const std::string why = probe();
  return why;
}

}  // namespace s2::scenarios
