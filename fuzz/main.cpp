// s2-fuzz: search for an order of events that loses one. s2-fuzz-bugs is the same around the writer with
// planted bugs.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <exception>

#include "fuzz/program_commands.h"
#include "fuzz/writer_journal.h"

namespace s2::fuzz {

int complain(int exit_code, const std::string& what) {
  fmt::print(stderr, "s2-fuzz: {}\n", what.substr(0, what.find('\n')));
  return exit_code;
}

}  // namespace s2::fuzz

namespace {

volatile bool stop = false;  // set by a signal; jobs inherit the handler, and look at their own copy

void on_stop(int) {
  stop = true;
}

int dispatch(s2::fuzz::FuzzOptions options, char** argv) {
  using namespace s2::fuzz;
  const bool has_bugs = !planted_bugs().empty();
  switch (options.command) {
    case FuzzCommand::explore:
      if (!options.campaign.mutant.empty() && !has_bugs) return become_the_one_with_bugs(argv);
      if (!plant_bug(options.campaign.mutant))
        return complain(2, "--mutant: " + no_planted_bug(options.campaign.mutant));
      return explore_command(options, stop);
    case FuzzCommand::replay:
      read_token_file(options);
      if (options.token.find('+') < options.token.find('/') && !has_bugs)
        return become_the_one_with_bugs(argv);
      return replay_command(options);
    case FuzzCommand::mutants:
      return mutants_command(options, stop);
    case FuzzCommand::determinism:
      return determinism_command(options);
    case FuzzCommand::hashes:
      return hashes_command(options);
    case FuzzCommand::list:
      if (!has_bugs && ::access(program_with_bugs().c_str(), X_OK) == 0)
        return become_the_one_with_bugs(argv);
      return list_command(options);
    case FuzzCommand::merge:
      return merge_command(options);
  }
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = s2::fuzz::parse_fuzz_options(argc, argv);
  if (!parsed.options) {
    fmt::print("{}", parsed.out);
    if (!parsed.error.empty())
      return s2::fuzz::complain(parsed.exit_code, parsed.error + " (--help explains)");
    return parsed.exit_code;
  }
  signal(SIGPIPE, SIG_IGN);
  struct sigaction action = {};
  action.sa_handler = on_stop;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // a second one ends the program at once
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  try {
    const int code = dispatch(*parsed.options, argv);
    s2::fuzz::remove_journal_of(::getpid());
    return std::fflush(stdout) == 0 ? code : 3;
  } catch (const std::exception& unexpected) {
    return s2::fuzz::complain(3, unexpected.what());
  }
}
