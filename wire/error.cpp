// The JSON bodies of refusals, and what a refusal says about trying again and about effects.
#include "wire/error.h"

#include <array>

#include "wire/json.h"
#include "wire/json_reader.h"
#include "wire/text.h"

namespace s2::wire {
namespace {

constexpr std::size_t kMaxForeignMessageBytes = 1024;  // of an error body that is not S2's

// S2 spec "errors": codes that promise that nothing happened. Those that are not here promise nothing.
constexpr std::array<std::string_view, 22> kWithoutEffect = {"access_token_not_found",
                                                             "authn",
                                                             "bad_frame",
                                                             "bad_header",
                                                             "bad_json",
                                                             "bad_path",
                                                             "bad_proto",
                                                             "bad_query",
                                                             "basin_deletion_pending",
                                                             "basin_not_found",
                                                             "decryption_failed",
                                                             "hot_server",
                                                             "invalid",
                                                             "not_implemented",
                                                             "permission_denied",
                                                             "quota_exhausted",
                                                             "rate_limited",
                                                             "resource_already_exists",
                                                             "server_draining",
                                                             "stream_deletion_pending",
                                                             "stream_not_found",
                                                             "transaction_conflict"};

std::string cut(std::string_view body) {
  std::string text = utf8_lossy(body.substr(0, kMaxForeignMessageBytes));
  if (text.size() <= kMaxForeignMessageBytes) return text;
  std::size_t end = kMaxForeignMessageBytes;
  while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
  text.resize(end);
  return text;
}

struct Members {
  std::optional<std::string> code;
  std::optional<std::string> message;
  std::optional<std::uint64_t> seq_num;
  std::optional<std::string> token;
};

bool read_members(JsonReader& reader, Members& out) {
  unsigned seen = 0;
  return reader.object([&](std::string_view name) {
    if (name == "code") return reader.once(seen, 1) && reader.string(out.code.emplace());
    if (name == "message") return reader.once(seen, 2) && reader.string(out.message.emplace());
    if (name == "seq_num_mismatch") return reader.once(seen, 4) && reader.u64(out.seq_num.emplace());
    if (name == "fencing_token_mismatch") return reader.once(seen, 8) && reader.string(out.token.emplace());
    return reader.skip();
  });
}

}  // namespace

std::string_view code_of(DecodeErrorKind kind) {
  switch (kind) {
    case DecodeErrorKind::bad_frame:
      return "bad_frame";
    case DecodeErrorKind::bad_header:
      return "bad_header";
    case DecodeErrorKind::bad_json:
      return "bad_json";
    case DecodeErrorKind::bad_path:
      return "bad_path";
    case DecodeErrorKind::bad_proto:
      return "bad_proto";
    case DecodeErrorKind::bad_query:
      return "bad_query";
  }
  return "other";
}

std::string to_json(const ApiError& error) {
  if (error.tail) return tail_to_json(*error.tail);
  std::string out;
  if (error.seq_num_mismatch) {
    out = R"({"seq_num_mismatch":)" + std::to_string(*error.seq_num_mismatch);
  } else if (error.fencing_token_mismatch) {
    out = R"({"fencing_token_mismatch":)";
    append_json_string(out, *error.fencing_token_mismatch);
  } else {
    out = R"({"code":)";
    append_json_string(out, error.code);
    out += R"(,"message":)";
    append_json_string(out, error.message);
  }
  out += '}';
  return out;
}

ApiError api_error_from_json(int status, std::string_view body) {
  ApiError error;
  error.status = status;
  if (status == 416) {
    if (const Decoded<StreamPosition> tail = tail_from_json(body)) {
      error.tail = *tail;
      return error;
    }
  }
  JsonReader reader(body);
  Members members;
  if (read_members(reader, members) && reader.end()) {
    if (members.code && members.message) {
      error.code = std::move(*members.code);
      error.message = std::move(*members.message);
      return error;
    }
    if (status == 412 && members.seq_num.has_value() != members.token.has_value()) {
      error.seq_num_mismatch = members.seq_num;
      error.fencing_token_mismatch = std::move(members.token);
      return error;
    }
  }
  error.message = cut(body);
  return error;
}

bool is_retryable(const ApiError& error) {
  switch (error.status) {
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return true;
    case 409:
      return error.code == "transaction_conflict";
    default:
      return false;
  }
}

bool is_surely_without_effect(const ApiError& error) {
  if (error.seq_num_mismatch || error.fencing_token_mismatch || error.tail) return true;
  for (const std::string_view code : kWithoutEffect)
    if (error.code == code) return true;
  return false;
}

}  // namespace s2::wire
