// Errors on the wire: what S2 answers when it refuses, and what we answer when bytes are not what they should
// be.
//
// `ApiError` is the service's word (status, code, message, and for 412 and 416 the body that carries data).
// `DecodeError` is a parser's word about bytes; its kind is the S2 error code that a server answers with it.
// Values only; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "wire/types.h"

namespace s2::wire {

// Why bytes could not be understood. Each maps to the S2 code of the same name (`bad_json`, …), status 400.
enum class DecodeErrorKind { bad_frame, bad_header, bad_json, bad_path, bad_proto, bad_query };

struct DecodeError {
  DecodeErrorKind kind;
  std::string message;  // one line: what, where
};

template <class T>
using Decoded = tl::expected<T, DecodeError>;

inline tl::unexpected<DecodeError> decode_error(DecodeErrorKind kind, std::string message) {
  return tl::unexpected<DecodeError>(DecodeError{kind, std::move(message)});
}

std::string_view code_of(DecodeErrorKind kind);

// A refusal by the service.
struct ApiError {
  int status = 500;  // HTTP status
  std::string code;  // S2 error code, e.g. "stream_not_found"; for 412: "" (see the mismatch fields)
  std::string message;
  // 412 only: exactly one of them.
  std::optional<std::uint64_t> seq_num_mismatch;      // the sequence number that would have been assigned
  std::optional<std::string> fencing_token_mismatch;  // the current token
  // 416 only.
  std::optional<StreamPosition> tail;

  bool operator==(const ApiError&) const = default;
};

// The JSON body of the error: {"code","message"}, {"seq_num_mismatch"}, {"fencing_token_mismatch"} or
// {"tail"}.
std::string to_json(const ApiError& error);

// Reads such a body; a body that is not of these shapes gives code "" and the text (cut to 1 KiB) as message.
ApiError api_error_from_json(int status, std::string_view body);

// S2 spec "errors": whether trying again may help (408, 409 transaction_conflict, 429, 500, 502, 503, 504).
bool is_retryable(const ApiError& error);

// Whether the refusal is a promise that nothing was appended. False for client_hangup, other,
// request_timeout, storage, unavailable, upstream_timeout and every code that we do not know: those outcomes
// are *unknown*.
bool is_surely_without_effect(const ApiError& error);

}  // namespace s2::wire
