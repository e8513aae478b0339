// The journal: every event as a line in a JSON Lines file of its category, on this machine's disk.
//
// It has its own reader of the ring and its own thread. A record and its newline leave in one write(2), so
// that a kill tears at most the last line; a torn line that an earlier process left is closed with a newline
// first (recovery cuts it, journal_scan.h). A disk that is full or read-only costs the journal's lines and
// nothing else: one error line when it begins, one when it is over. One that hangs holds this thread, and
// with it the destructor, until it answers; nobody else. The same thread reads lines back for the storage
// writer (backlog.h), from the files that it holds open. open(), close() and ended_by() are called by the
// owner's thread, read_back() by one at a time; the ring outlives this. Source: system rule "Files".
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "writer/journal_places.h"
#include "writer/log.h"
#include "writer/ring.h"

namespace s2::writer {

inline constexpr std::chrono::seconds kJournalPatience{1};  // for one line
// Of one read_back(); more bytes only where its first line alone has more.
inline constexpr std::size_t kReadBackEvents = 256;
inline constexpr std::size_t kReadBackBytes = 1024 * 1024;

// A line as it was published.
struct JournalText {
  std::string json;  // empty: the journal does not have it, or it cannot be read
  std::int64_t published_us = 0;
};

class Journal {
 public:
  // Makes the directory if it is missing. Files are `<directory>/<category>.jsonl`, opened by their first
  // event, and begin with `mark` (see journal_scan.h; empty: none). `places`: so many of the newest events
  // can be read back.
  static tl::expected<std::unique_ptr<Journal>, std::string> open(const std::string& directory,
                                                                  std::string mark, Ring& ring,
                                                                  std::size_t places, Log log);
  ~Journal();  // waits for the thread: see ended_by()

  // Events behind `after` go to files of their own, `<directory>/<category>.<name>.jsonl`, that begin with
  // `mark`. Called before any of them is published. Any thread.
  void branch(std::uint64_t after, const std::string& name, std::string mark);

  // Until the line of this event is written (or could not be), at most kJournalPatience: a disk that hangs
  // must not hold publishers for ever. Who finds that it does says so in the log; nobody else waits then
  // until it answers. Any thread.
  void wait_written(std::uint64_t seq);

  // The lines of these events, which were published to be stored; their numbers rise. The answer is about the
  // first of them, as many as kReadBack… allow, and at least one; it is empty where the disk hangs for
  // kJournalPatience (which is said in the log) or the journal is closed. Nothing: `deadline` came before the
  // answer, or `stop` was requested *and* wake() called.
  std::optional<std::vector<JournalText>> read_back(std::span<const std::uint64_t> seqs,
                                                    const std::stop_token& stop,
                                                    std::chrono::steady_clock::time_point deadline);
  void wake();                         // any thread
  void forget(std::uint64_t through);  // what up to here is not asked for again; any thread

  // After the last publisher: writes what is left up to `through`, closes the files, and says of the epochs
  // in `settled` that they are (settle_epoch). False when something is not written. A second call says the
  // same again.
  bool close(std::uint64_t through, std::chrono::steady_clock::time_point deadline,
             std::vector<std::string> settled = {});
  // Behind close(): what the files lack and why, in a line; empty where they lack nothing.
  std::string lacks();
  // Behind close(): whether the thread has ended. Where it has not by then, a disk that hangs holds it.
  bool ended_by(std::chrono::steady_clock::time_point deadline);

 private:
  using File = JournalFile;

  Journal(std::string directory, std::string mark, Ring& ring, std::size_t places, Log log);
  void run();
  void take(const RingItem& item);
  void write_line(const Envelope& envelope);
  void enter_branch(std::uint64_t seq);
  bool try_line(File& file, std::string_view category, const std::string& line, std::string& error) const;
  bool told_written();
  void answer();
  JournalText text_of(std::uint64_t seq);
  static bool write_whole(int fd, const std::string& line, std::string& error);

  struct Branch {
    std::uint64_t after;
    std::string infix, mark;
  };

  const std::string directory_;
  const Log log_;
  std::string infix_, mark_;  // of the files' names, and their first line; the thread's own
  std::unique_ptr<RingReader> reader_;
  std::size_t entered_ = 0;  // branches; the thread's own
  // By branch and category; bounded by kMaxIdentities; the thread's own.
  std::map<std::pair<std::size_t, std::string_view>, File> files_;
  std::uint64_t missing_ = 0;  // events that are not in the journal; the thread's own, until it has ended
  std::string missing_why_;    // of the last of them; likewise
  JournalPlaces places_;

  std::mutex mutex_;
  std::deque<Branch> branches_;  // that no event has come to yet
  std::condition_variable done_changed_;
  std::condition_variable written_changed_;
  std::uint64_t written_through_ = 0;  // and no earlier event is still to come
  int waiting_ = 0;                    // in wait_written()
  bool overdue_ = false;               // a wait_written() came to its end before the line was written
  std::vector<std::uint64_t> wanted_;  // by read_back(); empty: nothing
  std::vector<JournalText> answer_;    // to it
  std::uint64_t asked_ = 0;            // read_back()s so far: whose the answer is
  bool roused_ = false;                // the reader was cancelled for a read_back()
  std::condition_variable answer_is_in_;
  bool closing_ = false;
  bool done_ = false;
  bool complete_ = false;
  std::uint64_t close_through_ = 0;
  std::chrono::steady_clock::time_point close_deadline_{};
  std::vector<std::string> settled_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace s2::writer
