// The JSON of basins and streams as resources; see resource_json.h.
#include "emulator/resource_json.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "emulator/config_json.h"
#include "emulator/names.h"

namespace s2::emulator {
namespace {

using nlohmann::ordered_json;

template <class T, class Read>
Result<T> parse_object(std::string_view text, Read read) {
  std::optional<JsonProblem> problem;
  const nlohmann::json document = parse_json(text, problem);
  T out{};
  if (!problem) {
    JsonView view(&document, "", problem);
    if (!document.is_object()) view.refuse("must be an object");
    read(view, out);
  }
  if (problem) return tl::unexpected<wire::ApiError>(refusal_of(*problem, wire::DecodeErrorKind::bad_json));
  return out;
}

std::string read_name(JsonView view, std::optional<std::string> (*problem_of)(std::string_view)) {
  view.require();
  std::string name = view.text().value_or("");
  if (view.given()) {
    if (std::optional<std::string> problem = problem_of(name)) view.refuse(*problem);
  }
  return name;
}

bool nothing_given(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return true;
  return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin) == "null";
}

ordered_json json_of(const BasinInfo& info) {
  ordered_json out;
  out["name"] = info.name;
  out["location"] = nullptr;
  out["created_at"] = rfc3339(info.created_at);
  out["deleted_at"] = nullptr;
  out["state"] = "active";  // deprecated in S2, older clients require it
  return out;
}

ordered_json json_of(const StreamInfo& info) {
  ordered_json out;
  out["name"] = info.name;
  out["created_at"] = rfc3339(info.created_at);
  out["deleted_at"] = nullptr;
  out["cipher"] = info.cipher ? ordered_json(name_of(*info.cipher)) : ordered_json(nullptr);
  return out;
}

template <class Info>
std::string page_json(std::string_view field, const Page<Info>& page) {
  ordered_json values = ordered_json::array();
  for (const Info& info : page.values) values.push_back(json_of(info));
  ordered_json out;
  out[std::string(field)] = std::move(values);
  out["has_more"] = page.has_more;
  return out.dump();
}

}  // namespace

Result<CreateBasinRequest> create_basin_from_json(std::string_view text) {
  return parse_object<CreateBasinRequest>(text, [](JsonView view, CreateBasinRequest& out) {
    out.basin = read_name(view.field("basin"), basin_name_problem);
    out.config = read_basin_config(view.field("config"));
    out.location = view.field("location").text();
  });
}

Result<BasinConfig> ensure_basin_from_json(std::string_view text) {
  if (nothing_given(text)) return BasinConfig{};
  return parse_object<BasinConfig>(
      text, [](JsonView view, BasinConfig& out) { out = read_basin_config(view.field("config")); });
}

Result<CreateStreamRequest> create_stream_from_json(std::string_view text) {
  return parse_object<CreateStreamRequest>(text, [](JsonView view, CreateStreamRequest& out) {
    out.stream = read_name(view.field("stream"), stream_name_problem);
    out.config = read_stream_config(view.field("config"));
  });
}

Result<StreamConfigLayer> ensure_stream_from_json(std::string_view text) {
  if (nothing_given(text)) return StreamConfigLayer{};
  return stream_config_from_json(text);
}

std::string to_json(const BasinInfo& info) {
  return json_of(info).dump();
}
std::string to_json(const StreamInfo& info) {
  return json_of(info).dump();
}
std::string to_json(const Page<BasinInfo>& page) {
  return page_json("basins", page);
}
std::string to_json(const Page<StreamInfo>& page) {
  return page_json("streams", page);
}

std::string rfc3339(std::uint64_t ms) {
  // Four digits of year is all that RFC 3339 has: 9999-12-31T23:59:59.999Z.
  constexpr std::uint64_t kLastMs = 253402300799999;
  ms = std::min(ms, kLastMs);
  const std::string whole =
      fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(ms / 1000)));
  if (ms % 1000 == 0) return whole + "Z";
  return fmt::format("{}.{:03}Z", whole, ms % 1000);
}

}  // namespace s2::emulator
