// See event_json.h.
#include "writer/event_json.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "wire/json.h"

namespace s2::writer {
namespace {

constexpr std::uint64_t kMaxTimestampUs = std::numeric_limits<std::int64_t>::max();

tl::unexpected<std::string> no_event(const char* what) {
  return tl::unexpected<std::string>(what);
}

// The member as text: empty where it is missing, nothing where it is something else.
std::optional<std::string> member_text(const nlohmann::json& object, const char* name) {
  auto found = object.find(name);
  if (found == object.end() || found->is_null()) return std::string();
  if (!found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::string member_json(const nlohmann::json& object, const char* name) {
  auto found = object.find(name);
  if (found == object.end() || found->is_null()) return {};
  return found->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

tl::expected<Event, std::string> event_from_json(const nlohmann::json& given) {
  Event event;
  auto type = member_text(given, "type");
  auto category = member_text(given, "category");
  auto detail_level = member_text(given, "detail_level");
  auto url = member_text(given, "url");
  if (!type || !category || !detail_level || !url) {
    return no_event("the event's type, category, detail_level and url must be text");
  }
  if (auto ts = given.find("ts"); ts != given.end() && !ts->is_null()) {
    // Only numbers that are not negative are unsigned to the parser.
    if (!ts->is_number_unsigned() || ts->get<std::uint64_t>() > kMaxTimestampUs)
      return no_event("the event's ts must be a whole number of microseconds since 1970, at most 2^63-1");
    event.ts_us = static_cast<std::int64_t>(ts->get<std::uint64_t>());
  }
  if (auto source = given.find("source"); source != given.end() && !source->is_null()) {
    if (!source->is_object()) return no_event("the event's source must be an object");
    auto kind = member_text(*source, "kind");
    auto name = member_text(*source, "event");
    if (!kind || !name) return no_event("the event's source.kind and source.event must be text");
    event.source = {std::move(*kind), std::move(*name), member_json(*source, "metadata")};
  }
  if (event.source.kind == "writer" && type->starts_with("system_"))
    return no_event(
        "a type that begins with system_ and the source.kind `writer` are the writer's own markers'");
  event.type = std::move(*type);
  event.category = std::move(*category);
  event.detail_level = std::move(*detail_level);
  event.url = std::move(*url);
  event.data_json = member_json(given, "data");
  return event;
}

std::string no_json(std::string_view body) {
  return wire::is_utf8(body) ? "the body is no JSON" : "the body is not UTF-8, as JSON must be";
}

tl::expected<NewIdentity, std::string> identity_from_json(const nlohmann::json& given) {
  auto session = member_text(given, "session");
  auto stream = member_text(given, "stream");
  if (!session || !stream) {
    return tl::unexpected<std::string>("\"session\" and \"stream\" of an identity must be text");
  }
  const auto inherit = given.find("inherit");
  const bool said = inherit != given.end() && !inherit->is_null();
  if (said && !inherit->is_boolean()) {
    return tl::unexpected<std::string>("\"inherit\" of an identity must be true or false");
  }
  return NewIdentity{std::move(*session), std::move(*stream), said && inherit->get<bool>()};
}

}  // namespace s2::writer
