// Parsers of durations, sizes and integers; see duration.h.
#include "writer/duration.h"

#include <charconv>
#include <limits>
#include <utility>

namespace s2::writer {

namespace {

// The number at the front of `text`, and what follows it; nothing where there is none.
bool split(std::string_view text, std::int64_t& number, std::string_view& unit) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  unit = text.substr(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace

tl::expected<std::chrono::milliseconds, std::string> parse_duration(std::string_view text) {
  tl::unexpected<std::string> bad("expected a duration such as 250ms, 5s or 2m");
  std::int64_t number = 0;
  std::string_view unit;
  if (!split(text, number, unit) || number < 0) return bad;
  std::int64_t factor = unit == "ms" ? 1 : unit == "s" ? 1000 : unit == "m" ? 60'000 : 0;
  if (unit.empty() && number == 0) return std::chrono::milliseconds(0);
  constexpr std::int64_t kMaxMs = std::int64_t{1000} * 60 * 60 * 24;  // a day: longer is a slip
  if (factor == 0) return bad;
  if (number > kMaxMs / factor) return tl::unexpected<std::string>("expected a duration of at most a day");
  return std::chrono::milliseconds(number * factor);
}

tl::expected<std::int64_t, std::string> parse_size(std::string_view text) {
  tl::unexpected<std::string> bad("expected a size such as 64KiB, 1MiB or 4096B");
  std::int64_t number = 0;
  std::string_view unit;
  if (!split(text, number, unit) || number < 0) return bad;
  std::int64_t factor = unit == "B" ? 1 : unit == "KiB" ? 1024 : unit == "MiB" ? 1024 * 1024 : 0;
  if (factor == 0 || number > std::numeric_limits<std::int64_t>::max() / (1024 * 1024)) return bad;
  return number * factor;
}

tl::expected<std::int64_t, std::string> parse_integer(std::string_view text) {
  std::int64_t number = 0;
  std::string_view rest;
  if (!split(text, number, rest) || !rest.empty())
    return tl::unexpected<std::string>("expected a whole number");
  return number;
}

}  // namespace s2::writer
