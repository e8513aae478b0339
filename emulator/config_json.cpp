// S2's JSON of configurations, in and out. Source: S2 spec "configuration".
#include "emulator/config_json.h"

#include <fmt/format.h>

namespace s2::emulator {
namespace {

using nlohmann::ordered_json;

std::optional<Retention> read_retention(JsonView view) {
  if (!view.object()) return std::nullopt;
  JsonView age = view.field("age");
  JsonView infinite = view.field("infinite");
  if (view.size() != 1 || age.absent() == infinite.absent()) {
    view.refuse(R"(must be {"age": seconds} or {"infinite": {}})");
    return std::nullopt;
  }
  if (age.absent()) {
    infinite.require();
    infinite.object();
    return Retention{std::nullopt};
  }
  age.require();
  const std::optional<std::uint64_t> secs = age.whole_number();
  if (secs == 0) age.refuse("must be over 0 seconds", /*of_shape=*/false);
  return Retention{secs};
}

// A PATCH field: absent keeps, null clears, anything else is read.
template <class Read>
auto read_change(JsonView view, Read read) -> Change<typename decltype(read(view))::value_type> {
  if (view.absent()) return std::nullopt;
  return read(view);
}

StreamReconfiguration read_stream_change(JsonView view) {
  StreamReconfiguration change;
  if (view.null()) {  // back to the defaults, all of it
    change.storage_class.emplace();
    change.retention.emplace();
    change.timestamping_mode.emplace();
    change.timestamping_uncapped.emplace();
    change.delete_on_empty_min_age_secs.emplace();
    return change;
  }
  if (!view.object()) return change;
  change.storage_class = read_change(view.field("storage_class"), read_storage_class);
  change.retention = read_change(view.field("retention_policy"), read_retention);
  JsonView timestamping = view.field("timestamping");
  if (timestamping.null()) {
    change.timestamping_mode.emplace();
    change.timestamping_uncapped.emplace();
  } else if (timestamping.object()) {
    change.timestamping_mode = read_change(timestamping.field("mode"), read_timestamping_mode);
    change.timestamping_uncapped =
        read_change(timestamping.field("uncapped"), [](JsonView v) { return v.boolean(); });
  }
  JsonView delete_on_empty = view.field("delete_on_empty");
  if (delete_on_empty.null()) {
    change.delete_on_empty_min_age_secs.emplace();
  } else if (delete_on_empty.object()) {
    change.delete_on_empty_min_age_secs =
        read_change(delete_on_empty.field("min_age_secs"), [](JsonView v) { return v.whole_number(); });
  }
  return change;
}

// null goes back to the default, which is false.
std::optional<bool> read_flag_change(JsonView view) {
  if (view.null()) return false;
  return view.boolean();
}

template <class T, class Read>
Result<T> parse(std::string_view text, wire::DecodeErrorKind kind, Read read) {
  std::optional<JsonProblem> problem;
  const nlohmann::json document = parse_json(text, problem);
  T out{};
  if (!problem) {
    JsonView view(&document, "", problem);
    if (!document.is_object()) view.refuse("must be an object");
    out = read(view);
  }
  if (problem) return tl::unexpected<wire::ApiError>(refusal_of(*problem, kind));
  return out;
}

ordered_json retention_json(const Retention& retention) {
  if (retention.age_secs) return {{"age", *retention.age_secs}};
  return {{"infinite", ordered_json::object()}};
}

template <class T>
ordered_json name_or_null(const std::optional<T>& value) {
  return value ? ordered_json(name_of(*value)) : ordered_json(nullptr);
}

}  // namespace

std::optional<StorageClass> read_storage_class(JsonView view) {
  return view.choice<StorageClass>(
      {{"standard", StorageClass::standard}, {"express", StorageClass::express}});
}

std::optional<TimestampingMode> read_timestamping_mode(JsonView view) {
  return view.choice<TimestampingMode>({{"client-prefer", TimestampingMode::client_prefer},
                                        {"client-require", TimestampingMode::client_require},
                                        {"arrival", TimestampingMode::arrival}});
}

std::optional<Cipher> read_cipher(JsonView view) {
  return view.choice<Cipher>({{"aegis-256", Cipher::aegis_256}, {"aes-256-gcm", Cipher::aes_256_gcm}});
}

StreamConfigLayer read_stream_config(JsonView view) {
  StreamConfigLayer layer;
  if (!view.object()) return layer;
  layer.storage_class = read_storage_class(view.field("storage_class"));
  layer.retention = read_retention(view.field("retention_policy"));
  if (JsonView timestamping = view.field("timestamping"); timestamping.object()) {
    layer.timestamping_mode = read_timestamping_mode(timestamping.field("mode"));
    layer.timestamping_uncapped = timestamping.field("uncapped").boolean();
  }
  if (JsonView delete_on_empty = view.field("delete_on_empty"); delete_on_empty.object()) {
    // Given without min_age_secs it still says something: 0, never.
    layer.delete_on_empty_min_age_secs = delete_on_empty.field("min_age_secs").whole_number().value_or(0);
  }
  return layer;
}

BasinConfig read_basin_config(JsonView view) {
  BasinConfig config;
  if (!view.object()) return config;
  config.default_stream_config = read_stream_config(view.field("default_stream_config"));
  config.stream_cipher = read_cipher(view.field("stream_cipher"));
  config.create_stream_on_append = view.field("create_stream_on_append").boolean().value_or(false);
  config.create_stream_on_read = view.field("create_stream_on_read").boolean().value_or(false);
  return config;
}

wire::ApiError refusal_of(const JsonProblem& problem, wire::DecodeErrorKind kind) {
  wire::ApiError error;
  error.status = problem.of_shape ? 400 : 422;
  error.code = problem.of_shape ? wire::code_of(kind) : "invalid";
  error.message = problem.message;
  return error;
}

Result<StreamConfigLayer> stream_config_from_json(std::string_view text, wire::DecodeErrorKind kind) {
  return parse<StreamConfigLayer>(text, kind, read_stream_config);
}

Result<BasinConfig> basin_config_from_json(std::string_view text, wire::DecodeErrorKind kind) {
  return parse<BasinConfig>(text, kind, read_basin_config);
}

Result<StreamReconfiguration> stream_reconfiguration_from_json(std::string_view text) {
  return parse<StreamReconfiguration>(text, wire::DecodeErrorKind::bad_json, read_stream_change);
}

Result<BasinReconfiguration> basin_reconfiguration_from_json(std::string_view text) {
  return parse<BasinReconfiguration>(text, wire::DecodeErrorKind::bad_json, [](JsonView view) {
    BasinReconfiguration change;
    change.default_stream_config = read_stream_change(view.field("default_stream_config"));
    change.stream_cipher = read_change(view.field("stream_cipher"), read_cipher);
    change.create_stream_on_append = read_flag_change(view.field("create_stream_on_append"));
    change.create_stream_on_read = read_flag_change(view.field("create_stream_on_read"));
    return change;
  });
}

ordered_json json_of(const StreamConfigLayer& layer) {
  ordered_json out;
  out["storage_class"] = name_or_null(layer.storage_class);
  out["retention_policy"] = layer.retention ? retention_json(*layer.retention) : ordered_json(nullptr);
  out["timestamping"] = nullptr;
  if (layer.timestamping_mode || layer.timestamping_uncapped) {
    out["timestamping"] = {{"mode", name_or_null(layer.timestamping_mode)}, {"uncapped", nullptr}};
    if (layer.timestamping_uncapped) out["timestamping"]["uncapped"] = *layer.timestamping_uncapped;
  }
  out["delete_on_empty"] = nullptr;
  if (layer.delete_on_empty_min_age_secs) {
    out["delete_on_empty"] = {{"min_age_secs", *layer.delete_on_empty_min_age_secs}};
  }
  return out;
}

std::string to_json(const StreamConfigLayer& layer) {
  return json_of(layer).dump();
}

std::string to_json(const StreamConfig& config) {
  return to_json(layer_of(config));
}

std::string to_json(const BasinConfig& config) {
  const bool all_default = config.default_stream_config == StreamConfigLayer{};
  ordered_json out;
  out["default_stream_config"] = all_default ? ordered_json(nullptr) : json_of(config.default_stream_config);
  out["stream_cipher"] = name_or_null(config.stream_cipher);
  out["create_stream_on_append"] = config.create_stream_on_append;
  out["create_stream_on_read"] = config.create_stream_on_read;
  return out.dump();
}

}  // namespace s2::emulator
