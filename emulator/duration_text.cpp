// Durations as people write them, for resource files: numbers with units, added up.
#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "emulator/resources.h"

namespace s2::emulator {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

struct Unit {
  std::string_view name;
  std::uint64_t seconds;      // of one unit, or
  std::uint64_t nanoseconds;  // where it is less than a second
};

// A month is 30.44 days, a year 365.25.
constexpr auto kTimeUnits = std::to_array<Unit>({
    {"nanos", 0, 1},        {"nsec", 0, 1},        {"ns", 0, 1},           {"usec", 0, 1'000},
    {"us", 0, 1'000},       {"µs", 0, 1'000},      {"millis", 0, 1000000}, {"msec", 0, 1'000'000},
    {"ms", 0, 1'000'000},   {"seconds", 1, 0},     {"second", 1, 0},       {"secs", 1, 0},
    {"sec", 1, 0},          {"s", 1, 0},           {"minutes", 60, 0},     {"minute", 60, 0},
    {"mins", 60, 0},        {"min", 60, 0},        {"m", 60, 0},           {"hours", 3600, 0},
    {"hour", 3600, 0},      {"hrs", 3600, 0},      {"hr", 3600, 0},        {"h", 3600, 0},
    {"days", 86400, 0},     {"day", 86400, 0},     {"d", 86400, 0},        {"weeks", 604800, 0},
    {"week", 604800, 0},    {"wks", 604800, 0},    {"wk", 604800, 0},      {"w", 604800, 0},
    {"months", 2630016, 0}, {"month", 2630016, 0}, {"M", 2630016, 0},      {"years", 31557600, 0},
    {"year", 31557600, 0},  {"yrs", 31557600, 0},  {"yr", 31557600, 0},    {"y", 31557600, 0},
});

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Takes what `wanted` holds for off the front.
template <class Wanted>
std::string_view take(std::string_view& text, Wanted wanted) {
  const auto end = std::ranges::find_if_not(text, wanted);
  const auto length = static_cast<std::size_t>(end - text.begin());
  const std::string_view taken = text.substr(0, length);
  text.remove_prefix(length);
  return taken;
}

std::optional<std::uint64_t> number_of(std::string_view digits) {
  std::uint64_t value = 0;
  for (char c : digits) {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (kMax - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

}  // namespace

std::optional<std::uint64_t> seconds_from_text(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\n'; };
  std::uint64_t seconds = 0;
  std::uint64_t nanoseconds = 0;
  bool any = false;
  for (take(text, is_space); !text.empty(); take(text, is_space)) {
    const std::string_view digits = take(text, is_digit);
    take(text, is_space);
    const std::string_view name = take(text, [&](char c) { return !is_digit(c) && !is_space(c); });
    const auto unit = std::ranges::find(kTimeUnits, name, &Unit::name);
    const std::optional<std::uint64_t> number = number_of(digits);
    if (digits.empty() || unit == kTimeUnits.end() || !number) return std::nullopt;
    if (unit->seconds > 0) {
      if (*number > (kMax - seconds) / unit->seconds) return std::nullopt;
      seconds += *number * unit->seconds;
    } else {
      if (*number > (kMax - nanoseconds) / unit->nanoseconds) return std::nullopt;
      nanoseconds += *number * unit->nanoseconds;
    }
    any = true;
  }
  if (!any) return std::nullopt;
  const std::uint64_t rest = nanoseconds / kNsPerSecond + (nanoseconds % kNsPerSecond > 0 ? 1 : 0);
  if (rest > kMax - seconds) return std::nullopt;
  return seconds + rest;
}

}  // namespace s2::emulator
