// See linear_histories.h.
#include "tests/scenarios/linear_histories.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

namespace s2::scenarios {
namespace {

constexpr std::size_t kMaxOps = 9;  // all orders of more take too long to try

std::size_t below(std::mt19937_64& random, std::size_t bound) {
  return static_cast<std::size_t>(random() % bound);
}

// One stream, and clients who are under way.
struct World {
  std::vector<std::uint64_t> log;
  std::string token;
  std::uint64_t hash = 0;

  void perform(GivenOp& op) {
    op.tail = log.size();
    if (op.kind == "Read") {
      op.end = "ReadSuccess";
      op.stream_hash = hash;
      op.listed = log;
    } else if (op.kind == "CheckTail") {
      op.end = "CheckTailSuccess";
    } else if (op.token && *op.token != token) {
      op.end = "AppendDefiniteFailure";
      op.refusal = "fencing_token_mismatch";
      op.refused_token = token;
    } else if (op.match && *op.match != log.size()) {
      op.end = "AppendDefiniteFailure";
      op.refusal = "seq_num_mismatch";
    } else {
      for (const std::uint64_t record : op.records) log.push_back(record), hash = chain(hash, record);
      if (op.set_token) token = *op.set_token;
      op.end = "AppendSuccess";
      op.tail = log.size();
    }
  }
};

GivenOp draw_op(const World& world, std::mt19937_64& random, std::uint64_t alphabet) {
  GivenOp op;
  const std::size_t kind = below(random, 10);
  if (kind == 0) op.kind = "Read";
  if (kind == 1) op.kind = "CheckTail";
  if (kind < 2) return op;
  for (std::size_t n = 1 + below(random, 2); n-- > 0;) op.records.push_back(below(random, alphabet));
  const char* tokens[] = {"", "a", "b"};
  if (below(random, 5) == 0) op.set_token = tokens[below(random, 3)];
  if (below(random, 5) == 0) op.token = below(random, 3) ? world.token : tokens[below(random, 3)];
  if (below(random, 4) == 0) op.match = world.log.size() + below(random, 3) - below(random, 2);
  return op;
}

}  // namespace

std::string GivenHistory::text() const {
  std::string out;
  const auto put = [&](const nlohmann::json& event, std::size_t index, nlohmann::json beside) {
    beside["event"] = event;
    beside["client_id"] = ops[index].client;
    beside["op_id"] = index + 1;
    out += beside.dump() + "\n";
  };
  const auto or_null = [](const auto& value) { return value ? nlohmann::json(*value) : nlohmann::json(); };
  for (const auto& [index, is_start] : lines) {
    const GivenOp& op = ops[index];
    nlohmann::json event, beside = nlohmann::json::object();
    if (is_start && op.kind == "Append") {
      event["Start"]["Append"] = {{"num_records", op.records.size()},
                                  {"record_hashes", op.records},
                                  {"set_fencing_token", or_null(op.set_token)},
                                  {"fencing_token", or_null(op.token)},
                                  {"match_seq_num", or_null(op.match)}};
    } else if (is_start) {
      event["Start"] = op.kind;
    } else if (op.end.ends_with("Failure")) {
      event["Finish"] = op.end;
      if (!op.refusal.empty()) beside["kind"] = op.refusal;
      if (op.refusal == "seq_num_mismatch") beside["tail"] = op.tail;
      if (op.refusal == "fencing_token_mismatch") beside["fencing_token"] = op.refused_token;
    } else {
      event["Finish"][op.end]["tail"] = op.tail;
      if (op.end == "ReadSuccess") event["Finish"][op.end]["stream_hash"] = op.stream_hash;
      if (!op.listed.empty()) beside["record_hashes"] = op.listed;
    }
    put(event, index, beside);
  }
  return out;
}

GivenHistory draw_history(std::mt19937_64& random) {
  GivenHistory history;
  World world;
  const std::uint64_t alphabet = below(random, 2) ? 3 : 1'000'000;  // few: retries that look alike
  const std::size_t count = 2 + below(random, kMaxOps - 2);
  std::vector<std::size_t> waiting, performed, lost;  // started; took effect; its client was told nothing
  int clients = 0;
  std::vector<int> idle;
  const auto pick = [&](std::vector<std::size_t>& from) {
    std::swap(from[below(random, from.size())], from.back());
    const std::size_t index = from.back();
    from.pop_back();
    return index;
  };
  while (history.ops.size() < count || !waiting.empty() || !performed.empty()) {
    const std::size_t step = below(random, 4);
    if (step == 0 && history.ops.size() < count && waiting.size() + performed.size() < 4) {
      GivenOp op = draw_op(world, random, alphabet);
      op.client = idle.empty() ? ++clients : idle.back();
      if (!idle.empty()) idle.pop_back();
      waiting.push_back(history.ops.size());
      history.lines.emplace_back(history.ops.size(), true);
      history.ops.push_back(op);
    } else if (step == 1 && !waiting.empty()) {
      const std::size_t index = pick(waiting);
      if (history.ops[index].kind == "Append" && below(random, 3) == 0) {
        lost.push_back(index);
      } else {
        world.perform(history.ops[index]);
        performed.push_back(index);
      }
    } else if (step == 2 && !performed.empty()) {
      const std::size_t index = pick(performed);
      GivenOp& op = history.ops[index];
      if (op.kind == "Append" && below(random, 8) == 0) {
        op.end = "AppendIndefiniteFailure";
        continue;
      }
      idle.push_back(op.client);
      history.lines.emplace_back(index, false);
    } else if (step == 3 && !lost.empty() && below(random, 2)) {
      GivenOp& op = history.ops[pick(lost)];
      world.perform(op);
      op.end = "AppendIndefiniteFailure";
    }
  }
  for (const std::size_t index : lost) history.ops[index].end = "AppendIndefiniteFailure";
  if (below(random, 2)) {
    GivenOp read;
    read.kind = "Read";
    read.client = clients + 1;
    world.perform(read);
    history.lines.emplace_back(history.ops.size(), true);
    history.lines.emplace_back(history.ops.size(), false);
    history.ops.push_back(read);
  }
  const bool lists = below(random, 2);
  for (GivenOp& op : history.ops) {
    if (!lists) op.listed.clear();
    if (below(random, 6) == 0) op.refusal.clear();
  }
  for (std::size_t i = 0; i < history.ops.size(); ++i) {
    if (history.ops[i].end == "AppendIndefiniteFailure" && below(random, 4))
      history.lines.emplace_back(i, false);
  }
  return history;
}

GivenHistory long_history(std::size_t operations, bool lists_records) {
  GivenHistory history;
  World world;
  std::mt19937_64 random(7);
  std::vector<std::size_t> under_way;
  int clients = 16;
  std::vector<int> idle;
  for (int client = 1; client <= clients; ++client) idle.push_back(client);
  while (history.ops.size() < operations || !under_way.empty()) {
    if (!idle.empty() && history.ops.size() < operations && below(random, 2)) {
      GivenOp op;
      op.client = idle.back();
      idle.pop_back();
      const std::size_t kind = below(random, 20);
      if (kind == 0) op.kind = "CheckTail";
      if (kind > 0) op.records = {random(), random()};
      if (kind == 1) op.match = world.log.size() + below(random, 2);
      if (kind == 2) op.token = below(random, 2) ? "b" : "";
      if (kind == 3) op.set_token = below(random, 2) ? "b" : "";
      under_way.push_back(history.ops.size());
      history.lines.emplace_back(history.ops.size(), true);
      history.ops.push_back(std::move(op));
    } else if (!under_way.empty()) {
      std::swap(under_way[below(random, under_way.size())], under_way.back());
      const std::size_t index = under_way.back();
      under_way.pop_back();
      GivenOp& op = history.ops[index];
      if (op.kind == "Append" && below(random, 100) == 0) {
        // Where no read lists the records, so many takings of effect could not be found again.
        if (lists_records && below(random, 2)) world.perform(op);
        op.end = "AppendIndefiniteFailure";
        idle.push_back(++clients);
        continue;
      }
      world.perform(op);
      idle.push_back(op.client);
      history.lines.emplace_back(index, false);
    }
  }
  GivenOp read;
  read.kind = "Read";
  read.client = ++clients;
  world.perform(read);
  if (!lists_records) read.listed.clear();
  history.lines.emplace_back(history.ops.size(), true);
  history.lines.emplace_back(history.ops.size(), false);
  history.ops.push_back(read);
  return history;
}

void damage(GivenHistory& history, std::mt19937_64& random) {
  GivenOp& op = history.ops[below(random, history.ops.size())];
  switch (below(random, 9)) {
    case 0:
      op.tail += below(random, 2) ? 1 : UINT64_MAX;
      if (op.tail > 1000) op.tail = 0;
      op.listed.clear();
      break;
    case 1:
      op.stream_hash ^= 1;
      break;
    case 2:
      if (!op.listed.empty()) std::swap(op.listed.front(), op.listed.back());
      break;
    case 3:
      if (!op.records.empty()) op.records[0] = op.records[0] ? op.records[0] - 1 : 1;
      break;
    case 4:
      op.match = below(random, 6);
      break;
    case 5:
      op.token = below(random, 2) ? "a" : "";
      break;
    case 6:
      if (op.end == "AppendSuccess") op.end = "AppendDefiniteFailure";
      break;
    case 7:
      op.set_token = below(random, 2) ? "a" : "b";
      break;
    default:  // something happened at another time
      for (int tries = 0; tries < 20; ++tries) {
        const std::size_t from = below(random, history.lines.size());
        const std::size_t to = below(random, history.lines.size());
        const std::size_t low = std::min(from, to), high = std::max(from, to);
        const std::size_t other = history.lines[from].first;
        const auto own = [&](const auto& line) { return line.first == other; };
        const auto first = history.lines.begin() + static_cast<std::ptrdiff_t>(low);
        const auto last = history.lines.begin() + static_cast<std::ptrdiff_t>(high) + 1;
        if (low == high || std::count_if(first, last, own) != 1) continue;
        from < to ? std::rotate(first, first + 1, last) : std::rotate(first, last - 1, last);
        break;
      }
  }
  if (op.refusal == "seq_num_mismatch" && !op.match) op.refusal.clear();
  if (op.refusal == "fencing_token_mismatch" && !op.token) op.refusal.clear();
}

bool plainly_linearizable(const LinearHistory& history) {
  using Done = std::vector<bool>;
  std::set<std::tuple<Done, std::uint64_t, std::uint64_t, std::int32_t>> seen;
  const auto& ops = history.ops;
  if (history.listed_read >= 0) {  // what is listed beside a read is part of its answer
    const LinearOp& read = ops[static_cast<std::size_t>(history.listed_read)];
    std::uint64_t hash = 0;
    for (std::size_t i = 0; i < read.tail; ++i) hash = chain(hash, history.hashes[history.listed_first + i]);
    if (hash != read.stream_hash) return false;
  }
  const std::function<bool(Done&, std::uint64_t, std::uint64_t, std::int32_t)> go =
      [&](Done& done, std::uint64_t tail, std::uint64_t hash, std::int32_t token) {
        if (!seen.emplace(done, tail, hash, token).second) return false;
        std::uint32_t first_end = kNever;
        bool is_over = true;
        for (std::size_t i = 0; i < ops.size(); ++i) {
          if (done[i] || !ops[i].is_required()) continue;
          is_over = false;
          first_end = std::min(first_end, ops[i].end_line);
        }
        if (is_over) return true;
        for (std::size_t i = 0; i < ops.size(); ++i) {
          const LinearOp& op = ops[i];
          if (done[i] || op.end == LinearOp::End::failed || op.start_line > first_end) continue;
          const bool token_fits = op.fencing_token == kNoToken || op.fencing_token == token;
          const bool match_fits = !op.has_match || op.match_seq_num == tail;
          std::uint64_t tail_then = tail, hash_then = hash;
          std::int32_t token_then = token;
          if (op.end == LinearOp::End::token_refused) {
            if (token_fits || op.refused_token != token) continue;
          } else if (op.end == LinearOp::End::seq_num_refused) {
            if (!token_fits || match_fits || op.tail != tail) continue;
          } else if (op.kind != LinearOp::Kind::append) {
            if (op.tail != tail || (op.kind == LinearOp::Kind::read && op.stream_hash != hash)) continue;
          } else {
            if (!token_fits || !match_fits) continue;
            if (op.end == LinearOp::End::success && op.tail != tail + op.num_records) continue;
            tail_then += op.num_records;
            for (std::size_t n = 0; n < op.num_records; ++n)
              hash_then = chain(hash_then, history.hashes_of(op)[n]);
            if (op.set_token != kNoToken) token_then = op.set_token;
          }
          done[i] = true;
          const bool found = go(done, tail_then, hash_then, token_then);
          done[i] = false;
          if (found) return true;
        }
        return false;
      };
  Done done(ops.size(), false);
  return go(done, 0, 0, kEmptyToken);
}

}  // namespace s2::scenarios
