// s2-emulator: an S2 endpoint on this machine. Reads the options, serves until a signal, ends with exit code
// 0.
//
// The main thread only waits for signals; the Emulator has its own. Exit codes: 0 ended by a signal, 2 usage,
// 3 cannot serve. Source: the contract of `s2-emulator`.
#include <malloc.h>
#include <unistd.h>

#include <cerrno>
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "emulator/emulator.h"

namespace {

constexpr int kUsage = 2;
constexpr int kCannotServe = 3;
constexpr std::chrono::hours kForever{24 * 365};  // no port serves again after the last drain

// What was printed, to whoever waits for it.
void flush_stdout() {
  if (std::cout.flush()) return;
  const int error = errno;
  throw std::runtime_error("stdout cannot be written: " + std::generic_category().message(error));
}

int complain(const std::string& what, int code) {
  std::cerr << "s2-emulator: " << what.substr(0, what.find('\n')) << std::endl;
  return code;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) throw std::invalid_argument("cannot read " + path);
  return text.str();
}

// A secret is given as such (in the environment) or as @FILE.
std::string secret(const std::string& given) {
  if (given.empty() || given.front() != '@') return given;
  std::string text = read_file(given.substr(1));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

// Names of streams may hold anything; in a file name only what is harmless stays.
std::string file_part(const std::string& name) {
  std::string out;
  for (const unsigned char c : name) {
    char escaped[4];
    const bool plain = std::isalnum(c) || c == '-' || c == '_' || c == '.';
    std::snprintf(escaped, sizeof escaped, plain ? "%c" : "%%%02X", c);
    out += escaped;
  }
  return out;
}

// At the start, for a history that cannot be written is missed at the end. Leaves no file where none was.
void refuse_unwritable(const std::string& file) {
  const bool there = access(file.c_str(), F_OK) == 0;
  errno = 0;
  if (!std::ofstream(file, std::ios::app))
    throw std::invalid_argument("--history: cannot write " + file + ": " +
                                std::generic_category().message(errno));
  if (!there) std::remove(file.c_str());
}

// One stream a file: FILE itself when there is only one, FILE.BASIN.STREAM for each of several.
void write_histories(const s2::emulator::Emulator& emulator, const std::string& file) {
  const auto streams = emulator.history_streams();
  if (streams.empty()) std::ofstream(file, std::ios::trunc);
  for (const auto& [basin, stream] : streams) {
    const std::string path =
        streams.size() == 1 ? file : file + "." + file_part(basin) + "." + file_part(stream);
    std::ofstream out(path, std::ios::trunc | std::ios::binary);
    out << emulator.history(basin, stream);
    if (!out.flush()) throw std::runtime_error("cannot write " + path);
  }
}

struct Arguments {
  s2::emulator::Options options;
  std::string init_file;
  std::string faults_file;
  std::string history_file;
  std::string auth = "open";
  bool no_console = false;
  bool no_cors = false;
};

void describe(CLI::App& app, Arguments& a) {
  app.set_version_flag("--version", "s2-emulator 0.1.0");
  app.footer(
      "Control plane for tests: /_emulator/faults, /_emulator/history, /_emulator/clock, /_emulator/reset.");
  app.add_option("--host", a.options.host, "IP address to serve on; off loopback it needs --root-token")
      ->envname("S2_EMULATOR_HOST")
      ->capture_default_str();
  app.add_option("--port", a.options.port, "TCP port; 0 takes a free one")
      ->envname("S2_EMULATOR_PORT")
      ->capture_default_str();
  app.add_option("--init-file", a.init_file,
                 "JSON file of basins and streams that are made at the start, as s2 lite takes it")
      ->envname("S2_EMULATOR_INIT_FILE");
  app.add_option("--faults", a.faults_file, "JSON file with a fault plan, as PUT /_emulator/faults takes it")
      ->envname("S2_EMULATOR_FAULTS");
  app.add_option("--auth", a.auth,
                 "open: any token will do; enforced: the root token, and what it issued (/v1/access-tokens)")
      ->envname("S2_EMULATOR_AUTH")
      ->capture_default_str()
      ->check(CLI::IsMember({"open", "enforced"}));
  app.add_option("--root-token", a.options.root_token,
                 "the root token, or @FILE (better in the environment than here)")
      ->envname("S2_EMULATOR_ROOT_TOKEN");
  app.add_option(
         "--history", a.history_file,
         "file for the history at the end, one stream a file (FILE.BASIN.STREAM where there are several)")
      ->envname("S2_EMULATOR_HISTORY");
  app.add_option("--seed", a.options.seed, "seed for fault probabilities and heartbeat intervals")
      ->envname("S2_EMULATOR_SEED")
      ->check(
          [](const std::string& text) {  // CLI11 reads "-1" as a large number, and too large as the largest
            errno = 0;
            (void)std::strtoull(text.c_str(), nullptr, 0);
            return text.find('-') != std::string::npos ? "a seed is not negative"
                   : errno == ERANGE                   ? "a seed is at most 18446744073709551615"
                                                       : "";
          })
      ->capture_default_str();
  app.add_flag("--no-console", a.no_console, "no page at /")->envname("S2_EMULATOR_NO_CONSOLE");
  app.add_flag("--no-cors", a.no_cors, "no CORS headers")->envname("S2_EMULATOR_NO_CORS");
}

// Described in the contract, not built yet: refused, never ignored.
struct Unbuilt {
  std::string data_dir, tls_cert, tls_key;
  bool tls_self = false;
};

void describe(CLI::App& app, Unbuilt& u) {
  const auto refused = [](const std::string& name) {
    return [name](const std::string&) { return name + " is not built yet; leave it out"; };
  };
  app.add_option("--data-dir", u.data_dir, "not built yet: everything is in memory")
      ->envname("S2_EMULATOR_DATA_DIR")
      ->check(CLI::Validator(refused("--data-dir"), ""));
  app.add_option("--tls-cert", u.tls_cert, "not built yet: the port is in the clear")
      ->envname("S2_EMULATOR_TLS_CERT")
      ->check(CLI::Validator(refused("--tls-cert"), ""));
  app.add_option("--tls-key", u.tls_key, "not built yet: the port is in the clear")
      ->envname("S2_EMULATOR_TLS_KEY")
      ->check(CLI::Validator(refused("--tls-key"), ""));
  app.add_flag("--tls-self", u.tls_self, "not built yet: the port is in the clear")
      ->envname("S2_EMULATOR_TLS_SELF");
}

int serve(Arguments& a) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before the emulator's thread begins, which inherits it

  s2::emulator::Emulator emulator(a.options);
  std::cout << "ready " << emulator.endpoint() << '\n';
  flush_stdout();
  int signal = 0;
  sigwait(&signals, &signal);

  struct sigaction at_once{};
  at_once.sa_handler = [](int) { _exit(0); };
  sigaction(SIGTERM, &at_once, nullptr);
  sigaction(SIGINT, &at_once, nullptr);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  emulator.drain(kForever);
  if (!a.history_file.empty()) write_histories(emulator, a.history_file);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  // One thread allocates; an arena of its own would grow by a system call every few records.
  mallopt(M_ARENA_MAX, 1);
  CLI::App app(
      "An S2 endpoint on this machine: the S2 v1 API, in memory, over HTTP/1.1 and HTTP/2 on one port.",
      "s2-emulator");
  Arguments arguments;
  Unbuilt unbuilt;
  describe(app, arguments);
  describe(app, unbuilt);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    app.exit(help_or_version);
    return std::cout.flush() ? 0 : complain("stdout cannot be written", kCannotServe);
  } catch (const CLI::ParseError& error) {
    return complain(error.what(), kUsage);
  }
  if (unbuilt.tls_self) return complain("--tls-self is not built yet; leave it out", kUsage);
  s2::emulator::Options& options = arguments.options;
  options.auth = arguments.auth == "enforced" ? s2::emulator::Auth::enforced : s2::emulator::Auth::open;
  options.console = !arguments.no_console;
  options.cors = !arguments.no_cors;
  try {
    options.root_token = secret(options.root_token);
    if (!arguments.init_file.empty()) options.init_json = read_file(arguments.init_file);
    if (!arguments.faults_file.empty()) options.faults_json = read_file(arguments.faults_file);
    if (!arguments.history_file.empty()) refuse_unwritable(arguments.history_file);
    return serve(arguments);
  } catch (const std::invalid_argument& error) {
    return complain(error.what(), kUsage);
  } catch (const std::exception& error) {
    return complain(std::string("cannot serve: ") + error.what(), kCannotServe);
  }
}
