// Configuration of basins and streams: resolved, in layers, and as changes; and S2's JSON for all three.
//
// A stream's configuration is resolved from layers: what its creator said, over the basin's
// default_stream_config, over S2's defaults. A change (PATCH) keeps what it does not name, and takes null for
// "back to the default". Plain values and pure functions; any thread. Source: S2 spec "configuration"
// (StreamConfig, BasinConfig, StreamReconfiguration, BasinReconfiguration).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wire/error.h"

namespace s2::emulator {

template <class T>
using Result = tl::expected<T, wire::ApiError>;

enum class StorageClass { standard, express };
enum class TimestampingMode { client_prefer, client_require, arrival };
enum class Cipher { aegis_256, aes_256_gcm };

inline constexpr std::uint64_t kDefaultRetentionAgeSecs = 7 * 24 * 60 * 60;

// Records older than `age_secs` (over 0) go away; no age: kept until trimmed.
struct Retention {
  std::optional<std::uint64_t> age_secs = kDefaultRetentionAgeSecs;
  bool operator==(const Retention&) const = default;
};

// What rules a stream.
struct StreamConfig {
  StorageClass storage_class = StorageClass::express;
  Retention retention;
  TimestampingMode timestamping_mode = TimestampingMode::client_prefer;
  bool timestamping_uncapped = false;              // a client's timestamp may be ahead of arrival
  std::uint64_t delete_on_empty_min_age_secs = 0;  // 0: an empty stream stays
  bool operator==(const StreamConfig&) const = default;
};

// One layer: what is not set falls through to the layer below.
struct StreamConfigLayer {
  std::optional<StorageClass> storage_class;
  std::optional<Retention> retention;
  std::optional<TimestampingMode> timestamping_mode;
  std::optional<bool> timestamping_uncapped;
  std::optional<std::uint64_t> delete_on_empty_min_age_secs;
  bool operator==(const StreamConfigLayer&) const = default;
};

struct BasinConfig {
  StreamConfigLayer default_stream_config;
  std::optional<Cipher> stream_cipher;
  bool create_stream_on_append = false;
  bool create_stream_on_read = false;
  bool operator==(const BasinConfig&) const = default;
};

// A change of one field: not given (kept), given empty (null: back to the default), or given with a value.
template <class T>
using Change = std::optional<std::optional<T>>;

struct StreamReconfiguration {
  Change<StorageClass> storage_class;
  Change<Retention> retention;
  Change<TimestampingMode> timestamping_mode;
  Change<bool> timestamping_uncapped;
  Change<std::uint64_t> delete_on_empty_min_age_secs;
};

struct BasinReconfiguration {
  StreamReconfiguration default_stream_config;
  Change<Cipher> stream_cipher;
  std::optional<bool> create_stream_on_append;
  std::optional<bool> create_stream_on_read;
};

// `stream` over `basin_default` over S2's defaults.
StreamConfig merge(const StreamConfigLayer& stream, const StreamConfigLayer& basin_default);
StreamConfigLayer layer_of(const StreamConfig& config);  // with everything set
StreamConfigLayer apply(StreamConfigLayer layer, const StreamReconfiguration& change);
BasinConfig apply(BasinConfig config, const BasinReconfiguration& change);

// JSON in. Text that is not of the shape is 400 with the code of `kind` (bad_json for a body, bad_header for
// `s2-stream-config`); a value that may not be (retention age 0) is 422 `invalid`. Unknown fields are passed
// over.
Result<StreamConfigLayer> stream_config_from_json(
    std::string_view text, wire::DecodeErrorKind kind = wire::DecodeErrorKind::bad_json);
Result<BasinConfig> basin_config_from_json(std::string_view text,
                                           wire::DecodeErrorKind kind = wire::DecodeErrorKind::bad_json);
Result<StreamReconfiguration> stream_reconfiguration_from_json(std::string_view text);
Result<BasinReconfiguration> basin_reconfiguration_from_json(std::string_view text);

// JSON out, as S2 writes it.
std::string to_json(const StreamConfig& config);
std::string to_json(const StreamConfigLayer& layer);
std::string to_json(const BasinConfig& config);

std::string_view name_of(StorageClass value);
std::string_view name_of(TimestampingMode value);
std::string_view name_of(Cipher value);

}  // namespace s2::emulator
