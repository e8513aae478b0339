// Where a basin lives: S2_BASIN_ENDPOINT, with or without a `{basin}` placeholder, made into an Endpoint.
//
// Pure; any thread. Source: S2 SDKs, "S2_BASIN_ENDPOINT"; cloud: one host name a basin, elsewhere the
// s2-basin header.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "writer/transport.h"

namespace s2::writer {

inline constexpr std::string_view kCloudBasinEndpoint = "https://{basin}.b.s2.dev";

struct BasinEndpoint {
  Endpoint endpoint;
  bool basin_in_host = false;  // otherwise requests carry an s2-basin header
};

// `text`: "", or [http://|https://]host[:port][/]; "" is the cloud, no scheme is https. The error is one
// line.
tl::expected<BasinEndpoint, std::string> parse_basin_endpoint(std::string_view text, std::string_view basin);

// A stream's name as one path segment: everything but unreserved characters percent-encoded.
std::string percent_encode(std::string_view text);

}  // namespace s2::writer
