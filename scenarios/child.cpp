// See child.h. Plain fork and exec: Boost.Process v2 of Debian's Boost 1.81 does not compile without the
// separate Boost.Filesystem, and a kill must be finished inside the emulator's callback, on a thread that no
// executor knows.
#include "scenarios/child.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <thread>

#include "scenarios/clock.h"
#include "scenarios/guardian.h"
#include "scenarios/pid_namespace.h"

extern char** environ;

namespace s2::scenarios {
namespace {

using Deadline = std::chrono::steady_clock::time_point;

constexpr auto kPollEvery = std::chrono::microseconds(500);
constexpr auto kGroupEndsWithin = std::chrono::milliseconds(200);  // what dies with its parent needs a moment
constexpr auto kReapWithin = std::chrono::seconds(10);  // after SIGKILL; longer means a stuck kernel

// Between fork and exec of a process with threads: only calls that are safe there. Never returns.
[[noreturn]] void become(const char* program, char* const* arguments, char* const* environment,
                         const int (&streams)[3], int error_pipe, int harness, Lineage lineage) {
  if (lineage == Lineage::ordinary) {
    setpgid(0, 0);  // not a session: Linux schedules each as if it were one program, whatever its nice value
  } else {
    setsid();
  }
  guard_group(getpid());  // by itself: a harness that is killed right behind the start would not come to it
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != harness) _exit(127);  // it died before prctl
  for (int each = 0; each < 3; ++each) dup2(streams[each], each);
  // Sockets of emulators and pipes of other writers must not live on in here.
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  for (int each = 1; each < NSIG; ++each) signal(each, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (lineage == Lineage::restored) restore_in_own_pids(program, arguments, environment, error_pipe);
  execve(program, arguments, environment);
  const int error = errno;
  while (write(error_pipe, &error, sizeof error) < 0 && errno == EINTR) {
  }
  _exit(127);
}

std::string find_program(const std::string& word) {
  if (word.find('/') != std::string::npos) return word;
  const char* path = getenv("PATH");
  std::string_view rest = path ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    const std::size_t end = rest.find(':');
    const std::string candidate = std::string(rest.substr(0, end)) + "/" + word;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return word;
}

std::vector<std::string> environment_of(const Command& command) {
  std::map<std::string, std::string> all;
  for (char** each = environ; *each; ++each) {
    const std::string_view entry = *each;
    const std::size_t equals = entry.find('=');
    if (equals != std::string_view::npos)
      all[std::string(entry.substr(0, equals))] = entry.substr(equals + 1);
  }
  for (const std::string& key : command.unset) all.erase(key);
  for (const auto& [key, value] : command.set) all[key] = value;
  std::vector<std::string> lines;
  for (const auto& [key, value] : all) lines.push_back(key + "=" + value);
  return lines;
}

struct PipePair {
  int read = -1, write = -1;
  bool open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    read = ends[0], write = ends[1];
    return true;
  }
  void close_both() {
    if (read >= 0) ::close(read);
    if (write >= 0) ::close(write);
  }
};

// Processes of the group that are more than zombies.
std::vector<int> alive_in_group(int group) {
  std::vector<int> alive;
  DIR* proc = opendir("/proc");
  if (!proc) return alive;
  while (const dirent* entry = readdir(proc)) {
    const int pid = atoi(entry->d_name);
    if (pid <= 0) continue;
    FILE* file = fopen(fmt::format("/proc/{}/stat", pid).c_str(), "re");
    if (!file) continue;
    char line[512] = {};
    const bool got = fgets(line, sizeof line, file) != nullptr;
    fclose(file);
    const char* after_name = got ? strrchr(line, ')') : nullptr;  // the name may hold anything, a ')' too
    char state = 0;
    int parent = 0, of_group = 0;
    if (!after_name || sscanf(after_name + 1, " %c %d %d", &state, &parent, &of_group) != 3) continue;
    if (of_group == group && state != 'Z' && state != 'X') alive.push_back(pid);
  }
  closedir(proc);
  return alive;
}

}  // namespace

class Child::State {
 public:
  std::mutex mutex;
  Process facts;
  bool reaped = false;
  bool group_ended = false;

  // With the lock held. Reaps without waiting.
  bool try_reap() {
    if (reaped) return true;
    int status = 0;
    const std::int64_t looked_ns = now_ns();
    if (waitpid(facts.pid, &status, WNOHANG) != facts.pid) {
      facts.alive_ns = looked_ns;
      return false;
    }
    reaped = true;
    facts.exited_ns = now_ns();
    if (WIFEXITED(status)) facts.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) facts.exit_signal = WTERMSIG(status);
    return true;
  }
};

tl::expected<std::unique_ptr<Child>, std::string> Child::start(const Command& command, Pipes& pipes) {
  PipePair in, out, err, failed;
  if (!in.open() || !out.open() || !err.open() || !failed.open()) {
    const std::string why = strerror(errno);
    for (PipePair* each : {&in, &out, &err, &failed}) each->close_both();
    return tl::unexpected(fmt::format("cannot start `{}`: no pipe: {}", command.words[0], why));
  }
  const std::vector<std::string> environment = environment_of(command);
  const auto pointers = [](const std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
    all.push_back(nullptr);
    return all;
  };
  const std::vector<char*> variables = pointers(environment);
  const std::vector<char*> words = pointers(command.words);
  const std::string program = find_program(command.words[0]);
  const int streams[3] = {in.read, out.write, err.write};

  const std::int64_t spawned_ns = now_ns();
  const int harness = getpid();
  const int pid = fork();
  int error = pid < 0 ? errno : 0;
  if (pid == 0) {
    become(program.c_str(), words.data(), variables.data(), streams, failed.write, harness, command.lineage);
  }
  close(in.read), close(out.write), close(err.write), close(failed.write);
  if (pid > 0) {
    ssize_t got = 0;  // the pipe ends without a word when exec succeeds
    while ((got = read(failed.read, &error, sizeof error)) < 0 && errno == EINTR) {
    }
    if (error != 0) {
      waitpid(pid, nullptr, 0);
      forget_group(pid);
    }
  }
  close(failed.read);
  if (error != 0) {
    close(in.write), close(out.read), close(err.read);
    return tl::unexpected(fmt::format("cannot start `{}`: {}", command.words[0], strerror(error)));
  }
  pipes = {in.write, out.read, err.read};
  auto state = std::make_unique<State>();
  state->facts.pid = pid;
  state->facts.spawned_ns = spawned_ns;
  return std::unique_ptr<Child>(new Child(pid, std::move(state)));
}

Child::Child(int pid, std::unique_ptr<State> state) : pid_(pid), state_(std::move(state)) {}

Child::~Child() {
  kill_and_reap();
  end_group();
  forget_group(pid_);
}

void Child::term() {
  const std::lock_guard lock(state_->mutex);
  if (state_->try_reap()) return;
  state_->facts.term_ns = now_ns();
  kill(pid_, SIGTERM);
}

void Child::pause() {
  const std::lock_guard lock(state_->mutex);
  if (state_->try_reap()) return;
  state_->facts.pause_ns = now_ns();
  kill(-pid_, SIGSTOP);
}

void Child::resume() {
  const std::lock_guard lock(state_->mutex);
  if (state_->try_reap()) return;
  state_->facts.resume_ns = now_ns();
  kill(-pid_, SIGCONT);
}

bool Child::kill_and_reap() {
  const std::lock_guard lock(state_->mutex);
  if (state_->try_reap()) return false;
  state_->facts.kill_ns = now_ns();
  kill(-pid_, SIGKILL);
  const auto deadline = std::chrono::steady_clock::now() + kReapWithin;
  while (!state_->try_reap() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return true;
}

bool Child::ended() {
  const std::lock_guard lock(state_->mutex);
  return state_->try_reap();
}

bool Child::wait_until(Deadline deadline) {
  while (!ended()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kPollEvery);
  }
  return true;
}

void Child::end_group() {
  const std::lock_guard lock(state_->mutex);
  if (state_->group_ended) return;
  state_->group_ended = true;
  // The pid may be another's by now, a group of that number only ours while a member lives.
  if (kill(-pid_, 0) != 0) return;
  const auto deadline = std::chrono::steady_clock::now() + kGroupEndsWithin;
  std::vector<int> alive = alive_in_group(pid_);
  while (!alive.empty() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    alive = alive_in_group(pid_);
  }
  if (alive.empty()) return;
  state_->facts.leaked_pids = alive;
  kill(-pid_, SIGKILL);
}

Process Child::facts() const {
  const std::lock_guard lock(state_->mutex);
  return state_->facts;
}

void Child::expect_kill() {
  const std::lock_guard lock(state_->mutex);
  state_->facts.kill_ns = now_ns();
}

void Child::note_ready(std::int64_t t_ns) {
  const std::lock_guard lock(state_->mutex);
  state_->facts.ready_ns = t_ns;
}

}  // namespace s2::scenarios
