// See linear_fill.h.
#include "scenarios/linear_fill.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

namespace s2::scenarios {
namespace {

// Appends of unknown outcome with the same records: which of them stands in a place, the hash cannot tell.
struct Filling {
  std::vector<std::uint32_t> ops;  // by start_line
};

struct PartialFill {
  std::uint64_t at =
      0;  // forwards: where the next unknown record stands; backwards: where the last block began
  std::uint64_t hash = 0;  // of the stream there
  std::int64_t parent = -1;
  std::int32_t filling = -1;  // the block between the parent and here
};

class LogFinder {
 public:
  LogFinder(const LinearHistory& history, const Places& places) : history_(history), fixed_(places.fixed) {}

  KnownLog find() {
    for (std::uint32_t i = 0; i < history_.ops.size(); ++i) {
      const LinearOp& op = history_.ops[i];
      if (op.kind == LinearOp::Kind::read && op.end == LinearOp::End::success) reads_.push_back(i);
    }
    std::stable_sort(reads_.begin(), reads_.end(), [&](std::uint32_t a, std::uint32_t b) {
      return history_.ops[a].tail < history_.ops[b].tail;
    });
    if (history_.listed_read >= 0) {
      const LinearOp& read = history_.ops[static_cast<std::size_t>(history_.listed_read)];
      const auto* first = history_.hashes.data() + history_.listed_first;
      log_.records.assign(first, first + read.tail);
    }
    std::uint64_t at = 0;
    std::uint64_t hash = 0;
    for (const std::uint32_t index : reads_) {
      const LinearOp& read = history_.ops[index];
      while (at < read.tail && at < log_.records.size()) hash = chain(hash, log_.records[at++]);
      if (at < read.tail && !fill(at, hash, read, index)) return std::move(log_);
      at = read.tail;
      if (hash != read.stream_hash) return std::move(contradict(index));
    }
    return std::move(log_);
  }

 private:
  void gather() {
    std::map<std::vector<std::uint64_t>, std::size_t> known;
    for (std::uint32_t i = 0; i < history_.ops.size(); ++i) {
      const LinearOp& op = history_.ops[i];
      if (op.kind != LinearOp::Kind::append || op.end != LinearOp::End::unknown) continue;
      const auto* first = history_.hashes_of(op);
      const auto [at, is_new] = known.try_emplace({first, first + op.num_records}, fillings_.size());
      if (is_new) fillings_.emplace_back();
      fillings_[at->second].ops.push_back(i);
    }
    // What stands before an acknowledged append began before that ended.
    deadline_.assign(fixed_.size() + 1, kNever);
    for (std::size_t i = fixed_.size(); i-- > 0;)
      deadline_[i] = std::min(deadline_[i + 1], history_.ops[fixed_[i].op].end_line);
  }

  KnownLog& contradict(std::uint32_t read) {
    const LinearOp& op = history_.ops[read];
    log_.kind = KnownLog::Kind::impossible;
    log_.why = fmt::format(
        "{} ended at line {} with tail {} and stream hash {}, and the appends that were acknowledged or may "
        "have "
        "taken effect give no stream with that hash",
        history_.describe(read), op.end_line, op.tail, op.stream_hash);
    return log_;
  }

  std::size_t next_fixed(std::uint64_t at) const {  // the first that begins at or after it
    return static_cast<std::size_t>(
        std::lower_bound(fixed_.begin(), fixed_.end(), at,
                         [](const Placed& placed, std::uint64_t value) { return placed.begin < value; }) -
        fixed_.begin());
  }

  // Over the acknowledged appends that stand here, up to `until`.
  void advance(std::uint64_t& at, std::uint64_t& hash, std::uint64_t until) const {
    for (std::size_t i = next_fixed(at); at < until && i < fixed_.size() && fixed_[i].begin == at; ++i) {
      const auto* records = history_.hashes_of(history_.ops[fixed_[i].op]);
      for (; at < fixed_[i].end; ++at) hash = chain(hash, *records++);
    }
  }
  void retreat(std::uint64_t& at, std::uint64_t& hash, std::uint64_t until) const {
    for (std::size_t i = next_fixed(at); at > until && i > 0 && fixed_[i - 1].end == at; --i) {
      const LinearOp& op = history_.ops[fixed_[i - 1].op];
      for (std::size_t n = op.num_records; n-- > 0; --at) hash = unchain(hash, history_.hashes_of(op)[n]);
    }
  }

  bool may_stand(const Filling& filling, std::uint64_t at, std::uint32_t deadline) const {
    return std::any_of(filling.ops.begin(), filling.ops.end(), [&](std::uint32_t i) {
      const LinearOp& op = history_.ops[i];
      return op.start_line < deadline && (!op.has_match || op.match_seq_num == at);
    });
  }

  bool is_left(const std::vector<PartialFill>& fills, std::size_t from, std::int32_t filling) const {
    std::size_t used = 0;
    for (auto i = static_cast<std::int64_t>(from); i >= 0; i = fills[static_cast<std::size_t>(i)].parent)
      used += fills[static_cast<std::size_t>(i)].filling == filling ? 1 : 0;
    return used < fillings_[static_cast<std::size_t>(filling)].ops.size();
  }

  // Calls take(filling, begin of its block) for each that may stand at one end of the gap.
  template <class Take>
  void each_filling(std::uint64_t at, std::uint64_t gap_end, bool backwards, Take&& take) const {
    const std::uint32_t deadline = deadline_[next_fixed(gap_end)];
    for (std::size_t f = 0; f < fillings_.size(); ++f) {
      const LinearOp& first = history_.ops[fillings_[f].ops.front()];
      if (first.start_line > deadline) return;  // the later ones began later still
      const std::uint64_t records = first.num_records;
      if (records > gap_end - at) continue;
      const std::uint64_t begin = backwards ? gap_end - records : at;
      if (may_stand(fillings_[f], begin, deadline)) take(static_cast<std::int32_t>(f), begin);
    }
  }

  std::uint64_t middle(std::uint64_t from, std::uint64_t to) const {
    std::uint64_t known = 0;
    for (std::size_t i = next_fixed(from); i < fixed_.size() && fixed_[i].end <= to; ++i)
      known += fixed_[i].end - fixed_[i].begin;
    std::uint64_t wanted = (to - from - known + 1) / 2;  // so many unknown records before it
    std::uint64_t at = from;
    for (std::size_t i = next_fixed(from); i < fixed_.size() && fixed_[i].begin < to; ++i) {
      const std::uint64_t gap = fixed_[i].begin - at;
      if (gap >= wanted) break;
      wanted -= gap;
      at = fixed_[i].end;
    }
    return at + wanted;
  }

  // Finds the records from `from` (with `hash`) to the read's tail.
  bool fill(std::uint64_t from, std::uint64_t& hash, const LinearOp& read, std::uint32_t index) {
    if (fillings_.empty()) gather();
    const std::uint64_t to = read.tail;
    std::uint64_t begin = from;
    advance(begin, hash, to);
    if (begin > to) {  // inside an append: the checkers say so better, this is enough to stop here
      contradict(index);
      return false;
    }
    std::vector<PartialFill> forwards{{begin, hash, -1, -1}};
    hash = read.stream_hash;
    std::vector<PartialFill> backwards{{to, read.stream_hash, -1, -1}};
    const std::uint64_t mid = middle(begin, to);
    std::unordered_multimap<std::uint64_t, std::size_t> met;  // hash → forwards at or after the middle
    for (std::size_t i = 0; i < forwards.size(); ++i) {
      const PartialFill here = forwards[i];
      if (here.at >= mid) {
        met.emplace(here.hash, i);
        continue;
      }
      const std::size_t next = next_fixed(here.at);
      const std::uint64_t gap_end = next < fixed_.size() ? std::min(fixed_[next].begin, to) : to;
      each_filling(here.at, gap_end, false, [&](std::int32_t filling, std::uint64_t at) {
        if (!is_left(forwards, i, filling)) return;
        const LinearOp& op = history_.ops[fillings_[static_cast<std::size_t>(filling)].ops.front()];
        PartialFill there{at, here.hash, static_cast<std::int64_t>(i), filling};
        for (std::size_t n = 0; n < op.num_records; ++n, ++there.at)
          there.hash = chain(there.hash, history_.hashes_of(op)[n]);
        advance(there.at, there.hash, to);
        if (there.at <= to) forwards.push_back(there);
      });
      if (forwards.size() > kMaxFillStates) return give_up(index);
    }
    for (std::size_t i = 0; i < backwards.size(); ++i) {
      const PartialFill here = backwards[i];
      const auto [first, last] = met.equal_range(here.hash);
      for (auto at = first; at != last; ++at) {
        if (forwards[at->second].at == here.at) return found(from, forwards, at->second, backwards, i, to);
      }
      if (here.at <= mid) continue;
      std::uint64_t gap_end = here.at;
      std::uint64_t hash_there = here.hash;
      retreat(gap_end, hash_there, begin);
      if (gap_end <= begin) continue;
      const std::size_t next = next_fixed(gap_end);
      const std::uint64_t gap_begin = next > 0 ? std::max(fixed_[next - 1].end, begin) : begin;
      if (gap_begin > gap_end) continue;  // inside an append
      each_filling(gap_begin, gap_end, true, [&](std::int32_t filling, std::uint64_t at) {
        if (!is_left(backwards, i, filling)) return;
        const LinearOp& op = history_.ops[fillings_[static_cast<std::size_t>(filling)].ops.front()];
        PartialFill there{at, hash_there, static_cast<std::int64_t>(i), filling};
        for (std::size_t n = op.num_records; n-- > 0;)
          there.hash = unchain(there.hash, history_.hashes_of(op)[n]);
        backwards.push_back(there);
      });
      if (backwards.size() > kMaxFillStates) return give_up(index);
    }
    contradict(index);
    return false;
  }

  bool give_up(std::uint32_t read) {
    log_.kind = KnownLog::Kind::undecided;
    log_.why =
        fmt::format("too many appends of unknown outcome may stand before {} (over {} ways were tried)",
                    history_.describe(read), kMaxFillStates);
    return false;
  }

  bool found(std::uint64_t from, const std::vector<PartialFill>& forwards, std::size_t last,
             const std::vector<PartialFill>& backwards, std::size_t first, std::uint64_t to) {
    std::vector<std::int32_t> order;
    for (auto i = static_cast<std::int64_t>(last); i >= 0; i = forwards[static_cast<std::size_t>(i)].parent)
      order.push_back(forwards[static_cast<std::size_t>(i)].filling);
    std::reverse(order.begin(), order.end());
    for (auto i = static_cast<std::int64_t>(first); i >= 0; i = backwards[static_cast<std::size_t>(i)].parent)
      order.push_back(backwards[static_cast<std::size_t>(i)].filling);
    std::uint64_t at = from;
    const auto copy_fixed = [&] {
      for (std::size_t i = next_fixed(at); at < to && i < fixed_.size() && fixed_[i].begin == at; ++i) {
        put(history_.ops[fixed_[i].op]);
        at = fixed_[i].end;
      }
    };
    copy_fixed();
    for (const std::int32_t filling : order) {
      if (filling < 0) continue;
      const LinearOp& op = history_.ops[fillings_[static_cast<std::size_t>(filling)].ops.front()];
      put(op);
      at += op.num_records;
      copy_fixed();
    }
    return true;
  }

  void put(const LinearOp& op) {
    log_.records.insert(log_.records.end(), history_.hashes_of(op), history_.hashes_of(op) + op.num_records);
  }

  const LinearHistory& history_;
  const std::vector<Placed>& fixed_;
  std::vector<std::uint32_t> deadline_;  // by index in fixed_
  std::vector<std::uint32_t> reads_;     // by tail
  std::vector<Filling> fillings_;
  KnownLog log_;
};

}  // namespace

Places places_of(const LinearHistory& history) {
  Places places;
  for (std::uint32_t i = 0; i < history.ops.size(); ++i) {
    const LinearOp& op = history.ops[i];
    if (!op.is_applied()) continue;
    if (op.tail < op.num_records) {
      places.wrong = fmt::format("{} was acknowledged at line {} with tail {}, less than its {} records",
                                 history.describe(i), op.end_line, op.tail, op.num_records);
      return places;
    }
    places.fixed.push_back({op.tail - op.num_records, op.tail, i});
  }
  const auto before = [](const Placed& a, const Placed& b) { return a.begin < b.begin; };
  if (!std::is_sorted(places.fixed.begin(), places.fixed.end(), before))
    std::stable_sort(places.fixed.begin(), places.fixed.end(), before);
  for (std::size_t i = 1; i < places.fixed.size(); ++i) {
    const Placed& a = places.fixed[i - 1];
    const Placed& b = places.fixed[i];
    if (a.end <= b.begin) continue;
    places.wrong =
        fmt::format("{} and {} were acknowledged for places that overlap: {} to {} and {} to {}",
                    history.describe(a.op), history.describe(b.op), a.begin, a.end, b.begin, b.end);
    return places;
  }
  return places;
}

KnownLog known_log(const LinearHistory& history, const Places& places) {
  return LogFinder(history, places).find();
}

}  // namespace s2::scenarios
