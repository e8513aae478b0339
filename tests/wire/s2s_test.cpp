// s2s frames: exact bytes, every cut, frames that lie, bombs, and random bytes.
#include "wire/s2s.h"

#include <gtest/gtest.h>

#include "tests/wire/damage.h"

namespace s2::wire {
namespace {

using namespace std::string_literals;
using generators::damaged;
using generators::Exact;
using generators::expect_kind;

struct Outcome {
  std::vector<S2sFrame> frames;
  std::optional<DecodeError> error;
  bool at_boundary = false;
};

// The bytes in pieces of at most `piece` bytes.
Outcome decode(std::string_view bytes, std::size_t piece = std::string_view::npos) {
  Outcome outcome;
  S2sDecoder decoder;
  while (!bytes.empty() && !outcome.error) {
    const Exact part(bytes.substr(0, piece));
    bytes.remove_prefix(part.view().size());
    if (const auto result = decoder.receive(part.view(), outcome.frames); !result)
      outcome.error = result.error();
  }
  outcome.at_boundary = decoder.at_boundary();
  return outcome;
}

std::string bad_frame(std::string_view bytes) {
  const Outcome outcome = decode(bytes);
  if (!outcome.error) return "accepted";
  EXPECT_EQ(outcome.error->kind, DecodeErrorKind::bad_frame);
  return outcome.error->message;
}

std::string raw_frame(unsigned flags, std::string_view body) {
  const std::size_t length = body.size() + 1;
  std::string bytes;
  for (const int shift : {16, 8, 0}) bytes += static_cast<char>(length >> shift);
  bytes += static_cast<char>(flags);
  return bytes += body;
}

S2sFrame regular(std::string body, bool reconnect_advised = false) {
  return {false, reconnect_advised, std::move(body), 0};
}

S2sFrame any_frame() {
  S2sFrame frame;
  frame.terminal = *rc::gen::inRange(0, 4) == 0;
  frame.reconnect_advised = *rc::gen::arbitrary<bool>();
  if (frame.terminal) {
    frame.status = *rc::gen::inRange(0, 65536);
    frame.body = *generators::text();
  } else {
    const std::string some = *generators::bytes();
    for (int i = *rc::gen::inRange(0, 100); i >= 0; --i)
      frame.body += some;  // some beyond the compression threshold
  }
  return frame;
}

TEST(S2s, FramesHaveTheseBytes) {
  EXPECT_EQ(encode_s2s(regular("abc")),
            "\x00\x00\x04\x00"
            "abc"s);
  EXPECT_EQ(encode_s2s(regular("")), "\x00\x00\x01\x00"s);
  EXPECT_EQ(encode_s2s(regular("abc", true), Compression::zstd),
            "\x00\x00\x04\x10"
            "abc"s);
  EXPECT_EQ(encode_s2s({true, false, "{}", 412}), "\x00\x00\x05\x80\x01\x9c{}"s);
  EXPECT_EQ(encode_s2s(regular(std::string(70'000, 'x'))).substr(0, 5), "\x01\x11\x71\x00x"s);
}

TEST(S2s, CompressionIsFrom1024BytesOnAndNeverOfATerminalFrame) {
  const auto flags = [](const S2sFrame& frame, Compression how) {
    return static_cast<unsigned>(static_cast<unsigned char>(encode_s2s(frame, how)[3]));
  };
  EXPECT_EQ(flags(regular(std::string(1023, 'x')), Compression::zstd), 0x00u);
  EXPECT_EQ(flags(regular(std::string(1024, 'x')), Compression::zstd), 0x20u);
  EXPECT_EQ(flags(regular(std::string(1024, 'x')), Compression::gzip), 0x40u);
  EXPECT_EQ(flags(regular(std::string(1024, 'x'), true), Compression::gzip), 0x50u);
  EXPECT_EQ(flags({true, false, std::string(5000, 'x'), 500}, Compression::zstd), 0x80u);
}

TEST(S2s, WhatDoesNotGetSmallerIsSentAsItIs) {
  std::string noise(kMaxS2sBodyBytes, '\0');
  std::uint32_t state = 12345;
  for (char& byte : noise) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>(state >> 24);
  }
  for (const Compression how : {Compression::zstd, Compression::gzip}) {
    const std::string bytes = encode_s2s(regular(noise), how);
    EXPECT_EQ(bytes.size(), 3 + kMaxFrameBytes);
    EXPECT_EQ(decode(bytes, 64 * 1024).frames.at(0).body, noise);
  }
}

TEST(S2s, RoundTripWholeAndInPieces) {
  ASSERT_TRUE(rc::check([] {
    const Compression how = *rc::gen::element(Compression::none, Compression::zstd, Compression::gzip);
    std::vector<S2sFrame> frames;
    std::string bytes;
    for (int i = *rc::gen::inRange(0, 5); i > 0; --i) {
      frames.push_back(any_frame());
      bytes += encode_s2s(frames.back(), how);
    }
    for (const std::size_t piece :
         {std::string::npos, std::size_t{1}, *rc::gen::inRange<std::size_t>(2, 50)}) {
      const Outcome outcome = decode(bytes, piece);
      RC_ASSERT(!outcome.error);
      RC_ASSERT(outcome.frames == frames);
      RC_ASSERT(outcome.at_boundary);
    }
  }));
}

TEST(S2s, AFrameMadeAroundItsBodyIsTheSame) {
  for (const Compression how : {Compression::none, Compression::zstd, Compression::gzip}) {
    for (const std::string& body : {std::string(), std::string("abc"), std::string(70'000, 'x')}) {
      std::string frame = std::string(kS2sHeadBytes, '\0') + body;
      encode_s2s_in_place(frame, how);
      EXPECT_EQ(frame, encode_s2s(regular(body), how));
    }
  }
}

TEST(S2s, EveryCutGivesTheSameFramesAndOnlyTheEndsAreBoundaries) {
  const std::vector<S2sFrame> frames = {regular("one"),
                                        regular(""),
                                        regular(std::string(1500, 'z'), true),
                                        {true, false, R"({"code":"other","message":"m"})", 500}};
  std::string bytes;
  std::vector<std::size_t> ends = {0};
  for (const S2sFrame& frame : frames) {
    bytes += encode_s2s(frame, Compression::gzip);
    ends.push_back(bytes.size());
  }
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    S2sDecoder decoder;
    std::vector<S2sFrame> out;
    const Exact first(bytes.substr(0, cut));
    const Exact second(bytes.substr(cut));
    ASSERT_TRUE(decoder.receive(first.view(), out));
    EXPECT_EQ(decoder.at_boundary(), std::find(ends.begin(), ends.end(), cut) != ends.end()) << cut;
    ASSERT_TRUE(decoder.receive(second.view(), out));
    EXPECT_EQ(out, frames) << cut;
  }
}

TEST(S2s, TheLargestFrameComesByteByByte) {
  const S2sFrame frame = regular(std::string(kMaxS2sBodyBytes, 'x'));
  const std::string bytes = encode_s2s(frame);
  S2sDecoder decoder;
  std::vector<S2sFrame> out;
  for (const char& byte : bytes) ASSERT_TRUE(decoder.receive(std::string_view(&byte, 1), out));
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0], frame);
}

TEST(S2s, ReservedBitsAndTheCompressionOfATerminalFrameAreIgnored) {
  EXPECT_EQ(decode(raw_frame(0x0f, "abc")).frames.at(0), regular("abc"));
  EXPECT_EQ(decode(raw_frame(0x1f, "abc")).frames.at(0), regular("abc", true));
  EXPECT_EQ(decode(raw_frame(0xef, "\x01\xf4{}")).frames.at(0), (S2sFrame{true, false, "{}", 500}));
}

TEST(S2s, FramesThatLieAreRefused) {
  EXPECT_EQ(bad_frame("\x00\x00\x00"s), "s2s: a frame without its flag byte");
  EXPECT_EQ(bad_frame("\x20\x00\x01"s),
            "s2s: a frame of 2097153 bytes, over 2 MiB");  // before any of it came
  EXPECT_EQ(bad_frame("\xff\xff\xff"s), "s2s: a frame of 16777215 bytes, over 2 MiB");
  EXPECT_EQ(bad_frame("\x20\x00\x00"s), "accepted");  // may still become one
  EXPECT_EQ(bad_frame(raw_frame(0x80, "")), "s2s: a terminal frame without its status");
  EXPECT_EQ(bad_frame(raw_frame(0x80, "\x01")), "s2s: a terminal frame without its status");
  EXPECT_EQ(bad_frame(raw_frame(0x80, "\x01\x9c")), "accepted");
  EXPECT_EQ(bad_frame(raw_frame(0x80, "\x01\x9c\xff")), "s2s: a terminal frame whose body is not UTF-8");
  EXPECT_EQ(bad_frame(raw_frame(0x60, "abc")), "s2s: an unknown compression");
  EXPECT_EQ(bad_frame(raw_frame(0x20, "abc")), "s2s: not a zstd body");
  EXPECT_EQ(bad_frame(raw_frame(0x40, "abc")), "s2s: not a gzip body");
  EXPECT_EQ(bad_frame(raw_frame(0x20, "")), "s2s: not a zstd body");
  EXPECT_EQ(bad_frame(raw_frame(0x40, "")), "s2s: gzip body ends too early");
}

TEST(S2s, ABodyMayGrowToTheLimitAndNoFurther) {
  for (const Compression how : {Compression::zstd, Compression::gzip}) {
    const unsigned flags = how == Compression::zstd ? 0x20 : 0x40;
    const Outcome fits = decode(raw_frame(flags, compress(how, std::string(kMaxS2sBodyBytes, '\0'))));
    ASSERT_FALSE(fits.error);
    EXPECT_EQ(fits.frames.at(0).body.size(), kMaxS2sBodyBytes);
    EXPECT_EQ(bad_frame(raw_frame(flags, compress(how, std::string(kMaxS2sBodyBytes + 1, '\0')))),
              "s2s: decompressed body over 2097151 bytes");
    EXPECT_EQ(bad_frame(raw_frame(flags, compress(how, std::string(100'000'000, '\0')))),
              "s2s: decompressed body over 2097151 bytes");
  }
}

TEST(S2s, FramesBeforeTheWrongOneArriveAndTheErrorStays) {
  S2sDecoder decoder;
  std::vector<S2sFrame> out;
  const auto first =
      decoder.receive(encode_s2s(regular("good")) + "\x00\x00\x00"s + encode_s2s(regular("late")), out);
  ASSERT_FALSE(first);
  EXPECT_EQ(out, std::vector<S2sFrame>{regular("good")});
  const auto second = decoder.receive(encode_s2s(regular("later")), out);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, first.error().message);
  EXPECT_EQ(out.size(), 1u);
  EXPECT_FALSE(decoder.at_boundary());
}

TEST(S2s, DamagedBytesMeanTheSameHoweverTheyAreCut) {
  ASSERT_TRUE(rc::check([] {
    const Compression how = *rc::gen::element(Compression::none, Compression::zstd, Compression::gzip);
    const std::string bytes = damaged(encode_s2s(any_frame(), how) + encode_s2s(any_frame(), how));
    const Outcome whole = decode(bytes);
    if (whole.error) expect_kind(*whole.error, DecodeErrorKind::bad_frame);
    const Outcome pieces = decode(bytes, *rc::gen::inRange<std::size_t>(1, 10));
    RC_ASSERT(whole.frames == pieces.frames);
    RC_ASSERT(whole.error.has_value() == pieces.error.has_value());
    RC_ASSERT(whole.at_boundary == pieces.at_boundary);
  }));
}

}  // namespace
}  // namespace s2::wire
