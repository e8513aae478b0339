// See origin.h.
#include "scenarios/origin.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <string_view>

#include "scenarios/escape.h"

namespace s2::scenarios {
namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;

}  // namespace

Origin parse_origin(const std::string& url) {
  const auto bad = [&] {
    return std::invalid_argument(fmt::format("`{}` is no URL, expected http://… or https://…", visible(url)));
  };
  Origin origin;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    origin.tls = true;
  } else if (!rest.starts_with("http://")) {
    throw bad();
  }
  rest.remove_prefix(rest.find("//") + 2);
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  origin.authority = rest.substr(0, slash);
  origin.path = rest.substr(slash);
  while (origin.path.ends_with('/')) origin.path.pop_back();
  origin.port = origin.tls ? kHttpsPort : kHttpPort;
  std::string_view host = origin.authority;
  const std::size_t bracket = host.find(']');
  const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    const std::string_view port = host.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), origin.port);
    if (error != std::errc() || end != port.data() + port.size() || origin.port == 0) throw bad();
    host = host.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  origin.host = host;
  const std::string_view no_part_of_it = "@?# \t\r\n";
  if (origin.host.empty() || url.find_first_of(no_part_of_it) != std::string::npos) throw bad();
  return origin;
}

}  // namespace s2::scenarios
