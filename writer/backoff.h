// Capped exponential back-off with jitter: how long to wait before the n-th attempt.
//
// Pure; belongs to one producer. The jitter comes from one seeded generator, so that a run can be repeated.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>

namespace s2::writer {

class Backoff {
 public:
  Backoff(std::chrono::milliseconds base, std::chrono::milliseconds cap, std::uint64_t seed)
      : base_(std::max(base, std::chrono::milliseconds(1))), cap_(std::max(cap, base_)), random_(seed) {}

  // Half of it is fixed, half is drawn: never zero, so that no failure makes a busy loop.
  std::chrono::microseconds next() {
    const auto full =
        std::min<std::chrono::microseconds>(cap_, base_ * (1LL << std::min<std::size_t>(failures_, 16)));
    ++failures_;
    std::uniform_int_distribution<std::int64_t> draw(full.count() / 2, full.count());
    return std::chrono::microseconds(draw(random_));
  }
  std::size_t failures() const { return failures_; }
  void reset() { failures_ = 0; }

 private:
  std::chrono::milliseconds base_;
  std::chrono::milliseconds cap_;
  std::mt19937_64 random_;
  std::size_t failures_ = 0;
};

}  // namespace s2::writer
