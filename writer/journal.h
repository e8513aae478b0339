// The journal: every event as a line in a JSON Lines file of its category, on this machine's disk.
//
// It has its own reader of the ring and its own thread. A record and its newline leave in one write(2), so
// that a kill tears at most the last line; a torn line that an earlier process left is closed with a newline
// first (recovery cuts it, journal_scan.h). A disk that is full or read-only costs the journal's lines and
// nothing else: one error line when it begins, one when it is over. open() and close() are called by the
// owner's thread; the ring outlives this. Source: system rule "Files".
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <tl/expected.hpp>

#include "writer/log.h"
#include "writer/ring.h"

namespace s2::writer {

inline constexpr std::chrono::seconds kJournalPatience{1};  // for one line

class Journal {
 public:
  // Makes the directory if it is missing. Files are `<directory>/<category>.jsonl`, opened by their first
  // event, and begin with `mark` (see journal_scan.h; empty: none).
  static tl::expected<std::unique_ptr<Journal>, std::string> open(const std::string& directory,
                                                                  std::string mark, Ring& ring, Log log);
  ~Journal();

  // Until the line of this event is written (or could not be), at most kJournalPatience: a disk that hangs
  // must not hold publishers for ever. Any thread.
  void wait_written(std::uint64_t seq);

  // After the last publisher: writes what is left up to `through`, and closes the files. False when something
  // is not written. A second call says the same again.
  bool close(std::uint64_t through, std::chrono::steady_clock::time_point deadline);

 private:
  struct File {
    int fd = -1;
    std::uint64_t unwritten = 0;  // lines, since the last that went well
  };

  Journal(std::string directory, std::string mark, Ring& ring, Log log);
  void run();
  void take(const RingItem& item);
  void write_line(std::string_view category, const std::string& json);
  bool try_line(File& file, std::string_view category, const std::string& line, std::string& error) const;
  static bool write_whole(int fd, const std::string& line, std::string& error);

  const std::string directory_;
  const std::string mark_;
  const Log log_;
  std::unique_ptr<RingReader> reader_;
  std::map<std::string_view, File> files_;  // the thread's own
  std::uint64_t missing_ = 0;               // events that are not in the journal; the thread's own

  std::mutex mutex_;
  std::condition_variable done_changed_;
  std::condition_variable written_changed_;
  std::uint64_t written_through_ = 0;  // and no earlier event is still to come
  int waiting_ = 0;                    // in wait_written()
  bool closing_ = false;
  bool done_ = false;
  bool complete_ = false;
  std::uint64_t close_through_ = 0;
  std::chrono::steady_clock::time_point close_deadline_{};
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace s2::writer
