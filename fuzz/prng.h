// Random numbers of the strategies: splitmix64, the same everywhere.
#pragma once
#include <cstdint>

namespace s2::fuzz {

inline std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

class Prng {
 public:
  explicit Prng(std::uint64_t seed = 0) : state_(seed) {}
  std::uint64_t next() { return mixed(state_ += 0x9E3779B97F4A7C15ULL); }
  std::uint64_t below(std::uint64_t most) {  // most > 0
    if (most > 0xFFFFFFFFULL) return next() % most;
    return ((next() >> 32) * most) >> 32;
  }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace s2::fuzz
