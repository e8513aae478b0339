// See traps.h.
#include "sim/traps.h"

#include <link.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>

#include "sim/operations.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

namespace s2::sim {
namespace {

constexpr std::size_t kHandlerStackBytes = 64 * 1024;
constexpr int kDispatched = 2;  // si_code SYS_USER_DISPATCH
constexpr int kDispatchOn = 1, kDispatchOff = 0;

std::atomic<unsigned> forks{0};

struct Code {  // of one shared object
  const char* begin = nullptr;
  std::size_t bytes = 0;
  bool holds(const void* at) const { return at >= begin && at < begin + bytes; }
};
Code c_library, loader;

// -- the stack --

void on_fault(int signal, siginfo_t* info, void*) {
  const int before = errno;
  if (tls.engine != nullptr) tls.engine->tell_overflow(static_cast<const char*>(info->si_addr));
  std::signal(signal, SIG_DFL);  // the instruction faults again, and the process ends as it would have
  errno = before;
}

// -- system calls --

int find_code(dl_phdr_info* info, std::size_t, void* wanted) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader gives addresses as integers
    const Code code{reinterpret_cast<const char*>(info->dlpi_addr + header.p_vaddr), header.p_memsz};
    auto& [inside, found] = *static_cast<std::pair<const void*, Code>*>(wanted);
    if (code.holds(inside)) found = code;
  }
  return 0;
}

Code code_around(const void* inside) {
  std::pair<const void*, Code> wanted{inside, {}};
  dl_iterate_phdr(find_code, &wanted);
  return wanted.second;
}

#if defined(__x86_64__) && !defined(S2_SIM_ASAN) && !defined(S2_SIM_TSAN)
constexpr bool kTrapsSystemCalls = true;

// The dynamic loader's calls are done for it, and what a hook or an unwound thread does.
void on_system_call(int, siginfo_t* info, void* context) {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const int before = errno;
  long result = -ENOSYS;
  if (info->si_code == kDispatched) {
    if (tls.world == nullptr || loader.holds(info->si_call_addr)) {
      result =
          S2_SIM_REAL(syscall)(info->si_syscall, registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                               registers[REG_R10], registers[REG_R8], registers[REG_R9]);
      if (result == -1) result = -errno;
    } else {
      try {
        tls.world->escape("system call " + std::to_string(info->si_syscall) + " by its instruction");
        // It may not pass the kernel's frame: the next point throws it again.
      } catch (const Unwind&) {  // NOLINT(bugprone-empty-catch)
      }
    }
  }
  registers[REG_RAX] = result;
  errno = before;
}
#else
constexpr bool kTrapsSystemCalls = false;
void on_system_call(int, siginfo_t*, void*) {}
#endif

// False: somebody has the signal already.
bool handle(int signal, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction action{};
  if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) return false;
  action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | flags;
  return sigaction(signal, &action, nullptr) == 0;
}

bool set_handlers() {
  handle(SIGSEGV, on_fault, SA_ONSTACK);
  if (!kTrapsSystemCalls) return false;
  c_library = code_around(find_real("getpid"));
  if (const auto* entry = dlsym(RTLD_DEFAULT, "__tls_get_addr"); entry != nullptr)
    loader = code_around(entry);
  if (c_library.begin == nullptr || !handle(SIGSYS, on_system_call, 0)) return false;
  return pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); }) == 0;
}

// NOLINTBEGIN(cppcoreguidelines-pro-type-vararg)
bool dispatch(int how, const Code& code, volatile char* selector) {
  return prctl(PR_SET_SYSCALL_USER_DISPATCH, how, code.begin, code.bytes, selector) == 0;
}
// NOLINTEND(cppcoreguidelines-pro-type-vararg)

bool traps_system_calls() {
  static const bool set = set_handlers();
  return set;
}

}  // namespace

void Traps::set() {
  traps_system_calls();
  stack_t before{};
  if (sigaltstack(nullptr, &before) != 0 || (before.ss_flags & SS_DISABLE) == 0) return;
  stack_ = std::make_unique<char[]>(kHandlerStackBytes);
  stack_t ours{};
  ours.ss_sp = stack_.get();
  ours.ss_size = kHandlerStackBytes;
  sigaltstack(&ours, nullptr);
}

void Traps::begin() {
  if (!traps_system_calls()) return;
  if (const unsigned now = forks.load(std::memory_order_relaxed); !armed_ || forks_seen_ != now) {
    forks_seen_ = now;
    armed_ = true;  // where the kernel refuses, it would again
    dispatch(kDispatchOn, c_library, &selector_);
  }
  selector_ = kBlock;
}

Traps::~Traps() {
  if (armed_) dispatch(kDispatchOff, {}, nullptr);
  if (stack_ == nullptr) return;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  sigaltstack(&none, nullptr);
}

// In a signal's handler: says it without taking memory.
void Engine::tell_overflow(const char* fault) const {
  if (current_ == nullptr || current_->stack.low == nullptr) return;
  if (fault >= current_->stack.low || fault < current_->stack.low - kGuardBytes) return;
  char text[256];
  char* at = text;
  const auto append = [&](std::string_view part) {
    const std::size_t room = static_cast<std::size_t>(text + sizeof text - at);
    at += part.copy(at, std::min(part.size(), room));
  };
  const auto append_number = [&](std::uint64_t number) {
    char digits[20];
    append({digits, static_cast<std::size_t>(std::to_chars(digits, std::end(digits), number).ptr - digits)});
  };
  append("sim: stack overflow of thread ");
  // As thread_name() says it: the nearest ancestor that has a name, and the how-manieth child from there.
  std::array<std::uint32_t, kMostAncestors> path{};
  std::size_t steps = 0;
  std::uint32_t thread = current_->id;
  while (thread != 0 && records_[thread].name.empty() && steps < path.size()) {
    path[steps++] = records_[thread].child_number;
    thread = records_[thread].parent;
  }
  append(records_[thread].name.empty() ? std::string_view("main") : std::string_view(records_[thread].name));
  while (steps > 0) {
    append(".");
    append_number(path[--steps]);
  }
  append(" (limit ");
  append_number(kStackBytes / 1024);
  append(" KiB)\n");
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, static_cast<std::size_t>(at - text));
}

}  // namespace s2::sim
