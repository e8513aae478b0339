// PCT (Burckhardt and others): threads have random priorities, the highest that can go on goes; at depth - 1
// random steps the running thread becomes the lowest. A bug of that depth is found with a probability that
// has a bound. The timer, signals and spurious wake-ups are threads with priorities of their own, which go
// before a thread that can go on a few times in an execution: a thread that has become low would starve
// otherwise. A thread that yields becomes the lowest. See strategy.h.
#include <algorithm>
#include <array>
#include <bit>

#include "fuzz/strategy.h"

namespace s2::fuzz {
namespace {

constexpr std::uint64_t kFirstEstimate = 64;            // choices of an execution, before one was seen
constexpr std::uint64_t kLow = std::uint64_t{1} << 32;  // priorities from here on are high
constexpr unsigned kMostEarly = 12;                     // timers and their kin before threads that can go on

class Pct final : public SeededStrategy {
 public:
  explicit Pct(unsigned depth) : depth_(depth), name_("pct" + std::to_string(depth)) {}
  const char* name() const override { return name_.c_str(); }

  void begin(std::uint64_t seed) override {
    SeededStrategy::begin(seed);
    known_.fill(kUnknown);
    for (std::uint64_t& priority : rare_) priority = high();
    changes_.clear();
    for (unsigned i = 1; i < depth_; ++i) changes_.push_back(random().below(estimate_));
    step_ = 0;
    lowest_ = kLow;
    early_left_ = ever_takes_rare() ? kMostEarly : 0;
  }

  std::size_t choose(const sim::Choices& choices) override {
    if (choices.purpose() == sim::Choices::Purpose::wake) return random().below(choices.size());
    const bool goes_on = choices.last() != sim::Choices::kNone;
    if (goes_on && std::find(changes_.begin(), changes_.end(), step_) != changes_.end())
      become_lowest(choices);
    ++step_;
    if (goes_on && choices.yields()) become_lowest(choices);
    std::size_t best = 0;
    std::uint64_t highest = 0;
    std::size_t i = 0;
    const auto offer = [&](std::uint64_t priority) {
      if (priority >= highest) {
        highest = priority;
        best = i;
      }
      ++i;
    };
    for (std::uint64_t lanes = choices.lanes(); lanes != 0; lanes &= lanes - 1) {
      const auto lane = static_cast<std::size_t>(std::countr_zero(lanes));
      learn(choices, lane);
      offer(priorities_[lane]);
    }
    if (early_left_ != 0 || i == 0) {
      while (i < choices.size()) offer(rare(choices[i]));
    }
    if (best >= choices.threads()) {
      if (choices.threads() != 0) --early_left_;
      rare(choices[best]) = high();
    }
    return best;
  }

  bool end(const sim::Execution& execution) override {
    estimate_ = std::max<std::uint64_t>({1, estimate_ * 9 / 10, execution.choices});
    return true;
  }

 private:
  static constexpr std::uint32_t kUnknown = ~std::uint32_t{0};
  std::uint64_t high() { return kLow + (random().next() >> 32); }
  void learn(const sim::Choices& choices, std::size_t lane) {
    const std::uint32_t thread = choices.thread_of_lane(lane);
    if (known_[lane] == thread) return;
    known_[lane] = thread;
    priorities_[lane] = high();
  }
  void become_lowest(const sim::Choices& choices) {
    learn(choices, choices.here_lane());
    priorities_[choices.here_lane()] = --lowest_;
  }
  // The priority of what is no runnable thread.
  std::uint64_t& rare(const sim::Choice& choice) { return rare_[static_cast<std::size_t>(choice.source)]; }

  unsigned depth_;
  std::string name_;
  std::uint64_t estimate_ = kFirstEstimate;
  std::uint64_t step_ = 0;
  std::uint64_t lowest_ = kLow;
  unsigned early_left_ = kMostEarly;
  std::vector<std::uint64_t> changes_;
  std::array<std::uint32_t, sim::kMaxLanes> known_{};
  std::array<std::uint64_t, sim::kMaxLanes> priorities_{};
  std::array<std::uint64_t, 4> rare_{};  // by source
};

}  // namespace

std::unique_ptr<Strategy> make_pct(unsigned depth) {
  return std::make_unique<Pct>(depth);
}

}  // namespace s2::fuzz
