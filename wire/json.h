// Records, appends, acknowledgements and batches as S2's JSON, in its two formats.
//
// Format raw: names, values and bodies are UTF-8 text; bytes that are not are replaced by U+FFFD on output
// (lossy: that is S2's rule). Format base64: the same members hold base64. Pure; any thread. Errors:
// bad_json, saying where. Unknown members are skipped; a member that may be left out may also be null where
// S2 takes it so (timestamp, match_seq_num, fencing_token, tail), and a known one stands once. Only the shape
// is judged: how many records, how large, how long a token, is the service's to say. Source: S2 spec
// "append", "read" (s2-format header).
#pragma once

#include <string>
#include <string_view>

#include "wire/error.h"
#include "wire/types.h"

namespace s2::wire {

enum class Format { raw, base64 };

// "raw" or "base64", or their older names "json" and "json-binsafe"; anything else is bad_header.
Decoded<Format> format_from_header(std::string_view value);

std::string to_json(const AppendInput& input, Format format);
Decoded<AppendInput> append_input_from_json(std::string_view text, Format format);

std::string to_json(const AppendAck& ack);
Decoded<AppendAck> append_ack_from_json(std::string_view text);

std::string to_json(const ReadBatch& batch, Format format);
Decoded<ReadBatch> read_batch_from_json(std::string_view text, Format format);

// {"tail":{"seq_num","timestamp"}}: the answer of check-tail.
std::string tail_to_json(const StreamPosition& tail);
Decoded<StreamPosition> tail_from_json(std::string_view text);

std::string base64_encode(std::string_view bytes);
// Strict standard alphabet with padding; nothing on error.
std::optional<std::string> base64_decode(std::string_view text);

// `bytes` as valid UTF-8: each maximal invalid part becomes U+FFFD.
std::string utf8_lossy(std::string_view bytes);
bool is_utf8(std::string_view bytes);

}  // namespace s2::wire
