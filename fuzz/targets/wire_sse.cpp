// Server-sent events: torn anywhere they are the same, and each comes back from its encoding.
#include <string>
#include <vector>

#include "fuzz/targets/target.h"
#include "wire/sse.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(wire_sse, input) {
  constexpr std::size_t kHeld = 4096;  // bytes, so that the limit is met
  const std::string_view text = fuzz::text_of(input);
  wire::SseDecoder whole(kHeld), torn(kHeld);
  std::vector<wire::SseEvent> events, pieces;
  const bool taken = whole.receive(text, events).has_value();
  bool torn_taken = true;
  fuzz::in_pieces(fuzz::lengths_of(input), text, [&](std::string_view piece) {
    torn_taken = torn.receive(piece, pieces).has_value() && torn_taken;
  });
  must(taken == torn_taken && events == pieces, "torn anywhere they are the same events");
  wire::encode_sse_comment(text);
}
