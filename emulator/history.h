// What clients asked and were told, as s2-verification history lines, one history a stream.
//
// An operation begins when it is understood and ends with what was *delivered*: an acknowledgement that was
// not written, and an error that does not promise to be free of effect, leave an append indefinite; its
// client id is not used again, and its end stands behind all others. Belongs to one thread. Source: the
// contract, "History". Beside the format's own members a refused append has `kind` (the error's code, or
// seq_num_mismatch with `tail`, or fencing_token_mismatch with `fencing_token`), and the read with the
// highest tail has `record_hashes`, which give every append its place.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "wire/error.h"
#include "wire/types.h"

namespace s2::emulator {

// Over this many lines in all, histories take no further operation (those under way still end).
inline constexpr std::size_t kMaxHistoryLines = 4'000'000;

std::uint64_t record_hash(std::string_view body);
// h' of the stream hash h and the next record's hash; a stream begins with 0.
std::uint64_t chain_hash(std::uint64_t stream_hash, std::uint64_t record_hash);

class WholeRead;

class History {
 public:
  // Names one operation; `op` 0: it was not taken, and ending it does nothing.
  struct Op {
    std::string basin;
    std::string stream;
    std::uint64_t client = 0;
    std::uint64_t op = 0;
    std::uint64_t epoch = 0;  // how often clear() was called before it began
    std::size_t line = 0;     // where its start stands
  };

  Op start_append(const std::string& basin, const std::string& stream, const wire::AppendInput& input);
  Op start_read(const std::string& basin, const std::string& stream);
  Op start_check_tail(const std::string& basin, const std::string& stream);

  void append_success(const Op& op, std::uint64_t tail);
  void append_definite_failure(const Op& op, const wire::ApiError& why);
  void append_indefinite_failure(const Op& op);
  void read_success(const Op& op, const WholeRead& read);
  void read_failure(const Op& op);
  // The operation turned out to be none that the format can express: as if it had never begun.
  void withdraw(const Op& op);
  void check_tail_success(const Op& op, std::uint64_t tail);
  void check_tail_failure(const Op& op);

  // Lines in the order of time; appends still under way, and indefinite ones, come last. Empty: nothing
  // happened.
  std::string lines(const std::string& basin, const std::string& stream) const;
  std::vector<std::pair<std::string, std::string>> streams() const;  // basin, stream
  void clear();

 private:
  struct AppendStart {
    std::vector<std::uint64_t> record_hashes;
    std::optional<std::string> set_fencing_token;
    std::optional<std::string> fencing_token;
    std::optional<std::uint64_t> match_seq_num;
  };
  struct Plain {
    const char* direction;  // "Start" or "Finish"
    const char* name;
  };
  struct Tail {
    const char* name;
    std::uint64_t tail;
    std::optional<std::uint64_t> stream_hash;
  };
  struct Refused {
    std::string kind;
    std::optional<std::uint64_t> tail;
    std::optional<std::string> fencing_token;
  };
  using What = std::variant<AppendStart, Plain, Tail, Refused>;
  struct Line {
    std::uint64_t client;
    std::uint64_t op;  // 0: withdrawn
    std::int64_t t_ns;
    What what;
  };
  struct Ledger {
    std::vector<Line> lines;
    std::map<std::uint64_t, std::uint64_t> open_appends;  // op → client: no end yet, or an indefinite one
    std::set<std::uint64_t> idle_clients;
    std::uint64_t last_client = 0;
    std::uint64_t last_op = 0;
    std::size_t listed_line = 0;  // the read whose records are listed beside it
    std::vector<std::uint64_t> listed;
  };
  Op start(const std::string& basin, const std::string& stream, bool append, What what);
  void finish(const Op& op, What what);
  // `listed`: the hashes of a read's records, or null.
  static void print(std::string& out, const Line& line, const std::vector<std::uint64_t>* listed);

  std::map<std::pair<std::string, std::string>, Ledger> ledgers_;
  std::size_t total_lines_ = 0;
  std::uint64_t epoch_ = 0;
};

// Follows a read from the beginning of a stream; tells when it has seen all of it, which is what a `Read`
// expresses.
class WholeRead {
 public:
  // Whether the batch, and all before it, are the stream from 0 to its tail.
  bool take(const wire::ReadBatch& batch);
  bool possible() const { return possible_; }
  std::uint64_t tail() const { return record_hashes_.size(); }
  const std::vector<std::uint64_t>& record_hashes() const { return record_hashes_; }
  std::uint64_t stream_hash() const { return hash_; }

 private:
  bool possible_ = true;  // no record was missing so far
  std::vector<std::uint64_t> record_hashes_;
  std::uint64_t hash_ = 0;
};

}  // namespace s2::emulator
