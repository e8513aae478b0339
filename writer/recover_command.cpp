// See recover_command.h.
#include "writer/recover_command.h"

#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>

#include "writer/envelope.h"
#include "writer/recovery.h"

namespace s2::writer {
namespace {

using std::chrono::steady_clock;

constexpr int kMissing = 1, kCannotRun = 3;
constexpr int kLookAgainMs = 20;  // whether another process has let go of the journal

bool signalled(int fd) {
  pollfd waiting{fd, POLLIN, 0};
  return fd >= 0 && ::poll(&waiting, 1, 0) > 0;
}

std::function<bool()> over(steady_clock::time_point deadline, int signal_fd) {
  return [=] { return steady_clock::now() >= deadline || signalled(signal_fd); };
}

RecoveryOptions options_of(const Config& config, int signal_fd) {
  RecoveryOptions options;
  options.basin = config.basin;
  options.epoch_token = config.producer.epoch_token;
  options.fencing = config.producer.fencing;
  options.open_timeout = config.producer.open_timeout;
  options.ack_timeout = config.producer.ack_timeout;
  options.backoff_base = config.producer.backoff_base;
  options.backoff_cap = config.producer.backoff_cap;
  options.stop_fd = signal_fd;
  return options;
}

}  // namespace

JournalMark journal_mark(const Config& config) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {config.producer.epoch_token,
          static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()),
          config.basin, config.stream};
}

tl::expected<JournalLock, int> recover_at_start(const Config& config, AppendClient* client, int signal_fd,
                                                const Log& log, std::chrono::milliseconds patience) {
  JournalLock lock;
  const std::string& directory = config.journal_dir;
  std::error_code ignored;
  if (directory.empty() || (!std::filesystem::create_directories(directory, ignored) && ignored)) return lock;
  const auto budget = config.recovery_budget.value_or(kRecoveryAtStart);
  if (client != nullptr && budget.count() > 0) {
    const auto deadline = steady_clock::now() + budget;
    if (!lock.take_alone(directory)) {
      log(fmt::format("recovery: {} is in use by another process: nothing is recovered from it now",
                      directory));
    } else if (auto journal = JournalScan::read(directory, config.basin, {}, log, over(deadline, signal_fd));
               !journal) {
      log("recovery: " + journal.error());
    } else {
      recover(*journal, directory, options_of(config, signal_fd), *client, deadline, log);
    }
  }
  const auto by = steady_clock::now() + patience;
  for (bool said = false; !signalled(signal_fd) && !lock.take_shared(directory); said = true) {
    if (errno != EWOULDBLOCK) {  // nor can another start take it alone
      log(fmt::format("journal: {} cannot be locked ({}): no start recovers from it", directory,
                      std::strerror(errno)));
      return lock;
    }
    if (steady_clock::now() >= by) {
      log(fmt::format("cannot run: {} is still being recovered by another process", directory));
      return tl::unexpected(kCannotRun);
    }
    if (!said)
      log(fmt::format("journal: {} is being recovered by another process: this start waits for it to end",
                      directory));
    pollfd waiting{signal_fd, POLLIN, 0};
    ::poll(&waiting, 1, kLookAgainMs);
  }
  if (!signalled(signal_fd)) return lock;
  log("a signal came before the writer was ready: nothing was accepted");
  return tl::unexpected(0);
}

int run_recover(const Config& config, AppendClient& client, int signal_fd, const Log& log) {
  const std::string& directory = config.journal_dir;
  JournalLock lock;
  if (!std::filesystem::is_directory(directory)) {
    log(fmt::format("cannot recover: there is no directory {}", directory));
    return kCannotRun;
  }
  if (!lock.take_alone(directory)) {
    log(fmt::format(
        "cannot recover: {} is in use by a writer that is alive (or cannot be opened): end it first",
        directory));
    return kCannotRun;
  }
  const auto deadline = steady_clock::now() + config.recovery_budget.value_or(kRecoveryByCommand);
  const auto journal =
      JournalScan::read(directory, config.basin, config.recovery_session, log, over(deadline, signal_fd));
  if (!journal) {
    log("cannot recover: " + journal.error());
    return kCannotRun;
  }
  const JournalFound& found = journal->found();
  if (!found.whole) return kMissing;
  if (found.files == 0) {
    log(fmt::format("cannot recover: there is no journal in {}: no file such as console.jsonl", directory));
    return kCannotRun;
  }
  if (!config.recovery_session.empty() && found.of_session == 0) {
    log(fmt::format("cannot recover: no line of the journal in {} is of session `{}`", directory,
                    config.recovery_session));
    return kCannotRun;
  }
  bool whole = true;
  if (found.unsigned_lines > 0) {
    whole = false;  // nor whether these are
    log(fmt::format("recovery: {} that no process has signed {} left alone: nobody knows for which basin",
                    counted(found.unsigned_lines, "line"), found.unsigned_lines == 1 ? "is" : "are"));
  }
  for (const JournalPart& part : journal->parts()) {
    if (part.mark.basin == config.basin) continue;
    whole = false;  // nobody has looked whether it is stored
    std::printf(R"({"left_alone":{"stream":%s,"basin":%s,"events":%zu}})"
                "\n",
                json_quoted(part.mark.stream).c_str(), json_quoted(part.mark.basin).c_str(),
                part.lines.size());
  }
  if (journal->parts().empty())
    log(fmt::format("recovery: nothing is left to deliver in {}: {}, {} process{}, {} of them settled",
                    directory, counted(found.files, "file"), found.processes,
                    found.processes == 1 ? "" : "es", found.settled));
  RecoveryOptions options = options_of(config, signal_fd);
  options.account = true;
  for (const RecoveredStream& stream :
       recover(*journal, config.recovery_session.empty() ? directory : std::string(), options, client,
               deadline, log)) {
    whole = whole && stream.missing == 0;
    std::string line = fmt::format(
        R"({{"recovered":{{"stream":{},"stored_before":{},"left_out":{},"delivered":{},"missing":{})",
        json_quoted(stream.stream), stream.stored_before, stream.left_out, stream.delivered, stream.missing);
    if (stream.unknown > 0) line += fmt::format(R"(,"unknown":{})", stream.unknown);
    if (!stream.problem.empty()) line += R"(,"problem":)" + json_quoted(stream.problem);
    std::printf("%s}}\n", line.c_str());
  }
  return whole ? 0 : kMissing;
}

}  // namespace s2::writer
