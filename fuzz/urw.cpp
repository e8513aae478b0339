// Uniform random walk: a thread is chosen in proportion to the steps that it has probably still to take, so
// that all interleavings come near to being equally likely; a long thread does not starve behind many short
// ones. The steps are learnt from the executions so far (by thread, in order of creation). See strategy.h.
#include <algorithm>

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
    steps_.assign(kLearntThreads, 0);
  }

  std::size_t choose(const sim::Choices& choices) override {
    const std::size_t threads = choices.threads(), rare = choices.size() - threads;
    if (threads == 0 || (rare != 0 && takes_rare())) return threads + random().below(rare);
    std::uint64_t total = 0;
    weights_.clear();
    for (std::size_t i = 0; i < threads; ++i)
      total += weights_.emplace_back(weight(choices[i].standing.thread));
    std::uint64_t ticket = random().below(total);
    std::size_t index = 0;
    while (ticket >= weights_[index]) ticket -= weights_[index++];
    const std::uint32_t thread = choices[index].standing.thread;
    if (thread < kLearntThreads) ++steps_[thread];
    return index;
  }

  bool end(const sim::Execution& execution) override {
    if (execution.ending != sim::Ending::finished) return true;
    for (std::size_t i = 0; i < std::min<std::size_t>(kLearntThreads, execution.threads); ++i) {
      estimates_[i] = estimates_[i] == 0
                          ? steps_[i]
                          : kEstimateMemory * estimates_[i] + (1 - kEstimateMemory) * steps_[i];
    }
    return true;
  }

 private:
  std::uint64_t weight(std::uint32_t thread) const {
    if (thread >= kLearntThreads) return 1;
    return static_cast<std::uint64_t>(std::max(1.0, estimates_[thread] - steps_[thread]));
  }

  std::vector<double> estimates_ = std::vector<double>(kLearntThreads, 0);
  std::vector<double> steps_;
  std::vector<std::uint64_t> weights_;
};

}  // namespace

std::unique_ptr<Strategy> make_urw() {
  return std::make_unique<UniformWalk>();
}

}  // namespace s2::fuzz
