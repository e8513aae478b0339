// Parsing of endpoints; see endpoint.h.
#include "writer/endpoint.h"

#include <charconv>

#include "writer/log.h"

namespace s2::writer {
namespace {

constexpr std::string_view kPlaceholder = "{basin}";
constexpr std::size_t kShownBytes = 200;  // of what is no endpoint

bool starts_with_scheme(std::string_view text, std::string_view scheme) {
  return text.size() >= scheme.size() && text.substr(0, scheme.size()) == scheme;
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == ':';
}

}  // namespace

std::string Endpoint::authority() const {
  std::string name = host.find(':') == std::string::npos ? host : '[' + host + ']';
  if (port != (tls ? 443 : 80)) name += ':' + std::to_string(port);
  return name;
}

tl::expected<BasinEndpoint, std::string> parse_basin_endpoint(std::string_view text, std::string_view basin) {
  const std::string given(text.empty() ? kCloudBasinEndpoint : text);
  const auto bad = [&](std::string_view why) {
    return tl::unexpected("S2_BASIN_ENDPOINT \"" + one_line(given, kShownBytes) + "\": " + std::string(why) +
                          "; expected http(s)://host[:port], with or without {basin} in the host");
  };
  BasinEndpoint out;
  std::string_view rest = given;
  out.endpoint.tls = true;
  if (starts_with_scheme(rest, "http://")) {
    out.endpoint.tls = false;
    rest.remove_prefix(7);
  } else if (starts_with_scheme(rest, "https://")) {
    rest.remove_prefix(8);
  } else if (rest.find("://") != std::string_view::npos) {
    return bad("unknown scheme");
  }
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  out.endpoint.port = out.endpoint.tls ? 443 : 80;

  std::string_view port;
  if (!rest.empty() && rest.front() == '[') {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) return bad("'[' without ']'");
    out.endpoint.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (!rest.empty() && rest.front() != ':') return bad("unexpected text after ']'");
    if (!rest.empty()) port = rest.substr(1);
    if (!rest.empty() && port.empty()) return bad("empty port");
  } else {
    const auto colon = rest.find(':');
    out.endpoint.host = rest.substr(0, colon);
    if (colon != std::string_view::npos) {
      port = rest.substr(colon + 1);
      if (port.empty()) return bad("empty port");
    }
  }
  if (!port.empty()) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
    if (error != std::errc() || end != port.data() + port.size() || value == 0 || value > 65535) {
      return bad("the port is not a number from 1 to 65535");
    }
    out.endpoint.port = static_cast<std::uint16_t>(value);
  }
  if (const auto at = out.endpoint.host.find(kPlaceholder); at != std::string::npos) {
    out.endpoint.host.replace(at, kPlaceholder.size(), basin);
    out.basin_in_host = true;
  }
  if (out.endpoint.host.empty()) return bad("no host");
  for (const char c : out.endpoint.host) {
    if (!is_host_character(c)) return bad("a character that no host name has");
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                            c == '-' || c == '.' || c == '_' || c == '~';
    // "." and ".." would be eaten as path segments by whatever normalises the target on the way.
    if (unreserved && !(c == '.' && (text == "." || text == ".."))) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace s2::writer
