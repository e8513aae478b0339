// See journal_scan.h.
#include "writer/journal_scan.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "writer/category.h"
#include "writer/envelope.h"

namespace s2::writer {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSettledFile = "settled.jsonl";
constexpr std::string_view kMarkHead = R"({"journal":)";
constexpr std::string_view kNotStored = R"(,"store":false})";
constexpr std::string_view kSessionHead = R"({"capture_session_id":)";
constexpr std::string_view kSeqHead = R"(,"seq":)";
constexpr std::size_t kBytesALook = 256 * 1024;  // read between two looks whether it is over: a millisecond

struct LineHead {
  std::string session;
  std::uint64_t seq = 0;
};

// The first two members of an envelope, as envelope.cpp writes them. Of a whole one: a torn line that ends in
// a brace is none.
std::optional<LineHead> head_of(std::string_view line) {
  if (!line.starts_with(kSessionHead) || !line.ends_with('}') || !is_json(line)) return std::nullopt;
  line.remove_prefix(kSessionHead.size());
  std::size_t end = 1;
  while (end < line.size() && line[end] != '"') end += line[end] == '\\' ? 2 : 1;
  if (end >= line.size()) return std::nullopt;
  LineHead head;
  const auto session = nlohmann::json::parse(line.substr(0, end + 1), nullptr, /*allow_exceptions=*/false);
  if (!session.is_string()) return std::nullopt;
  head.session = session.get<std::string>();
  line.remove_prefix(end + 1);
  if (!line.starts_with(kSeqHead)) return std::nullopt;
  line.remove_prefix(kSeqHead.size());
  const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), head.seq);
  if (error != std::errc() || head.seq == 0 || *rest != ',') return std::nullopt;
  return head;
}

std::optional<JournalMark> mark_of(std::string_view line) {
  if (!line.starts_with(kMarkHead)) return std::nullopt;
  const auto parsed = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object() || !parsed["journal"].is_object()) return std::nullopt;
  const auto& said = parsed["journal"];
  const auto text = [&](const char* name) {
    return said.contains(name) && said[name].is_string() ? said[name].get<std::string>() : std::string();
  };
  JournalMark mark{text("epoch"), 0, text("basin"), text("stream")};
  if (said.contains("began_ms") && said["began_ms"].is_number_unsigned()) mark.began_ms = said["began_ms"];
  if (mark.epoch.empty()) return std::nullopt;
  return mark;
}

// Which epochs are none of a recovery's business.
std::set<std::string> settled_epochs(const std::string& directory) {
  std::set<std::string> settled, left, kept;
  std::ifstream file(fmt::format("{}/{}", directory, kSettledFile));
  for (std::string line; std::getline(file, line);) {
    const auto parsed = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!parsed.is_object()) continue;
    for (const auto& [name, epochs] : {std::pair("epoch", &settled), {"left", &left}, {"kept", &kept}}) {
      if (parsed.contains(name) && parsed[name].is_string()) epochs->insert(parsed[name].get<std::string>());
    }
  }
  std::set_difference(left.begin(), left.end(), kept.begin(), kept.end(),
                      std::inserter(settled, settled.end()));
  return settled;
}

// The files of a journal, in the order of their categories and names. Also not a FIFO, which would never end.
std::vector<std::string> files_of(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    const std::string_view category = std::string_view(name).substr(0, name.find('.'));
    const bool known = std::find(kCategories.begin(), kCategories.end(), category) != kCategories.end();
    if (known && name.ends_with(".jsonl") && entry.is_regular_file(error))
      files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool say(const std::string& directory, const char* what, const std::string& epoch) {
  const std::string line = fmt::format("{{\"{}\":{}}}\n", what, json_quoted(epoch));
  const int fd = ::open(fmt::format("{}/{}", directory, kSettledFile).c_str(),
                        O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool written = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  return ::close(fd) == 0 && written;
}

}  // namespace

std::string line_of(const JournalMark& mark) {
  return fmt::format(R"({{"journal":{{"epoch":{},"began_ms":{},"basin":{},"stream":{}}}}})",
                     json_quoted(mark.epoch), mark.began_ms, json_quoted(mark.basin),
                     json_quoted(mark.stream));
}

std::string journal_line(const std::string& envelope_json, bool store) {
  if (store) return envelope_json;
  return envelope_json.substr(0, envelope_json.size() - 1).append(kNotStored);
}

// The lines of the files, one after another, into parts.
struct JournalScan::Reading {
  const std::string& basin;
  const std::string& only_session;
  const Log& log;
  const std::function<bool()>& over;
  std::set<std::string> settled;
  std::map<std::tuple<std::uint64_t, std::string, std::string>, JournalPart> parts =
      {};  // began, epoch, stream
  std::uint64_t unreadable = 0, of_session = 0, unsigned_lines = 0;
  std::set<std::string> epochs = {};
  std::optional<JournalMark> mark = {};  // of the lines that follow
  bool of_interest = true;               // they are looked at
  std::size_t unlooked = 0;              // bytes, since the last look whether it is over

  bool is_over(std::size_t bytes) {
    unlooked += bytes;
    if (!over || unlooked < kBytesALook) return false;
    unlooked = 0;
    return over();
  }

  // False: the file cannot be read. Nothing: it is over.
  std::optional<bool> read(std::uint32_t index, const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return false;
    mark.reset();
    of_interest = true;
    std::uint64_t offset = 0;
    for (std::string line; std::getline(file, line);) {
      if (is_over(line.size())) return std::nullopt;
      if (file.eof()) {  // no newline behind it
        if (is_ours(line)) cut(path, offset, line.size());
        break;
      }
      take(index, offset, line);
      offset += line.size() + 1;
    }
    return !file.bad();
  }

  // Whether a torn line is the recovery's to cut: a process has signed it that stores where this one does.
  bool is_ours(const std::string& torn) const {
    if (!mark || mark->basin.empty() || mark->basin != basin) return false;
    return only_session.empty() ||
           torn.starts_with(fmt::format("{}{},", kSessionHead, json_quoted(only_session)));
  }

  void cut(const std::string& path, std::uint64_t keep, std::size_t torn) const {
    if (::truncate(path.c_str(), static_cast<off_t>(keep)) == 0) {
      log(fmt::format("journal: {}: a torn last line of {} bytes was cut", path, torn));
    } else {
      log(fmt::format("journal: {}: the torn last line of {} bytes cannot be cut ({}): it is left out", path,
                      torn, std::strerror(errno)));
    }
  }

  void take(std::uint32_t index, std::uint64_t offset, const std::string& line) {
    if (auto next = mark_of(line)) {
      mark = std::move(next);
      epochs.insert(mark->epoch);
      // What needs no further look is not parsed, for a journal grows; of a session it is asked whether it is
      // here at all.
      of_interest = !only_session.empty() || (!mark->basin.empty() && !settled.contains(mark->epoch));
      return;
    }
    if (!of_interest || line.ends_with(kNotStored)) return;
    const auto head = head_of(line);
    if (!head) {
      unreadable += line.empty() ? 0 : 1;
      return;
    }
    if (!mark) ++unsigned_lines;
    if (!only_session.empty() && head->session != only_session) return;
    ++of_session;
    if (!mark || mark->basin.empty() || settled.contains(mark->epoch)) return;
    const std::string& stream = mark->stream.empty() ? head->session : mark->stream;
    JournalPart& part = parts[{mark->began_ms, mark->epoch, stream}];
    if (part.lines.empty()) {
      part.mark = *mark;
      part.mark.stream = stream;
    }
    part.lines.push_back({head->seq, std::hash<std::string_view>{}(line), index,
                          static_cast<std::uint32_t>(line.size()), offset});
  }
};

tl::expected<JournalScan, std::string> JournalScan::read(const std::string& directory,
                                                         const std::string& basin, const std::string& session,
                                                         const Log& log, const std::function<bool()>& over) {
  std::error_code error;
  if (!fs::is_directory(directory, error)) {
    return tl::unexpected(fmt::format("there is no journal in {}: {}", directory,
                                      error ? error.message() : std::string("not a directory")));
  }
  JournalScan scan;
  Reading reading{basin, session, log, over, settled_epochs(directory)};
  for (const std::string& path : files_of(directory)) {
    scan.files_.push_back(path);
    const auto read = reading.read(static_cast<std::uint32_t>(scan.files_.size() - 1), path);
    if (!read) {
      log(fmt::format("journal: {} was not read to its end in time: all of it is left for the next recovery",
                      directory));
      scan.found_.whole = false;
      return scan;
    }
    if (!*read)
      return tl::unexpected(
          fmt::format("the journal's file {} cannot be read: {}", path, std::strerror(errno)));
  }
  if (reading.unreadable > 0)
    log(fmt::format("journal: {}: {} no whole event{}: left out", directory,
                    counted(reading.unreadable, "line") + (reading.unreadable == 1 ? " is" : " are"),
                    reading.unreadable == 1 ? "" : "s"));
  scan.found_ = {scan.files_.size(), reading.epochs.size(), 0, reading.of_session, reading.unsigned_lines};
  for (const std::string& epoch : reading.epochs) scan.found_.settled += reading.settled.contains(epoch);
  for (auto& [key, part] : reading.parts) {
    const auto by_seq = [](const JournalLine& one, const JournalLine& other) { return one.seq < other.seq; };
    const auto same_seq = [](const JournalLine& one, const JournalLine& other) {
      return one.seq == other.seq;
    };
    std::stable_sort(part.lines.begin(), part.lines.end(), by_seq);
    part.lines.erase(std::unique(part.lines.begin(), part.lines.end(), same_seq), part.lines.end());
    scan.parts_.push_back(std::move(part));
  }
  return scan;
}

tl::expected<std::string, std::string> JournalScan::text(const JournalLine& line) const {
  std::ifstream file(files_[line.file], std::ios::binary);
  std::string text(line.bytes, '\0');
  file.seekg(static_cast<std::streamoff>(line.offset));
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size())) ||
      std::hash<std::string_view>{}(text) != line.hash)
    return tl::unexpected(fmt::format("{} changed, or cannot be read any more", files_[line.file]));
  return text;
}

bool settle_epoch(const std::string& directory, const std::string& epoch) {
  return say(directory, "epoch", epoch);
}

bool branch_epoch(const std::string& directory, const std::string& epoch, bool kept) {
  return say(directory, kept ? "kept" : "left", epoch);
}

JournalLock& JournalLock::operator=(JournalLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(files_fd_, other.files_fd_);
  return *this;
}

JournalLock::~JournalLock() {
  for (const int fd : {fd_, files_fd_}) {
    if (fd >= 0) ::close(fd);
  }
}

bool JournalLock::take_alone(const std::string& directory) {
  return take(directory, LOCK_EX | LOCK_NB);
}

bool JournalLock::take_shared(const std::string& directory) {
  return take(directory, LOCK_SH | LOCK_NB);
}

bool JournalLock::take_files(const std::string& directory) {
  const std::string path = directory + "/writer.lock";
  if (files_fd_ < 0) files_fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  return files_fd_ < 0 || ::flock(files_fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

bool JournalLock::take(const std::string& directory, int how) {
  if (fd_ < 0) fd_ = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd_ >= 0 && ::flock(fd_, how) == 0;
}

}  // namespace s2::writer
