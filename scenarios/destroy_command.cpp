// See destroy_command.h.
#include "scenarios/destroy_command.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "scenarios/child.h"
#include "scenarios/last_words.h"

namespace s2::scenarios {
namespace {

constexpr int kLookEveryMs = 10;
constexpr int kLooksAfterTheEnd = 64;  // at what still stands in the pipes
constexpr std::size_t kMaxSaidBytes = 4096;

// The command's stdout and stderr, on the way to ours.
class Output {
 public:
  Output(int out, int err) : pipes_({{{out, POLLIN, 0}, {err, POLLIN, 0}}}) {}
  ~Output() {
    for (const pollfd& pipe : pipes_) {
      if (pipe.fd >= 0) close(pipe.fd);
    }
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // False: nothing came within that time.
  bool pass_on(int within_ms) {
    const int ready = poll(pipes_.data(), pipes_.size(), within_ms);
    if (ready <= 0) return ready < 0 && errno == EINTR;
    for (pollfd& pipe : pipes_) {
      if (pipe.revents == 0 || take(pipe.fd)) continue;
      close(pipe.fd);
      pipe.fd = -1;  // poll looks at it no more
    }
    return true;
  }
  const std::string& said() const { return said_; }

 private:
  // False at the end of the pipe.
  bool take(int fd) {
    std::array<char, 64 * 1024> buffer;
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0) return errno == EINTR;
    if (got == 0) return false;
    const auto bytes = static_cast<std::size_t>(got);
    std::fwrite(buffer.data(), 1, bytes, stderr);
    said_.append(buffer.data(), bytes);
    if (said_.size() > kMaxSaidBytes) said_.erase(0, said_.size() - kMaxSaidBytes);
    return true;
  }

  std::array<pollfd, 2> pipes_;
  std::string said_;  // the end of it
};

}  // namespace

tl::expected<void, std::string> run_destroy_command(const std::vector<std::string>& words,
                                                    std::chrono::milliseconds within) {
  Pipes pipes;
  auto child = Child::start({words, {}, {}}, pipes);
  if (!child) return tl::unexpected(child.error());
  close(pipes.in);
  Output output(pipes.out, pipes.err);
  const auto deadline = std::chrono::steady_clock::now() + within;
  bool ended = (*child)->ended();
  for (; !ended && std::chrono::steady_clock::now() < deadline; ended = (*child)->ended())
    output.pass_on(kLookEveryMs);
  if (!ended) (*child)->kill_and_reap();
  (*child)->end_group();
  for (int look = 0; look < kLooksAfterTheEnd && output.pass_on(0); ++look) {
  }
  const Process facts = (*child)->facts();
  if (ended && facts.exit_code == 0) return {};
  const std::string how =
      !ended ? fmt::format("did not end within {} ms, and was killed", within.count()) : how_it_ended(facts);
  return tl::unexpected("--destroy " + how + last_words(output.said()));
}

}  // namespace s2::scenarios
