// An event as JSON, as both drivers take it: `{type, category?, ts?, source?{kind, event, metadata},
// detail_level?, url?, data?}`.
//
// Pure; any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <tl/expected.hpp>

#include "writer/envelope.h"

namespace s2::writer {

// `given` is an object. The error is one line: which member must be what.
tl::expected<Event, std::string> event_from_json(const nlohmann::json& given);

}  // namespace s2::writer
