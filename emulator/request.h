// What a request says, picked apart: path segments, query, headers, media types.
//
// Pure; any thread. Refusals carry S2's codes for the place where the mistake stands: bad_path, bad_query,
// bad_header. Source: S2 spec "paths", "headers".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/config.h"
#include "emulator/errors.h"
#include "wire/error.h"
#include "wire/http.h"

namespace s2::emulator {

struct Target {
  std::vector<std::string> segments;  // of the path, still percent-encoded
  std::string_view query;
};
Target split_target(std::string_view target);

// `%41` → `A`; `plus_is_space` as in queries. What is no escape stays as it is.
std::string percent_decode(std::string_view text, bool plus_is_space = false);

// Query parameters by name. A parameter that comes twice is refused when it is asked for.
class Query {
 public:
  explicit Query(std::string_view text);
  Result<std::optional<std::string>> text(const std::string& name) const;
  Result<std::optional<std::uint64_t>> number(const std::string& name) const;
  Result<std::optional<bool>> boolean(const std::string& name) const;

 private:
  std::multimap<std::string, std::string> values_;
};

enum class MediaType { none, json, protobuf, s2s, event_stream, other };
// The first media type of a Content-Type or Accept value.
MediaType media_type(std::string_view header_value);

wire::ApiError refusal(const wire::DecodeError& error);
wire::ApiError refusal(int status, std::string code, std::string message);

// From `s2-basin`, or else the first label of the host name (never of an address, or of a name without a
// dot).
Result<std::string> basin_of(const wire::RequestHead& head);
// A path segment as the name of a basin or stream.
Result<std::string> basin_from_segment(std::string_view segment);
Result<std::string> stream_from_segment(std::string_view segment);
// `s2-stream-config`; absent: all defaults.
Result<StreamConfigLayer> stream_config_of(const wire::RequestHead& head);
Result<std::optional<std::string>> request_token_of(const wire::RequestHead& head);

// The token of `authorization: Bearer …`; empty: there is none.
std::string_view bearer_of(const wire::RequestHead& head);

}  // namespace s2::emulator
