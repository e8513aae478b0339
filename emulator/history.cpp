// See history.h.
#include "emulator/history.h"

#include <xxhash.h>

#include <nlohmann/json.hpp>

#include "emulator/clock.h"
#include "wire/json.h"

namespace s2::emulator {
namespace {

nlohmann::json or_null(const std::optional<std::string>& text) {
  return text ? nlohmann::json(wire::utf8_lossy(*text)) : nlohmann::json(nullptr);
}

}  // namespace

std::uint64_t record_hash(std::string_view body) {
  return XXH3_64bits(body.data(), body.size());
}

std::uint64_t chain_hash(std::uint64_t stream_hash, std::uint64_t next) {
  unsigned char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(next >> (8 * i));
  return XXH3_64bits_withSeed(bytes, sizeof bytes, stream_hash);
}

History::Op History::start(const std::string& basin, const std::string& stream, bool append, What what) {
  if (total_lines_ >= kMaxHistoryLines) return {};
  Ledger& ledger = ledgers_[{basin, stream}];
  std::uint64_t client = 0;
  if (ledger.idle_clients.empty()) {
    client = ++ledger.last_client;
  } else {
    client = *ledger.idle_clients.begin();
    ledger.idle_clients.erase(ledger.idle_clients.begin());
  }
  const std::uint64_t op = ++ledger.last_op;
  if (append) ledger.open_appends.emplace(op, client);
  ledger.lines.push_back({client, op, steady_ns(), std::move(what)});
  ++total_lines_;
  return {basin, stream, client, op, epoch_, ledger.lines.size() - 1};
}

void History::finish(const Op& op, What what) {
  if (op.op == 0 || op.epoch != epoch_) return;
  Ledger& ledger = ledgers_[{op.basin, op.stream}];
  ledger.open_appends.erase(op.op);
  ledger.idle_clients.insert(op.client);
  ledger.lines.push_back({op.client, op.op, steady_ns(), std::move(what)});
  ++total_lines_;
}

History::Op History::start_append(const std::string& basin, const std::string& stream,
                                  const wire::AppendInput& input) {
  AppendStart start;
  start.record_hashes.reserve(input.records.size());
  for (const wire::AppendRecord& record : input.records) {
    start.record_hashes.push_back(record_hash(record.body));
    if (wire::is_command(record.headers) && record.headers.front().value == "fence") {
      start.set_fencing_token = std::string(record.body);
    }
  }
  start.fencing_token = input.fencing_token;
  start.match_seq_num = input.match_seq_num;
  return this->start(basin, stream, true, std::move(start));
}

History::Op History::start_read(const std::string& basin, const std::string& stream) {
  return start(basin, stream, false, Plain{"Start", "Read"});
}

History::Op History::start_check_tail(const std::string& basin, const std::string& stream) {
  return start(basin, stream, false, Plain{"Start", "CheckTail"});
}

void History::append_success(const Op& op, std::uint64_t tail) {
  finish(op, Tail{"AppendSuccess", tail, {}});
}
void History::append_definite_failure(const Op& op, const wire::ApiError& why) {
  Refused refused{why.code, why.seq_num_mismatch, why.fencing_token_mismatch};
  if (why.seq_num_mismatch) refused.kind = "seq_num_mismatch";
  if (why.fencing_token_mismatch) refused.kind = "fencing_token_mismatch";
  finish(op, std::move(refused));
}
// Nothing to note: an append without an end is printed as indefinite, and its client stays taken.
void History::append_indefinite_failure(const Op&) {}
void History::read_success(const Op& op, const WholeRead& read) {
  finish(op, Tail{"ReadSuccess", read.tail(), read.stream_hash()});
  if (op.op == 0 || op.epoch != epoch_) return;
  Ledger& ledger = ledgers_[{op.basin, op.stream}];
  if (read.tail() < ledger.listed.size()) return;
  ledger.listed_line = ledger.lines.size() - 1;
  ledger.listed = read.record_hashes();
}
void History::read_failure(const Op& op) {
  finish(op, Plain{"Finish", "ReadFailure"});
}
void History::withdraw(const Op& op) {
  if (op.op == 0 || op.epoch != epoch_) return;
  Ledger& ledger = ledgers_[{op.basin, op.stream}];
  ledger.lines[op.line].op = 0;
  ledger.idle_clients.insert(op.client);
}
void History::check_tail_success(const Op& op, std::uint64_t tail) {
  finish(op, Tail{"CheckTailSuccess", tail, {}});
}
void History::check_tail_failure(const Op& op) {
  finish(op, Plain{"Finish", "CheckTailFailure"});
}

void History::print(std::string& out, const Line& line, const std::vector<std::uint64_t>* listed) {
  nlohmann::json whole = {{"client_id", line.client}, {"op_id", line.op}, {"t_ns", line.t_ns}};
  nlohmann::json& event = whole["event"];
  if (const auto* append = std::get_if<AppendStart>(&line.what)) {
    event["Start"]["Append"] = {{"num_records", append->record_hashes.size()},
                                {"record_hashes", append->record_hashes},
                                {"set_fencing_token", or_null(append->set_fencing_token)},
                                {"fencing_token", or_null(append->fencing_token)},
                                {"match_seq_num", nullptr}};
    if (append->match_seq_num) event["Start"]["Append"]["match_seq_num"] = *append->match_seq_num;
  } else if (const auto* plain = std::get_if<Plain>(&line.what)) {
    event[plain->direction] = plain->name;
  } else if (const auto* refused = std::get_if<Refused>(&line.what)) {
    event["Finish"] = "AppendDefiniteFailure";
    whole["kind"] = refused->kind;
    if (refused->tail) whole["tail"] = *refused->tail;
    if (refused->fencing_token) whole["fencing_token"] = wire::utf8_lossy(*refused->fencing_token);
  } else {
    const auto& tail = std::get<Tail>(line.what);
    event["Finish"][tail.name]["tail"] = tail.tail;
    if (tail.stream_hash) event["Finish"][tail.name]["stream_hash"] = *tail.stream_hash;
  }
  if (listed) whole["record_hashes"] = *listed;
  out += whole.dump();
  out += '\n';
}

std::string History::lines(const std::string& basin, const std::string& stream) const {
  std::string out;
  const auto found = ledgers_.find({basin, stream});
  if (found == ledgers_.end()) return out;
  const Ledger& ledger = found->second;
  for (std::size_t i = 0; i < ledger.lines.size(); ++i) {
    const bool is_listed = !ledger.listed.empty() && i == ledger.listed_line;
    if (ledger.lines[i].op != 0) print(out, ledger.lines[i], is_listed ? &ledger.listed : nullptr);
  }
  const std::int64_t now = steady_ns();
  for (const auto& [op, client] : ledger.open_appends) {
    print(out, {client, op, now, Plain{"Finish", "AppendIndefiniteFailure"}}, nullptr);
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> History::streams() const {
  std::vector<std::pair<std::string, std::string>> names;
  for (const auto& [name, ledger] : ledgers_) names.push_back(name);
  return names;
}

void History::clear() {
  ledgers_.clear();
  total_lines_ = 0;
  ++epoch_;
}

bool WholeRead::take(const wire::ReadBatch& batch) {
  for (const wire::SequencedRecord& record : batch.records) {
    if (!possible_ || record.seq_num != tail()) {
      possible_ = false;
      return false;
    }
    record_hashes_.push_back(record_hash(record.body));
    hash_ = chain_hash(hash_, record_hashes_.back());
  }
  return possible_ && batch.tail && batch.tail->seq_num == tail();
}

}  // namespace s2::emulator
