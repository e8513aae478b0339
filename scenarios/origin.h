// The address of an endpoint, taken apart.
//
// Pure; any thread.
#pragma once

#include <cstdint>
#include <string>

namespace s2::scenarios {

struct Origin {
  bool tls = false;
  std::string host;
  std::uint16_t port = 0;
  std::string authority;  // as the URL spells it: host, and port where there is one
  std::string path;       // of the URL, without a slash at its end
};

// `http://host[:port][/path]` or `https://…`, without user and query; throws std::invalid_argument with one
// line.
Origin parse_origin(const std::string& url);

}  // namespace s2::scenarios
