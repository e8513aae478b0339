// See init_file.h.
#include "emulator/init_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "emulator/names.h"
#include "emulator/units.h"

namespace s2::emulator {
namespace {

using nlohmann::json;

[[noreturn]] void bad(const std::string& where, const std::string& what) {
  throw std::invalid_argument(fmt::format("init file: {}: {}", where, what));
}

void only_members(const std::string& where, const json& object,
                  std::initializer_list<std::string_view> known) {
  if (!object.is_object()) bad(where, "is not an object");
  for (const auto& [member, value] : object.items()) {
    if (std::find(known.begin(), known.end(), member) == known.end())
      bad(where, "unknown member `" + member + "`");
  }
}

// Seconds of "7days", "1h 30m", "250ms": what the file has where the API has numbers of seconds.
std::uint64_t seconds(const std::string& where, const json& value) {
  struct Unit {
    std::string_view names;
    double seconds;
  };
  static constexpr Unit kUnits[] = {
      {" ns nsec nanos ", 1e-9},
      {" us usec micros ", 1e-6},
      {" ms msec millis ", 1e-3},
      {" s sec secs second seconds ", 1},
      {" m min mins minute minutes ", 60},
      {" h hr hrs hour hours ", 3600},
      {" d day days ", 86400},
      {" w week weeks ", 604800},
      {" M month months ", 2630016},
      {" y year years ", 31557600},
  };
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  double total = 0;
  std::size_t at = 0;
  bool any = false;
  while (at < text.size()) {
    if (text[at] == ' ') {
      ++at;
      continue;
    }
    const std::size_t unit_at = std::min(text.find_first_not_of("0123456789", at), text.size());
    const std::size_t end = std::min(text.find_first_of("0123456789 ", unit_at), text.size());
    const auto number = parse_decimal(std::string_view(text).substr(at, unit_at - at));
    const std::string unit = " " + text.substr(unit_at, end - unit_at) + " ";
    const Unit* found = nullptr;
    for (const Unit& candidate : kUnits) {
      if (unit.size() > 2 && candidate.names.find(unit) != std::string_view::npos) found = &candidate;
    }
    if (!number || !found) bad(where, "is a duration such as \"7days\" or \"1h 30m\"");
    total += static_cast<double>(*number) * found->seconds;
    at = end;
    any = true;
  }
  if (!any || total > 1e15) bad(where, "is a duration such as \"7days\" or \"1h 30m\"");
  return static_cast<std::uint64_t>(total);
}

// The file's stream configuration as the API writes it.
json api_stream_config(const std::string& where, const json& config) {
  only_members(where, config, {"storage_class", "retention_policy", "timestamping", "delete_on_empty"});
  json out = config;
  if (config.contains("retention_policy") && !config["retention_policy"].is_null()) {
    const json& policy = config["retention_policy"];
    std::string word = policy.is_string() ? policy.get<std::string>() : "";
    for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    out["retention_policy"] = word == "infinite"
                                  ? json{{"infinite", json::object()}}
                                  : json{{"age", seconds(where + ".retention_policy", policy)}};
  }
  if (config.contains("delete_on_empty") && !config["delete_on_empty"].is_null()) {
    const json& empty = config["delete_on_empty"];
    only_members(where + ".delete_on_empty", empty, {"min_age"});
    out["delete_on_empty"] = json::object();
    if (empty.contains("min_age") && !empty["min_age"].is_null()) {
      out["delete_on_empty"]["min_age_secs"] = seconds(where + ".delete_on_empty.min_age", empty["min_age"]);
    }
  }
  return out;
}

json api_basin_config(const std::string& where, const json& config) {
  only_members(
      where, config,
      {"default_stream_config", "stream_cipher", "create_stream_on_append", "create_stream_on_read"});
  json out = json::object();
  for (const auto& [member, value] : config.items()) {
    if (value.is_null()) continue;
    out[member] = member == "default_stream_config"
                      ? api_stream_config(where + ".default_stream_config", value)
                      : value;
  }
  return out;
}

std::string name_in(const std::string& where, const json& resource,
                    std::optional<std::string> (*problem)(std::string_view)) {
  const std::string name =
      resource.contains("name") && resource["name"].is_string() ? resource["name"].get<std::string>() : "";
  if (const auto wrong = problem(name)) bad(where, *wrong);
  return name;
}

const json& list_in(const std::string& where, const json& resource, const char* member) {
  static const json kNone = json::array();
  if (!resource.contains(member)) return kNone;
  if (!resource[member].is_array()) bad(where, fmt::format("`{}` is not an array", member));
  return resource[member];
}

bool has(const json& resource, const char* member) {
  return resource.contains(member) && !resource[member].is_null();
}

}  // namespace

void apply_init_json(Service& service, const std::string& text, std::uint64_t now_ms) {
  const json file = json::parse(text, nullptr, false);
  if (!file.is_object()) throw std::invalid_argument("init file: it is not a JSON object");
  for (const json& resource : list_in("the file", file, "basins")) {
    only_members("a basin", resource, {"name", "config", "streams"});
    const std::string basin = name_in("a basin", resource, basin_name_problem);
    const std::string where = "basin `" + basin + "`";
    const json given = has(resource, "config") ? api_basin_config(where, resource["config"]) : json::object();
    const auto config = basin_config_from_json(given.dump());
    if (!config) bad(where, config.error().message);
    const auto made = service.ensure_basin(basin, *config, now_ms);
    if (!made) bad(where, made.error().message);
    for (const json& child : list_in(where, resource, "streams")) {
      only_members("a stream of " + where, child, {"name", "config"});
      const std::string stream = name_in("a stream of " + where, child, stream_name_problem);
      const std::string here = "stream `" + stream + "` of " + where;
      const json layer_json =
          has(child, "config") ? api_stream_config(here, child["config"]) : json::object();
      const auto layer = stream_config_from_json(layer_json.dump());
      if (!layer) bad(here, layer.error().message);
      const auto placed = service.ensure_stream(basin, stream, *layer, now_ms);
      if (!placed) bad(here, placed.error().message);
    }
  }
}

}  // namespace s2::emulator
