// See writer_driver.h.
#include "scenarios/writer_driver.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "scenarios/clock.h"
#include "scenarios/driver_line.h"
#include "scenarios/http_courier.h"

namespace s2::scenarios {
namespace {

constexpr std::size_t kStatementKinds = static_cast<std::size_t>(Statement::Kind::stdin_closed) + 1;
constexpr std::size_t kReadBytes = 64 * 1024;

void set_nonblocking(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

std::size_t index_of(Statement::Kind kind) {
  return static_cast<std::size_t>(kind);
}

}  // namespace

class WriterDriver::Impl {
 public:
  Impl(const Pipes& pipes, std::string run, std::shared_ptr<EventNumbers> numbers,
       std::function<void()> end_http)
      : pipes_(pipes),
        run_(std::move(run)),
        end_http_(std::move(end_http)),
        numbers_(numbers ? std::move(numbers) : std::make_shared<EventNumbers>(0)),
        wake_(eventfd(0, EFD_CLOEXEC)) {
    signal(SIGPIPE, SIG_IGN);  // a writer that is gone is an error of write() here
    for (const int fd : {pipes_.in, pipes_.out, pipes_.err}) set_nonblocking(fd);
    thread_ = std::thread([this] { move_bytes(); });
  }
  ~Impl() {
    abandon();
    thread_.join();
    for (const int fd : {pipes_.in, pipes_.out, pipes_.err, wake_}) {
      if (fd >= 0) ::close(fd);
    }
  }

  void ask(Statement asked, DriverOp op) {
    const std::lock_guard lock(mutex_);
    asked.t_ns = now_ns();
    const bool begins =
        asked.kind == Statement::Kind::ask_start || asked.kind == Statement::Kind::ask_identity;
    if (!asked.session.empty() && begins) current_session_ = asked.session;
    note(std::move(asked));
    enqueue(std::move(op));
  }

  void ask_within(Statement::Kind what, DriverOp::Kind op, const std::string& session,
                  std::int64_t deadline_ms) {
    ask({.kind = what, .session = session, .deadline_ms = deadline_ms},
        {.kind = op, .session = session, .deadline_ms = deadline_ms});
  }

  std::uint64_t publish(const std::string& session, int publisher, const EventShape& shape,
                        Deadline give_up) {
    std::unique_lock lock(mutex_);
    const auto has_room = [&] {
      const std::size_t queued = courier_ ? courier_->waiting_bytes() : queued_bytes_;
      return queued < kMaxQueuedBytes || ended_ || input_closed_;
    };
    if (!changed_.wait_until(lock, give_up, has_room) || ended_ || input_closed_) return 0;
    Publication made;
    made.n = ++*numbers_;
    made.publisher = publisher;
    made.session = session;
    made.type = shape.type;
    DriverOp op{.kind = DriverOp::Kind::publish, .session = session, .n = made.n, .publisher = publisher};
    op.event = shape.text(run_, made.n);
    made.bytes = op.event.size();
    made.kept_bytes = shape.kept_bytes;
    made.sent_ns = now_ns();
    const std::uint64_t n = made.n;
    publications_.push_back(std::move(made));
    ++unanswered_;
    enqueue(std::move(op));
    return n;
  }

  void stop_again(const std::string& session, std::int64_t deadline_ms) {
    const std::lock_guard lock(mutex_);
    enqueue({.kind = DriverOp::Kind::stop, .session = session, .deadline_ms = deadline_ms});
  }

  void close_input() {
    const std::lock_guard lock(mutex_);
    if (input_closed_) return;
    input_closed_ = true;
    if (http_) {  // SIGTERM is what ends it, and the process's own facts tell when
      if (courier_) courier_->take({.kind = DriverOp::Kind::end});
      return;
    }
    note({.kind = Statement::Kind::stdin_closed, .t_ns = now_ns()});
    wake();
  }

  template <class Condition>
  bool wait(Deadline deadline, Condition condition) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline, [&] { return condition() || ended_; });
    return condition();
  }

  template <class T>
  T get(T Impl::* what) {
    const std::lock_guard lock(mutex_);
    return this->*what;
  }

  void abandon() {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
    wake();
  }

  // With the lock held. Nothing: no event of this writer's.
  Publication* publication(std::uint64_t n) {
    const auto at = std::lower_bound(publications_.begin(), publications_.end(), n,
                                     [](const Publication& made, std::uint64_t key) { return made.n < key; });
    return at == publications_.end() || at->n != n ? nullptr : &*at;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Publication> publications_;
  std::vector<Statement> statements_;
  std::array<std::size_t, kStatementKinds> counts_{};
  std::uint64_t unanswered_ = 0;
  std::uint64_t accepted_ = 0;
  std::uint64_t acked_through_ = 0;
  bool ended_ = false;      // stdout has ended
  bool log_ended_ = false;  // stderr has ended
  bool http_ = false;       // by its first line
  std::string first_garbage_;
  std::string log_;
  std::string telemetry_;

 private:
  // With the lock held, all three.
  void enqueue(DriverOp op) {
    if (http_) {
      if (courier_) courier_->take(std::move(op));
      return;
    }
    std::string line = stdio_line(op, current_session_);
    queued_bytes_ += line.size();
    queue_.push_back(std::move(line));
    if (queue_.size() == 1) wake();
  }
  void wake() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
  }
  void note(Statement said) {
    ++counts_[index_of(said.kind)];
    statements_.push_back(std::move(said));
    changed_.notify_all();
  }

  void begin_http(std::string_view line);
  void end_courier();
  void move_bytes();
  void write_some();
  bool read_some(int fd, bool log);
  void take_output(std::string_view bytes);
  void take_line(std::string_view line, std::int64_t t_ns);

  Pipes pipes_;
  const std::string run_;
  const std::function<void()> end_http_;  // empty: stdio, whatever it says
  const std::shared_ptr<EventNumbers> numbers_;
  int wake_;
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0;
  std::size_t written_of_front_ = 0;
  bool input_closed_ = false;
  bool abandoned_ = false;
  std::string current_session_;
  bool storage_on_ = true;  // by the writer's last word
  std::string half_line_;
  bool overlong_ = false;
  std::shared_ptr<HttpCourier> courier_;  // null: stdio, or not ready yet, or over; under mutex_
  std::thread thread_;
};

// With the lock held: the line `ready http://HOST:PORT`.
void WriterDriver::Impl::begin_http(std::string_view line) {
  const auto said = [this](const std::string& answer) {
    const std::lock_guard lock(mutex_);
    take_line(answer, now_ns());
  };
  http_ = true;
  telemetry_ = line.substr(line.find("http://"));
  courier_ = std::make_shared<HttpCourier>(telemetry_, said, end_http_);
}

void WriterDriver::Impl::move_bytes() {
  bool out_open = true, err_open = true;
  for (;;) {
    short want_write = 0;
    {
      const std::lock_guard lock(mutex_);
      if (abandoned_) break;
      if (pipes_.in >= 0 && queue_.empty() && input_closed_) {
        ::close(pipes_.in);
        pipes_.in = -1;
      }
      if (pipes_.in >= 0 && !queue_.empty()) want_write = POLLOUT;
      if (!out_open && !err_open) break;
    }
    // A pipe whose reader is gone reports an error whether or not anything waits for it: it is looked at only
    // then.
    std::array<pollfd, 4> fds = {{{wake_, POLLIN, 0},
                                  {want_write ? pipes_.in : -1, want_write, 0},
                                  {out_open ? pipes_.out : -1, POLLIN, 0},
                                  {err_open ? pipes_.err : -1, POLLIN, 0}}};
    if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) break;
    if (fds[0].revents) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = read(wake_, &count, sizeof count);
    }
    if (fds[1].revents) write_some();
    if (fds[2].revents) out_open = read_some(pipes_.out, false);
    if (fds[3].revents) err_open = read_some(pipes_.err, true);
    if (!out_open) end_courier();  // its last answers come before the end
    const std::lock_guard lock(mutex_);
    if (ended_ == out_open || log_ended_ == err_open) {
      ended_ = !out_open;
      log_ended_ = !err_open;
      changed_.notify_all();
    }
  }
  end_courier();
  const std::lock_guard lock(mutex_);
  ended_ = log_ended_ = true;
  changed_.notify_all();
}

// On the pipes' thread, without the lock: the courier's threads may be about to take it.
void WriterDriver::Impl::end_courier() {
  std::shared_ptr<HttpCourier> courier;
  {
    const std::lock_guard lock(mutex_);
    courier.swap(courier_);
  }
}

void WriterDriver::Impl::write_some() {
  const std::lock_guard lock(mutex_);
  while (!queue_.empty()) {
    const std::string& front = queue_.front();
    const ssize_t wrote =
        write(pipes_.in, front.data() + written_of_front_, front.size() - written_of_front_);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno == EAGAIN) return;
    if (wrote < 0) {  // nobody reads any more: what is queued was never sent to anybody
      queue_.clear();
      queued_bytes_ = written_of_front_ = 0;
      input_closed_ = true;
      changed_.notify_all();
      return;
    }
    written_of_front_ += static_cast<std::size_t>(wrote);
    if (written_of_front_ < front.size()) return;
    queued_bytes_ -= front.size();
    written_of_front_ = 0;
    queue_.pop_front();
    changed_.notify_all();
  }
}

// False at the end of the pipe.
bool WriterDriver::Impl::read_some(int fd, bool log) {
  std::array<char, kReadBytes> buffer;
  const ssize_t got = read(fd, buffer.data(), buffer.size());
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
  const std::lock_guard lock(mutex_);
  if (!log) {
    take_output(bytes);
  } else {
    log_.append(bytes);
    if (log_.size() > 2 * kMaxLogBytes) log_.erase(0, log_.size() - kMaxLogBytes);
  }
  return true;
}

void WriterDriver::Impl::take_output(std::string_view bytes) {
  const std::int64_t t_ns = now_ns();
  for (std::size_t end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
    half_line_.append(bytes.substr(0, end));
    bytes.remove_prefix(end + 1);
    if (!half_line_.empty() && half_line_.back() == '\r') half_line_.pop_back();
    if (overlong_ || !half_line_.empty()) take_line(half_line_, t_ns);
    half_line_.clear();
    overlong_ = false;
  }
  half_line_.append(bytes);
  if (half_line_.size() > kMaxLineBytes) {
    half_line_.resize(kMaxGarbageText);
    overlong_ = true;
  }
}

void WriterDriver::Impl::take_line(std::string_view line, std::int64_t t_ns) {
  if (end_http_ && !courier_ && statements_.empty() && line.starts_with("ready http://")) {
    begin_http(line);
    line = R"({"ready":true})";
  }
  WriterLine parsed = parse_writer_line(line);
  const auto answered = [&](std::uint64_t n) -> Publication* {
    Publication* made = publication(n);
    if (made == nullptr || made->answered_ns >= 0) return nullptr;
    made->answered_ns = t_ns;
    --unanswered_;
    changed_.notify_all();
    return made;
  };
  if (const auto* published = std::get_if<Published>(&parsed)) {
    if (Publication* made = answered(published->n)) {
      made->acceptance = Acceptance::accepted;
      made->seq = published->seq;
      made->storage_on = storage_on_;
      ++accepted_;
      return;
    }
  } else if (const auto* rejected = std::get_if<Rejected>(&parsed)) {
    if (Publication* made = answered(rejected->n)) {
      made->acceptance = Acceptance::rejected;
      return;
    }
  }
  // An answer to what was not asked, or asked once and answered before, is no answer.
  Statement said;
  if (auto* statement = std::get_if<Statement>(&parsed)) {
    said = std::move(*statement);
  } else {
    said.text = std::string(line.substr(0, kMaxGarbageText));
  }
  said.t_ns = t_ns;
  if (said.kind == Statement::Kind::garbage) {
    if (first_garbage_.empty()) first_garbage_ = said.text;
    if (counts_[index_of(Statement::Kind::garbage)] >= kMaxKeptGarbage) return;
  }
  if (said.session.empty()) said.session = current_session_;
  if (said.kind == Statement::Kind::storage) storage_on_ = said.text == "on";
  if (said.kind == Statement::Kind::acked) acked_through_ = std::max(acked_through_, said.through);
  note(std::move(said));
}

WriterDriver::WriterDriver(const Pipes& pipes, std::string run, std::shared_ptr<EventNumbers> numbers,
                           std::function<void()> end_http)
    : impl_(std::make_unique<Impl>(pipes, std::move(run), std::move(numbers), std::move(end_http))) {}
WriterDriver::~WriterDriver() = default;

void WriterDriver::start(const std::string& session) {
  impl_->ask({.kind = Statement::Kind::ask_start, .session = session},
             {.kind = DriverOp::Kind::start, .session = session});
}

std::uint64_t WriterDriver::publish(const std::string& session, int publisher, const EventShape& shape,
                                    Deadline give_up) {
  return impl_->publish(session, publisher, shape, give_up);
}

void WriterDriver::flush(const std::string& session, std::int64_t deadline_ms) {
  impl_->ask_within(Statement::Kind::ask_flush, DriverOp::Kind::flush, session, deadline_ms);
}

void WriterDriver::stop(const std::string& session, std::int64_t deadline_ms) {
  impl_->ask_within(Statement::Kind::ask_stop, DriverOp::Kind::stop, session, deadline_ms);
}

void WriterDriver::stop_again(const std::string& session, std::int64_t deadline_ms) {
  impl_->stop_again(session, deadline_ms);
}

void WriterDriver::storage(bool on) {
  impl_->ask({.kind = Statement::Kind::ask_storage, .text = on ? "on" : "off"},
             {.kind = DriverOp::Kind::storage, .on = on});
}

void WriterDriver::identify(const std::string& session, const std::string& stream, bool inherits) {
  impl_->ask({.kind = Statement::Kind::ask_identity, .session = session},
             {.kind = DriverOp::Kind::identity, .session = session, .on = inherits, .stream = stream});
}

void WriterDriver::close_input() {
  impl_->close_input();
}
void WriterDriver::abandon() {
  impl_->abandon();
}

bool WriterDriver::wait_ready(Deadline deadline) {
  const auto ready = [this] { return impl_->counts_[index_of(Statement::Kind::ready)] > 0; };
  impl_->wait(deadline, [&] { return ready() || !impl_->first_garbage_.empty(); });
  const std::lock_guard lock(impl_->mutex_);
  return !impl_->statements_.empty() && impl_->statements_.front().kind == Statement::Kind::ready;
}

bool WriterDriver::wait_for(Statement::Kind kind, std::size_t count, Deadline deadline) {
  return impl_->wait(deadline, [&] { return impl_->counts_[index_of(kind)] >= count; });
}

bool WriterDriver::wait_any_of(std::vector<Statement::Kind> kinds, std::size_t count, Deadline deadline) {
  return impl_->wait(deadline, [&] {
    std::size_t sum = 0;
    for (const Statement::Kind kind : kinds) sum += impl_->counts_[index_of(kind)];
    return sum >= count;
  });
}

bool WriterDriver::wait_answered(Deadline deadline) {
  return impl_->wait(deadline, [&] { return impl_->unanswered_ == 0; });
}

bool WriterDriver::wait_acked(std::uint64_t n, Deadline deadline) {
  return impl_->wait(deadline, [&] {
    const Publication* made = impl_->publication(n);
    if (made == nullptr || made->acceptance == Acceptance::rejected) return true;
    return made->acceptance == Acceptance::accepted && made->seq <= impl_->acked_through_;
  });
}

bool WriterDriver::wait_output_end(Deadline deadline) {
  std::unique_lock lock(impl_->mutex_);
  return impl_->changed_.wait_until(lock, deadline, [&] { return impl_->ended_ && impl_->log_ended_; });
}

bool WriterDriver::over_http() const {
  return impl_->get(&Impl::http_);
}

std::uint64_t WriterDriver::unanswered() const {
  return impl_->get(&Impl::unanswered_);
}

std::size_t WriterDriver::count(Statement::Kind kind) const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->counts_[index_of(kind)];
}

std::uint64_t WriterDriver::sent() const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->publications_.size();
}

std::uint64_t WriterDriver::accepted() const {
  return impl_->get(&Impl::accepted_);
}

std::string WriterDriver::telemetry() const {
  return impl_->get(&Impl::telemetry_);
}
bool WriterDriver::output_ended() const {
  return impl_->get(&Impl::ended_);
}

std::string WriterDriver::first_garbage() const {
  return impl_->get(&Impl::first_garbage_);
}

std::vector<Publication> WriterDriver::publications() const {
  return impl_->get(&Impl::publications_);
}

std::vector<Statement> WriterDriver::statements() const {
  return impl_->get(&Impl::statements_);
}

std::string WriterDriver::log() const {
  const std::string log = impl_->get(&Impl::log_);
  return log.size() > kMaxLogBytes ? log.substr(log.size() - kMaxLogBytes) : log;
}

}  // namespace s2::scenarios
