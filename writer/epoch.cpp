// See epoch.h. The text: boot (3 digits of base 36), milliseconds since it (7), of the wall clock (8), chance
// (4).
#include "writer/epoch.h"

#include <array>
#include <chrono>
#include <ctime>
#include <fstream>
#include <iterator>
#include <optional>

namespace s2::writer {
namespace {

constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
constexpr std::size_t kBootDigits = 3, kSinceBootDigits = 7, kWallDigits = 8, kRandomDigits = 4;
static_assert(kBootDigits + kSinceBootDigits + kWallDigits + kRandomDigits == kEpochTokenBytes);

std::string base36(std::uint64_t value, std::size_t digits) {
  std::string out(digits, '0');
  for (std::size_t at = digits; at-- > 0; value /= kDigits.size()) out[at] = kDigits[value % kDigits.size()];
  return out;
}

std::uint64_t milliseconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

bool is_epoch(std::string_view text) {
  return text.size() >= kEpochTokenBytes &&
         text.substr(0, kEpochTokenBytes).find_first_not_of(kDigits) == std::string_view::npos;
}

}  // namespace

std::string make_epoch_token(std::string_view boot, std::uint64_t since_boot_ms, std::uint64_t wall_ms,
                             std::uint64_t random) {
  std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a: of few bits, and never of secrets
  for (const char c : boot) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return base36(hash, kBootDigits) + base36(since_boot_ms, kSinceBootDigits) + base36(wall_ms, kWallDigits) +
         base36(random, kRandomDigits);
}

std::string new_epoch_token() {
  std::ifstream source("/dev/urandom", std::ios::binary);
  std::array<unsigned char, 8> bytes{};
  if (!source.read(reinterpret_cast<char*>(bytes.data()), bytes.size())) return {};
  std::uint64_t random = 0;
  for (const unsigned char byte : bytes) random = random << 8 | byte;
  std::ifstream boot_id("/proc/sys/kernel/random/boot_id");
  std::string boot{std::istreambuf_iterator<char>(boot_id), {}};
  if (boot.empty()) boot = std::to_string(random);  // no boot like any other: nobody is later than anybody
  return make_epoch_token(boot, milliseconds_of(CLOCK_BOOTTIME), milliseconds_of(CLOCK_REALTIME), random);
}

bool is_of_later_process(std::string_view other, std::string_view ours) {
  if (!is_epoch(other) || !is_epoch(ours)) return false;
  // Fixed widths: the order of the texts is that of the numbers.
  const auto boot = [](std::string_view token) { return token.substr(0, kBootDigits); };
  const auto since_boot = [](std::string_view token) { return token.substr(kBootDigits, kSinceBootDigits); };
  const auto wall = [](std::string_view token) {
    return token.substr(kBootDigits + kSinceBootDigits, kWallDigits);
  };
  return boot(other) == boot(ours) && since_boot(other) > since_boot(ours) && wall(other) > wall(ours);
}

}  // namespace s2::writer
