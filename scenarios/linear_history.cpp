// See linear_history.h: the parser. It goes through the text once, line by line, and keeps no tree; a file is
// read in blocks.
#include "scenarios/linear_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <unordered_map>

#include "wire/json_reader.h"

namespace s2::scenarios {
namespace {

constexpr std::uint64_t kDenseSlack = 1024;  // op ids up to so far over the number of operations use a table

const char* kind_name(LinearOp::Kind kind) {
  return kind == LinearOp::Kind::append ? "append" : kind == LinearOp::Kind::read ? "read" : "check-tail";
}

// Of a length that the compiler knows: no call.
template <std::size_t n>
bool is(std::string_view word, const char (&name)[n]) {
  return word.size() == n - 1 && std::memcmp(word.data(), name, n - 1) == 0;
}

class HistoryParser {
 public:
  // `bytes`: how many there are, as far as it is known.
  HistoryParser(std::string name, std::size_t bytes) : bytes_(bytes) { history_.name = std::move(name); }

  // Whole lines; the last one may lack the newline at its end.
  bool take_lines(std::string_view text) {
    taken_ += text.size();
    if (taken_ > kMaxHistoryBytes) {
      error_ = fmt::format("{}: a history of at most {} bytes was expected", history_.name, kMaxHistoryBytes);
      return false;
    }
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      ++line_;
      if (!take(text.substr(at, end - at))) {
        error_ = fmt::format("{}:{}: {}", history_.name, line_, what_);
        return false;
      }
      at = end + 1;
    }
    make_room();
    return true;
  }

  tl::expected<LinearHistory, std::string> result() {
    if (!error_.empty()) return tl::unexpected(error_);
    // Nobody came to say what became of these.
    for (LinearOp& op : history_.ops) {
      if (!is_open(op)) continue;
      op.end_line = kNever;
      op.end = op.kind == LinearOp::Kind::append ? LinearOp::End::unknown : LinearOp::End::failed;
    }
    return std::move(history_);
  }

 private:
  // Until its end was read, an operation's end_line is 0.
  static bool is_open(const LinearOp& op) { return op.end_line == 0; }

  bool wrong(std::string what) {
    what_ = std::move(what);
    return false;
  }

  // For what follows, if it is like what was taken so far: so that little is moved while it grows.
  void make_room() {
    if (taken_ == 0 || bytes_ <= taken_ || history_.ops.capacity() > history_.ops.size() * 2) return;
    const double times = 1.05 * static_cast<double>(bytes_) / static_cast<double>(taken_);
    const auto grown = [&](std::size_t size) {
      return static_cast<std::size_t>(static_cast<double>(size) * times);
    };
    history_.ops.reserve(grown(history_.ops.size()));
    history_.hashes.reserve(grown(history_.hashes.size()));
  }

  bool take(std::string_view line) {
    op_ = {};
    is_start_ = is_finish_ = false;
    listed_ = false;
    kind_.clear();
    refused_tail_.reset();
    refused_token_ = kNoToken;
    wire::JsonReader reader(line);
    unsigned seen = 0;
    const bool read = reader.object([&](std::string_view key) {
      if (is(key, "event")) return reader.once(seen, 1) && event(reader);
      if (is(key, "client_id")) return reader.once(seen, 2) && reader.u64(op_.client);
      if (is(key, "op_id")) return reader.once(seen, 4) && reader.u64(op_.op_id);
      if (is(key, "kind") && reader.at_string()) return reader.string(kind_);
      if (is(key, "tail")) return reader.optional_u64(refused_tail_);
      if (is(key, "fencing_token") && reader.at_string()) return token(reader, refused_token_);
      if (is(key, "record_hashes")) {
        listed_ = true;
        listed_first_ = history_.hashes.size();
        return hashes(reader);
      }
      return reader.skip();
    }) && reader.end();
    if (!read) return wrong(reader.error().message);
    if ((seen & 1) == 0) return wrong("`event` was expected");
    if ((seen & 2) == 0) return wrong("`client_id` was expected");
    if ((seen & 4) == 0) return wrong("`op_id` was expected");
    return is_start_ ? start() : finish();
  }

  bool event(wire::JsonReader& reader) {
    const bool read = reader.object([&](std::string_view key) {
      if (is_start_ || is_finish_) return reader.fail("expected one of `Start` and `Finish`, and no more");
      if (is(key, "Start")) {
        is_start_ = true;
        return start_event(reader);
      }
      if (is(key, "Finish")) {
        is_finish_ = true;
        return finish_event(reader);
      }
      return reader.fail("expected `Start` or `Finish`");
    });
    return read && (is_start_ || is_finish_ || reader.fail("expected `Start` or `Finish`"));
  }

  bool start_event(wire::JsonReader& reader) {
    if (reader.at_string()) {
      std::string_view word;
      if (!reader.string(word_, word)) return false;
      op_.kind = is(word, "Read") ? LinearOp::Kind::read : LinearOp::Kind::check_tail;
      return is(word, "Read") || is(word, "CheckTail") || reader.fail("expected `Read` or `CheckTail`");
    }
    return only_member(reader, [&](std::string_view key) {
      op_.kind = LinearOp::Kind::append;
      return is(key, "Append") ? append(reader) : reader.fail("expected `Append`");
    });
  }

  bool append(wire::JsonReader& reader) {
    unsigned seen = 0;
    std::uint64_t num_records = 0;
    std::optional<std::uint64_t> match;
    op_.first_hash = history_.hashes.size();
    const bool read = reader.object([&](std::string_view key) {
      if (is(key, "num_records")) return reader.once(seen, 1) && reader.u64(num_records);
      if (is(key, "record_hashes")) return reader.once(seen, 2) && hashes(reader);
      if (is(key, "set_fencing_token"))
        return reader.once(seen, 4) && (reader.null() || token(reader, op_.set_token));
      if (is(key, "fencing_token"))
        return reader.once(seen, 8) && (reader.null() || token(reader, op_.fencing_token));
      if (is(key, "match_seq_num")) return reader.once(seen, 16) && reader.optional_u64(match);
      return reader.skip();
    });
    if (!read) return false;
    if ((seen & 3) != 3) return reader.fail("expected `num_records` and `record_hashes`");
    if (num_records == 0) return reader.fail("expected a `num_records` of at least 1");
    if (num_records != history_.hashes.size() - op_.first_hash || num_records >= kNever)
      return reader.fail("expected as many `record_hashes` as `num_records` says");
    op_.num_records = static_cast<std::uint32_t>(num_records);
    op_.has_match = match.has_value();
    op_.match_seq_num = match.value_or(0);
    return true;
  }

  bool finish_event(wire::JsonReader& reader) {
    const auto ends = [&](LinearOp::Kind kind, LinearOp::End end) {
      op_.kind = kind;
      op_.end = end;
      return true;
    };
    using Does = LinearOp::Kind;
    using End = LinearOp::End;
    if (reader.at_string()) {
      std::string_view word;
      if (!reader.string(word_, word)) return false;
      if (is(word, "AppendDefiniteFailure")) return ends(Does::append, End::failed);
      if (is(word, "AppendIndefiniteFailure")) return ends(Does::append, End::unknown);
      if (is(word, "ReadFailure")) return ends(Does::read, End::failed);
      if (is(word, "CheckTailFailure")) return ends(Does::check_tail, End::failed);
      return reader.fail("expected an outcome such as `AppendDefiniteFailure`");
    }
    return only_member(reader, [&](std::string_view key) {
      if (is(key, "AppendSuccess")) return ends(Does::append, End::success) && outcome(reader, false);
      if (is(key, "ReadSuccess")) return ends(Does::read, End::success) && outcome(reader, true);
      if (is(key, "CheckTailSuccess")) return ends(Does::check_tail, End::success) && outcome(reader, false);
      return reader.fail("expected `AppendSuccess`, `ReadSuccess` or `CheckTailSuccess`");
    });
  }

  template <class OnMember>
  bool only_member(wire::JsonReader& reader, OnMember&& on_member) {
    int members = 0;
    const bool read = reader.object([&](std::string_view key) {
      return ++members > 1 ? reader.fail("expected one member, and no more") : on_member(key);
    });
    return read && (members == 1 || reader.fail("expected one member"));
  }

  bool outcome(wire::JsonReader& reader, bool with_hash) {
    unsigned seen = 0;
    const bool read = reader.object([&](std::string_view key) {
      if (is(key, "tail")) return reader.once(seen, 1) && reader.u64(op_.tail);
      if (is(key, "stream_hash") && with_hash) return reader.once(seen, 2) && reader.u64(op_.stream_hash);
      return reader.skip();
    });
    if (!read) return false;
    if ((seen & 1) == 0) return reader.fail("expected `tail`");
    return !with_hash || (seen & 2) != 0 || reader.fail("expected `stream_hash`");
  }

  bool hashes(wire::JsonReader& reader) {
    return reader.array([&] {
      std::uint64_t hash = 0;
      if (!reader.u64(hash)) return false;
      history_.hashes.push_back(hash);
      return true;
    });
  }

  bool token(wire::JsonReader& reader, std::int32_t& out) {
    if (!reader.string(word_)) return false;
    const auto [at, is_new] = token_ids_.emplace(word_, static_cast<std::int32_t>(history_.tokens.size()));
    if (is_new) history_.tokens.push_back(word_);
    out = at->second;
    return true;
  }

  std::uint32_t& slot_of(std::uint64_t op_id) {
    if (op_id > history_.ops.size() + kDenseSlack) return sparse_.try_emplace(op_id, kNever).first->second;
    if (op_id >= dense_.size()) dense_.resize(std::max<std::size_t>(op_id + 1, dense_.size() * 2), kNever);
    // It may have been far ahead when it was first seen.
    const auto far = sparse_.empty() ? sparse_.end() : sparse_.find(op_id);
    return far == sparse_.end() ? dense_[op_id] : far->second;
  }

  bool start() {
    if (line_ >= kNever - 1) return wrong("fewer lines were expected");
    std::uint32_t& slot = slot_of(op_.op_id);
    if (slot != kNever)
      return wrong(fmt::format("an `op_id` of its own was expected: {} started at line {}", op_.op_id,
                               history_.ops[slot].start_line));
    slot = static_cast<std::uint32_t>(history_.ops.size());
    op_.start_line = static_cast<std::uint32_t>(line_);
    op_.end_line = 0;
    history_.ops.push_back(op_);
    return true;
  }

  bool finish() {
    const std::uint32_t slot = slot_of(op_.op_id);
    if (slot == kNever)
      return wrong(fmt::format("the start of op {} was expected before its end", op_.op_id));
    LinearOp& op = history_.ops[slot];
    if (!is_open(op))
      return wrong(fmt::format("one end of {} was expected, it ended before", history_.describe(slot)));
    if (op.kind != op_.kind)
      return wrong(fmt::format("the end of {} {} was expected, this is the end of a {}",
                               op.kind == LinearOp::Kind::append ? "an" : "a", kind_name(op.kind),
                               kind_name(op_.kind)));
    if (op.client != op_.client)
      return wrong(fmt::format("client {} was expected, which started op {}", op.client, op_.op_id));
    op.end = op_.end;
    op.end_line = op.end == LinearOp::End::unknown ? kNever : static_cast<std::uint32_t>(line_);
    op.tail = op_.tail;
    op.stream_hash = op_.stream_hash;
    return refusal(op) && list(slot);
  }

  // Why an append was refused, where the line says so.
  bool refusal(LinearOp& op) {
    if (op.kind != LinearOp::Kind::append || op.end != LinearOp::End::failed) return true;
    if (is(kind_, "seq_num_mismatch")) {
      if (!refused_tail_) return wrong("`tail` was expected beside the kind `seq_num_mismatch`");
      if (!op.has_match)
        return wrong("an append with a `match_seq_num` was expected where the kind is `seq_num_mismatch`");
      op.end = LinearOp::End::seq_num_refused;
      op.tail = *refused_tail_;
    } else if (is(kind_, "fencing_token_mismatch")) {
      if (refused_token_ == kNoToken)
        return wrong("`fencing_token` was expected beside the kind `fencing_token_mismatch`");
      if (op.fencing_token == kNoToken)
        return wrong(
            "an append with a `fencing_token` was expected where the kind is `fencing_token_mismatch`");
      op.end = LinearOp::End::token_refused;
      op.refused_token = refused_token_;
    }
    return true;
  }

  bool list(std::uint32_t slot) {
    const LinearOp& op = history_.ops[slot];
    if (!listed_ || op.kind != LinearOp::Kind::read || op.end != LinearOp::End::success) return true;
    if (history_.hashes.size() - listed_first_ != op.tail)
      return wrong("as many `record_hashes` as the read's `tail` says were expected");
    const std::int64_t last = history_.listed_read;
    if (last >= 0 && history_.ops[static_cast<std::size_t>(last)].tail > op.tail) return true;
    history_.listed_read = slot;
    history_.listed_first = listed_first_;
    return true;
  }

  const std::size_t bytes_;
  std::size_t taken_ = 0;
  LinearHistory history_;
  std::size_t line_ = 0;
  std::string what_, error_;
  // Of the line under way.
  LinearOp op_;
  bool is_start_ = false, is_finish_ = false, listed_ = false;
  std::size_t listed_first_ = 0;
  std::string kind_, word_;
  std::optional<std::uint64_t> refused_tail_;
  std::int32_t refused_token_ = kNoToken;
  // op_id → index in ops
  std::vector<std::uint32_t> dense_;
  std::unordered_map<std::uint64_t, std::uint32_t> sparse_;
  std::unordered_map<std::string, std::int32_t> token_ids_{{"", kEmptyToken}};
};

}  // namespace

bool LinearHistory::same_records(const LinearOp& a, const LinearOp& b) const {
  return a.num_records == b.num_records &&
         std::equal(hashes_of(a), hashes_of(a) + a.num_records, hashes_of(b));
}

std::string LinearHistory::describe(std::size_t op) const {
  const LinearOp& it = ops[op];
  return fmt::format("{} op {} (client {}, line {})", kind_name(it.kind), it.op_id, it.client, it.start_line);
}

tl::expected<LinearHistory, std::string> parse_history(std::string_view text, std::string name) {
  HistoryParser parser(std::move(name), text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', std::min(text.size(), at + kHistoryBlockBytes));
    const std::size_t next = end == std::string_view::npos ? text.size() : end + 1;
    if (!parser.take_lines(text.substr(at, next - at))) break;
    at = next;
  }
  return parser.result();
}

tl::expected<LinearHistory, std::string> parse_history_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  const auto unreadable = [&] { return tl::unexpected(fmt::format("cannot read the history `{}`", path)); };
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (!file || error) return unreadable();
  HistoryParser parser(path, bytes);
  std::string block(kHistoryBlockBytes, '\0');
  std::size_t kept = 0;  // the beginning of a line whose end was not read yet
  while (const std::size_t got = std::fread(block.data() + kept, 1, block.size() - kept, file.get())) {
    const std::size_t newline = std::string_view(block.data() + kept, got).rfind('\n');
    const std::size_t lines = newline == std::string_view::npos ? 0 : kept + newline + 1;
    if (!parser.take_lines({block.data(), lines})) return parser.result();
    block.erase(0, lines);
    kept = kept + got - lines;
    block.resize(std::max(kHistoryBlockBytes, kept * 2));
  }
  if (std::ferror(file.get()) != 0) return unreadable();
  parser.take_lines({block.data(), kept});
  return parser.result();
}

}  // namespace s2::scenarios
