// The log-based checker of linear_check.h. The log gives every applied append its place and with it the
// states that the stream went through, in order; what is left is whether guards held where they had to, and
// whether the times at which one state gave way to the next can be chosen so that every operation finds its
// state between its start and its end. They can if they can as early as possible: an operation that takes
// effect in a state holds back the next one until it began. Going through them from the last start to the
// first makes one pass enough: it holds back only what ended before it began.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "scenarios/linear_check.h"

namespace s2::scenarios {
namespace {

constexpr std::uint32_t kNobody = kNever;

class LogChecker {
 public:
  LogChecker(const LinearHistory& history, const Places& places, const std::vector<std::uint64_t>& log)
      : history_(history), fixed_(places.fixed), log_(log) {}

  std::optional<Linearity> check() {
    gather();
    if (!replay()) {
      if (ambiguous_) return std::nullopt;
      return bad();
    }
    if (!assign()) return bad();
    if (schedule()) return Linearity{};
    // An append that may follow the last one that is known may set the token that somebody was refused for.
    if (may_be_refused_later()) return std::nullopt;
    return bad();
  }

 private:
  struct Slot {
    std::uint64_t begin = 0;
    std::uint32_t op = kNobody;
    std::int32_t token_before = kEmptyToken;
    std::uint32_t earliest = 0;  // line after which it took effect
    std::uint32_t because = kNobody;
  };
  // Appends of unknown outcome that can stand in for each other.
  struct Pool {
    std::vector<std::uint32_t> ops;    // by start_line, at least one
    std::vector<std::uint32_t> slots;  // which they fill, by place
  };

  bool wrong(std::string what) {
    what_ = std::move(what);
    return false;
  }
  bool may_be_refused_later() const {
    return std::any_of(still_.begin(), still_.end(), [&](std::uint32_t index) {
      const LinearOp& op = history_.ops[index];
      return op.end == LinearOp::End::token_refused &&
             std::any_of(pools_.begin(), pools_.end(), [&](const Pool& pool) {
               return pool.slots.size() < pool.ops.size() &&
                      history_.ops[pool.ops.front()].set_token == op.refused_token;
             });
    });
  }

  std::optional<Linearity> bad() { return Linearity{Linearity::Verdict::not_linearizable, what_, false}; }
  std::string name(std::uint32_t op) const { return history_.describe(op); }
  std::string quoted(std::int32_t token) const {
    return fmt::format("`{}`", history_.tokens[static_cast<std::size_t>(token)]);
  }

  void gather() {
    end_ = std::max<std::uint64_t>(log_.size(), fixed_.empty() ? 0 : fixed_.back().end);
    for (std::uint32_t i = 0; i < history_.ops.size(); ++i) {
      const LinearOp& op = history_.ops[i];
      if (op.kind == LinearOp::Kind::append && op.end == LinearOp::End::unknown) {
        pool_of(op).ops.push_back(i);
      } else if (op.is_required() && !op.is_applied()) {
        still_.push_back(i);
        if (op.is_pinned()) end_ = std::max(end_, op.tail);
      }
    }
  }

  Pool& pool_of(const LinearOp& op) {
    std::vector<std::size_t>& pools = pools_by_hash_[*history_.hashes_of(op)];
    for (const std::size_t pool : pools) {
      const LinearOp& first = history_.ops[pools_[pool].ops.front()];
      if (alike(op, first) && history_.same_records(op, first)) return pools_[pool];
    }
    pools.push_back(pools_.size());
    return pools_.emplace_back();
  }

  // From the first record to the last: which append stands where, and whether its guards let it.
  bool replay() {
    slots_.reserve(fixed_.size() + 16);
    auto next = fixed_.begin();
    std::int32_t token = kEmptyToken;
    for (std::uint64_t at = 0; at < end_;) {
      Slot slot{.begin = at, .token_before = token};
      if (next != fixed_.end() && next->begin == at) {
        slot.op = (next++)->op;
        if (!stands(slot)) return false;
      } else if (!stands_unknown(slot, next == fixed_.end() ? end_ : next->begin)) {
        return false;
      }
      const LinearOp& op = history_.ops[slot.op];
      if (op.set_token != kNoToken) token = op.set_token;
      at += op.num_records;
      slots_.push_back(slot);
    }
    last_token_ = token;
    return true;
  }

  bool is_in_log(const LinearOp& op, std::uint64_t at) const {
    if (at >= log_.size()) return true;
    const std::size_t count = std::min<std::uint64_t>(op.num_records, log_.size() - at);
    return std::equal(log_.begin() + static_cast<std::ptrdiff_t>(at),
                      log_.begin() + static_cast<std::ptrdiff_t>(at + count), history_.hashes_of(op));
  }

  bool stands(const Slot& slot) {
    const LinearOp& op = history_.ops[slot.op];
    const auto acknowledged = [&] {
      return fmt::format("{} was acknowledged at line {} for places {} to {}, but ", name(slot.op),
                         op.end_line, slot.begin, op.tail);
    };
    if (op.has_match && op.match_seq_num != slot.begin)
      return wrong(acknowledged() + fmt::format("its match_seq_num is {}", op.match_seq_num));
    if (op.fencing_token != kNoToken && op.fencing_token != slot.token_before)
      return wrong(acknowledged() + fmt::format("its fencing token is {} and the stream's was {} there",
                                                quoted(op.fencing_token), quoted(slot.token_before)));
    if (!is_in_log(op, slot.begin)) return wrong(acknowledged() + "a read shows other records there");
    return true;
  }

  bool stands_unknown(Slot& slot, std::uint64_t gap_end) {
    if (slot.begin >= log_.size()) {  // nobody knows what stands here
      ambiguous_ = true;
      return false;
    }
    Pool* fitting = nullptr;
    const auto found = pools_by_hash_.find(log_[slot.begin]);
    if (found != pools_by_hash_.end()) {
      for (const std::size_t pool : found->second) {
        const LinearOp& op = history_.ops[pools_[pool].ops.front()];
        if (op.num_records > gap_end - slot.begin || !is_in_log(op, slot.begin)) continue;
        if (op.has_match && op.match_seq_num != slot.begin) continue;
        if (op.fencing_token != kNoToken && op.fencing_token != slot.token_before) continue;
        if (fitting) {
          ambiguous_ = true;
          return false;
        }
        fitting = &pools_[pool];
      }
    }
    if (!fitting)
      return wrong(
          fmt::format("a read shows a record at {} that no append can have put there: none was "
                      "acknowledged for that place, and none of unknown outcome has such records and "
                      "guards that let it take effect",
                      slot.begin));
    slot.op = fitting->ops.front();
    fitting->slots.push_back(static_cast<std::uint32_t>(slots_.size()));
    return true;
  }

  static bool alike(const LinearOp& a, const LinearOp& b) {
    return a.num_records == b.num_records && a.set_token == b.set_token &&
           a.fencing_token == b.fencing_token && a.has_match == b.has_match &&
           a.match_seq_num == b.match_seq_num;
  }

  // The earliest starts go to the first places: no other choice lets anything happen earlier.
  bool assign() {
    for (const Pool& pool : pools_) {
      if (pool.slots.size() > pool.ops.size())
        return wrong(fmt::format(
            "the records of {} are stored {} times, the last at {}, and only {} appends of "
            "unknown outcome can have stored them",
            name(pool.ops.front()), pool.slots.size(), slots_[pool.slots.back()].begin, pool.ops.size()));
      for (std::size_t i = 0; i < pool.slots.size(); ++i) slots_[pool.slots[i]].op = pool.ops[i];
    }
    return true;
  }

  // States are numbered: state k is before slot k takes effect, the last one after all of them.
  bool schedule() {
    std::uint32_t earliest = 0;
    std::uint32_t because = kNobody;
    for (Slot& slot : slots_) {
      if (history_.ops[slot.op].start_line > earliest) {
        earliest = history_.ops[slot.op].start_line;
        because = slot.op;
      }
      slot.earliest = earliest;
      slot.because = because;
    }
    for (std::size_t i = still_.size(); i-- > 0;) {  // still_ is by start_line
      if (!place(still_[i])) return false;
    }
    // held_ has the latest start first, and each holds back every slot from its own on.
    std::sort(held_.begin(), held_.end(), [](const Held& a, const Held& b) { return a.slot < b.slot; });
    auto held = held_.begin();
    std::uint32_t after = 0;
    std::uint32_t by = kNobody;
    for (std::size_t k = 0; k < slots_.size(); ++k) {
      for (; held != held_.end() && held->slot <= k; ++held) {
        if (held->start > after) after = held->start, by = held->op;
      }
      Slot& slot = slots_[k];
      if (after > slot.earliest) slot.earliest = after, slot.because = by;
      if (history_.ops[slot.op].end_line < slot.earliest) return too_late(slot);
    }
    return true;
  }

  bool too_late(const Slot& slot) {
    const LinearOp& op = history_.ops[slot.op];
    return wrong(
        fmt::format("{} was acknowledged at line {} for places {} to {}, but {}, which stands before it, "
                    "began only at line {}",
                    name(slot.op), op.end_line, slot.begin, slot.begin + op.num_records, name(slot.because),
                    slot.earliest));
  }

  // An operation that leaves the stream as it is: in the last state that it can have seen.
  bool place(std::uint32_t index) {
    const LinearOp& op = history_.ops[index];
    const std::size_t reached = last_state_by(op.end_line);
    std::size_t state = 0;
    if (op.is_pinned()) {
      const auto at =
          std::lower_bound(slots_.begin(), slots_.end(), op.tail,
                           [](const Slot& slot, std::uint64_t tail) { return slot.begin < tail; });
      state = static_cast<std::size_t>(at - slots_.begin());
      const std::uint64_t tail = at == slots_.end() ? end_ : at->begin;
      if (tail != op.tail)
        return wrong(fmt::format("{} ended at line {} with tail {}, which is inside {}", name(index),
                                 op.end_line, op.tail, name(slots_[state - 1].op)));
      if (state > reached) return saw_too_early(index, slots_[reached]);
      if (op.end == LinearOp::End::seq_num_refused && !could_be_refused(index, state)) return false;
    } else if (!last_state_with(op.refused_token, reached, state)) {
      return wrong(
          fmt::format("{} was refused at line {} because the token was {}, and it was so in no state that "
                      "the stream had been in by then",
                      name(index), op.end_line, quoted(op.refused_token)));
    } else if (op.refused_token == op.fencing_token) {
      return wrong(fmt::format("{} was refused at line {} because the token was {}, and that is its own",
                               name(index), op.end_line, quoted(op.refused_token)));
    }
    if (state == slots_.size()) return true;
    const std::size_t least = held_.empty() ? state : std::min(state, held_.back().least_slot);
    held_.push_back({state, op.start_line, index, least});
    return holds_back(state, index);
  }

  // What stands after the state cannot have ended before this began: said here, where its name is known.
  bool holds_back(std::size_t state, std::uint32_t index) {
    const Slot& next = slots_[state];
    const LinearOp& after = history_.ops[next.op];
    const LinearOp& op = history_.ops[index];
    if (after.end_line > op.start_line) return true;
    return wrong(
        fmt::format("{} began at line {} and saw tail {}, but {} had been acknowledged at line {} for places "
                    "{} to {}",
                    name(index), op.start_line, next.begin, name(next.op), after.end_line, next.begin,
                    next.begin + after.num_records));
  }

  bool saw_too_early(std::uint32_t index, const Slot& next) {
    const LinearOp& op = history_.ops[index];
    return wrong(
        fmt::format("{} ended at line {} with tail {}, but {}, which stands before that, cannot have taken "
                    "effect before line {}",
                    name(index), op.end_line, op.tail, name(next.op), earliest_of(next)));
  }

  bool could_be_refused(std::uint32_t index, std::size_t state) {
    const LinearOp& op = history_.ops[index];
    if (op.match_seq_num == op.tail)
      return wrong(
          fmt::format("{} was refused at line {} because the tail was {}, and that is its match_seq_num",
                      name(index), op.end_line, op.tail));
    const std::int32_t token = token_in(state);
    if (op.fencing_token == kNoToken || op.fencing_token == token) return true;
    return wrong(fmt::format(
        "{} was refused at line {} for its match_seq_num at tail {}, but its fencing token is {}, "
        "the stream's was {} there, and the token is looked at first",
        name(index), op.end_line, op.tail, quoted(op.fencing_token), quoted(token)));
  }

  std::int32_t token_in(std::size_t state) const {
    return state < slots_.size() ? slots_[state].token_before : last_token_;
  }

  std::uint32_t held_until(std::size_t slot) const {
    std::uint32_t until = 0;
    for (const Held& held : held_)
      if (held.slot <= slot) until = std::max(until, held.start);
    return until;
  }
  std::uint32_t earliest_of(const Slot& slot) const {
    return std::max(slot.earliest, held_until(static_cast<std::size_t>(&slot - slots_.data())));
  }

  // The last state that can have begun before that line, given who holds what back so far.
  std::size_t last_state_by(std::uint32_t line) const {
    const auto at = std::upper_bound(slots_.begin(), slots_.end(), line,
                                     [](std::uint32_t l, const Slot& slot) { return l < slot.earliest; });
    auto state = static_cast<std::size_t>(at - slots_.begin());
    // Those that began after the line are a prefix of held_.
    const auto later =
        std::partition_point(held_.begin(), held_.end(), [&](const Held& held) { return held.start > line; });
    return later == held_.begin() ? state : std::min(state, std::prev(later)->least_slot);
  }

  bool last_state_with(std::int32_t token, std::size_t reached, std::size_t& state) {
    if (states_with_.empty()) {
      for (std::size_t k = 0; k <= slots_.size(); ++k) states_with_[token_in(k)].push_back(k);
    }
    const auto found = states_with_.find(token);
    if (found == states_with_.end()) return false;
    const auto at = std::upper_bound(found->second.begin(), found->second.end(), reached);
    if (at == found->second.begin()) return false;
    state = *std::prev(at);
    return true;
  }

  // An operation that began at `start` took effect before the slot did.
  struct Held {
    std::size_t slot;
    std::uint32_t start;
    std::uint32_t op;
    std::size_t least_slot;  // of this and all before it in held_
  };

  const LinearHistory& history_;
  const std::vector<Placed>& fixed_;
  const std::vector<std::uint64_t>& log_;
  std::uint64_t end_ = 0;
  std::vector<Pool> pools_;
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> pools_by_hash_;  // of the first record
  std::vector<std::uint32_t> still_;  // operations that leave the stream as it is
  std::vector<Slot> slots_;
  std::unordered_map<std::int32_t, std::vector<std::size_t>> states_with_;
  std::vector<Held> held_;
  std::int32_t last_token_ = kEmptyToken;
  bool ambiguous_ = false;
  std::string what_;
};

}  // namespace

std::optional<Linearity> check_by_log(const LinearHistory& history, const Places& places,
                                      const std::vector<std::uint64_t>& log) {
  return LogChecker(history, places, log).check();
}

}  // namespace s2::scenarios
