// The journal's thread and its files; see journal.h.
#include "writer/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "writer/journal_scan.h"
#include "writer/log.h"
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

// Where the line begins that was just appended: behind it stands the file's own offset, whoever else appends.
std::optional<std::uint64_t> begin_of_last(int fd, std::size_t bytes) {
  const off_t end = ::lseek(fd, 0, SEEK_CUR);
  if (end < static_cast<off_t>(bytes)) return std::nullopt;  // no regular file
  return static_cast<std::uint64_t>(end) - bytes;
}

bool read_whole(int fd, std::string& text, std::uint64_t offset, std::string& error) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t got =
        ::pread(fd, text.data() + done, text.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      error = got < 0 ? std::strerror(errno) : "the file is shorter than what was written";
      return false;
    }
    done += static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

tl::expected<std::unique_ptr<Journal>, std::string> Journal::open(const std::string& directory,
                                                                  std::string mark, Ring& ring,
                                                                  std::size_t places, Log log) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error || !std::filesystem::is_directory(directory, error)) {
    return tl::unexpected(fmt::format("the journal's directory {} cannot be made: {}", directory,
                                      error ? error.message() : std::string("not a directory")));
  }
  return std::unique_ptr<Journal>(new Journal(directory, std::move(mark), ring, places, std::move(log)));
}

Journal::Journal(std::string directory, std::string mark, Ring& ring, std::size_t places, Log log)
    : directory_(std::move(directory)),
      log_(std::move(log)),
      mark_(std::move(mark)),
      reader_(ring.reader()),
      places_(places),
      thread_([this] { run(); }) {}

Journal::~Journal() {
  const Clock::time_point at_once = Clock::now();  // looked at before the lock below, whoever compiles it
  close(reader_->position(), at_once);
  if (thread_.joinable()) thread_.join();
}

void Journal::run() {
  name_this_thread("journal");
  while (true) {
    take(reader_->next(Clock::time_point::max()));
    if (!told_written()) break;
    answer();
  }
  reader_->resume();
  while (reader_->position() < close_through_ && Clock::now() < close_deadline_) {
    take(reader_->next(close_deadline_));
  }
  for (auto& [name, file] : files_) {
    if (file.fd >= 0) ::close(file.fd);
  }
  for (const std::string& epoch : settled_) settle_epoch(directory_, epoch);
  std::lock_guard lock(mutex_);
  complete_ = reader_->position() >= close_through_ && missing_ == 0;
  done_ = true;
  done_changed_.notify_all();
  answer_is_in_.notify_all();
}

// False: close() has begun.
bool Journal::told_written() {
  std::lock_guard lock(mutex_);
  written_through_ = reader_->position();
  overdue_ = false;
  if (waiting_ > 0) written_changed_.notify_all();
  if (closing_) return false;
  if (std::exchange(roused_, false)) reader_->resume();
  return true;
}

void Journal::answer() {
  std::vector<std::uint64_t> wanted;
  std::uint64_t asked = 0;
  {
    std::lock_guard lock(mutex_);
    if (wanted_.empty()) return;
    wanted = wanted_;
    asked = asked_;
  }
  std::vector<JournalText> texts;
  std::size_t bytes = 0;
  for (const std::uint64_t seq : wanted) {
    if (seq > reader_->position() || bytes >= kReadBackBytes) break;
    texts.push_back(text_of(seq));
    bytes += texts.back().json.size();
  }
  if (texts.empty()) return;  // the next item of the ring brings this thread there
  std::lock_guard lock(mutex_);
  if (asked != asked_ || wanted_.empty()) return;  // it was not waited for
  answer_ = std::move(texts);
  wanted_.clear();
  answer_is_in_.notify_all();
}

JournalText Journal::text_of(std::uint64_t seq) {
  const JournalPlace* place = places_.find(seq);
  if (place == nullptr) return {};
  JournalText found{std::string(place->bytes, '\0'), place->published_us};
  std::string error;
  if (read_whole(place->file->fd, found.json, place->offset, error) &&
      JournalPlaces::hash_of(found.json) == place->hash) {
    place->file->unreadable = false;
    return found;
  }
  if (!std::exchange(place->file->unreadable, true)) {
    log_(fmt::format(
        "journal: event {} cannot be read back ({}): what the ring overwrote and the journal cannot give is "
        "told as dropped",
        seq, error.empty() ? "the line was changed" : error));
  }
  return {};
}

void Journal::take(const RingItem& item) {
  if (const Drop* drop = std::get_if<Drop>(&item)) {
    missing_ += drop->count;
    missing_why_ = "they were overwritten before they were written";
    log_(fmt::format("journal: events {} to {} were overwritten before they were written", drop->from,
                     drop->to));
  } else if (const EnvelopeRef* envelope = std::get_if<EnvelopeRef>(&item)) {
    enter_branch((*envelope)->seq);
    write_line(**envelope);
  }
}

void Journal::branch(std::uint64_t after, const std::string& name, std::string mark) {
  std::lock_guard lock(mutex_);
  branches_.push_back({after, '.' + name, std::move(mark)});
}

// The files of the source stay open: the storage writer may want its lines back.
void Journal::enter_branch(std::uint64_t seq) {
  std::lock_guard lock(mutex_);
  while (!branches_.empty() && seq > branches_.front().after) {
    infix_ = std::move(branches_.front().infix);
    mark_ = std::move(branches_.front().mark);
    branches_.pop_front();
    ++entered_;
  }
}

void Journal::write_line(const Envelope& envelope) {
  const std::string_view category = envelope.category;
  const std::string line = journal_line(envelope.json, envelope.store) + "\n";
  File& file = files_[{entered_, category}];
  std::string error;
  if (try_line(file, category, line, error)) {
    const auto begin = envelope.store ? begin_of_last(file.fd, line.size()) : std::nullopt;
    if (begin) {
      places_.note(envelope.seq,
                   {&file, *begin, envelope.published_us, static_cast<std::uint32_t>(envelope.json.size()),
                    JournalPlaces::hash_of(envelope.json)});
    }
    if (file.unwritten != 0) {
      log_(fmt::format("journal: {}/{}{}.jsonl is written again; {} {} not in it", directory_, category,
                       infix_, counted(file.unwritten, "event"), file.unwritten == 1 ? "is" : "are"));
    }
    file.unwritten = 0;
    return;
  }
  ++missing_;
  missing_why_ = fmt::format("{}{}.jsonl: {}", category, infix_, error);
  if (file.unwritten++ == 0) {
    log_(fmt::format(
        "journal: {}/{}{}.jsonl cannot be written ({}): its events are left out until it can; nothing "
        "else is touched",
        directory_, category, infix_, error));
  }
}

bool Journal::try_line(File& file, std::string_view category, const std::string& line,
                       std::string& error) const {
  if (file.fd < 0) {
    std::string path = fmt::format("{}/{}{}.jsonl", directory_, category, infix_);
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
  if (overdue_) return;
  ++waiting_;
  const bool written =
      written_changed_.wait_for(lock, kJournalPatience, [&] { return written_through_ >= seq || closing_; });
  --waiting_;
  if (written || std::exchange(overdue_, true)) return;
  lock.unlock();
  log_(
      fmt::format("journal: its disk does not answer: event {} and those behind it are accepted before their "
                  "lines are written, until it does",
                  seq));
}

std::optional<std::vector<JournalText>> Journal::read_back(std::span<const std::uint64_t> seqs,
                                                           const std::stop_token& stop,
                                                           Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  if (closing_) return std::vector<JournalText>();
  wanted_.assign(seqs.begin(), seqs.end());
  answer_.clear();
  ++asked_;
  roused_ = true;
  reader_->cancel();
  answer_is_in_.wait_until(lock, std::min(deadline, Clock::now() + kJournalPatience),
                           [&] { return wanted_.empty() || done_ || stop.stop_requested(); });
  const bool answered = wanted_.empty();
  wanted_.clear();
  if (answered) return std::exchange(answer_, {});
  if (stop.stop_requested() || Clock::now() >= deadline) return std::nullopt;
  lock.unlock();
  log_(
      fmt::format("journal: its disk does not answer: event {} and what the ring overwrote behind it is told "
                  "as dropped",
                  seqs.front()));
  return std::vector<JournalText>();
}

void Journal::wake() {
  std::lock_guard lock(mutex_);
  answer_is_in_.notify_all();
}

void Journal::forget(std::uint64_t through) {
  places_.forget(through);
}

bool Journal::close(std::uint64_t through, Clock::time_point deadline, std::vector<std::string> settled) {
  std::unique_lock lock(mutex_);
  if (!closing_) {
    closing_ = true;
    settled_ = std::move(settled);
    close_through_ = through;
    close_deadline_ = deadline;
    reader_->cancel();
    written_changed_.notify_all();
  }
  // The thread looks at the deadline between two lines; one write to a local disk is not waited for here.
  done_changed_.wait_until(lock, deadline, [&] { return done_; });
  return done_ && complete_;
}

std::string Journal::lacks() {
  std::lock_guard lock(mutex_);
  if (!done_ || complete_) return {};
  if (reader_->position() < close_through_)
    return fmt::format("the journal was not written to its end: event {} is its last, {} would be",
                       reader_->position(), close_through_);
  return fmt::format("the journal in {} lacks {} ({})", directory_, counted(missing_, "event"), missing_why_);
}

bool Journal::ended_by(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return done_changed_.wait_until(lock, deadline, [&] { return done_; });
}

}  // namespace s2::writer
