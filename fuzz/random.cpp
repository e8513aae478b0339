// Random: an even die among the threads that can go on. See strategy.h.
#include "fuzz/strategy.h"

namespace s2::fuzz {
namespace {

class RandomStrategy final : public SeededStrategy {
 public:
  const char* name() const override { return "random"; }
  std::size_t choose(const sim::Choices& choices) override {
    const std::size_t threads = choices.threads(), rare = choices.size() - threads;
    if (threads == 0 || (rare != 0 && takes_rare())) return threads + random().below(rare);
    return threads == 1 ? 0 : random().below(threads);
  }
};

}  // namespace

std::unique_ptr<Strategy> make_random() {
  return std::make_unique<RandomStrategy>();
}

}  // namespace s2::fuzz
