// Protobuf messages: whatever is taken comes back the same.
#include <string>

#include "fuzz/targets/target.h"
#include "wire/proto.h"

using namespace s2;
using s2::fuzz::must;

template <class T, class Decode, class Encode>
void proto_round_trip(const T& decoded, Decode&& decode, Encode&& encode) {
  if (!decoded)
    return must(!decoded.error().message.empty() && decoded.error().message.find('\n') == std::string::npos,
                "an error is one line");
  const auto again = decode(encode(*decoded));
  must(again && *again == *decoded, "what was decoded comes back from its encoding");
}

FUZZ_TARGET(wire_proto, input) {
  const auto encode = [](const auto& value) { return wire::to_proto(value); };
  proto_round_trip(wire::append_input_from_proto(input), wire::append_input_from_proto, encode);
  proto_round_trip(wire::append_ack_from_proto(input), wire::append_ack_from_proto, encode);
  proto_round_trip(wire::read_batch_from_proto(input), wire::read_batch_from_proto, encode);
}
