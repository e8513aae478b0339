// A writer behind its stdio driver, as a harness sees it: lines in, lines out, a signal, an exit code.
//
// Twins: DriverInProcess runs run_stdio() on a thread over pipes; Program runs `s2-writer` itself. Both start
// in the constructor and are over by the end of the destructor.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/writer/rig.h"
#include "writer/stdio_driver.h"

namespace s2::writer::test {

class StdioEnds {
 public:
  using json = nlohmann::json;

  ~StdioEnds() {
    close_stdin();
    if (reader_.joinable()) reader_.join();
  }

  void send_raw(const std::string& bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
      ssize_t wrote = ::write(in_[1], bytes.data() + done, bytes.size() - done);
      if (wrote <= 0) return;  // the writer is gone
      done += static_cast<std::size_t>(wrote);
    }
  }
  void send(const json& line) { send_raw(line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"); }
  void start(const std::string& session) {
    send({{"op", "start"}, {"session", session}});
    expect("started");
  }
  void publish(std::uint64_t n, json data = 1, const std::string& session = "") {
    json line = {
        {"op", "publish"}, {"n", n}, {"event", {{"type", "console_log"}, {"data", std::move(data)}}}};
    if (!session.empty()) line["session"] = session;
    send(line);
  }
  void publish_many(std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t n = from; n <= to; ++n) publish(n);
  }
  void close_stdin() {
    if (in_[1] >= 0) ::close(in_[1]);
    in_[1] = -1;
  }
  // Stop reading what it says; the pipe stays open.
  void read_on(bool on) {
    std::lock_guard lock(mutex_);
    reading_ = on;
    changed_.notify_all();
  }

  // The first line, from now on or before, with that key; consumed. Fails the test after kLong.
  json expect(const std::string& key) {
    return wait_for(key, [](const json&) { return true; });
  }
  json wait_for(const std::string& key, const std::function<bool(const json&)>& matches) {
    std::unique_lock lock(mutex_);
    std::size_t found = 0;
    const bool there = changed_.wait_for(lock, kLong, [&] {
      for (; found < lines_.size(); ++found) {  // each line once: some tests read ten thousand
        if (!consumed_.contains(found) && lines_[found].contains(key) && matches(lines_[found])) return true;
      }
      return ended_;
    });
    if (!there || found == lines_.size()) {
      ADD_FAILURE() << "no line \"" << key << "\"";
      return {};
    }
    consumed_.insert(found);
    return lines_[found];
  }
  std::vector<json> all(const std::string& key) const {
    std::lock_guard lock(mutex_);
    std::vector<json> found;
    for (const json& line : lines_) {
      if (line.contains(key)) found.push_back(line);
    }
    return found;
  }
  // Sequence numbers that were answered `published`, and those told as dropped or lost.
  std::set<std::uint64_t> accepted() const {
    std::set<std::uint64_t> seqs;
    for (const json& line : all("published")) seqs.insert(line["seq"].get<std::uint64_t>());
    return seqs;
  }
  std::set<std::uint64_t> gone() const {
    std::set<std::uint64_t> seqs;
    for (const char* key : {"dropped", "lost"}) {
      for (const json& line : all(key)) {
        for (auto seq = line[key]["from"].get<std::uint64_t>(); seq <= line[key]["to"].get<std::uint64_t>();
             ++seq) {
          EXPECT_TRUE(seqs.insert(seq).second) << seq << " is told twice";
        }
      }
    }
    return seqs;
  }

 protected:
  StdioEnds() {
    EXPECT_EQ(pipe2(in_, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(out_, O_CLOEXEC), 0);
    std::signal(SIGPIPE, SIG_IGN);
  }
  void begin_reading() {
    reader_ = std::jthread([this] {
      std::string partial;
      char buffer[4096];
      while (true) {
        {
          std::unique_lock lock(mutex_);
          changed_.wait(lock, [&] { return reading_; });
        }
        ssize_t got = ::read(out_[0], buffer, sizeof buffer);
        if (got <= 0) break;
        partial.append(buffer, static_cast<std::size_t>(got));
        for (std::size_t end; (end = partial.find('\n')) != std::string::npos; partial.erase(0, end + 1)) {
          json line = json::parse(partial.substr(0, end), nullptr, false);
          if (partial.starts_with("ready http://"))  // the http driver's first line
            line = {{"ready", true}, {"url", partial.substr(6, end - 6)}};
          EXPECT_TRUE(line.is_object()) << partial.substr(0, end);
          std::lock_guard lock(mutex_);
          if (line.is_object()) lines_.push_back(std::move(line));
          changed_.notify_all();
        }
      }
      ::close(out_[0]);
      std::lock_guard lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    });
  }
  void join_reader() {
    read_on(true);
    if (reader_.joinable()) reader_.join();
  }

  int in_[2], out_[2];

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<json> lines_;
  std::set<std::size_t> consumed_;
  bool reading_ = true;
  bool ended_ = false;
  std::jthread reader_;
};

class DriverInProcess : public StdioEnds {
 public:
  explicit DriverInProcess(StdioOptions options = {}, bool durable = true) {
    EXPECT_EQ(pipe2(signal_, O_CLOEXEC), 0);
    options.in_fd = in_[0];
    options.out_fd = out_[1];
    options.signal_fd = signal_[0];
    options.log = [this](std::string_view line) {
      std::lock_guard lock(log_mutex_);
      log_ += std::string(line) + "\n";
    };
    if (durable && !options.make_producers) {
      options.make_producers = [this](ProducerListener& listener) {
        auto fake = std::make_unique<FakeProducers>(listener);
        s2 = fake.get();
        return fake;
      };
    }
    begin_reading();
    driver_ = std::jthread([this, options = std::move(options)] {
      code_ = run_stdio(options);
      ::close(out_[1]);
    });
    expect("ready");
  }
  ~DriverInProcess() {
    finish();
    for (int fd : {in_[0], signal_[0], signal_[1]}) ::close(fd);
  }
  void term() { EXPECT_EQ(::write(signal_[1], "t", 1), 1); }
  // Waits for the end; input is closed.
  int finish() {
    close_stdin();
    if (driver_.joinable()) driver_.join();
    join_reader();
    return code_;
  }
  // Waits for the end without closing input.
  int wait_end() {
    driver_.join();
    join_reader();
    return code_;
  }
  void stop_reading_for_ever() { ::close(out_[0]); }
  std::string log() const {
    std::lock_guard lock(log_mutex_);
    return log_;
  }
  FakeProducers* s2 = nullptr;  // valid while the driver runs

 private:
  mutable std::mutex log_mutex_;
  std::string log_;
  int signal_[2];
  int code_ = -1;
  std::jthread driver_;
};

class Program : public StdioEnds {
 public:
  Program(std::map<std::string, std::string> environment, std::vector<std::string> arguments = {}) {
    std::string self(4096, '\0');
    self.resize(static_cast<std::size_t>(::readlink("/proc/self/exe", self.data(), self.size())));
    std::string path = self.substr(0, self.rfind('/')) + "/s2-writer";
    stderr_path_ = testing::TempDir() + "/s2-writer-stderr-" + std::to_string(::getpid());
    std::vector<std::string> variables;
    for (auto& [name, value] : environment) variables.push_back(name + "=" + value);
    std::vector<char*> argv = {path.data()}, envp;
    for (std::string& each : arguments) argv.push_back(each.data());
    for (std::string& each : variables) envp.push_back(each.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in_[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out_[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, stderr_path_.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    EXPECT_EQ(posix_spawn(&pid_, path.c_str(), &actions, nullptr, argv.data(), envp.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(in_[0]);
    ::close(out_[1]);
    begin_reading();
  }
  ~Program() {
    if (pid_ > 0) kill();
  }
  void signal(int number) { ::kill(pid_, number); }
  void kill() {
    signal(SIGKILL);
    wait_end();
  }
  // The exit code, or minus the signal that ended it.
  int wait_end() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    join_reader();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int finish() {
    close_stdin();
    return wait_end();
  }
  std::string log() const {
    std::ifstream file(stderr_path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string stderr_path_;
  pid_t pid_ = 0;
};

}  // namespace s2::writer::test
