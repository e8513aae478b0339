// The journal's thread and its files; see journal.h.
#include "writer/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "writer/journal_scan.h"
#include "writer/thread_name.h"

namespace s2::writer {

namespace {

using Clock = std::chrono::steady_clock;

// A file that ends within a line gets its newline, so that the torn line spoils no other.
void close_torn_line(int fd) {
  struct stat status{};
  char last = '\n';
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) return;
  if (pread(fd, &last, 1, status.st_size - 1) == 1 && last != '\n' && ::write(fd, "\n", 1) != 1) return;
}

}  // namespace

tl::expected<std::unique_ptr<Journal>, std::string> Journal::open(const std::string& directory,
                                                                  std::string mark, Ring& ring, Log log) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error || !std::filesystem::is_directory(directory, error)) {
    return tl::unexpected(fmt::format("the journal's directory {} cannot be made: {}", directory,
                                      error ? error.message() : std::string("not a directory")));
  }
  return std::unique_ptr<Journal>(new Journal(directory, std::move(mark), ring, std::move(log)));
}

Journal::Journal(std::string directory, std::string mark, Ring& ring, Log log)
    : directory_(std::move(directory)),
      mark_(std::move(mark)),
      log_(std::move(log)),
      reader_(ring.reader()),
      thread_([this] { run(); }) {}

Journal::~Journal() {
  close(reader_->position(), Clock::now());
  if (thread_.joinable()) thread_.join();
}

void Journal::run() {
  name_this_thread("journal");
  while (true) {
    take(reader_->next(Clock::time_point::max()));
    std::lock_guard lock(mutex_);
    written_through_ = reader_->position();
    if (waiting_ > 0) written_changed_.notify_all();
    if (closing_) break;
  }
  reader_->resume();
  while (reader_->position() < close_through_ && Clock::now() < close_deadline_) {
    take(reader_->next(close_deadline_));
  }
  for (auto& [category, file] : files_) {
    if (file.fd >= 0) ::close(file.fd);
  }
  std::lock_guard lock(mutex_);
  complete_ = reader_->position() >= close_through_ && missing_ == 0;
  done_ = true;
  done_changed_.notify_all();
}

void Journal::take(const RingItem& item) {
  if (const Drop* drop = std::get_if<Drop>(&item)) {
    missing_ += drop->count;
    log_(fmt::format("journal: events {} to {} were overwritten before they were written", drop->from,
                     drop->to));
  } else if (const EnvelopeRef* envelope = std::get_if<EnvelopeRef>(&item)) {
    write_line((*envelope)->category, journal_line((*envelope)->json, (*envelope)->store));
  }
}

void Journal::write_line(std::string_view category, const std::string& json) {
  File& file = files_[category];
  std::string error;
  if (try_line(file, category, json + "\n", error)) {
    if (file.unwritten != 0) {
      log_(fmt::format("journal: {}/{}.jsonl is written again; {} events are not in it", directory_, category,
                       file.unwritten));
    }
    file.unwritten = 0;
    return;
  }
  ++missing_;
  if (file.unwritten++ == 0) {
    log_(fmt::format(
        "journal: {}/{}.jsonl cannot be written ({}): its events are left out until it can; nothing "
        "else is touched",
        directory_, category, error));
  }
}

bool Journal::try_line(File& file, std::string_view category, const std::string& line,
                       std::string& error) const {
  if (file.fd < 0) {
    std::string path = fmt::format("{}/{}.jsonl", directory_, category);
    // Without waiting: a FIFO that nobody reads must not hold up the exit.
    file.fd = ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    if (file.fd < 0) {
      error = std::strerror(errno);
      return false;
    }
    close_torn_line(file.fd);
    // No line without its mark: where that cannot be written, the file is opened anew by the next line.
    if (!mark_.empty() && !write_whole(file.fd, mark_ + "\n", error)) {
      ::close(std::exchange(file.fd, -1));
      return false;
    }
  }
  return write_whole(file.fd, line, error);
}

bool Journal::write_whole(int fd, const std::string& line, std::string& error) {
  struct stat before{};
  const bool regular = fstat(fd, &before) == 0 && S_ISREG(before.st_mode);
  ssize_t written;
  do {
    written = ::write(fd, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(line.size())) return true;
  error = written < 0 ? std::strerror(errno) : "no space for a whole line";
  // Half a line is taken back: the next one must begin on a line of its own.
  if (written > 0 && regular && ftruncate(fd, before.st_size) != 0) error += "; half a line is left";
  return false;
}

void Journal::wait_written(std::uint64_t seq) {
  std::unique_lock lock(mutex_);
  ++waiting_;
  written_changed_.wait_for(lock, kJournalPatience, [&] { return written_through_ >= seq || closing_; });
  --waiting_;
}

bool Journal::close(std::uint64_t through, Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  if (!closing_) {
    closing_ = true;
    close_through_ = through;
    close_deadline_ = deadline;
    reader_->cancel();
    written_changed_.notify_all();
  }
  // The thread looks at the deadline between two lines; one write to a local disk is not waited for here.
  done_changed_.wait_until(lock, deadline, [&] { return done_; });
  return done_ && complete_;
}

}  // namespace s2::writer
