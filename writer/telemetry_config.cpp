// See telemetry_config.h.
#include "writer/telemetry_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "writer/envelope.h"
#include "writer/event_json.h"
#include "writer/log.h"

namespace s2::writer {
namespace {

constexpr std::size_t kShownNameBytes = 40;

tl::unexpected<std::string> bad_change(std::string what) {
  return tl::unexpected<std::string>(std::move(what));
}

std::optional<std::size_t> index_of_category(std::string_view name) {
  const auto at = std::find(kCategories.begin(), kCategories.end(), name);
  if (at == kCategories.end()) return std::nullopt;
  return static_cast<std::size_t>(at - kCategories.begin());
}

}  // namespace

bool TelemetryConfig::captures_anything() const {
  return std::find(enabled.begin(), enabled.end(), true) != enabled.end();
}

bool TelemetryConfig::captures(std::string_view category) const {
  const auto index = index_of_category(category);
  return index && enabled[*index];
}

std::string TelemetryConfig::json() const {
  std::string out = R"({"browser":{)";
  for (std::size_t i = 0; i < kCategories.size(); ++i) {
    out += fmt::format(R"({}"{}":{{"enabled":{}}})", i == 0 ? "" : ",", kCategories[i], enabled[i]);
  }
  return out + "}}";
}

TelemetryConfig TelemetryChange::applied_to(TelemetryConfig config) const {
  for (std::size_t i = 0; i < enabled.size(); ++i) config.enabled[i] = enabled[i].value_or(config.enabled[i]);
  return config;
}

tl::expected<TelemetryChange, std::string> parse_telemetry_change(std::string_view body) {
  if (!within_json_depth(body))
    return bad_change(fmt::format("the body nests deeper than {}", kMaxJsonDepth));
  const nlohmann::json given = nlohmann::json::parse(body, nullptr, false);
  if (given.is_discarded()) return bad_change(no_json(body));
  if (!given.is_object()) return bad_change("the body is no JSON object");
  TelemetryChange change;
  bool named_browser = false;
  for (const auto& [key, value] : given.items()) {
    if (key == "capture_session_id") {
      if (!value.is_string() || value.get_ref<const std::string&>().empty())
        return bad_change("`capture_session_id` must be a text that is not empty");
      change.capture_session_id = value.get<std::string>();
      continue;
    }
    if (key != "browser") {
      return bad_change(fmt::format("`{}` is not expected here: `browser` and `capture_session_id` are",
                                    one_line(key, kShownNameBytes)));
    }
    if (!value.is_object()) return bad_change("`browser` must be an object of categories");
    named_browser = true;
    for (const auto& [name, setting] : value.items()) {
      const auto index = index_of_category(name);
      if (!index) {
        return bad_change(fmt::format("there is no category `{}`: there are {}",
                                      one_line(name, kShownNameBytes), fmt::join(kCategories, ", ")));
      }
      const auto enabled = setting.is_object() ? setting.find("enabled") : setting.end();
      if (!setting.is_object() || setting.size() != 1 || enabled == setting.end() || !enabled->is_boolean()) {
        return bad_change(
            fmt::format(R"(`browser.{}` must be {{"enabled": true}} or {{"enabled": false}})", name));
      }
      change.enabled[*index] = enabled->get<bool>();
    }
  }
  if (!named_browser)
    return bad_change(R"(`browser` is missing: {"browser": {"console": {"enabled": true}}})");
  return change;
}

}  // namespace s2::writer
