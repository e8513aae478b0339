// Reading configurations out of a JSON value that is part of something larger; for .cpp files only.
//
// Pure; one thread a document. Problems land in the view's slot.
#pragma once

#include "emulator/config.h"
#include "emulator/json_view.h"

namespace s2::emulator {

std::optional<StorageClass> read_storage_class(JsonView view);
std::optional<TimestampingMode> read_timestamping_mode(JsonView view);
std::optional<Cipher> read_cipher(JsonView view);
StreamConfigLayer read_stream_config(JsonView view);
BasinConfig read_basin_config(JsonView view);

// The problem as a refusal: 400 with the code of `kind`, or 422 `invalid`.
wire::ApiError refusal_of(const JsonProblem& problem, wire::DecodeErrorKind kind);

nlohmann::ordered_json json_of(const StreamConfigLayer& layer);

}  // namespace s2::emulator
