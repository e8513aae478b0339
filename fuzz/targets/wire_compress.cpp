// Compressed bodies: never more than the limit, and what we compress comes back.
#include <string>

#include "fuzz/targets/target.h"
#include "wire/compress.h"
#include "wire/error.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(wire_compress, input) {
  constexpr std::size_t kLimit = 64 * 1024;  // bytes
  for (const auto how : {wire::Compression::none, wire::Compression::gzip, wire::Compression::zstd}) {
    const auto out = wire::decompress(how, input, kLimit, wire::DecodeErrorKind::bad_frame);
    must(!out || out->size() <= kLimit, "no more than the limit comes out");
    if (input.size() > kLimit) continue;
    const auto back =
        wire::decompress(how, wire::compress(how, input), kLimit, wire::DecodeErrorKind::bad_frame);
    must(back && *back == input, "what was compressed comes back");
  }
  wire::compression_from_content_encoding(input);
  wire::best_accepted(input);
}
