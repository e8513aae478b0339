// s2s frames: the messages of append and read sessions (Content-Type: s2s/proto), bytes in, frames out.
//
// A frame is a 3-byte big-endian length (of what follows), a flag byte and a body. Flag bits: 7 terminal; 6-5
// compression (00 none, 01 zstd, 10 gzip); 4 reconnect advised; the rest reserved (ignored on input, 0 on
// output). A terminal frame's body is a 2-byte big-endian HTTP status and the JSON error (UTF-8; its
// compression bits are ignored). What the length counts is at most 2 MiB, a body, also decompressed, one byte
// less. Pure; a decoder belongs to one thread at a time. Source: S2 spec "s2s".
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/compress.h"
#include "wire/error.h"

namespace s2::wire {

inline constexpr std::size_t kMaxS2sBodyBytes = kMaxFrameBytes - 1;  // the flag byte counts too
inline constexpr std::size_t kS2sHeadBytes = 4;                      // length and flags

struct S2sFrame {
  bool terminal = false;
  bool reconnect_advised = false;
  std::string body;  // decompressed; for a terminal frame without the status
  int status = 0;    // terminal only
  bool operator==(const S2sFrame&) const = default;
};

// Encodes one frame; compresses with `how` when the body is at least kCompressionThresholdBytes and gets
// smaller by it (never a terminal one). A body over the limit is a programming error (checked by the caller:
// no valid message is that large).
std::string encode_s2s(const S2sFrame& frame, Compression how = Compression::none);
// The same for a plain frame whose body stands in `frame` already, behind kS2sHeadBytes of room: without
// compression no byte of it is moved.
void encode_s2s_in_place(std::string& frame, Compression how);

class S2sDecoder {
 public:
  // Takes any piece of the byte stream and appends the frames it completes. After an error every further call
  // returns that error.
  tl::expected<void, DecodeError> receive(std::string_view bytes, std::vector<S2sFrame>& out);
  // Whether the bytes so far end between two frames (an end of stream elsewhere is a torn frame).
  bool at_boundary() const;

 private:
  std::array<unsigned char, kS2sHeadBytes> head_{};
  std::size_t head_bytes_ = 0;  // of head_, received
  std::size_t length_ = 0;      // as the head says
  std::string body_;            // received so far
  std::optional<DecodeError> failed_;
};

}  // namespace s2::wire
