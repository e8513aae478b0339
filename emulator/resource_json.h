// The JSON of basins and streams as resources: bodies of create and ensure in; infos and list pages out.
//
// Pure functions; any thread. Errors: 400 with bad_json for a body that is not of the shape (a bad name in it
// included), 422 `invalid` for a configuration that may not be. Source: S2 spec "basins", "streams".
#pragma once

#include <string>
#include <string_view>

#include "emulator/service.h"

namespace s2::emulator {

struct CreateBasinRequest {
  std::string basin;
  BasinConfig config;
  std::optional<std::string> location;
};

struct CreateStreamRequest {
  std::string stream;
  StreamConfigLayer config;
};

Result<CreateBasinRequest> create_basin_from_json(std::string_view text);
// The body of PUT /v1/basins/{basin}; an empty one (or null) means all defaults.
Result<BasinConfig> ensure_basin_from_json(std::string_view text);
Result<CreateStreamRequest> create_stream_from_json(std::string_view text);
// The body of PUT /v1/streams/{stream}: a stream configuration; an empty one (or null) means all defaults.
Result<StreamConfigLayer> ensure_stream_from_json(std::string_view text);

std::string to_json(const BasinInfo& info);
std::string to_json(const StreamInfo& info);
std::string to_json(const Page<BasinInfo>& page);   // {"basins":[…],"has_more":…}
std::string to_json(const Page<StreamInfo>& page);  // {"streams":[…],"has_more":…}

// Milliseconds since the epoch as RFC 3339 in UTC: "2026-11-25T02:29:32.123Z"; no fraction where it is 0.
std::string rfc3339(std::uint64_t ms);

}  // namespace s2::emulator
