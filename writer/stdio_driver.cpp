// The stdio driver's loop; see stdio_driver.h.
#include "writer/stdio_driver.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "writer/output.h"
#include "writer/stdio_lines.h"
#include "writer/voice.h"
#include "writer/wake.h"

namespace s2::writer {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr int kWaitingShare = 20;              // of the shutdown's budget: its steps leave that much free
constexpr std::size_t kShownInputBytes = 120;  // of a session's id, in the log

class WriterDriver {
 public:
  explicit WriterDriver(StdioOptions options)
      : options_(std::move(options)),
        output_(
            options_.out_fd, [this] { wake_.set(); }, [this] { wake_.set(); }),
        voice_(output_) {}

  int run();

 private:
  struct WaitingOp {
    std::atomic<bool> done{false};
    std::jthread thread;
  };

  void read_input();
  void read_signal();
  void take(const std::string& line);
  void start(const StartOp& op);
  void publish(const PublishOp& op);
  void flush(const FlushOp& op);
  void stop(const StopOp& op);
  void identify(const NewIdentity& next);
  Clock::time_point deadline_of(std::optional<std::chrono::milliseconds> given) const;
  template <class Work>
  void wait_aside(Clock::time_point deadline, Work work);
  void begin_shutdown(const char* why);
  bool report(Clock::time_point deadline);

  const StdioOptions options_;
  Wake wake_;
  Output output_;
  Voice voice_;
  std::unique_ptr<Writer> writer_;
  LineSplitter splitter_;
  bool reading_ = true;

  std::mutex ops_mutex_;
  std::list<WaitingOp> ops_;
  bool ops_over_ = false;

  std::mutex flushed_mutex_;
  std::uint64_t flushed_through_ = 0;

  std::atomic<bool> shut_down_{false};
  ShutdownReport report_;  // the shutdown thread's, until it is joined
  std::jthread shutdown_;
};

int WriterDriver::run() {
  auto writer = Writer::make(options_.writer, options_.make_producers, voice_, options_.log);
  if (!writer) {
    options_.log(writer.error());
    return 3;
  }
  writer_ = std::move(*writer);
  output_.say(ready_line());
  while (!shut_down_) {
    std::array<pollfd, 3> waits = {{{wake_.fd(), POLLIN, 0},
                                    {options_.signal_fd, POLLIN, 0},
                                    {reading_ && output_.has_room() ? options_.in_fd : -1, POLLIN, 0}}};
    if (::poll(waits.data(), waits.size(), -1) < 0) continue;  // EINTR
    if (waits[0].revents != 0) wake_.clear();
    if (output_.broken()) begin_shutdown("stdout is closed");
    if (waits[1].revents != 0) read_signal();
    if (waits[2].revents != 0) read_input();
  }
  shutdown_.join();
  const int code = report_.unsaved == 0 ? 0 : 1;
  if (report_.journal_left) std::_Exit(code);  // all is said; nothing else waits for that disk
  writer_.reset();
  return code;
}

void WriterDriver::read_signal() {
  std::array<char, 1024> ignored;
  if (::read(options_.signal_fd, ignored.data(), ignored.size()) > 0) begin_shutdown("signal");
}

void WriterDriver::read_input() {
  std::array<char, kReadBytes> buffer;
  ssize_t got = ::read(options_.in_fd, buffer.data(), buffer.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  std::vector<std::string> lines;
  if (got > 0) {
    splitter_.receive({buffer.data(), static_cast<std::size_t>(got)}, lines);
  } else {
    reading_ = false;
    splitter_.end(lines);
  }
  for (const std::string& line : lines) take(line);
  if (std::size_t overlong = splitter_.take_overlong()) {
    writer_->limited_log()(fmt::format("stdin: lines over {} bytes are left out", kMaxInputLineBytes),
                           fmt::format(" ({} here)", overlong));
  }
  if (!reading_) begin_shutdown("end of input");
}

void WriterDriver::take(const std::string& line) {
  bool repaired = false;
  auto op = parse_op(line, &repaired);
  if (repaired)
    writer_->limited_log()("stdin: a line is not UTF-8: U+FFFD stands for each byte that cannot be read");
  if (!op) {
    writer_->limited_log()("stdin: a line is left out: " + op.error(),
                           fmt::format(" (it has {} bytes)", line.size()));
    return;
  }
  if (auto* each = std::get_if<StartOp>(&*op)) start(*each);
  if (auto* each = std::get_if<PublishOp>(&*op)) publish(*each);
  if (auto* each = std::get_if<FlushOp>(&*op)) flush(*each);
  if (auto* each = std::get_if<StopOp>(&*op)) stop(*each);
  if (auto* each = std::get_if<IdentityOp>(&*op)) identify(each->next);
  if (auto* each = std::get_if<StorageOp>(&*op)) {
    if (auto set = writer_->set_storing(each->on); !set) {
      writer_->limited_log()("stdin: storage: " + set.error());
    } else {
      output_.say(storage_line(each->on));
    }
  }
}

void WriterDriver::start(const StartOp& op) {
  auto session = writer_->start(op.session);
  if (session) {
    output_.say(started_line((*session)->id));
  } else {
    options_.log(
        fmt::format("stdin: start {}: {}",
                    op.session.empty() ? "without a `session`" : one_line(op.session, kShownInputBytes),
                    session.error()));
  }
}

void WriterDriver::publish(const PublishOp& op) {
  auto published = op.event ? writer_->publish(op.session, *op.event)
                            : tl::expected<Published, std::string>(tl::unexpected(op.event.error()));
  if (!published) writer_->limited_log()("stdin: a publish is rejected: " + published.error());
  output_.say(published ? published_line(op.n, published->seq, op.session)
                        : rejected_line(op.n, published.error(), op.session));
}

void WriterDriver::flush(const FlushOp& op) {
  wait_aside(deadline_of(op.deadline), [this, op](Clock::time_point deadline) {
    FlushAnswer answer = writer_->flush(deadline);
    tell_flush(writer_->limited_log(), answer);
    // Flushes that wait side by side may end in any order; an answer never takes back what one before it
    // said.
    std::lock_guard lock(flushed_mutex_);
    if (answer.flushed) answer.through = flushed_through_ = std::max(flushed_through_, answer.through);
    output_.say(flush_line(op.session, answer));
  });
}

void WriterDriver::stop(const StopOp& op) {
  Clock::time_point deadline = deadline_of(op.deadline);
  // Here, not aside: what is published behind the stop belongs to no session, or to the next one.
  auto end = writer_->end(op.session, deadline);
  if (!end) {
    writer_->limited_log()("stdin: stop: " + end.error());
    output_.say(stopped_line({.session = op.session}));
    return;
  }
  wait_aside(deadline, [this, end = *end](Clock::time_point until) {
    output_.say(stopped_line(writer_->await_end(end, until)));
  });
}

// Here, not aside: what is published behind it belongs to the new session.
void WriterDriver::identify(const NewIdentity& next) {
  const auto identified = writer_->identify(next);
  if (!identified)
    options_.log(
        fmt::format("stdin: identity {}: {}", one_line(next.session, kShownInputBytes), identified.error()));
  output_.say(identified ? identified_line(next.session, *identified)
                         : not_identified_line(one_line(next.session, kShownInputBytes), identified.error()));
}

Clock::time_point WriterDriver::deadline_of(std::optional<std::chrono::milliseconds> given) const {
  return Clock::now() + given.value_or(options_.shutdown_budget);
}

template <class Work>
void WriterDriver::wait_aside(Clock::time_point deadline, Work work) {
  {
    std::lock_guard lock(ops_mutex_);
    ops_.remove_if([](const WaitingOp& op) { return op.done.load(); });
    if (!ops_over_ && ops_.size() < kMaxWaitingOps) {
      WaitingOp& op = ops_.emplace_back();
      op.thread = std::jthread([&op, deadline, work = std::move(work)] {
        work(deadline);
        op.done = true;
      });
      return;
    }
  }
  work(Clock::now());
}

void WriterDriver::begin_shutdown(const char* why) {
  if (shutdown_.joinable()) return;
  // From here on deadlines count more than a reader that is slow; a kill may come all the same.
  output_.limit_waiting(options_.shutdown_budget / kWaitingShare);
  shutdown_ = std::jthread([this, why] {
    report_ = writer_->shutdown(options_.shutdown_budget,
                                [this](Clock::time_point deadline) { return report(deadline); });
    writer_->limited_log().close();
    for (const std::string& line : lines_of(report_))
      options_.log(fmt::format("shutdown ({}): {}", why, line));
    shut_down_ = true;
    wake_.set();
  });
}

// Every wait has ended by now, so the flushes and stops answer at once; then all that was said is written.
bool WriterDriver::report(Clock::time_point deadline) {
  std::list<WaitingOp> waiting;
  {
    std::lock_guard lock(ops_mutex_);
    ops_over_ = true;
    waiting.swap(ops_);
  }
  waiting.clear();  // joins
  return output_.flush(deadline);
}

}  // namespace

int run_stdio(StdioOptions options) {
  return WriterDriver(std::move(options)).run();
}

}  // namespace s2::writer
