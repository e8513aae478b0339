// See live_browser.h. The browser's DevTools port stands on its stderr; the program is Node, with
// playwright-core.
#include "scenarios/live_browser.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <semaphore>
#include <thread>

#include "scenarios/child.h"
#include "scenarios/scratch_directory.h"

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto kListensWithin = 60s;  // a browser on a busy machine
constexpr auto kLooksEvery = 100ms;   // whether somebody wants the reading to end
constexpr std::size_t kMaxBrowserLine = 16 * 1024 * 1024;
constexpr std::string_view kListening = "DevTools listening on ";
constexpr const char* kProgram = RECORDER_DIR "/live.mjs";

std::counting_semaphore<kMaxBrowsers>& turns() {
  static std::counting_semaphore<kMaxBrowsers> all(kMaxBrowsers);
  return all;
}

std::string chromium() {
  const char* named = getenv("CHROMIUM");
  return named != nullptr ? named : "/usr/bin/chromium";
}

// A process and the lines that it prints, on either stream, until it and all of its group are gone.
class Talker {
 public:
  static tl::expected<std::unique_ptr<Talker>, std::string> start(
      const Command& command, std::function<void(std::string_view)> on_line, std::function<void()> on_end) {
    Pipes pipes;
    auto child = Child::start(command, pipes);
    if (!child) return tl::unexpected(child.error());
    close(pipes.in);
    return std::unique_ptr<Talker>(
        new Talker(std::move(*child), pipes, std::move(on_line), std::move(on_end)));
  }
  ~Talker() {
    child_->kill_and_reap();
    child_->end_group();
    reader_.request_stop();  // for pipes that somebody else holds open
    reader_.join();
  }
  Talker(const Talker&) = delete;
  Talker& operator=(const Talker&) = delete;

  bool kill() { return child_->kill_and_reap(); }

 private:
  Talker(std::unique_ptr<Child> child, const Pipes& pipes, std::function<void(std::string_view)> on_line,
         std::function<void()> on_end)
      : child_(std::move(child)),
        reader_(
            [pipes, on_line = std::move(on_line), on_end = std::move(on_end)](const std::stop_token& stop) {
              read_lines(pipes, on_line, stop);
              on_end();
            }) {}

  static void read_lines(const Pipes& pipes, const std::function<void(std::string_view)>& on_line,
                         const std::stop_token& stop) {
    std::array<pollfd, 2> open = {{{pipes.out, POLLIN, 0}, {pipes.err, POLLIN, 0}}};
    std::array<std::string, 2> half;
    std::string buffer(64 * 1024, '\0');
    while ((open[0].fd >= 0 || open[1].fd >= 0) && !stop.stop_requested()) {
      if (poll(open.data(), open.size(), static_cast<int>(kLooksEvery.count())) < 0 && errno != EINTR) break;
      for (std::size_t each = 0; each < open.size(); ++each) {
        if (open[each].fd < 0 || open[each].revents == 0) continue;
        const ssize_t got = read(open[each].fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
          close(std::exchange(open[each].fd, -1));
          continue;
        }
        std::string& line = half[each];
        line.append(buffer.data(), static_cast<std::size_t>(got));
        std::size_t begin = 0;
        for (std::size_t end = line.find('\n'); end != std::string::npos; end = line.find('\n', begin)) {
          on_line(std::string_view(line).substr(begin, end - begin));
          begin = end + 1;
        }
        line.erase(0, begin);
        if (line.size() > kMaxBrowserLine) line.clear();
      }
    }
    for (const pollfd& each : open) {
      if (each.fd >= 0) close(each.fd);
    }
  }

  std::unique_ptr<Child> child_;
  std::jthread reader_;
};

}  // namespace

class LiveBrowser::Impl {
 public:
  Impl() { turns().acquire(); }
  ~Impl() {
    program_.reset();
    browser_.reset();
    files_.reset();
    turns().release();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  tl::expected<void, std::string> start() {
    auto made = ScratchDirectory::make(Scratch::browser);
    if (!made) return tl::unexpected(made.error());
    files_ = std::move(*made);
    const Command command{
        {chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--no-default-browser-check", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--disable-extensions", "--disable-default-apps", "--password-store=basic",
         "--mute-audio", "--disable-breakpad", "--disable-dev-shm-usage", "--remote-debugging-port=0",
         "--user-data-dir=" + files_->path() + "/profile", "about:blank"},
        {{"TMPDIR", files_->path()}},
        {}};
    auto started = Talker::start(
        command,
        [this](std::string_view line) {
          if (!line.starts_with(kListening)) return;
          const std::lock_guard lock(mutex_);
          devtools_ = line.substr(kListening.size());
          changed_.notify_all();
        },
        [this] { ended(browser_ended_); });
    if (!started) return tl::unexpected(started.error());
    browser_ = std::move(*started);
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kListensWithin, [this] { return !devtools_.empty() || browser_ended_; });
    if (devtools_.empty()) return tl::unexpected(fmt::format("{} did not listen for DevTools", chromium()));
    return {};
  }

  tl::expected<void, std::string> drive(std::chrono::milliseconds watched, bool mistake, OnEvent on_event) {
    Command command{
        {"node", kProgram, devtools_, std::to_string(watched.count())}, {{"TMPDIR", files_->path()}}, {}};
    if (mistake) command.words.emplace_back("throws");
    auto started = Talker::start(
        command, [this, on_event = std::move(on_event)](std::string_view line) { take(line, on_event); },
        [this] { ended(program_ended_); });
    if (!started) return tl::unexpected(started.error());
    program_ = std::move(*started);
    return {};
  }

  bool wait_deleted(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline, [this] { return deleted_ || program_ended_; });
    return deleted_;
  }
  std::string caught() const {
    const std::lock_guard lock(mutex_);
    return caught_;
  }
  bool kill() { return browser_->kill(); }

 private:
  void take(std::string_view line, const OnEvent& on_event) {
    json said = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!said.is_object()) return;
    if (said.contains("event")) {
      if (const auto shape = shape_of_json(std::move(said["event"]))) on_event(*shape);
      return;
    }
    const std::lock_guard lock(mutex_);
    if (said.contains("caught") && said["caught"].is_string()) caught_ = said["caught"];
    deleted_ = deleted_ || said.contains("delete");
    changed_.notify_all();
  }
  void ended(bool& which) {
    const std::lock_guard lock(mutex_);
    which = true;
    changed_.notify_all();
  }

  std::optional<ScratchDirectory> files_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string devtools_, caught_;
  bool deleted_ = false, browser_ended_ = false, program_ended_ = false;
  std::unique_ptr<Talker> browser_, program_;
};

LiveBrowser::LiveBrowser(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LiveBrowser::~LiveBrowser() = default;

tl::expected<std::unique_ptr<LiveBrowser>, std::string> LiveBrowser::start() {
  auto impl = std::make_unique<Impl>();
  if (auto started = impl->start(); !started) return tl::unexpected(started.error());
  return std::unique_ptr<LiveBrowser>(new LiveBrowser(std::move(impl)));
}

tl::expected<void, std::string> LiveBrowser::drive(std::chrono::milliseconds watched, bool mistake,
                                                   OnEvent on_event) {
  return impl_->drive(watched, mistake, std::move(on_event));
}
bool LiveBrowser::wait_deleted(std::chrono::steady_clock::time_point deadline) {
  return impl_->wait_deleted(deadline);
}
std::string LiveBrowser::caught() const {
  return impl_->caught();
}
bool LiveBrowser::kill() {
  return impl_->kill();
}

std::string why_no_browser() {
  if (access(chromium().c_str(), X_OK) != 0)
    return fmt::format("there is no browser {} (CHROMIUM names another)", chromium());
  if (std::system("node --version >/dev/null 2>&1") != 0) return "there is no node on the PATH";
  if (access(RECORDER_DIR "/node_modules/playwright-core", R_OK) != 0)
    return "playwright-core is not installed (ci/setup test does it)";
  return "";
}

}  // namespace s2::scenarios
