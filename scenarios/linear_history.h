// A history of one stream in the format of s2-verification, as the checkers of linearizability read it.
//
// Plain values, any thread. Time is the number of a line: an operation takes effect between the line where it
// starts and the line where it ends; an append of unknown outcome after its start at any time, or never.
// Source: the contract, "History".
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace s2::scenarios {

inline constexpr std::size_t kMaxHistoryBytes = 4ULL << 30;
inline constexpr std::size_t kHistoryBlockBytes = 1 << 20;  // read at a time; more where one line is longer
inline constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();  // later than every line
inline constexpr std::int32_t kNoToken = -1;
inline constexpr std::int32_t kEmptyToken = 0;  // what a stream begins with

struct LinearOp {
  enum class Kind : std::uint8_t { append, read, check_tail };
  enum class End : std::uint8_t {
    success,
    failed,           // without effect, and nothing is said of the state
    seq_num_refused,  // without effect; the tail was `tail`, and match_seq_num something else
    token_refused,    // without effect; the token was `refused_token`, and fencing_token another
    unknown,          // an append that took effect or not
  };
  std::uint64_t client = 0;
  std::uint64_t op_id = 0;
  std::uint64_t tail = 0;         // success, seq_num_refused
  std::uint64_t stream_hash = 0;  // a read's success
  std::uint64_t match_seq_num = 0;
  std::size_t first_hash = 0;  // its records' hashes in LinearHistory::hashes
  std::uint32_t num_records = 0;
  std::uint32_t start_line = 0;
  std::uint32_t end_line = kNever;
  std::int32_t fencing_token = kNoToken;  // index in LinearHistory::tokens
  std::int32_t set_token = kNoToken;
  std::int32_t refused_token = kNoToken;
  Kind kind = Kind::append;
  End end = End::unknown;
  bool has_match = false;

  bool is_applied() const { return kind == Kind::append && end == End::success; }
  // It must find its place between its lines; the others are free of any.
  bool is_required() const { return end != End::failed && end != End::unknown; }
  // One tail, and no other, is that of the state in which it takes effect.
  bool is_pinned() const { return is_required() && end != End::token_refused; }
};

struct LinearHistory {
  std::string name;           // of the file, for error lines
  std::vector<LinearOp> ops;  // by start_line
  std::vector<std::uint64_t> hashes;
  std::vector<std::string> tokens{""};
  // A read that lists the hashes of its records, all from 0: that with the highest tail.
  std::int64_t listed_read = -1;  // index in ops
  std::size_t listed_first = 0;   // in `hashes`

  const std::uint64_t* hashes_of(const LinearOp& op) const { return hashes.data() + op.first_hash; }
  bool same_records(const LinearOp& a, const LinearOp& b) const;
  // "append op 7 (client 3, line 12)"
  std::string describe(std::size_t op) const;
};

// Every fault is one line: "history.jsonl:12: …". The text may lack the newline at its end.
tl::expected<LinearHistory, std::string> parse_history(std::string_view text, std::string name);
// The same of a file, which is not held whole in memory.
tl::expected<LinearHistory, std::string> parse_history_file(const std::string& path);

// h' of the stream hash h and the next record's hash, and back: h of h' and that record's hash. A stream
// begins with 0. Written anew here, so that the emulator's is tried against it.
std::uint64_t chain(std::uint64_t stream_hash, std::uint64_t record_hash);
std::uint64_t unchain(std::uint64_t stream_hash, std::uint64_t record_hash);

}  // namespace s2::scenarios
