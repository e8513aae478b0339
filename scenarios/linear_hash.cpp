// See linear_history.h: the stream hash, XXH3-64 of eight bytes with a seed, forwards and backwards. For
// eight bytes each of its steps is a permutation of the seed, which is what makes it run backwards.
#include <bit>

#include "scenarios/linear_history.h"

namespace s2::scenarios {
namespace {

// Of XXH3's default secret the two words that an input of 4 to 8 bytes meets, combined.
constexpr std::uint64_t kSecretWord = 0x1cad21f72c81017cULL ^ 0xdb979083e96dd4deULL;
constexpr std::uint64_t kMultiplier = 0x9FB21C651E98DF25ULL;  // XXH3's PRIME_MX2
constexpr std::uint64_t kLength = 8;                          // bytes hashed

constexpr std::uint64_t inverse_of(std::uint64_t odd) {
  std::uint64_t inverse = odd;  // right in 3 bits, and in twice as many after each step
  for (int i = 0; i < 5; ++i) inverse *= 2 - odd * inverse;
  return inverse;
}
constexpr std::uint64_t kInverse = inverse_of(kMultiplier);
static_assert(kMultiplier * kInverse == 1);

constexpr std::uint64_t swap32(std::uint64_t value) {
  const auto low = static_cast<std::uint32_t>(value);
  return (low >> 24) | ((low >> 8) & 0xFF00U) | ((low << 8) & 0xFF0000U) | (std::uint64_t{low & 0xFFU} << 24);
}

constexpr std::uint64_t mixed_seed(std::uint64_t seed) {
  return seed ^ (swap32(seed) << 32);  // its own inverse: the low half stays
}

constexpr std::uint64_t twice_rotated(std::uint64_t h) {
  return h ^ std::rotl(h, 49) ^ std::rotl(h, 24);
}

// 1 + x^49 + x^24 to the power 2^k is 1 + x^(49 * 2^k) + x^(24 * 2^k), and to the power 64 it is 1: so the
// inverse is the 63rd power.
constexpr std::uint64_t back_rotated(std::uint64_t h) {
  for (int k = 0; k < 6; ++k) h = h ^ std::rotl(h, (49 << k) % 64) ^ std::rotl(h, (24 << k) % 64);
  return h;
}
static_assert(back_rotated(twice_rotated(0x0123456789abcdefULL)) == 0x0123456789abcdefULL);

}  // namespace

std::uint64_t chain(std::uint64_t stream_hash, std::uint64_t record_hash) {
  std::uint64_t h = std::rotl(record_hash, 32) ^ (kSecretWord - mixed_seed(stream_hash));
  h = twice_rotated(h);
  h *= kMultiplier;
  h ^= (h >> 35) + kLength;
  h *= kMultiplier;
  return h ^ (h >> 28);
}

std::uint64_t unchain(std::uint64_t stream_hash, std::uint64_t record_hash) {
  std::uint64_t h = stream_hash;
  h ^= (h >> 28) ^ (h >> 56);
  h *= kInverse;
  h ^= (h >> 35) + kLength;  // the sum is below 2^30: it leaves the bits alone from which it comes
  h *= kInverse;
  h = back_rotated(h);
  return mixed_seed(kSecretWord - (h ^ std::rotl(record_hash, 32)));
}

}  // namespace s2::scenarios
