// Layers of configuration: merged, taken apart, changed; and the words for each choice.
#include "emulator/config.h"

namespace s2::emulator {
namespace {

template <class T>
T pick(const std::optional<T>& upper, const std::optional<T>& lower, const T& otherwise) {
  return upper ? *upper : lower.value_or(otherwise);
}

template <class T>
void change_field(std::optional<T>& field, const Change<T>& change) {
  if (change) field = *change;
}

}  // namespace

StreamConfig merge(const StreamConfigLayer& stream, const StreamConfigLayer& basin_default) {
  const StreamConfig s2_default;
  StreamConfig out;
  out.storage_class = pick(stream.storage_class, basin_default.storage_class, s2_default.storage_class);
  out.retention = pick(stream.retention, basin_default.retention, s2_default.retention);
  out.timestamping_mode =
      pick(stream.timestamping_mode, basin_default.timestamping_mode, s2_default.timestamping_mode);
  out.timestamping_uncapped = pick(stream.timestamping_uncapped, basin_default.timestamping_uncapped,
                                   s2_default.timestamping_uncapped);
  out.delete_on_empty_min_age_secs =
      pick(stream.delete_on_empty_min_age_secs, basin_default.delete_on_empty_min_age_secs,
           s2_default.delete_on_empty_min_age_secs);
  return out;
}

StreamConfigLayer layer_of(const StreamConfig& config) {
  return StreamConfigLayer{config.storage_class, config.retention, config.timestamping_mode,
                           config.timestamping_uncapped, config.delete_on_empty_min_age_secs};
}

StreamConfigLayer apply(StreamConfigLayer layer, const StreamReconfiguration& change) {
  change_field(layer.storage_class, change.storage_class);
  change_field(layer.retention, change.retention);
  change_field(layer.timestamping_mode, change.timestamping_mode);
  change_field(layer.timestamping_uncapped, change.timestamping_uncapped);
  change_field(layer.delete_on_empty_min_age_secs, change.delete_on_empty_min_age_secs);
  return layer;
}

BasinConfig apply(BasinConfig config, const BasinReconfiguration& change) {
  config.default_stream_config = apply(config.default_stream_config, change.default_stream_config);
  change_field(config.stream_cipher, change.stream_cipher);
  if (change.create_stream_on_append) config.create_stream_on_append = *change.create_stream_on_append;
  if (change.create_stream_on_read) config.create_stream_on_read = *change.create_stream_on_read;
  return config;
}

std::string_view name_of(StorageClass value) {
  return value == StorageClass::standard ? "standard" : "express";
}

std::string_view name_of(TimestampingMode value) {
  switch (value) {
    case TimestampingMode::client_prefer:
      return "client-prefer";
    case TimestampingMode::client_require:
      return "client-require";
    case TimestampingMode::arrival:
      return "arrival";
  }
  return "client-prefer";
}

std::string_view name_of(Cipher value) {
  return value == Cipher::aegis_256 ? "aegis-256" : "aes-256-gcm";
}

}  // namespace s2::emulator
