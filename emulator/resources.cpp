// Reading and applying a resource file; see resources.h.
#include "emulator/resources.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "emulator/config_json.h"
#include "emulator/names.h"
#include "emulator/service.h"

namespace s2::emulator {
namespace {

std::optional<std::uint64_t> read_duration(JsonView view) {
  const std::optional<std::string> text = view.text();
  if (!text) return std::nullopt;
  const std::optional<std::uint64_t> seconds = seconds_from_text(*text);
  if (!seconds) view.refuse(R"(is not a duration; write it like "7days" or "2h 30m")");
  return seconds;
}

bool is_infinite(std::string_view text) {
  constexpr std::string_view kInfinite = "infinite";
  return std::ranges::equal(text, kInfinite, [](char a, char b) { return (a | 0x20) == b; });
}

std::optional<Retention> retention_of_text(JsonView view) {
  const std::optional<std::string> text = view.text();
  if (!text) return std::nullopt;
  if (is_infinite(*text)) return Retention{std::nullopt};
  const std::optional<std::uint64_t> seconds = seconds_from_text(*text);
  if (!seconds) view.refuse(R"(is neither "infinite" nor a duration like "7days")");
  if (seconds == 0) view.refuse("must be over 0 seconds");
  return Retention{seconds};
}

// The file writes durations where the API has seconds; all else is read as the API's.
StreamConfigLayer read_stream(JsonView view) {
  if (!view.object()) return {};
  view.only({"storage_class", "retention_policy", "timestamping", "delete_on_empty"});
  StreamConfigLayer layer;
  layer.storage_class = read_storage_class(view.field("storage_class"));
  layer.retention = retention_of_text(view.field("retention_policy"));
  if (JsonView timestamping = view.field("timestamping"); timestamping.object()) {
    timestamping.only({"mode", "uncapped"});
    layer.timestamping_mode = read_timestamping_mode(timestamping.field("mode"));
    layer.timestamping_uncapped = timestamping.field("uncapped").boolean();
  }
  if (JsonView delete_on_empty = view.field("delete_on_empty"); delete_on_empty.object()) {
    delete_on_empty.only({"min_age"});
    layer.delete_on_empty_min_age_secs = read_duration(delete_on_empty.field("min_age"));
  }
  return layer;
}

BasinConfig read_basin(JsonView view) {
  BasinConfig config;
  if (!view.object()) return config;
  view.only({"default_stream_config", "stream_cipher", "create_stream_on_append", "create_stream_on_read"});
  config.default_stream_config = read_stream(view.field("default_stream_config"));
  config.stream_cipher = read_cipher(view.field("stream_cipher"));
  config.create_stream_on_append = view.field("create_stream_on_append").boolean().value_or(false);
  config.create_stream_on_read = view.field("create_stream_on_read").boolean().value_or(false);
  return config;
}

std::string read_new_name(JsonView view, std::optional<std::string> (*problem_of)(std::string_view),
                          std::set<std::string>& seen) {
  view.require();
  std::string name = view.text().value_or("");
  if (!view.given()) return name;
  if (std::optional<std::string> problem = problem_of(name)) {
    view.refuse(*problem);
  } else if (!seen.insert(name).second) {
    view.refuse(fmt::format("\"{}\" stands there twice", name));
  }
  return name;
}

template <class Read>
void for_each_element(JsonView view, Read read) {
  if (!view.array()) return;
  for (std::size_t i = 0; i < view.size(); ++i) {
    JsonView element = view.element(i);
    element.require();
    if (element.object()) read(element);
  }
}

Resources read_resources(JsonView view) {
  Resources resources;
  std::set<std::string> basin_names;
  for_each_element(view.field("basins"), [&](JsonView basin) {
    basin.only({"name", "config", "streams"});
    BasinResource& out = resources.basins.emplace_back();
    out.name = read_new_name(basin.field("name"), basin_name_problem, basin_names);
    out.config = read_basin(basin.field("config"));
    std::set<std::string> stream_names;
    for_each_element(basin.field("streams"), [&](JsonView stream) {
      stream.only({"name", "config"});
      StreamResource& added = out.streams.emplace_back();
      added.name = read_new_name(stream.field("name"), stream_name_problem, stream_names);
      added.config = read_stream(stream.field("config"));
    });
  });
  return resources;
}

}  // namespace

tl::expected<Resources, std::string> resources_from_json(std::string_view text) {
  std::optional<JsonProblem> problem;
  const nlohmann::json document = parse_json(text, problem);
  Resources resources;
  if (!problem) {
    JsonView view(&document, "", problem);
    if (!document.is_object()) view.refuse(R"(must be an object like {"basins": […]})");
    resources = read_resources(view);
  }
  if (problem) return tl::unexpected(problem->message);
  return resources;
}

tl::expected<void, std::string> apply(const Resources& resources, Service& service, std::uint64_t now) {
  for (const BasinResource& basin : resources.basins) {
    if (const auto done = service.ensure_basin(basin.name, basin.config, now); !done) {
      return tl::unexpected(fmt::format("basin \"{}\": {}", basin.name, done.error().message));
    }
    for (const StreamResource& stream : basin.streams) {
      if (const auto done = service.ensure_stream(basin.name, stream.name, stream.config, now); !done) {
        return tl::unexpected(
            fmt::format("stream \"{}\" of basin \"{}\": {}", stream.name, basin.name, done.error().message));
      }
    }
  }
  return {};
}

}  // namespace s2::emulator
