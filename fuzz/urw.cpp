// Uniform random walk: a thread is chosen in proportion to the steps that it has probably still to take, so
// that all interleavings come near to being equally likely; a long thread does not starve behind many short
// ones. The steps are learnt from the executions so far (by thread, in order of creation). See strategy.h.
#include <algorithm>
#include <array>
#include <bit>

#include "fuzz/strategy.h"

namespace s2::fuzz {
namespace {

constexpr std::size_t kLearntThreads = 256;  // later threads of an execution weigh one
constexpr double kEstimateMemory = 0.9;      // of an estimate, when an execution says otherwise

class UniformWalk final : public SeededStrategy {
 public:
  const char* name() const override { return "urw"; }

  void begin(std::uint64_t seed) override {
    SeededStrategy::begin(seed);
    for (std::size_t i = 0; i < kLearntThreads; ++i) left_[i] = static_cast<std::int64_t>(estimates_[i]);
  }

  std::size_t choose(const sim::Choices& choices) override {
    const std::size_t threads = choices.threads(), rare = choices.size() - threads;
    if (threads == 0 || (rare != 0 && takes_rare())) return threads + random().below(rare);
    std::array<std::uint64_t, sim::kMaxLanes> weights;
    std::uint64_t total = 0;
    std::size_t i = 0;
    for (std::uint64_t lanes = choices.lanes(); lanes != 0; lanes &= lanes - 1)
      total += weights[i++] =
          weight(choices.thread_of_lane(static_cast<std::size_t>(std::countr_zero(lanes))));
    std::uint64_t ticket = random().below(total);
    std::size_t index = 0;
    while (ticket >= weights[index]) ticket -= weights[index++];
    const std::uint32_t thread = choices[index].standing.thread;
    if (thread < kLearntThreads) --left_[thread];
    return index;
  }

  bool end(const sim::Execution& execution) override {
    if (execution.ending != sim::Ending::finished) return true;
    for (std::size_t i = 0; i < std::min<std::size_t>(kLearntThreads, execution.threads); ++i) {
      const auto steps = static_cast<double>(static_cast<std::int64_t>(estimates_[i]) - left_[i]);
      estimates_[i] =
          estimates_[i] == 0 ? steps : kEstimateMemory * estimates_[i] + (1 - kEstimateMemory) * steps;
    }
    return true;
  }

 private:
  std::uint64_t weight(std::uint32_t thread) const {
    return thread < kLearntThreads ? static_cast<std::uint64_t>(std::max<std::int64_t>(1, left_[thread])) : 1;
  }

  std::array<double, kLearntThreads> estimates_{};
  std::array<std::int64_t, kLearntThreads>
      left_{};  // steps of this execution, by the estimates; below 0: more
};

}  // namespace

std::unique_ptr<Strategy> make_urw() {
  return std::make_unique<UniformWalk>();
}

}  // namespace s2::fuzz
