// s2s frames. The decoder keeps the 4 bytes of a head and the body's bytes so far: every byte is copied once.
#include "wire/s2s.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "wire/json.h"

namespace s2::wire {
namespace {

constexpr unsigned kTerminal = 0x80;
constexpr unsigned kCompressionShift = 5;
constexpr unsigned kCompressionMask = 3;
constexpr unsigned kReconnectAdvised = 0x10;
constexpr std::size_t kLengthBytes = 3;
constexpr std::size_t kFlagBytes = 1;
constexpr std::size_t kStatusBytes = 2;

unsigned compression_bits(Compression how) {
  switch (how) {
    case Compression::zstd:
      return 1;
    case Compression::gzip:
      return 2;
    case Compression::none:
      break;
  }
  return 0;
}

tl::unexpected<DecodeError> bad_frame(std::string message) {
  return decode_error(DecodeErrorKind::bad_frame, "s2s: " + std::move(message));
}

// The body stands behind the room for the head.
void finish_frame(std::string& frame, unsigned flags, Compression how) {
  const std::string_view body = std::string_view(frame).substr(kS2sHeadBytes);
  if (how != Compression::none && body.size() >= kCompressionThresholdBytes) {
    const std::string smaller = compress(how, body);
    if (smaller.size() < body.size()) {
      frame.replace(kS2sHeadBytes, std::string::npos, smaller);
      flags |= compression_bits(how) << kCompressionShift;
    }
  }
  const std::size_t length = frame.size() - kLengthBytes;
  assert(length <= kMaxFrameBytes);
  for (std::size_t i = 0; i < kLengthBytes; ++i) frame[i] = static_cast<char>(length >> (16 - 8 * i));
  frame[kLengthBytes] = static_cast<char>(flags);
}

Decoded<S2sFrame> decode_frame(unsigned flags, std::string body) {
  S2sFrame frame;
  frame.terminal = (flags & kTerminal) != 0;
  frame.reconnect_advised = (flags & kReconnectAdvised) != 0;
  if (frame.terminal) {
    if (body.size() < kStatusBytes) return bad_frame("a terminal frame without its status");
    frame.status = static_cast<unsigned char>(body[0]) << 8 | static_cast<unsigned char>(body[1]);
    body.erase(0, kStatusBytes);
    if (!is_utf8(body)) return bad_frame("a terminal frame whose body is not UTF-8");
    frame.body = std::move(body);
    return frame;
  }
  const unsigned how = flags >> kCompressionShift & kCompressionMask;
  if (how == kCompressionMask) return bad_frame("an unknown compression");
  if (how == 0) {
    frame.body = std::move(body);
    return frame;
  }
  Decoded<std::string> bytes = decompress(how == 1 ? Compression::zstd : Compression::gzip, body,
                                          kMaxS2sBodyBytes, DecodeErrorKind::bad_frame);
  if (!bytes) return bad_frame(bytes.error().message);
  frame.body = std::move(*bytes);
  return frame;
}

}  // namespace

std::string encode_s2s(const S2sFrame& frame, Compression how) {
  std::string out;
  out.reserve(kS2sHeadBytes + kStatusBytes + frame.body.size());
  out.resize(kS2sHeadBytes);
  unsigned flags = frame.reconnect_advised ? kReconnectAdvised : 0;
  if (frame.terminal) {
    out += static_cast<char>(frame.status >> 8);
    out += static_cast<char>(frame.status);
    flags |= kTerminal;
    how = Compression::none;
  }
  out += frame.body;
  finish_frame(out, flags, how);
  return out;
}

void encode_s2s_in_place(std::string& frame, Compression how) {
  finish_frame(frame, 0, how);
}

tl::expected<void, DecodeError> S2sDecoder::receive(std::string_view bytes, std::vector<S2sFrame>& out) {
  if (failed_) return tl::unexpected<DecodeError>(*failed_);
  const auto fail = [&](DecodeError error) {
    failed_ = std::move(error);
    body_ = std::string();
    return tl::unexpected<DecodeError>(*failed_);
  };
  while (!bytes.empty()) {
    while (head_bytes_ < head_.size() && !bytes.empty()) {
      head_[head_bytes_++] = static_cast<unsigned char>(bytes[0]);
      bytes.remove_prefix(1);
      if (head_bytes_ != kLengthBytes) continue;
      length_ = std::size_t{head_[0]} << 16 | std::size_t{head_[1]} << 8 | head_[2];
      if (length_ == 0) return fail(bad_frame("a frame without its flag byte").value());
      if (length_ > kMaxFrameBytes)
        return fail(bad_frame("a frame of " + std::to_string(length_) + " bytes, over 2 MiB").value());
      body_.reserve(length_ - kFlagBytes);
    }
    if (head_bytes_ < head_.size()) break;
    const std::size_t missing = length_ - kFlagBytes - body_.size();
    const std::size_t here = std::min(missing, bytes.size());
    body_.append(bytes.substr(0, here));
    bytes.remove_prefix(here);
    if (here < missing) break;
    head_bytes_ = 0;
    Decoded<S2sFrame> frame = decode_frame(head_[kLengthBytes], std::exchange(body_, {}));
    if (!frame) return fail(std::move(frame.error()));
    out.push_back(std::move(*frame));
  }
  return {};
}

bool S2sDecoder::at_boundary() const {
  return !failed_ && head_bytes_ == 0;
}

}  // namespace s2::wire
