// See quantity.h.
#include "scenarios/quantity.h"

#include <charconv>

namespace s2::scenarios {
namespace {

constexpr std::int64_t kMaxMicroseconds = 24LL * 3600 * 1000 * 1000;

std::int64_t unit_in_us(std::string_view unit) {
  if (unit == "us") return 1;
  if (unit == "ms") return 1000;
  if (unit == "s") return 1000 * 1000;
  if (unit == "m") return 60LL * 1000 * 1000;
  return 0;
}

}  // namespace

std::optional<std::chrono::microseconds> parse_duration(std::string_view text) {
  std::int64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  const std::int64_t unit = unit_in_us({rest, static_cast<std::size_t>(text.data() + text.size() - rest)});
  if (unit == 0 || number > kMaxMicroseconds / unit) return std::nullopt;
  return std::chrono::microseconds(number * unit);
}

std::string print_duration(std::chrono::microseconds value) {
  const std::int64_t us = value.count();
  for (const std::string_view unit : {"m", "s", "ms"}) {
    if (us != 0 && us % unit_in_us(unit) == 0)
      return std::to_string(us / unit_in_us(unit)) + std::string(unit);
  }
  return us == 0 ? "0ms" : std::to_string(us) + "us";
}

std::string count_of(std::uint64_t n, const char* what) {
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

}  // namespace s2::scenarios
