// The journal read again: which lines earlier processes left, for which stream, and what is settled for good.
//
// A process begins each file that it opens with a mark that says who writes and where it stores:
// {"journal":{"epoch","began_ms","basin","stream"}}. Lines behind a mark are envelopes, byte for byte what is
// stored; those that are not to be stored end in ,"store":false}. A branch of a snapshot (docs/forks.md)
// writes `<category>.<epoch>.jsonl`. `settled.jsonl` beside them names epochs that recovery need not look at
// again, and those that one branch has left and another has kept.
//
// One thread; JournalLock is what keeps others away. Source: system rules "Files", "Recovery".
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "writer/log.h"

namespace s2::writer {

// Who writes the lines behind it.
struct JournalMark {
  std::string epoch;           // the process, as its fencing tokens name it
  std::uint64_t began_ms = 0;  // its begin by the wall clock: orders the processes of a journal
  std::string basin;           // empty: without durable storage
  std::string stream;          // S2_STREAM; empty: a stream a session, named by its id
};
std::string line_of(const JournalMark& mark);  // without newline
// The journal's line of an envelope, without newline.
std::string journal_line(const std::string& envelope_json, bool store);

struct JournalLine {
  std::uint64_t seq = 0;
  std::size_t hash = 0;  // of its text
  std::uint32_t file = 0;
  std::uint32_t bytes = 0;
  std::uint64_t offset = 0;
};

// What one process meant for one stream: its lines by sequence number, each number once.
struct JournalPart {
  JournalMark mark;  // its `stream` is the stream's name, whatever named it
  std::vector<JournalLine> lines;
};

// What a journal holds, whether or not there is anything left to do for it.
struct JournalFound {
  std::size_t files = 0;
  std::size_t processes = 0;     // that have signed lines in them
  std::size_t settled = 0;       // of these, those that need no further look
  std::uint64_t of_session = 0;  // lines of the session that was asked for
  std::uint64_t unsigned_lines = 0;
  bool whole = true;  // false: it was over before all was read
};

class JournalScan {
 public:
  // Reads all of `<directory>/<category>*.jsonl`. A torn last line is cut off the file, and said in the log,
  // where a process of this `basin` has signed it (and where it is of the session): nothing else is changed.
  // Call it under a JournalLock that is alone. `session`: only lines of that session (empty: all). Epochs
  // that are settled are left out, and those that were left and kept by nobody here. Where `over` (asked now
  // and then) is true first, there are no parts, and the log says so: a stream's lines stand in many files,
  // and those behind one that was not read would keep it out for ever. The error is one line.
  static tl::expected<JournalScan, std::string> read(const std::string& directory, const std::string& basin,
                                                     const std::string& session, const Log& log,
                                                     const std::function<bool()>& over = {});

  // The processes in the order of their begin; within one, streams by name.
  const std::vector<JournalPart>& parts() const { return parts_; }
  const JournalFound& found() const { return found_; }
  // The line's text, without newline. The error is one line.
  tl::expected<std::string, std::string> text(const JournalLine& line) const;

 private:
  struct Reading;
  std::vector<std::string> files_;
  std::vector<JournalPart> parts_;
  JournalFound found_;
};

// Says that everything of this process is stored, or has been told as lost. False (and errno) where that
// cannot be written.
bool settle_epoch(const std::string& directory, const std::string& epoch);
// Says that a branch goes on with what this process of its source had pending, or has left it to another. Two
// branches may share the directory. False as above.
bool branch_epoch(const std::string& directory, const std::string& epoch, bool kept);

// Who uses a journal: any number of writers, or one recovery. Held until destroyed, and not beyond the
// process.
class JournalLock {
 public:
  JournalLock() = default;
  JournalLock(JournalLock&& other) noexcept { *this = std::move(other); }
  JournalLock& operator=(JournalLock&& other) noexcept;
  ~JournalLock();

  // Of a directory that exists. False: it cannot be opened, or others are in the way. Does not wait.
  bool take_alone(const std::string& directory);
  bool take_shared(const std::string& directory);  // also from alone to shared
  // Whether the files that carry no writer's name are this process's. A mark holds for what is behind it in
  // its file: of two writers that live, one has files of its own (Journal::branch). False: another has them.
  bool take_files(const std::string& directory);

 private:
  bool take(const std::string& directory, int how);
  int fd_ = -1;
  int files_fd_ = -1;
};

}  // namespace s2::writer
