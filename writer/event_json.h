// An event and an identity as JSON, as both drivers take them: `{type, category?, ts?, source?{kind, event,
// metadata}, detail_level?, url?, data?}` and `{session, stream?, inherit?}` (without it: false). `ts` 0, or
// none, is stamped at publish.
//
// Pure; any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "writer/capture_session.h"
#include "writer/envelope.h"

namespace s2::writer {

// `given` is an object. The error is one line: which member must be what.
tl::expected<Event, std::string> event_from_json(const nlohmann::json& given);
// Why a body that does not parse does not, in a line.
std::string no_json(std::string_view body);
tl::expected<NewIdentity, std::string> identity_from_json(const nlohmann::json& given);

}  // namespace s2::writer
