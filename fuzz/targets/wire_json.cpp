// JSON bodies of appends, acks, reads, tails and errors: whatever is taken comes back the same.
#include <string>

#include "fuzz/targets/target.h"
#include "wire/error.h"
#include "wire/json.h"

using namespace s2;
using s2::fuzz::must;

template <class T, class Decode, class Encode>
void json_round_trip(const T& decoded, Decode&& decode, Encode&& encode) {
  if (!decoded)
    return must(!decoded.error().message.empty() && decoded.error().message.find('\n') == std::string::npos,
                "an error is one line");
  const auto again = decode(encode(*decoded));
  must(again && *again == *decoded, "what was decoded comes back from its encoding");
}

FUZZ_TARGET(wire_json, input) {
  for (const wire::Format format : {wire::Format::raw, wire::Format::base64}) {
    json_round_trip(
        wire::append_input_from_json(input, format),
        [&](const std::string& text) { return wire::append_input_from_json(text, format); },
        [&](const wire::AppendInput& value) { return wire::to_json(value, format); });
    json_round_trip(
        wire::read_batch_from_json(input, format),
        [&](const std::string& text) { return wire::read_batch_from_json(text, format); },
        [&](const wire::ReadBatch& value) { return wire::to_json(value, format); });
  }
  json_round_trip(wire::append_ack_from_json(input), wire::append_ack_from_json,
                  [](const wire::AppendAck& ack) { return wire::to_json(ack); });
  json_round_trip(wire::tail_from_json(input), wire::tail_from_json, wire::tail_to_json);
  for (const int status : {404, 412, 416, 500}) {
    const wire::ApiError error = wire::api_error_from_json(status, input);
    must(error.status == status, "an error keeps its status");
    must(wire::is_utf8(wire::to_json(error)), "an error is told in UTF-8");
  }
}
