// Frames of s2s sessions: torn anywhere they are the same frames, and each comes back from its encoding.
#include <string>
#include <vector>

#include "fuzz/targets/target.h"
#include "wire/s2s.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(wire_s2s, input) {
  const std::string_view text = fuzz::text_of(input);
  wire::S2sDecoder whole;
  std::vector<wire::S2sFrame> frames;
  const bool taken = whole.receive(text, frames).has_value();
  wire::S2sDecoder torn;
  std::vector<wire::S2sFrame> pieces;
  bool torn_taken = true;
  fuzz::in_pieces(fuzz::lengths_of(input), text, [&](std::string_view piece) {
    torn_taken = torn.receive(piece, pieces).has_value() && torn_taken;
  });
  must(taken == torn_taken && frames == pieces, "torn anywhere they are the same frames");
  for (const wire::S2sFrame& frame : frames) {
    must(frame.body.size() <= wire::kMaxFrameBytes, "a frame keeps to its limit");
    for (const auto how : {wire::Compression::none, wire::Compression::gzip, wire::Compression::zstd}) {
      wire::S2sDecoder decoder;
      std::vector<wire::S2sFrame> again;
      must(decoder.receive(wire::encode_s2s(frame, how), again) && again == std::vector{frame} &&
               decoder.at_boundary(),
           "a frame comes back from its encoding");
    }
  }
}
