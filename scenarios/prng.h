// The one source of chance in a suite: SplitMix64, so that the same seed draws the same runs on every
// machine.
//
// Plain values; an object belongs to one thread. Whatever needs chance of its own forks a generator by a
// label, so that a draw added in one place does not move the draws of another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace s2::scenarios {

class Prng {
 public:
  explicit Prng(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }

  // lo..hi, both included. The bias of the modulus is below 2^-32 for every range drawn here.
  std::uint64_t between(std::uint64_t lo, std::uint64_t hi) {
    const std::uint64_t span = hi - lo + 1;
    return span == 0 ? next() : lo + next() % span;
  }
  bool chance(unsigned percent) { return between(1, 100) <= percent; }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[static_cast<std::size_t>(between(0, from.size() - 1))];
  }

  // An independent generator: the same seed and label give the same one.
  static Prng forked(std::uint64_t seed, std::string_view label) {
    std::uint64_t hash = 0xCBF29CE484222325ULL;  // FNV-1a
    for (const char c : label) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
    Prng mixer(seed ^ hash);
    return Prng(mixer.next());
  }

 private:
  std::uint64_t state_;
};

}  // namespace s2::scenarios
