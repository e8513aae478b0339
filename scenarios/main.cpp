// s2-scenarios: run a suite of scenarios against a writer, judge each run, report; or make one run again.
#include <fmt/format.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <system_error>

#include "scenarios/command_line.h"
#include "scenarios/commands.h"
#include "scenarios/guardian.h"

namespace {

std::atomic<bool> cancelled{false};

// The first one ends every run in order; a second one ends this program at once, and the guardian the rest.
void on_interrupt(int) {
  cancelled.store(true);
}

int dispatch(const s2::scenarios::Options& options) {
  using namespace s2::scenarios;
  switch (options.command) {
    case CommandName::list:
      return list_command(options);
    case CommandName::run:
      return run_command(options, cancelled);
    case CommandName::replay:
      return replay_command(options, cancelled);
    case CommandName::curve:
      return curve_command(options, cancelled);
    case CommandName::check:
      return check_command(options);
    case CommandName::report:
      return report_command(options);
  }
  return 2;
}

// A result that nobody can read is no result.
int close_output(int code, int error_before = 0) {
  const std::string unwritten = s2::scenarios::unwritten_result(error_before);
  return unwritten.empty() ? code : s2::scenarios::fail(3, unwritten);
}

int run(int argc, char** argv) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto parsed = s2::scenarios::parse_options(argc, argv, self.parent_path().string());
  if (!parsed.options) {
    fmt::print("{}", parsed.out);
    if (!parsed.error.empty())
      return s2::scenarios::fail(parsed.exit_code, parsed.error + " (--help explains)");
    return close_output(parsed.exit_code);
  }
  s2::scenarios::start_guardian();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a file over its limit is an error of write(), like a full disk
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return close_output(dispatch(*parsed.options));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::system_error& error) {  // fmt's, where stdout takes no more
    return std::ferror(stdout) != 0 ? close_output(3, error.code().value())
                                    : s2::scenarios::fail(3, error.what());
  } catch (const std::exception& unexpected) {
    return s2::scenarios::fail(3, unexpected.what());
  }
}
