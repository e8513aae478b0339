// See token.h.
#include "scenarios/token.h"

#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "scenarios/property.h"

namespace s2::scenarios {
namespace {

constexpr std::string_view kTokenVersion = "1";
constexpr std::size_t kLongestRest = 80;  // what stands around the source

std::vector<std::string_view> parts_of(std::string_view token) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t colon = token.find(':');
    parts.push_back(token.substr(0, colon));
    if (colon == std::string_view::npos) return parts;
    token.remove_prefix(colon + 1);
  }
}

std::optional<std::uint64_t> number(std::string_view text, int base) {
  std::uint64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

bool nameable(std::string_view path) {
  for (const char c : path) {
    if (!isalnum(static_cast<unsigned char>(c)) &&
        std::string_view("/._-+").find(c) == std::string_view::npos)
      return false;
  }
  return !path.empty() && path.size() <= kMaxTokenBytes - kLongestRest;
}

std::string print_token(const RunIdentity& identity) {
  if (identity.source == kPropertySource) {
    return fmt::format("{}:{}:{}:{:016x}", kTokenVersion, identity.source, identity.property_case,
                       identity.seed);
  }
  std::string token =
      fmt::format("{}:{}:{}:{:016x}", kTokenVersion, identity.source, identity.combination, identity.seed);
  if (identity.instant) token += fmt::format(":{}-{}", name(identity.instant->kind), identity.instant->value);
  return token;
}

tl::expected<RunIdentity, std::string> parse_token(std::string_view token) {
  const auto wrong = [&](std::string_view what) {
    return tl::unexpected(fmt::format("`{}` is no replay token: {}", token.substr(0, kMaxTokenBytes), what));
  };
  if (token.size() > kMaxTokenBytes) return wrong(fmt::format("it is over {} bytes", kMaxTokenBytes));
  const std::vector<std::string_view> parts = parts_of(token);
  if (parts.size() < 4 || parts.size() > 5)
    return wrong("expected `1:SCENARIO:COMBINATION:SEED` and perhaps `:INSTANT`");
  if (parts[0] != kTokenVersion) return wrong("it is of another version, expected 1");
  RunIdentity identity;
  identity.source = parts[1];
  if (identity.source.empty()) return wrong("its scenario is empty");
  const auto seed = number(parts[3], 16);
  if (!seed) return wrong("its seed is not hexadecimal");
  identity.seed = *seed;
  if (identity.source != kPropertySource && !nameable(identity.source))
    return wrong("its scenario is no name, and no path that a token can hold");
  if (identity.source == kPropertySource) {
    if (!parse_property_case(parts[2])) return wrong("its property case cannot be read");
    if (parts.size() > 4) return wrong("a property case has no further part");
    identity.property_case = parts[2];
    return identity;
  }
  const auto combination = number(parts[2], 10);
  if (!combination) return wrong("its combination is not a number");
  identity.combination = *combination;
  if (parts.size() == 5) {
    const std::size_t dash = parts[4].rfind('-');
    const auto kind = instant_named(parts[4].substr(0, dash));
    const auto value = dash == std::string_view::npos ? std::nullopt : number(parts[4].substr(dash + 1), 10);
    if (!kind || !value) return wrong("its instant is not `<name>-<value>`");
    identity.instant = Instant{*kind, *value};
  }
  return identity;
}

}  // namespace s2::scenarios
