// The resource file of `--init-file`: basins and streams that exist from the start, in the JSON that `s2
// lite` takes.
//
//   {"basins": [{"name": "my-basin",
//                "config": {"create_stream_on_append": true, "create_stream_on_read": false,
//                           "stream_cipher": "aegis-256", "default_stream_config": {…}},
//                "streams": [{"name": "events",
//                             "config": {"storage_class": "express", "retention_policy": "7days" or
//                             "infinite",
//                                        "timestamping": {"mode": "client-prefer", "uncapped": false},
//                                        "delete_on_empty": {"min_age": "1day"}}}]}]}
//
// Durations are written as people write them ("7days", "2h 30m"); a part of a second counts as a whole one.
// Unknown fields are refused, but at the top. Pure functions; any thread. Source: S2 resource spec.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/config.h"

namespace s2::emulator {

class Service;

struct StreamResource {
  std::string name;
  StreamConfigLayer config;
};

struct BasinResource {
  std::string name;
  BasinConfig config;
  std::vector<StreamResource> streams;
};

struct Resources {
  std::vector<BasinResource> basins;
};

// The error is one line: where in the document, what, and what would be right.
tl::expected<Resources, std::string> resources_from_json(std::string_view text);

// Makes all of them exist with these configurations, as ensure does; stops at the first that is refused.
tl::expected<void, std::string> apply(const Resources& resources, Service& service, std::uint64_t now);

// "7days", "1h 30m", "90 s": numbers with units, added up, in seconds rounded up. Nothing where it is not
// that, or does not fit.
std::optional<std::uint64_t> seconds_from_text(std::string_view text);

}  // namespace s2::emulator
