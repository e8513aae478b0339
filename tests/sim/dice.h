// The plainest chooser: an even die from one seed; a timer is thrown at one point in sixteen. Used by the
// tests of sim/, which must not need a strategy of fuzz/.
#pragma once
#include "sim/chooser.h"

namespace s2::sim {

class Dice : public Chooser {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 1) {}
  std::size_t choose(const Choices& choices) override {
    const std::size_t threads = choices.threads();
    if (threads == 0 || (threads != choices.size() && below(16) == 0)) {
      return threads + static_cast<std::size_t>(below(choices.size() - threads));
    }
    return static_cast<std::size_t>(below(threads));
  }
  std::uint64_t draw(std::uint64_t most) override { return below(most); }

 private:
  std::uint64_t below(std::uint64_t most) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return ((state_ >> 32) * most) >> 32;
  }
  std::uint64_t state_;
};

}  // namespace s2::sim
