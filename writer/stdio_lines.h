// The stdio driver's lines: what comes in on stdin as operations, what goes out on stdout as JSON text.
//
// Pure; any thread. A line that is not UTF-8 is read with U+FFFD in place of what is not. Every line that
// goes out is shorter than PIPE_BUF, so that a pipe takes it whole. Source: contract, "The writer under
// test".
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <variant>
#include <vector>

#include "writer/envelope.h"
#include "writer/flush.h"
#include "writer/writer.h"

namespace s2::writer {

inline constexpr std::size_t kMaxInputLineBytes = 16 * 1024 * 1024;
inline constexpr std::size_t kMaxReasonOnLine = 300;                   // bytes of a `reason`
inline constexpr std::chrono::milliseconds kMaxOpDeadline{3'600'000};  // an hour: more counts as this

struct StartOp {
  std::string session;
};
struct PublishOp {
  std::uint64_t n = 0;
  std::string session;  // empty: the last started
  tl::expected<Event, std::string> event;
};
struct FlushOp {
  std::string session;  // only carried to the answer: a flush covers every session
  std::optional<std::chrono::milliseconds> deadline;
};
struct StopOp {
  std::string session;
  std::optional<std::chrono::milliseconds> deadline;
};
struct StorageOp {
  bool on = false;
};
struct IdentityOp {
  NewIdentity next;
};
using StdioOp = std::variant<StartOp, PublishOp, FlushOp, StopOp, StorageOp, IdentityOp>;

// The error is one line: what is wrong with it. `repaired`, if given: whether the line was not UTF-8.
tl::expected<StdioOp, std::string> parse_op(std::string_view line, bool* repaired = nullptr);

std::string ready_line();
std::string started_line(const std::string& session);
std::string storage_line(bool on);
std::string identified_line(const std::string& session, const Identified& identified);
std::string not_identified_line(const std::string& session, const std::string& reason);
std::string published_line(std::uint64_t n, std::uint64_t seq, const std::string& session);
std::string rejected_line(std::uint64_t n, const std::string& reason, const std::string& session);
std::string dropped_line(const std::string& session, std::uint64_t from, std::uint64_t to);
std::string acked_line(const std::string& session, std::uint64_t through);
std::string lost_line(const std::string& session, std::uint64_t from, std::uint64_t to,
                      const std::string& reason);
// Of what is missing at most kMaxRangesOnLine ranges; `missing_more` counts the events of the others.
inline constexpr std::size_t kMaxRangesOnLine = 12;
std::string flush_line(const std::string& session, const FlushAnswer& answer);
// `"missing":[{"from","to"},…]`, with `,"missing_more":N` behind it where not all are named; `most`: ranges.
std::string missing_text(const SeqRanges& missing, std::size_t most);
std::string ranges_text(const SeqRanges& ranges, std::size_t most);  // [{"from","to"},…]
// `through` is what is durable; `pending`, where it is there, says that this is not all.
std::string stopped_line(const Stopped& stopped);

// Bytes in, lines out. A line over kMaxInputLineBytes is left out and counted. One thread at a time.
class LineSplitter {
 public:
  void receive(std::string_view bytes, std::vector<std::string>& lines);
  void end(std::vector<std::string>& lines);  // what follows the last newline, if anything
  std::size_t take_overlong();                // how many were left out since the last call

 private:
  void finish(std::vector<std::string>& lines);

  std::string partial_;
  bool skipping_ = false;
  std::size_t overlong_ = 0;
};

}  // namespace s2::writer
