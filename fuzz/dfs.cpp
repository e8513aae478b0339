// Depth first: every schedule of a program with at most k preemptions, one after the other. See strategy.h.
//
// The path of the last execution is kept as a stack of choices; the next execution repeats it up to the last
// choice that has an alternative within the bound, takes that, and goes on by the default policy.
//
// The reduction is that of sleep sets (Godefroid): where the steps of two threads do not touch the same
// mutex, only one of their two orders is tried. What a step has touched is known once it was taken: what its
// thread stood at when it was chosen, and what it had released by its next point.
#include <algorithm>
#include <utility>

#include "fuzz/strategy.h"

namespace s2::fuzz {
namespace {

constexpr std::uint32_t kNothing = ~std::uint32_t{0};  // no index, no thread

// What a step touches: at most the mutex that it takes and the one that it releases, or everything.
struct Effect {
  bool everything = true;
  std::uint32_t taken = 0, released = 0;  // objects; 0 is none
};

bool independent(const Effect& a, const Effect& b) {
  if (a.everything || b.everything) return false;
  for (const std::uint32_t object : {a.taken, a.released}) {
    if (object != 0 && (object == b.taken || object == b.released)) return false;
  }
  return true;
}

Effect effect_from(const sim::Standing& standing) {
  switch (standing.kind) {
    case sim::Kind::lock:
    case sim::Kind::trylock:
      return {false, standing.object, 0};
    // Points after an operation: it belonged to the step before, and what follows touches what its locks
    // guard.
    case sim::Kind::start:
    case sim::Kind::unlocked:
    case sim::Kind::rw_unlocked:
    case sim::Kind::notified:
    case sim::Kind::posted:
    case sim::Kind::created:
      return {false, 0, 0};
    default:
      return {};
  }
}

// The step has ended at this point: what did it do just before?
void end_at(Effect& effect, const sim::Standing& standing) {
  switch (standing.kind) {
    case sim::Kind::unlocked:
      effect.released = standing.object;
      return;
    case sim::Kind::rw_unlocked:
    case sim::Kind::notified:
    case sim::Kind::posted:
    case sim::Kind::created:
    case sim::Kind::exit:
      effect.everything = true;
      return;
    default:
      return;
  }
}

// Where a thread stands between two of its operations.
bool is_between_operations(sim::Kind kind) {
  switch (kind) {
    case sim::Kind::clock:
    case sim::Kind::unlocked:
    case sim::Kind::rw_unlocked:
    case sim::Kind::notified:
    case sim::Kind::posted:
    case sim::Kind::created:
      return true;
    default:
      return false;
  }
}

struct Step {
  std::uint32_t thread = kNothing;
  Effect effect;
};

struct Node {
  std::uint32_t size = 0, usual = 0, chosen = 0;
  std::uint32_t tried = 0;                   // alternatives gone through, the usual one first
  std::uint32_t free_from = 0, free_to = 0;  // those that are no preemptions
  unsigned spent = 0;                        // preemptions before this choice
  std::uint32_t barred_to = 0;               // threads by index below it are no alternatives
  // With the reduction only:
  std::vector<std::uint32_t> threads;  // by index; kNothing for what is no thread
  std::vector<Step> asleep;            // whose step here leads to nothing new
  Effect effect;                       // of the step that is chosen now

  std::uint32_t nth(std::uint32_t n) const { return n == 0 ? usual : n <= usual ? n - 1 : n; }
  std::uint32_t thread() const { return chosen < threads.size() ? threads[chosen] : kNothing; }
  bool sleeps(std::uint32_t index) const {
    return index < threads.size() && threads[index] != kNothing &&
           std::any_of(
               asleep.begin(), asleep.end(), [&](const Step& step) { return step.thread == threads[index]; });
  }
};

class DepthFirst final : public Dfs {
 public:
  explicit DepthFirst(const DfsOptions& options)
      : options_(options), bound_(options.rising ? 0 : options.preemptions) {
    if (options_.preemptions < DfsOptions::kNoBound || options_.rising) options_.reduced = false;
  }
  const char* name() const override { return options_.reduced ? "dfs-reduced" : "dfs"; }
  unsigned bound() const override { return bound_; }
  std::uint64_t draw_seed() const override { return options_.draw_seed; }
  bool wants_every_point() const override { return options_.reduced; }

  void begin(std::uint64_t) override {
    draws_ = Prng(options_.draw_seed);
    depth_ = 0;
    spent_ = 0;
    running_ = kNothing;
  }

  std::size_t choose(const sim::Choices& choices) override {
    if (options_.reduced && running_ != kNothing) {
      if (choices.purpose() == sim::Choices::Purpose::wake)
        nodes_[running_].effect.everything = true;
      else
        end_at(nodes_[running_].effect, choices.here());
    }
    if (depth_ == nodes_.size()) push(choices);
    Node& node = nodes_[depth_];
    if (node.size != choices.size()) return kAbandon;  // the program did something else this time
    if (node.chosen == kNothing) return kAbandon;
    if (choices.preempts(node.chosen)) ++spent_;
    if (options_.reduced) {
      node.effect = {};
      if (node.thread() != kNothing) node.effect = effect_from(choices[node.chosen].standing);
      running_ = depth_;
    }
    ++depth_;
    return node.chosen;
  }

  std::uint64_t draw(std::uint64_t below) override {
    if (options_.reduced && running_ != kNothing) nodes_[running_].effect.everything = true;
    return draws_.below(below);
  }

  bool end(const sim::Execution&) override {
    // A step after which no point came may have done anything.
    if (options_.reduced && running_ != kNothing && running_ < nodes_.size())
      nodes_[running_].effect.everything = true;
    while (!nodes_.empty()) {
      if (advance(nodes_.back())) return true;
      nodes_.pop_back();
    }
    if (!options_.rising || bound_ >= options_.preemptions || !left_out_) return false;
    ++bound_;
    left_out_ = false;
    return true;
  }

 private:
  void push(const sim::Choices& choices) {
    Node node;
    node.size = static_cast<std::uint32_t>(choices.size());
    node.usual = node.chosen = static_cast<std::uint32_t>(choices.usual());
    node.spent = spent_;
    node.free_to = node.size;
    if (choices.purpose() == sim::Choices::Purpose::run && !choices.yields()) {
      const std::size_t last = choices.last();
      if (last != sim::Choices::kNone) {
        node.free_from = static_cast<std::uint32_t>(last);
        node.free_to = node.free_from + 1;
        if (options_.before_operations && is_between_operations(choices.here().kind))
          node.barred_to = static_cast<std::uint32_t>(choices.threads());
      } else if (choices.threads() != 0) {
        node.free_to = static_cast<std::uint32_t>(choices.threads());
      }
    } else if (choices.purpose() == sim::Choices::Purpose::run && choices.threads() != 0) {
      node.free_to = static_cast<std::uint32_t>(choices.threads());
    }
    if (options_.reduced) {
      inherit_sleep(node);
      for (std::size_t i = 0; i < choices.size(); ++i) {
        const bool is_thread = choices.purpose() == sim::Choices::Purpose::run && i < choices.threads();
        node.threads.push_back(is_thread ? choices[i].standing.thread : kNothing);
      }
      if (node.sleeps(node.chosen) && !next_awake(node)) node.chosen = kNothing;
    }
    nodes_.push_back(std::move(node));
  }

  // Whoever slept before the step that led here, and does not depend on it, still sleeps.
  void inherit_sleep(Node& node) const {
    if (running_ == kNothing) return;
    const Node& parent = nodes_[running_];
    for (const Step& step : parent.asleep) {
      if (step.thread != parent.thread() && independent(step.effect, parent.effect))
        node.asleep.push_back(step);
    }
  }

  bool next_awake(Node& node) {
    while (++node.tried < node.size) {
      const std::uint32_t candidate = node.nth(node.tried);
      if (candidate < node.barred_to) continue;
      if ((candidate < node.free_from || candidate >= node.free_to) && node.spent + 1 > bound_) {
        left_out_ = true;
        continue;
      }
      if (options_.reduced && node.sleeps(candidate)) continue;
      node.chosen = candidate;
      return true;
    }
    return false;
  }

  bool advance(Node& node) {
    if (node.chosen == kNothing) return false;
    if (options_.reduced && node.thread() != kNothing) node.asleep.push_back({node.thread(), node.effect});
    return next_awake(node);
  }

  DfsOptions options_;
  unsigned bound_;
  Prng draws_;
  std::vector<Node> nodes_;
  std::size_t depth_ = 0;
  unsigned spent_ = 0;
  bool left_out_ = false;           // something beyond the bound
  std::size_t running_ = kNothing;  // the node whose step is being taken
};

}  // namespace

std::unique_ptr<Dfs> make_dfs(const DfsOptions& options) {
  return std::make_unique<DepthFirst>(options);
}

}  // namespace s2::fuzz
