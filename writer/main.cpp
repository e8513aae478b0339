// s2-writer: wires environment, S2 client, writer and driver together, and turns what comes of it into an
// exit code. One thread until the driver runs; SIGTERM and SIGINT arrive by a signalfd, in no thread. Source:
// contract, "s2-writer".
#include <fmt/format.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "writer/config.h"
#include "writer/epoch.h"
#include "writer/http_driver.h"
#include "writer/log.h"
#include "writer/planted_bugs.h"
#include "writer/recover_command.h"
#include "writer/s2_client.h"
#include "writer/stdio_driver.h"
#include "writer/tcp_transport.h"

namespace s2::writer {
namespace {

constexpr int kUsage = 2;
constexpr int kCannotRun = 3;

// SIGTERM and SIGINT, kept from every thread that starts later. Below 0: not to be had.
int make_signal_fd() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) return -1;
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

#ifdef PLANTED_BUGS
// One bug a line: name, where it was seen, what is wrong, what a user sees; with tabs between.
void list_planted_bugs() {
  for (const PlantedBugRow& row : kPlantedBugs) {
    std::cout << row.name << '\t' << row.where << '\t' << row.wrong << '\t' << row.effect << '\n';
  }
}
#endif

int run(const std::vector<std::string>& arguments) {
#ifdef PLANTED_BUGS
  if (arguments == std::vector<std::string>{"--planted-bugs"}) {
    list_planted_bugs();
    return 0;
  }
#endif
  auto line = config_from(arguments, [](const char* name) -> const char* { return std::getenv(name); });
  if (!line) {
    stderr_log({})(line.error());
    return kUsage;
  }
  if (line->action == CommandLine::Action::help) {
    std::cout << help_text();
    return 0;
  }
  if (line->action == CommandLine::Action::version) {
    std::cout << "s2-writer " S2_WRITER_VERSION "\n";
    return 0;
  }
  Config& config = line->config;
  Log log = stderr_log(config.access_token, config.read_token, config.api_token);
  for (const std::string& name : unknown_variables(environ)) {
#ifdef PLANTED_BUGS
    if (name == "S2_WRITER_PLANTED_BUG") continue;
#endif
    log(fmt::format("{}: there is no such setting, it does nothing: s2-writer --help names them all", name));
  }
  if (line->action == CommandLine::Action::plan) {
    std::cout << plan_text(config.shutdown, config.budget);
    return 0;
  }
#ifdef PLANTED_BUGS
  // A slip in a bug's name must not pass for a writer without one.
  const char* name = std::getenv("S2_WRITER_PLANTED_BUG");
  const auto bug = planted_bug_named(name == nullptr ? "" : name);
  if (!bug) {
    log("S2_WRITER_PLANTED_BUG: there is no planted bug of this name");
    return kUsage;
  }
  plant(*bug);
  if (const PlantedBugRow* row = row_of(*bug); row != nullptr && row->backlog) {
    config.producer.max_in_flight_records = config.producer.max_batch_records;
  }
#endif

  int signal_fd = make_signal_fd();
  std::signal(SIGPIPE, SIG_IGN);
  config.producer.epoch_token = new_epoch_token();
  if (signal_fd < 0 || config.producer.epoch_token.empty()) {
    log(fmt::format("cannot run: {}: {}", signal_fd < 0 ? "signalfd" : "/dev/urandom", std::strerror(errno)));
    return kCannotRun;
  }
  config.producer.jitter_seed = std::hash<std::string>{}(config.producer.epoch_token);

  auto transport = make_tcp_transport({.offer_http2 = config.http != HttpChoice::http1});
  std::unique_ptr<AppendClient> client;
  WriterOptions writer;
  writer.ring = config.ring;
  writer.fixed_stream = config.stream;
  writer.batch_records = config.producer.max_batch_records;
  writer.journal_dir = config.journal_dir;
  writer.shutdown_shares = config.shutdown.shares;
  Writer::MakeProducers producers;
  if (config.stores()) {
    auto made = make_s2_client({.basin = config.basin,
                                .basin_endpoint = config.basin_endpoint,
                                .access_token = config.access_token.reveal(),
                                .read_token = config.read_token.reveal(),
                                .http = config.http,
                                .compression = config.compression},
                               *transport);
    if (!made) {
      log(made.error());
      return kUsage;
    }
    client = std::move(*made);
    producers = [&](ProducerListener& listener) {
      return make_producers(config.producer, *client, listener);
    };
  }
  if (!config.stores()) {
    log(fmt::format("nothing is durable: S2_BASIN and S2_ACCESS_TOKEN are not set, events live in the ring{}",
                    config.journal_dir.empty() ? "" : " and the journal"));
  }
  if (line->action == CommandLine::Action::recover) return run_recover(config, *client, signal_fd, log);
  auto journal = recover_at_start(config, client.get(), signal_fd, log);
  if (!journal) return journal.error();
  if (!config.journal_dir.empty() && !journal->take_files(config.journal_dir)) {
    writer.journal_beside = true;
    log("journal: another writer that is alive writes to " + config.journal_dir +
        ": this one has files of its own there");
  }
  writer.journal_wait = config.journal_wait;
  writer.journal_backlog = config.journal_backlog;
  writer.durable_errors = config.durable_errors;
  writer.drop_style = config.drop_style;
  writer.journal_mark = journal_mark(config);
  const int code = config.driver == "http" ? run_http({.host = config.listen_host,
                                                       .port = config.listen_port,
                                                       .signal_fd = signal_fd,
                                                       .api_token = config.api_token,
                                                       .keep_alive = config.keep_alive,
                                                       .shutdown_budget = config.shutdown.whole,
                                                       .writer = writer,
                                                       .make_producers = producers,
                                                       .client = client.get(),
                                                       .log = log})
                                           : run_stdio({.signal_fd = signal_fd,
                                                        .shutdown_budget = config.shutdown.whole,
                                                        .writer = writer,
                                                        .make_producers = producers,
                                                        .log = log});
  ::close(signal_fd);
  return code;
}

}  // namespace
}  // namespace s2::writer

int main(int argc, char** argv) {
  return s2::writer::run({argv + 1, argv + argc});
}
