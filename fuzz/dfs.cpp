// Depth first: every schedule of a program with at most k preemptions, one after the other. See strategy.h.
//
// The path of the last execution is kept as a stack of choices; the next execution repeats it up to the last
// choice that has an alternative within the bound, takes that, and goes on by the default policy.
//
// The reduction goes by states (happened.h): an execution that comes to one from which all was tried already,
// with no fewer preemptions left, is given up there; and no preemption is tried before a step that touches
// nothing, because behind it the same ones are.
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <utility>

#include "fuzz/happened.h"
#include "fuzz/strategy.h"

namespace s2::fuzz {
namespace {

constexpr std::uint32_t kNothing = ~std::uint32_t{0};  // no choice

struct Node {
  std::uint32_t size = 0, usual = 0, chosen = 0;
  std::uint32_t tried = 0;                   // alternatives gone through, the usual one first
  std::uint32_t free_from = 0, free_to = 0;  // those that are no preemptions
  unsigned spent = 0;                        // preemptions before this choice
  bool goes_on = false;                      // the usual choice is the thread that stands here
  bool idle = false;                         // and its step touched nothing

  std::uint32_t nth(std::uint32_t n) const { return n == 0 ? usual : n <= usual ? n - 1 : n; }
};

// The states that were met, each with the most preemptions that were left there. There are hundreds of
// millions: where three bits hold what may be left, it takes the place of three bits of the state.
class Met {
 public:
  explicit Met(unsigned most_left) : few_(most_left <= kFew) {}
  std::uint64_t size() const { return packed_.size() + left_.size(); }

  // Whether it was met with as many preemptions left, or more. What is left now is kept.
  bool was_here(std::uint64_t state, unsigned left) {
    if (few_) {
      const auto [known, is_new] = packed_.insert((state & ~kFew) | left);
      if (is_new) return false;
      if ((*known & kFew) >= left) return true;
      const_cast<std::uint64_t&>(*known) = (state & ~kFew) | left;  // as the set sees it, the same
      return false;
    }
    const auto [known, is_new] = left_.try_emplace(state, left);
    if (is_new) return false;
    if (known->second >= left) return true;
    known->second = left;
    return false;
  }

 private:
  static constexpr std::uint64_t kFew = 7;
  struct Hash {
    using is_avalanching = void;  // states are hashes
    std::size_t operator()(std::uint64_t packed) const { return (packed & ~kFew) | (packed >> 32U & kFew); }
  };
  struct Same {
    bool operator()(std::uint64_t a, std::uint64_t b) const { return ((a ^ b) & ~kFew) == 0; }
  };

  bool few_;
  boost::unordered_flat_set<std::uint64_t, Hash, Same> packed_;
  boost::unordered_flat_map<std::uint64_t, unsigned> left_;
};

class DepthFirst final : public Dfs {
 public:
  explicit DepthFirst(const DfsOptions& options)
      : options_(options), bound_(options.rising ? 0 : options.preemptions), met_(options.preemptions) {}
  const char* name() const override { return "dfs"; }
  std::uint64_t states() const override { return met_.size(); }
  std::uint64_t classes() const override { return classes_.size(); }
  std::uint64_t draw_seed() const override { return options_.draw_seed; }
  bool wants_every_point() const override { return options_.reduced; }
  unsigned spurious_wakeups(unsigned) override { return 0; }

  void begin(std::uint64_t) override {
    draws_ = Prng(options_.draw_seed);
    depth_ = 0;
    spent_ = 0;
    running_ = kNothing;
    if (options_.reduced) happened_.begin();
  }

  std::size_t choose(const sim::Choices& choices) override {
    const bool in_a_step = choices.purpose() == sim::Choices::Purpose::wake;
    if (options_.reduced && !in_a_step) {
      happened_.arrive(choices);
      if (running_ != kNothing) nodes_[running_].idle = happened_.effect().nothing();
    }
    if (depth_ == nodes_.size()) {
      Node node = node_of(choices);
      if (options_.reduced && choices.size() > 1 && met_.was_here(happened_.digest(choices), bound_ - spent_))
        return kAbandon;
      nodes_.push_back(node);
    }
    const Node& node = nodes_[depth_];
    if (node.size != choices.size()) return kAbandon;  // the program did something else this time
    if (choices.preempts(node.chosen)) ++spent_;
    if (options_.reduced) {
      const sim::Choice choice = choices[node.chosen];
      if (in_a_step) {
        happened_.wakes(choice.standing);
      } else {
        happened_.leave(choice);
        running_ = static_cast<std::uint32_t>(depth_);
      }
    }
    ++depth_;
    return node.chosen;
  }

  void touches(std::uint32_t object) override { happened_.touches(object); }

  std::uint64_t draw(std::uint64_t below) override {
    if (options_.reduced) happened_.touches(sim::kTouchesEverything);
    return draws_.below(below);
  }

  bool end(const sim::Execution& execution) override {
    if (options_.reduced && execution.ending != sim::Ending::abandoned) classes_.insert(happened_.steps());
    while (!nodes_.empty()) {
      Node& node = nodes_.back();
      if (!(node.idle && node.goes_on && node.tried == 0) && next(node)) return true;
      nodes_.pop_back();
    }
    if (!options_.rising || bound_ >= options_.preemptions || !left_out_) return false;
    ++bound_;
    left_out_ = false;
    return true;
  }

 private:
  Node node_of(const sim::Choices& choices) const {
    Node node;
    node.size = static_cast<std::uint32_t>(choices.size());
    node.usual = node.chosen = static_cast<std::uint32_t>(choices.usual());
    node.spent = spent_;
    node.free_to = node.size;
    if (choices.purpose() != sim::Choices::Purpose::run) return node;
    const std::size_t last = choices.yields() ? sim::Choices::kNone : choices.last();
    if (last != sim::Choices::kNone) {
      node.free_from = static_cast<std::uint32_t>(last);
      node.free_to = node.free_from + 1;
      node.goes_on = true;
    } else if (choices.threads() != 0) {
      node.free_to = static_cast<std::uint32_t>(choices.threads());
    }
    return node;
  }

  bool next(Node& node) {
    while (++node.tried < node.size) {
      const std::uint32_t candidate = node.nth(node.tried);
      if ((candidate < node.free_from || candidate >= node.free_to) && node.spent + 1 > bound_) {
        left_out_ = true;
        continue;
      }
      node.chosen = candidate;
      node.idle = false;
      return true;
    }
    return false;
  }

  DfsOptions options_;
  unsigned bound_;
  Prng draws_;
  std::vector<Node> nodes_;
  std::size_t depth_ = 0;
  unsigned spent_ = 0;
  bool left_out_ = false;  // something beyond the bound
  // With the reduction only:
  Happened happened_;
  std::uint32_t running_ = kNothing;  // the node whose step is being taken
  Met met_;
  boost::unordered_flat_set<std::uint64_t> classes_;  // of whole executions
};

}  // namespace

std::unique_ptr<Dfs> make_dfs(const DfsOptions& options) {
  return std::make_unique<DepthFirst>(options);
}

}  // namespace s2::fuzz
