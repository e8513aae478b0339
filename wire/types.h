// The things S2 talks about: records, appends, acknowledgements, batches, and the limits of the service.
//
// Plain values, no behaviour beyond metering. Everybody may use them from any thread; a value belongs to
// whoever holds it. Source of the limits: S2 spec "append", "read", "streams".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace s2::wire {

// Limits of the service (bytes unless named otherwise).
inline constexpr std::size_t kMaxBatchRecords = 1000;              // records an append or a read batch
inline constexpr std::size_t kMaxBatchMeteredBytes = 1024 * 1024;  // metered bytes, likewise
inline constexpr std::size_t kMaxFencingTokenBytes = 36;           // UTF-8
inline constexpr std::size_t kMaxStreamNameBytes = 512;
// Names that no stream can have: whoever normalises a URL's path would eat them. Source: the API's
// `bad_path`.
constexpr bool is_dots(std::string_view name) {
  return name == "." || name == "..";
}
inline constexpr const char* kDotsAreNoName = "no stream can be named `.` or `..`";
inline constexpr std::size_t kMinBasinNameBytes = 8;
inline constexpr std::size_t kMaxBasinNameBytes = 48;
inline constexpr std::size_t kMaxFrameBytes = 2 * 1024 * 1024;   // s2s frame, and a decompressed body
inline constexpr std::size_t kCompressionThresholdBytes = 1024;  // nothing smaller is compressed

// A place in a stream: the sequence number of a record and its timestamp (milliseconds since the epoch).
struct StreamPosition {
  std::uint64_t seq_num = 0;
  std::uint64_t timestamp = 0;
  bool operator==(const StreamPosition&) const = default;
};

struct Header {
  std::string name;  // bytes; empty only in a command record
  std::string value;
  bool operator==(const Header&) const = default;
};

// Bytes to be sent: its own, or a part of something that it keeps alive and that nobody changes.
class Bytes {
 public:
  Bytes() = default;
  Bytes(std::string own) : held_(std::move(own)) {}
  Bytes(const char* own) : held_(std::string(own)) {}
  Bytes(std::shared_ptr<const void> owner, std::string_view part) : held_(Part{std::move(owner), part}) {}

  std::string_view view() const {
    const auto* part = std::get_if<Part>(&held_);
    return part != nullptr ? part->bytes : std::string_view(std::get<std::string>(held_));
  }
  operator std::string_view() const { return view(); }
  std::size_t size() const { return view().size(); }
  bool empty() const { return view().empty(); }
  // Its own without a copy.
  std::string to_string() && {
    auto* own = std::get_if<std::string>(&held_);
    return own != nullptr ? std::move(*own) : std::string(view());
  }
  bool operator==(const Bytes& other) const { return view() == other.view(); }

 private:
  struct Part {
    std::shared_ptr<const void> owner;
    std::string_view bytes;
  };
  std::variant<std::string, Part> held_;
};

struct AppendRecord {
  std::optional<std::uint64_t> timestamp;  // milliseconds
  std::vector<Header> headers;
  Bytes body;
  bool operator==(const AppendRecord&) const = default;
};

struct AppendInput {
  std::vector<AppendRecord> records;
  std::optional<std::uint64_t> match_seq_num;
  std::optional<std::string> fencing_token;
  bool operator==(const AppendInput&) const = default;
};

// `start` is the first record's position; `end` is one past the last record (with its timestamp); `tail` is
// where the stream ends now, which may be later than `end`.
struct AppendAck {
  StreamPosition start;
  StreamPosition end;
  StreamPosition tail;
  bool operator==(const AppendAck&) const = default;
};

struct SequencedRecord {
  std::uint64_t seq_num = 0;
  std::uint64_t timestamp = 0;
  std::vector<Header> headers;
  std::string body;
  bool operator==(const SequencedRecord&) const = default;
};

struct ReadBatch {
  std::vector<SequencedRecord> records;
  std::optional<StreamPosition> tail;  // present on the last batch before the tail, and in heartbeats
  bool operator==(const ReadBatch&) const = default;
};

// 8 + 2 a header + bytes of all header names and values + bytes of the body.
std::size_t metered_bytes(const std::vector<Header>& headers, std::string_view body);
std::size_t metered_bytes(const AppendRecord& record);
std::size_t metered_bytes(const SequencedRecord& record);
std::size_t metered_bytes(const std::vector<AppendRecord>& records);

// A command record has exactly one header, whose name is empty; its value names the command.
bool is_command(const std::vector<Header>& headers);
AppendRecord fence_command(std::string token);        // empty token clears the fence
AppendRecord trim_command(std::uint64_t trim_point);  // body: 8 bytes, big-endian

}  // namespace s2::wire
