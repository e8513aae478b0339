// s2-teardown: what a control plane does before it deletes a VM, as a program; see teardown.h.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

#include "scenarios/command_line.h"
#include "scenarios/destroy_command.h"
#include "scenarios/quantity.h"
#include "scenarios/shell_words.h"
#include "scenarios/teardown.h"

namespace s2::scenarios {
namespace {

constexpr int kMissing = 1, kUsage = 2, kNotDestroyed = 3;

int wrong(const std::string& what) {
  fmt::print(stderr, "s2-teardown: {} (--help explains)\n", what);
  return kUsage;
}

int run(int argc, char** argv) {
  TeardownRequest request;
  std::string deadline = "10s", destroy, destroy_within = "30s";
  CLI::App app(
      "s2-teardown: flush before delete. Asks the VM's writer for a flush, checks the stream's tail itself, "
      "destroys "
      "the VM, and prints one line of JSON: complete, or what is missing.");
  const auto option = [&](const char* flag, auto& into, const char* what) {
    const std::string twin = twin_of("S2_TEARDOWN_", flag);
    return app.add_option(flag, into, what)->envname(twin);
  };
  option("--telemetry", request.telemetry, "base URL of the VM's telemetry API, http://HOST:PORT");
  option("--telemetry-token", request.telemetry_token, "its token, or @FILE that holds it (none)");
  option("--endpoint", request.service.endpoint, "where the streams are, http://… or https://…");
  option("--basin", request.service.basin, "the basin");
  option("--token", request.service.token, "a token that may read the stream, or @FILE that holds it");
  option("--stream", request.stream, "the stream (the one that the telemetry API names)");
  option("--deadline", deadline, "for all before the destroy; then it is destroyed anyway (10s)");
  const auto* given = option(
      "--destroy", destroy,
      "command that destroys the VM, split like shell words (none: the caller does, when this has ended)");
  option("--destroy-within", destroy_within, "how long that command may take (30s)");
  app.set_version_flag("--version", "s2-teardown " S2_TEARDOWN_VERSION);
  app.footer(
      "Exit codes: 0 complete; 1 something is missing or cannot be known, or the record could not be written "
      "to "
      "stdout and stands on stderr; 2 bad usage, and nothing was done; 3 --destroy failed.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error);
      const std::string unwritten = unwritten_result();
      return unwritten.empty() ? 0 : wrong(unwritten);
    }
    return wrong(error.what());
  }
  for (std::string* token : {&request.telemetry_token, &request.service.token}) {
    const auto read = secret_of(*token);
    if (!read) return wrong("a token: " + read.error());
    *token = *read;
  }
  const auto by = parse_duration(deadline), within = parse_duration(destroy_within);
  if (!by || !within || within->count() == 0)
    return wrong("--deadline and --destroy-within are durations such as 250ms or 5s");
  request.deadline = std::chrono::duration_cast<std::chrono::milliseconds>(*by);
  if (const std::string objection = objection_to(request); !objection.empty()) return wrong(objection);
  Destroy command;
  if (given->count() > 0 && destroy.empty())
    return wrong("--destroy is empty: leave it out where the caller destroys");
  if (!destroy.empty()) {
    const auto words = split_shell_words(destroy);
    if (!words) return wrong("--destroy: " + words.error());
    command = [&request, words = *words, within = *within] {
      return run_destroy_command(words, std::chrono::duration_cast<std::chrono::milliseconds>(within))
          .map_error([&](const std::string& why) {
            return without(without(why, request.telemetry_token), request.service.token);
          });
    };
  }
  const TeardownRecord record = tear_down(request, command);
  const std::string line = to_json(record);
  std::puts(line.c_str());
  const std::string unwritten = unwritten_result();
  // The VM is gone, and nobody else knows what is missing.
  if (!unwritten.empty()) fmt::print(stderr, "s2-teardown: {}; it is {}\n", unwritten, line);
  if (command && !record.destroyed) return kNotDestroyed;
  return record.complete && unwritten.empty() ? 0 : kMissing;
}

}  // namespace
}  // namespace s2::scenarios

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  return s2::scenarios::run(argc, argv);
}
