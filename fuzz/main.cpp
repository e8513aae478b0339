// s2-fuzz: search for an order of events that loses one. s2-fuzz-bugs is the same around the writer with
// planted bugs.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <system_error>

#include "fuzz/program_commands.h"
#include "fuzz/writer_journal.h"
#include "scenarios/escape.h"

namespace s2::fuzz {

namespace {
int unwritten = 0;  // the errno of the first part of the result that was not written
}

int complain(int exit_code, const std::string& what) {
  fmt::print(stderr, "s2-fuzz: {}\n", scenarios::visible(what));
  return exit_code;
}

void print_out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() && unwritten == 0) unwritten = errno;
}

void flush_out() {
  if (std::fflush(stdout) != 0 && unwritten == 0) unwritten = errno;
}

}  // namespace s2::fuzz

namespace {

volatile bool stop = false;  // set by a signal; jobs inherit the handler, and look at their own copy

void on_stop(int) {
  stop = true;
}

// A result that nobody can read is no result; a broken promise stays one.
int close_output(int code) {
  using s2::fuzz::unwritten;
  s2::fuzz::flush_out();
  if (unwritten == 0) return code;
  const int failed = s2::fuzz::complain(
      3, "the result cannot be written to stdout: " + std::generic_category().message(unwritten));
  return code == 1 ? code : failed;
}

int dispatch(s2::fuzz::FuzzOptions options, char** argv) {
  using namespace s2::fuzz;
  const bool has_bugs = !planted_bugs().empty();
  switch (options.command) {
    case FuzzCommand::explore:
      if (!options.campaign.mutant.empty() && !has_bugs) return become_the_one_with_bugs(argv);
      if (!plant_bug(options.campaign.mutant))
        return complain(2, "--mutant: " + no_planted_bug(options.campaign.mutant));
      if (const std::string why = bug_is_elsewhere(options.campaign.mutant, options.campaign.target);
          !why.empty())
        return complain(2, "--mutant: " + why);
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
  signal(SIGPIPE, SIG_IGN);
  const auto parsed = s2::fuzz::parse_fuzz_options(argc, argv);
  if (!parsed.options) {
    s2::fuzz::print_out(parsed.out);
    if (!parsed.error.empty())
      return s2::fuzz::complain(parsed.exit_code, parsed.error + " (--help explains)");
    return close_output(parsed.exit_code);
  }
  struct sigaction action = {};
  action.sa_handler = on_stop;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // a second one ends the program at once
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  try {
    const int code = dispatch(*parsed.options, argv);
    s2::fuzz::remove_journal_of(::getpid());
    return close_output(code);
  } catch (const std::exception& unexpected) {
    return s2::fuzz::complain(3, unexpected.what());
  }
}
