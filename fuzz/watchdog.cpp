// See watchdog.h.
#include "fuzz/watchdog.h"

#include <execinfo.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <string_view>

#include "sim/world.h"

namespace s2::fuzz {
namespace {

constexpr int kLooks = 8;  // within the patience: a machine that stood still for a while is one look
constexpr int kFrames = 32;

// The handler's own: it runs on the thread that it watches.
std::uint64_t last_pulse;
int looks_without_a_point;

void say(std::string_view text) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

void look(int) {
  const std::uint64_t pulse = sim::pulse();
  if (!sim::inside() || pulse != last_pulse) looks_without_a_point = 0;
  last_pulse = pulse;
  if (++looks_without_a_point <= kLooks) return;
  say("s2-fuzz: a simulated thread passes no point and does not end; it is here:\n");
  void* frames[kFrames];
  ::backtrace_symbols_fd(frames, ::backtrace(frames, kFrames), STDERR_FILENO);
  ::_exit(kHungExitCode);
}

}  // namespace

void watch_for_points(std::chrono::milliseconds patience) {
  void* frame = nullptr;
  ::backtrace(&frame, 1);  // loads what it needs, which a handler must not
  struct sigaction action = {};
  action.sa_handler = look;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGALRM, &action, nullptr);
  const auto every = std::chrono::duration_cast<std::chrono::microseconds>(patience / kLooks).count();
  itimerval timer = {};
  timer.it_interval = timer.it_value = {every / 1'000'000, every % 1'000'000};
  ::setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace s2::fuzz
