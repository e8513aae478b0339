// The general checker of linear_check.h: depth first through the orders that real time allows, as Wing and
// Gong do it, with Lowe's cache of what was seen: the state (tail, stream hash, fencing token) together with
// which operations are done. What can be done at no risk is done without a choice, so that only appends of
// unknown outcome are ever tried both ways:
//   - an operation that leaves the stream as it is takes effect in the first state that answers it so;
//   - an acknowledged append has one tail to start from: there it is the only one that may come next;
//   - the tail never falls, so an append that jumps over a tail that somebody saw is never tried;
//   - of appends of unknown outcome that differ only in their start, the one that began first comes first,
//   and
//     after the last read, when nobody can tell records apart any more, their number is all that differs.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "scenarios/linear_check.h"

namespace s2::scenarios {
namespace {

std::uint64_t scrambled(std::uint64_t value) {  // splitmix64
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

// 128 bits stand for a set and a state: two of 10^7 meet by chance once in 10^24 runs.
struct SeenKey {
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  bool operator==(const SeenKey&) const = default;
};
struct SeenHash {
  std::size_t operator()(const SeenKey& key) const { return key.a; }
};

class OrderSearch {
 public:
  OrderSearch(const LinearHistory& history, const std::vector<std::uint64_t>& log, std::size_t max_states)
      : history_(history), log_(log), max_states_(max_states) {}

  Linearity run() {
    gather();
    if (!impossible_.empty()) return {Linearity::Verdict::not_linearizable, impossible_, true};
    for (;;) {
      const Step step = settle();
      if (step == Step::done) return {Linearity::Verdict::linearizable, "", true};
      if (step == Step::choice && seen_.insert(key()).second) {
        if (seen_.size() > max_states_)
          return {Linearity::Verdict::undecided,
                  fmt::format("given up after {} states: too many appends of unknown outcome", max_states_),
                  true};
        choose();
      }
      while (!choices_.empty() && choices_.back().next == choices_.back().ops.size()) choices_.pop_back();
      if (choices_.empty()) return {Linearity::Verdict::not_linearizable, best_.why, true};
      Choice& choice = choices_.back();
      undo_to(choice);
      apply(choice.ops[choice.next++]);
    }
  }

 private:
  enum class Step { done, dead, choice };
  struct State {
    std::uint64_t tail = 0;
    std::uint64_t hash = 0;
    std::int32_t token = kEmptyToken;
  };
  struct Choice {
    std::size_t trail;
    State state;
    std::vector<std::uint32_t> ops;
    std::size_t next = 0;
  };
  struct Best {
    std::size_t done = 0;
    std::string why;
  };
  using ByTail = std::pair<std::uint64_t, std::uint32_t>;

  void gather() {
    const std::size_t count = history_.ops.size();
    done_.assign(count, false);
    rank_.assign(count, 0);
    place_.assign(count, 0);
    refused_.resize(history_.tokens.size());
    first_refused_.assign(history_.tokens.size(), 0);
    std::map<std::vector<std::uint64_t>, std::uint32_t> fine;
    std::map<std::tuple<std::uint32_t, std::int32_t, std::int32_t, bool, std::uint64_t>, std::uint32_t>
        coarse;
    fine_.assign(count, 0);
    coarse_.assign(count, 0);
    for (std::uint32_t i = 0; i < count; ++i) {
      const LinearOp& op = history_.ops[i];
      if (op.end == LinearOp::End::unknown) {
        unknown_.push_back(i);
        const auto guards =
            std::tuple(op.num_records, op.set_token, op.fencing_token, op.has_match, op.match_seq_num);
        coarse_[i] = coarse.try_emplace(guards, static_cast<std::uint32_t>(coarse.size())).first->second;
        std::vector<std::uint64_t> all(history_.hashes_of(op), history_.hashes_of(op) + op.num_records);
        all.push_back(coarse_[i]);
        fine_[i] = fine.try_emplace(std::move(all), static_cast<std::uint32_t>(fine.size())).first->second;
        by_first_hash_[*history_.hashes_of(op)].push_back(i);
      }
      if (!op.is_required()) continue;
      by_end_.push_back(i);
      if (op.end == LinearOp::End::token_refused) {
        auto& alike = refused_[static_cast<std::size_t>(op.refused_token)];
        place_[i] = static_cast<std::uint32_t>(alike.size());
        alike.push_back(i);
        if (op.fencing_token == op.refused_token)
          impossible_ = fmt::format("{} was refused at line {} because the token was {}, and that is its own",
                                    name(i), op.end_line, quoted(op.refused_token));
      } else {
        // A tail less than its own records wraps, and is never reached.
        const std::uint64_t tail = op.is_applied() ? op.tail - op.num_records : op.tail;
        (op.is_applied() ? applied_ : pinned_).emplace_back(tail, i);
        pins_.push_back(tail);
        if (op.end == LinearOp::End::seq_num_refused && op.match_seq_num == op.tail)
          impossible_ =
              fmt::format("{} was refused at line {} because the tail was {}, and that is its match_seq_num",
                          name(i), op.end_line, op.tail);
        if (op.kind == LinearOp::Kind::read) last_read_ = std::max(last_read_, op.tail);
      }
    }
    std::sort(by_end_.begin(), by_end_.end(), [&](std::uint32_t a, std::uint32_t b) {
      return history_.ops[a].end_line < history_.ops[b].end_line;
    });
    for (std::size_t i = 0; i < by_end_.size(); ++i) rank_[by_end_[i]] = static_cast<std::uint32_t>(i);
    std::sort(applied_.begin(), applied_.end());
    std::sort(pinned_.begin(), pinned_.end());
    std::sort(pins_.begin(), pins_.end());
    pins_.erase(std::unique(pins_.begin(), pins_.end()), pins_.end());
  }

  const LinearOp& op(std::uint32_t index) const { return history_.ops[index]; }
  // Whatever comes next must have begun before the first end of what is still to be done.
  std::uint32_t first_end() {
    while (first_open_ < by_end_.size() && done_[by_end_[first_open_]]) ++first_open_;
    return first_open_ == by_end_.size() ? kNever : op(by_end_[first_open_]).end_line;
  }

  template <class OnOp>
  bool each_at(const std::vector<ByTail>& ops, std::uint64_t tail, OnOp&& on_op) {
    for (auto at = std::lower_bound(ops.begin(), ops.end(), ByTail{tail, 0});
         at != ops.end() && at->first == tail; ++at) {
      if (!done_[at->second] && !on_op(at->second)) return false;
    }
    return true;
  }

  void mark(std::uint32_t index) {
    done_[index] = true;
    trail_.push_back(index);
    const LinearOp& it = op(index);
    required_done_ += it.is_required() ? 1 : 0;
    if (!it.is_pinned()) toggle(index);
  }
  // Which pinned operations are done follows from the tail; of the others the set is kept as a sum.
  void toggle(std::uint32_t index) {
    set_.a ^= scrambled(index * 2ULL);
    set_.b ^= scrambled(index * 2ULL + 1);
  }

  void apply(std::uint32_t index) {
    const LinearOp& it = op(index);
    mark(index);
    if (state_.tail < last_read_) {
      for (std::size_t n = 0; n < it.num_records; ++n)
        state_.hash = chain(state_.hash, history_.hashes_of(it)[n]);
    }
    state_.tail += it.num_records;
    if (it.set_token != kNoToken) state_.token = it.set_token;
  }

  void undo_to(const Choice& choice) {
    for (; trail_.size() > choice.trail; trail_.pop_back()) {
      const std::uint32_t index = trail_.back();
      const LinearOp& it = op(index);
      done_[index] = false;
      if (!it.is_pinned()) toggle(index);
      if (!it.is_required()) continue;
      --required_done_;
      first_open_ = std::min<std::size_t>(first_open_, rank_[index]);
      if (it.end == LinearOp::End::token_refused) {
        std::size_t& first = first_refused_[static_cast<std::size_t>(it.refused_token)];
        first = std::min<std::size_t>(first, place_[index]);
      }
    }
    state_ = choice.state;
  }

  SeenKey key() const {
    const std::uint64_t hash = state_.tail < last_read_ ? state_.hash : 0;
    const std::uint64_t state =
        scrambled(scrambled(state_.tail) ^ hash) + static_cast<std::uint64_t>(state_.token);
    return {scrambled(set_.a ^ state), scrambled(set_.b + scrambled(state))};
  }

  template <class... Args>
  Step dead(fmt::format_string<Args...> format, Args&&... args) {
    if (best_.why.empty() || required_done_ > best_.done)
      best_ = {required_done_, fmt::format(format, std::forward<Args>(args)...)};
    return Step::dead;
  }
  std::string name(std::uint32_t index) const { return history_.describe(index); }
  std::string quoted(std::int32_t token) const {
    return fmt::format("`{}`", history_.tokens[static_cast<std::size_t>(token)]);
  }
  std::string blocker() { return name(by_end_[first_open_]); }

  // What leaves the stream as it is, as far as it can take effect now. False: a read saw another stream.
  bool observe() {
    for (bool again = true; again;) {
      again = false;
      const bool agreed = each_at(pinned_, state_.tail, [&](std::uint32_t index) {
        const LinearOp& it = op(index);
        if (it.start_line > first_end()) return true;
        if (it.kind == LinearOp::Kind::read && it.stream_hash != state_.hash) {
          dead("{} ended at line {} with stream hash {}, but with tail {} the stream's hash is {}",
               name(index), it.end_line, it.stream_hash, it.tail, state_.hash);
          return false;
        }
        if (it.end == LinearOp::End::seq_num_refused && !refusable(it)) return true;
        mark(index);
        return again = true;
      });
      if (!agreed) return false;
      const auto token = static_cast<std::size_t>(state_.token);
      for (std::size_t& i = first_refused_[token]; i < refused_[token].size(); ++i) {
        const std::uint32_t index = refused_[token][i];
        if (done_[index]) continue;
        if (op(index).start_line > first_end()) break;
        mark(index);
        again = true;
      }
    }
    return true;
  }

  bool refusable(const LinearOp& it) const {
    return it.fencing_token == kNoToken || it.fencing_token == state_.token;
  }

  bool guards_hold(const LinearOp& it) const {
    return (!it.has_match || it.match_seq_num == state_.tail) &&
           (it.fencing_token == kNoToken || it.fencing_token == state_.token);
  }

  // Does all that needs no choice.
  Step settle() {
    for (;;) {
      if (!observe()) return Step::dead;
      if (required_done_ == by_end_.size()) return Step::done;
      std::uint32_t left = kNever;
      each_at(pinned_, state_.tail, [&](std::uint32_t index) {
        left = index;
        return false;
      });
      if (left != kNever) return unanswered(left);
      std::uint32_t next = kNever;
      std::uint32_t rival = kNever;
      each_at(applied_, state_.tail, [&](std::uint32_t index) {
        (next == kNever ? next : rival) = index;
        return true;
      });
      const auto pin = std::upper_bound(pins_.begin(), pins_.end(), state_.tail);
      next_pin_ = pin == pins_.end() ? UINT64_MAX : *pin;
      if (next == kNever) return Step::choice;
      const LinearOp& it = op(next);
      if (rival != kNever)
        return dead("{} and {} were both acknowledged for place {}", name(next), name(rival), state_.tail);
      if (it.start_line > first_end())
        return dead(
            "{} was acknowledged for places {} to {} and began at line {}, but {}, which stands behind it, "
            "had ended at line {}",
            name(next), state_.tail, it.tail, it.start_line, blocker(), first_end());
      if (!guards_hold(it))
        return dead(
            "{} was acknowledged for places {} to {}, but its guards (match_seq_num {}, fencing token {}) do "
            "not hold there: the token is {}",
            name(next), state_.tail, it.tail, it.has_match ? std::to_string(it.match_seq_num) : "none",
            it.fencing_token == kNoToken ? "none" : quoted(it.fencing_token), quoted(state_.token));
      if (it.tail > next_pin_)
        return dead("{} was acknowledged for places {} to {}, but another operation saw or has place {}",
                    name(next), state_.tail, it.tail, next_pin_);
      if (!is_in_log(it))
        return dead("{} was acknowledged for place {}, where a read shows other records", name(next),
                    state_.tail);
      apply(next);
    }
  }

  Step unanswered(std::uint32_t left) {
    const LinearOp& it = op(left);
    if (it.start_line > first_end())
      return dead("{} began at line {} and saw tail {}, but {} had ended at line {} and stands behind that",
                  name(left), it.start_line, it.tail, blocker(), first_end());
    return dead(
        "{} was refused for its match_seq_num {} at tail {} (fencing token {}), where the token was {}: it "
        "would not have been",
        name(left), it.match_seq_num, it.tail,
        it.fencing_token == kNoToken ? "none" : quoted(it.fencing_token), quoted(state_.token));
  }

  bool is_in_log(const LinearOp& it) const {
    if (state_.tail >= log_.size()) return true;
    const std::size_t count = std::min<std::uint64_t>(it.num_records, log_.size() - state_.tail);
    return std::equal(history_.hashes_of(it), history_.hashes_of(it) + count,
                      log_.begin() + static_cast<std::ptrdiff_t>(state_.tail));
  }

  // Which appends of unknown outcome may come next.
  void choose() {
    Choice choice{trail_.size(), state_, {}};
    const std::vector<std::uint32_t>* from = &unknown_;
    if (state_.tail < log_.size()) {
      const auto found = by_first_hash_.find(log_[state_.tail]);
      static const std::vector<std::uint32_t> kNone;
      from = found == by_first_hash_.end() ? &kNone : &found->second;
    }
    const bool told_apart = state_.tail < last_read_;
    const std::vector<std::uint32_t>& kinds = told_apart ? fine_ : coarse_;
    std::unordered_set<std::uint32_t> tried;
    const std::uint32_t end = first_end();
    for (const std::uint32_t index : *from) {
      const LinearOp& it = op(index);
      if (it.start_line > end) break;
      if (done_[index] || it.num_records > next_pin_ - state_.tail || !guards_hold(it) || !is_in_log(it))
        continue;
      if (tried.insert(kinds[index]).second) choice.ops.push_back(index);
    }
    if (choice.ops.empty()) {
      const std::uint32_t first = by_end_[first_open_];
      dead(
          "{} must take effect by line {}, but the stream stands at tail {} (fencing token {}), where "
          "nothing "
          "acknowledged continues it and no append of unknown outcome can",
          name(first), op(first).end_line, state_.tail, quoted(state_.token));
    }
    choices_.push_back(std::move(choice));
  }

  const LinearHistory& history_;
  const std::vector<std::uint64_t>& log_;
  const std::size_t max_states_;
  // The history, sorted in the ways that are asked for.
  std::vector<std::uint32_t> by_end_;                // what is required, by end_line
  std::vector<std::uint32_t> rank_;                  // place in by_end_
  std::vector<ByTail> applied_;                      // acknowledged appends, by the tail they start from
  std::vector<ByTail> pinned_;                       // the rest that is pinned to a tail
  std::vector<std::uint64_t> pins_;                  // tails that must be stood at
  std::vector<std::vector<std::uint32_t>> refused_;  // token_refused, by that token
  std::vector<std::uint32_t> place_;                 // in that list
  std::vector<std::uint32_t> unknown_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> by_first_hash_;  // those, too
  std::vector<std::uint32_t> fine_, coarse_;  // which of them are alike, with and without their records
  std::uint64_t last_read_ = 0;               // the highest tail of a read
  std::string impossible_;                    // an answer that no state gives
  // Where the search stands.
  State state_;
  std::vector<bool> done_;
  std::vector<std::uint32_t> trail_;  // what was done, in order
  std::vector<std::size_t> first_refused_;
  std::size_t first_open_ = 0;  // in by_end_
  std::size_t required_done_ = 0;
  std::uint64_t next_pin_ = 0;
  SeenKey set_;
  std::unordered_set<SeenKey, SeenHash> seen_;
  std::vector<Choice> choices_;
  Best best_;
};

}  // namespace

Linearity check_by_search(const LinearHistory& history, const std::vector<std::uint64_t>& log,
                          std::size_t max_states) {
  return OrderSearch(history, log, max_states).run();
}

}  // namespace s2::scenarios
