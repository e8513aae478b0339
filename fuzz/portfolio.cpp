// Portfolio: each execution is run by one of the other strategies; who has lately shown more that was new
// gets more of them, and nobody less than a floor. New is a pair of points (where one thread was left, where
// another went on) that no execution before has joined. See strategy.h.
#include <algorithm>
#include <bitset>

#include "fuzz/strategy.h"

namespace s2::fuzz {
namespace {

constexpr double kFloor = 0.5;             // of the weight that an average strategy has
constexpr double kYieldMemory = 0.95;      // of a strategy's yield, with each execution of it
constexpr std::size_t kPairs = 1U << 16U;  // slots for pairs, by hash
constexpr unsigned kDfsPreemptions = 3;

class Portfolio final : public Strategy {
 public:
  Portfolio() {
    members_.push_back({make_random()});
    members_.push_back({make_urw()});
    for (unsigned depth = 2; depth <= 5; ++depth) members_.push_back({make_pct(depth)});
    members_.push_back({nullptr});  // depth first: made at its first turn, when there is a seed
  }
  const char* name() const override {
    return current_ != nullptr && current_->strategy != nullptr ? current_->strategy->name() : "portfolio";
  }
  std::uint64_t draw_seed() const override { return current_->strategy->draw_seed(); }

  void begin(std::uint64_t seed) override {
    double total = 0;
    for (const Member& member : members_) total += weight(member);
    Prng random(mixed(seed ^ 0x90F0));
    double ticket = static_cast<double>(random.next() >> 11) * 0x1p-53 * total;
    current_ = &members_.front();
    for (Member& member : members_) {
      current_ = &member;
      ticket -= weight(member);
      if (ticket < 0) break;
    }
    if (current_->strategy == nullptr) {
      current_->strategy =
          make_dfs({.preemptions = kDfsPreemptions, .rising = true, .draw_seed = mixed(seed ^ 0xDF5)});
    }
    fresh_ = 0;
    current_->strategy->begin(seed);
  }

  std::size_t choose(const sim::Choices& choices) override {
    const std::size_t index = current_->strategy->choose(choices);
    if (index >= choices.size()) return index;
    const sim::Choice choice = choices[index];
    if (choice.source != sim::Source::thread || choice.lane != choices.here_lane()) {
      const sim::Standing& here = choices.here();
      const std::uint64_t pair = mixed(
          (std::uint64_t{here.object} << 48) ^ (std::uint64_t{here.thread} << 40) ^
          (static_cast<std::uint64_t>(here.kind) << 32) ^ (std::uint64_t{choice.standing.object} << 20) ^
          (std::uint64_t{choice.standing.thread} << 12) ^
          (static_cast<std::uint64_t>(choice.standing.kind) << 4) ^
          static_cast<std::uint64_t>(choice.source));
      const std::size_t slot = pair % kPairs;
      if (!seen_[slot]) {
        seen_[slot] = true;
        ++fresh_;
      }
    }
    return index;
  }

  std::uint64_t draw(std::uint64_t below) override { return current_->strategy->draw(below); }
  unsigned spurious_wakeups(unsigned most) override { return current_->strategy->spurious_wakeups(most); }

  bool end(const sim::Execution& execution) override {
    current_->yield = kYieldMemory * current_->yield + (1 - kYieldMemory) * static_cast<double>(fresh_);
    if (!current_->strategy->end(execution)) current_->strategy = nullptr;  // with other draws, next time
    return true;
  }

 private:
  struct Member {
    std::unique_ptr<Strategy> strategy;
    double yield = 1;
  };
  double weight(const Member& member) const {
    double sum = 0;
    for (const Member& one : members_) sum += one.yield;
    return member.yield + kFloor * (sum / static_cast<double>(members_.size()) + 1e-3);
  }

  std::vector<Member> members_;
  Member* current_ = nullptr;  // whose turn it is
  std::bitset<kPairs> seen_;
  std::uint64_t fresh_ = 0;
};

}  // namespace

std::unique_ptr<Strategy> make_portfolio() {
  return std::make_unique<Portfolio>();
}

}  // namespace s2::fuzz
