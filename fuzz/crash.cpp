// See crash.h. The child's handler leaves what it knows in memory that both share; the parent runs the order
// again in children of its own, and takes from it what the crash does not need.
#include "fuzz/crash.h"

#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <new>
#include <optional>
#include <system_error>

#include "fuzz/explore.h"
#include "fuzz/run_output.h"
#include "fuzz/source_lines.h"

namespace s2::fuzz {
namespace {

constexpr std::array kCrashSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr std::size_t kMostIndices = 8'000'000;  // choices of an execution; what is beyond is cut off
constexpr std::size_t kOwnFrames = 4;   // at most: a sanitizer's, the handler's, the kernel's that calls it
constexpr unsigned kReplayWithin = 30;  // seconds
constexpr int kMostReplays = 500;       // to make the schedule short

struct Crash {
  volatile int signal = 0;  // 0: there was none
  std::uint64_t execution = 0, draw_seed = 0;
  std::array<const void*, sim::kTraceFrames> frames{};
  std::size_t length = 0;
  unsigned spurious = 0;
  std::array<std::uint8_t, kMostIndices> indices;
  std::size_t token_bytes = 0;  // of the replay: what of the order it has made so far
  std::array<char, kMostScheduleBytes> token;
};

// The child's, for its handler.
struct Watched {
  Crash* crash = nullptr;
  const Tape* tape = nullptr;
  const Strategy* strategy = nullptr;
  std::uint64_t execution = 0;
  std::array<struct sigaction, kCrashSignals.size()> before{};
};
Watched watched;

// Where it happened; null where the machine is none that is known here.
const void* instruction(const void* context) {
  const mcontext_t& at = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return std::bit_cast<const void*>(at.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return std::bit_cast<const void*>(at.pc);
#else
  static_cast<void>(at);
  return nullptr;
#endif
}

// Takes no memory and no lock: who crashed may have had them.
void on_crash(int signal, siginfo_t* info, void* context) {
  Crash& crash = *watched.crash;
  if (sim::inside() && watched.tape != nullptr && crash.signal == 0) {
    std::array<void*, kOwnFrames + sim::kTraceFrames> frames{};
    const int found = ::backtrace(frames.data(), static_cast<int>(frames.size()));
    const auto end = frames.begin() + std::max(found, 0);
    const auto crashed = std::find(frames.begin(), end, instruction(context));
    std::copy_n(crashed, std::min<std::ptrdiff_t>(end - crashed, sim::kTraceFrames), crash.frames.begin());
    if (crashed == end) crash.frames[0] = instruction(context);
    crash.execution = watched.execution;
    if (watched.execution > 0) {
      const std::vector<std::uint8_t>& indices = watched.tape->indices();
      crash.draw_seed = watched.strategy->draw_seed();
      crash.spurious = watched.tape->spurious();
      crash.length = std::min(indices.size(), kMostIndices);
      std::memcpy(crash.indices.data(), indices.data(), crash.length);
    }
    crash.signal = signal;
  }
  // Whoever had the signal before has it now; where that is nobody, what happened happens again, and ends it.
  for (std::size_t i = 0; i < kCrashSignals.size(); ++i) {
    const struct sigaction& before = watched.before[i];
    if (kCrashSignals[i] != signal || before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) continue;
    if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(signal, info, context);
    return before.sa_handler(signal);
  }
}

void watch_for_crashes() {
  void* frame = nullptr;
  ::backtrace(&frame, 1);  // loads what it needs, which a handler must not
  struct sigaction action = {};
  action.sa_sigaction = on_crash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | static_cast<int>(SA_RESETHAND) | SA_NODEFER;
  for (std::size_t i = 0; i < kCrashSignals.size(); ++i)
    ::sigaction(kCrashSignals[i], &action, &watched.before[i]);
}

// Follows a replay, and says at once what it has made: what it crashes in may be its next step.
class Telling final : public sim::Chooser {
 public:
  Telling(Replayer& inner, Crash& crash) : inner_(inner), crash_(crash) { tell(); }
  std::size_t choose(const sim::Choices& choices) override {
    const std::size_t index = inner_.choose(choices);
    if (inner_.made().deviations.size() != told_) tell();
    return index;
  }
  std::uint64_t draw(std::uint64_t below) override { return inner_.draw(below); }
  unsigned spurious_wakeups(unsigned most) override { return inner_.spurious_wakeups(most); }

 private:
  void tell() {
    told_ = inner_.made().deviations.size();
    const std::string text = text_of(inner_.made());
    crash_.token_bytes = text.copy(crash_.token.data(), crash_.token.size());
  }
  Replayer& inner_;
  Crash& crash_;
  std::size_t told_ = 0;
};

pid_t fork_or_throw() {
  std::fflush(nullptr);
  std::cout.flush();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "a process that tells of crashes");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(kCrashedExitCode);
  }
  return pid;
}

// Once more, in a process of its own; the schedule that was made until it crashed, if it did.
class Again {
 public:
  Again(Crash& crash, const ExploreOptions& options, const std::function<void()>& program)
      : crash_(crash), options_(options), program_(program) {}

  std::optional<Schedule> crashes(Replayer& replayer, bool quiet) const {
    crash_.token_bytes = 0;
    const pid_t pid = fork_or_throw();
    if (pid == 0) {
      if (const int nothing = quiet ? ::open("/dev/null", O_WRONLY | O_CLOEXEC) : -1; nothing >= 0)
        ::dup2(nothing, STDERR_FILENO);
      ::alarm(kReplayWithin);
      Telling telling(replayer, crash_);
      sim::run(options_.world(telling), program_);
      ::_exit(0);
    }
    const int status = status_of(pid);
    const bool crashed = WIFSIGNALED(status) ? WTERMSIG(status) != SIGALRM && WTERMSIG(status) != SIGKILL
                                             : WEXITSTATUS(status) != 0;  // a sanitizer's word
    if (!crashed) return std::nullopt;
    std::string error;
    return schedule_of({crash_.token.data(), crash_.token_bytes}, error);
  }

  // Leaves out what the crash does not need: large parts first, then smaller ones.
  Schedule shortened(Schedule schedule) const {
    int replays = 0;
    for (std::size_t part = schedule.deviations.size(); part > 0; part /= 2) {
      for (std::size_t at = 0; at < schedule.deviations.size() && replays < kMostReplays;) {
        Schedule less = schedule;
        const auto from = less.deviations.begin() + static_cast<std::ptrdiff_t>(at);
        const auto most = static_cast<std::ptrdiff_t>(std::min(part, less.deviations.size() - at));
        less.deviations.erase(from, from + most);
        Follower follower(less);
        ++replays;
        if (auto made = crashes(follower, true);
            made && made->deviations.size() < schedule.deviations.size()) {
          schedule = std::move(*made);
        } else {
          at += part;
        }
      }
    }
    return schedule;
  }

 private:
  Crash& crash_;
  const ExploreOptions& options_;
  const std::function<void()>& program_;
};

std::string place_of(const Crash& crash) {
  sim::Execution execution;
  execution.trace.emplace_back().frames = crash.frames;
  // The others return behind the call that they stand for; the first one is where it happened itself.
  if (crash.frames[0] != nullptr)
    execution.trace[0].frames[0] = static_cast<const char*>(crash.frames[0]) + 1;
  const SourceLines lines(execution);
  return lines.of(execution.trace[0]);
}

void tell(Crash& crash, const ExploreOptions& options, const std::function<void()>& program) {
  const std::string place = place_of(crash);
  const std::string which = crash.execution == 0 ? std::string("the first execution")
                                                 : "execution " + std::to_string(crash.execution);
  std::cerr << "crashed: " << ::strsignal(crash.signal) << (place.empty() ? "" : " in " + place) << ", "
            << which << "\n";
  const Again again(crash, options, program);
  const std::uint64_t draw_seed = crash.execution == 0 ? mixed(options.seed) : crash.draw_seed;
  TapePlayer player(
      {crash.indices.begin(), crash.indices.begin() + static_cast<std::ptrdiff_t>(crash.length)}, draw_seed,
      crash.spurious);
  const auto made = again.crashes(player, true);
  if (!made) {
    std::cerr
        << "and not in the same order again: it came from what earlier executions left, or from outside\n";
    return;
  }
  std::cerr << options.on_crash(text_of(again.shortened(*made))) << "\n";
}

}  // namespace

CrashWatch::CrashWatch(const Tape& tape, const Strategy& strategy, const ExploreOptions& options,
                       const std::function<void()>& program) {
  if (!options.on_crash) return;
  void* shared = ::mmap(nullptr, sizeof(Crash), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (shared == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "memory for crashes");
  auto* crash = new (shared) Crash;  // of which only what is written takes memory
  const pid_t pid = fork_or_throw();
  if (pid == 0) {
    TapePlayer usual({}, 0, 0);
    sim::run({.chooser = usual}, [] {});  // the world's own traps come first: what they tell is told, too
    watched = {crash, &tape, &strategy, 0, {}};
    watch_for_crashes();
    return;
  }
  ::signal(SIGINT, SIG_IGN);  // of the terminal: the child has it, too, and says how it ends
  const int status = status_of(pid);
  if (crash->signal != 0) {
    tell(*crash, options, program);
    ::_exit(kCrashedExitCode);
  }
  if (WIFSIGNALED(status)) {
    ::signal(WTERMSIG(status), SIG_DFL);
    ::raise(WTERMSIG(status));
  }
  ::_exit(WEXITSTATUS(status));
}

CrashWatch::~CrashWatch() {
  watched.tape = nullptr;
}

void CrashWatch::begins(std::uint64_t execution) {
  watched.execution = execution;
}

}  // namespace s2::fuzz
