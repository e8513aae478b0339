// See event_text.h.
#include "scenarios/event_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace s2::scenarios {
namespace {

using nlohmann::json;

// Stands for the probe while an event is still JSON; longer than anything that a page would say by chance.
constexpr std::string_view kPlace = "@@the-probe-stands-here-7d1f@@";
constexpr std::size_t kMaxProbeDigits = 19;

EventShape cut_at_places(std::string type, std::string_view text) {
  EventShape shape;
  shape.type = std::move(type);
  for (std::size_t at = text.find(kPlace); at != std::string_view::npos; at = text.find(kPlace)) {
    shape.pieces.emplace_back(text.substr(0, at));
    text.remove_prefix(at + kPlace.size());
  }
  shape.pieces.emplace_back(text);
  return shape;
}

}  // namespace

std::string probe_text(std::string_view run, std::uint64_t n) {
  return fmt::format("probe:{}:{};", run, n);
}

std::string EventShape::text(std::string_view run, std::uint64_t n) const {
  const std::string probe = probe_text(run, n);
  std::string out;
  out.reserve(bytes() + pieces.size() * probe.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (i > 0) out += probe;
    out += pieces[i];
  }
  return out;
}

std::size_t EventShape::bytes() const {
  std::size_t sum = 0;
  for (const std::string& piece : pieces) sum += piece.size();
  return sum;
}

std::optional<EventShape> shape_of_json(json event) {
  if (!event.is_object()) return std::nullopt;
  const auto type = event.find("type");
  if (type == event.end() || !type->is_string()) return std::nullopt;
  const std::string name = type->get<std::string>();
  json data = std::move(event["data"]);
  if (data.is_null()) {
    data = json::object();
  } else if (!data.is_object()) {
    data = json{{"value", std::move(data)}};
  }
  data.erase("probe");
  json& source = event["source"];
  if (!source.is_object()) source = json::object();
  if (!source["metadata"].is_object()) source["metadata"] = json::object();
  source["metadata"]["probe"] = kPlace;
  const auto shaped = [&] {
    return cut_at_places(name, event.dump(-1, ' ', false, json::error_handler_t::replace));
  };
  // What stays is what an event without data has but for the two brackets, and a comma behind the probe.
  event["data"] = {{"probe", kPlace}};
  const std::size_t kept = shaped().bytes() - 2 + (data.empty() ? 0 : 1);
  data["probe"] = kPlace;
  event["data"] = std::move(data);
  EventShape shape = shaped();
  shape.kept_bytes = kept;
  return shape;
}

EventShape shape_of(std::string_view type, std::string_view category, std::string_view text_json) {
  EventShape shape = cut_at_places(
      std::string(type),
      fmt::format(
          R"({{"type":"{}","category":"{}","source":{{"kind":"synthetic","event":"s2-scenarios","metadata":)"
          R"({{"probe":"{}"}}}},"url":"https://shop.example/","detail_level":"default","data":)"
          R"({{"probe":"{}","text":{}}}}})",
          type, category, kPlace, kPlace, text_json));
  shape.kept_bytes = shape.bytes() - text_json.size();
  return shape;
}

EventShape shape_of_kept(std::string_view type, std::string_view category, std::size_t bytes) {
  EventShape shape = cut_at_places(
      std::string(type),
      fmt::format(
          R"({{"type":"{}","category":"{}","source":{{"kind":"synthetic","event":"s2-scenarios","metadata":)"
          R"({{"probe":"{}","kept":"{}"}}}},"data":{{"probe":"{}"}}}})",
          type, category, kPlace, std::string(bytes, 'k'), kPlace));
  shape.kept_bytes = shape.bytes();
  return shape;
}

std::string json_quoted(std::string_view utf8) {
  return json(std::string(utf8)).dump(-1, ' ', true, json::error_handler_t::replace);
}

std::vector<std::uint64_t> find_probes(std::string_view bytes, std::string_view run) {
  const std::string head = fmt::format("probe:{}:", run);
  std::vector<std::uint64_t> found;
  for (std::size_t at = bytes.find(head); at != std::string_view::npos; at = bytes.find(head, at)) {
    at += head.size();
    std::uint64_t n = 0;
    std::size_t digits = 0;
    while (at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9' && digits < kMaxProbeDigits) {
      n = n * 10 + static_cast<std::uint64_t>(bytes[at++] - '0');
      ++digits;
    }
    const bool whole = digits > 0 && at < bytes.size() && bytes[at] == ';';
    if (whole && std::find(found.begin(), found.end(), n) == found.end()) found.push_back(n);
  }
  return found;
}

}  // namespace s2::scenarios
