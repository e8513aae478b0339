// s2s frames: the messages of append and read sessions (Content-Type: s2s/proto), bytes in, frames out.
//
// A frame is a 3-byte big-endian length (of what follows), a flag byte and a body. Flag bits: 7 terminal; 6-5
// compression (00 none, 01 zstd, 10 gzip); 4 reconnect advised; the rest reserved (ignored on input, 0 on output).
// A terminal frame's body is a 2-byte big-endian HTTP status and the JSON error. A frame, and a decompressed body, is
// at most 2 MiB. Pure; a decoder belongs to one thread at a time. Source: S2 spec "s2s".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/compress.h"
#include "wire/error.h"

namespace s2::wire {

struct S2sFrame {
  bool terminal = false;
  bool reconnect_advised = false;
  std::string body;  // decompressed; for a terminal frame without the status
  int status = 0;    // terminal only
  bool operator==(const S2sFrame&) const = default;
};

// Encodes one frame; compresses with `how` when the body is at least kCompressionThresholdBytes (never a terminal one).
// A body over the limit is a programming error (checked by the caller: no valid message is that large).
std::string encode_s2s(const S2sFrame& frame, Compression how = Compression::none);

class S2sDecoder {
 public:
  // Takes any piece of the byte stream and appends the frames it completes. After an error every further call
  // returns that error.
  tl::expected<void, DecodeError> receive(std::string_view bytes, std::vector<S2sFrame>& out);
  // Whether the bytes so far end between two frames (an end of stream elsewhere is a torn frame).
  bool at_boundary() const;

 private:
  std::string pending_;
  std::optional<DecodeError> failed_;
};

}  // namespace s2::wire
