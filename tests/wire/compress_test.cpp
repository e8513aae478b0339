// gzip and zstd: round trips, limits to the byte, bombs, torn and trailing bytes, and who accepts what.
#include "wire/compress.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include "tests/wire/damage.h"
#include "wire/types.h"

namespace s2::wire {
namespace {

using generators::damaged;
using generators::Exact;
using generators::expect_kind;

constexpr DecodeErrorKind kKind = DecodeErrorKind::bad_frame;
constexpr Compression kBoth[] = {Compression::zstd, Compression::gzip};

// As an encoder that streams writes it: no content size in the frame, and a window of 2^window_log bytes.
std::string streamed_zstd(std::string_view bytes, int window_log) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  ZSTD_inBuffer from{bytes.data(), bytes.size(), 0};
  EXPECT_FALSE(ZSTD_isError(ZSTD_compressStream2(context, &to, &from, ZSTD_e_continue)));
  EXPECT_EQ(ZSTD_compressStream2(context, &to, &from, ZSTD_e_end), 0u);
  ZSTD_freeCCtx(context);
  out.resize(to.pos);
  return out;
}

TEST(Compress, RoundTripKeepsAllBytes) {
  ASSERT_TRUE(rc::check([] {
    const std::string some = *generators::bytes();
    std::string bytes;
    for (int i = *rc::gen::inRange(0, 200); i >= 0; --i) bytes += some;
    for (const Compression how : {Compression::none, Compression::zstd, Compression::gzip})
      RC_ASSERT(decompress(how, compress(how, bytes), bytes.size(), kKind) == bytes);
  }));
}

TEST(Compress, KnownBytesOfOtherWritersAreRead) {
  // printf hello | gzip -n; printf hello | zstd --no-check (with and without its content size)
  const std::string gzip(
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00",
      25);
  EXPECT_EQ(decompress(Compression::gzip, gzip, 5, kKind).value(), "hello");
  const std::string zstd("\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello", 14);
  EXPECT_EQ(decompress(Compression::zstd, zstd, 5, kKind).value(), "hello");
  const std::string unsized("\x28\xb5\x2f\xfd\x00\x58\x29\x00\x00hello", 14);
  EXPECT_EQ(decompress(Compression::zstd, unsized, 5, kKind).value(), "hello");
}

TEST(Compress, TheLimitIsExact) {
  for (const std::size_t size : {0, 1, 1000, 16383, 16384, 16385, 100'000}) {
    std::string bytes(size, 'a');
    for (std::size_t i = 0; i < size; i += 7) bytes[i] = static_cast<char>(i);
    for (const Compression how : {Compression::none, Compression::zstd, Compression::gzip}) {
      const std::string packed = compress(how, bytes);
      EXPECT_EQ(decompress(how, packed, size, kKind).value(), bytes);
      if (size != 0) {
        EXPECT_FALSE(decompress(how, packed, size - 1, kKind));
      }
    }
    const std::string streamed = streamed_zstd(bytes, 17);
    EXPECT_EQ(decompress(Compression::zstd, streamed, size, kKind).value(), bytes);
    if (size != 0) {
      EXPECT_FALSE(decompress(Compression::zstd, streamed, size - 1, kKind));
    }
  }
}

TEST(Compress, BombsAreRefusedAtTheLimit) {
  const std::string zeros(64 * 1024 * 1024, '\0');
  const std::string bombs[] = {compress(Compression::zstd, zeros), streamed_zstd(zeros, 27),
                               compress(Compression::gzip, zeros)};
  for (const std::string& bomb : bombs) {
    ASSERT_LT(bomb.size(), 1024u * 1024u);
    const auto read =
        decompress(bomb[0] == '\x1f' ? Compression::gzip : Compression::zstd, bomb, kMaxFrameBytes, kKind);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().message, "decompressed body over 2097152 bytes");
  }
}

// RFC 8878 3.1.1: magic, descriptor (content size in 8 bytes, single segment), content size, one raw block.
TEST(Compress, ADeclaredSizeOverTheLimitIsRefusedBeforeAnyRoomIsMade) {
  const std::string declares_2_to_the_60("\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\0\0\x10\x29\0\0hello", 21);
  const auto read = decompress(Compression::zstd, declares_2_to_the_60, 1000, kKind);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message, "decompressed body over 1000 bytes");
}

TEST(Compress, AWideWindowAroundALittleCostsNothing) {
  EXPECT_EQ(decompress(Compression::zstd, streamed_zstd("little", 27), 100, kKind).value(), "little");
}

TEST(Compress, AZstdFrameThatLiesAboutItsSizeIsRefused) {
  std::string frame = compress(Compression::zstd, std::string(200, 'a'));
  ASSERT_EQ(static_cast<unsigned char>(frame[5]), 200);  // RFC 8878 3.1.1: magic, descriptor, content size
  for (const int lie : {0, 199, 201, 255}) {
    frame[5] = static_cast<char>(lie);
    EXPECT_FALSE(decompress(Compression::zstd, frame, 1000, kKind)) << lie;
  }
}

TEST(Compress, TornBodiesAreRefusedAtEveryCut) {
  const std::string bytes = "some text, some text, some more text, and some other text";
  for (const Compression how : kBoth) {
    const std::string packed = compress(how, bytes);
    for (std::size_t size = 0; size < packed.size(); ++size) {
      const Exact torn(std::string_view(packed).substr(0, size));
      const auto read = decompress(how, torn.view(), 1000, DecodeErrorKind::bad_header);
      ASSERT_FALSE(read) << size;
      EXPECT_EQ(read.error().kind, DecodeErrorKind::bad_header);
    }
  }
}

TEST(Compress, SeveralMembersAreOneBodyAndGarbageBehindIsRefused) {
  for (const Compression how : kBoth) {
    const std::string two = compress(how, "one ") + compress(how, "two");
    EXPECT_EQ(decompress(how, two, 7, kKind).value(), "one two");
    EXPECT_FALSE(decompress(how, two, 6, kKind));
    EXPECT_FALSE(decompress(how, two + "x", 100, kKind));
    EXPECT_FALSE(decompress(how, two + std::string(40, '\0'), 100, kKind));
  }
}

TEST(Compress, DamagedBodiesAreRefusedOrStayUnderTheLimit) {
  ASSERT_TRUE(rc::check([] {
    const Compression how = *rc::gen::element(Compression::zstd, Compression::gzip);
    const std::string bytes = *generators::bytes();
    const Exact body(damaged(compress(how, bytes + bytes + bytes)));
    const std::size_t limit = *rc::gen::inRange<std::size_t>(0, 500);
    const auto read = decompress(how, body.view(), limit, kKind);
    if (!read) return expect_kind(read.error(), kKind);
    RC_ASSERT(read->size() <= limit);
  }));
}

TEST(Compress, ContentEncodingsWeKnow) {
  EXPECT_EQ(compression_from_content_encoding("").value(), Compression::none);
  EXPECT_EQ(compression_from_content_encoding("identity").value(), Compression::none);
  EXPECT_EQ(compression_from_content_encoding("gzip").value(), Compression::gzip);
  EXPECT_EQ(compression_from_content_encoding(" ZSTD ").value(), Compression::zstd);
  for (const char* value : {"br", "deflate", "gzip, zstd", "gzip;q=1"}) {
    ASSERT_FALSE(compression_from_content_encoding(value)) << value;
    EXPECT_EQ(compression_from_content_encoding(value).error().kind, DecodeErrorKind::bad_header);
  }
}

TEST(Compress, TheBestThatIsAcceptedIsTaken) {
  const std::pair<const char*, Compression> cases[] = {
      {"", Compression::none},
      {"identity", Compression::none},
      {"br, deflate", Compression::none},
      {"gzip", Compression::gzip},
      {"gzip, zstd", Compression::zstd},
      {"GZIP ;q=0.5 , Zstd; q=0.001", Compression::zstd},
      {"zstd;q=0, gzip", Compression::gzip},
      {"zstd;q=0.000,gzip;q=0.0", Compression::none},
      {"*", Compression::zstd},
      {"*;q=0.1", Compression::zstd},
      {"*;q=0", Compression::none},
      {"*, zstd;q=0", Compression::gzip},
      {"*;q=0, gzip;q=1", Compression::gzip},
      {"zstd;q=abc, gzip", Compression::gzip},
      {"zstd;q=-1", Compression::none},
      {"zstd;x=y;q=0", Compression::none},
      {",,;;,=,q=,gzip", Compression::gzip},
  };
  for (const auto& [value, best] : cases) EXPECT_EQ(best_accepted(value), best) << value;
}

}  // namespace
}  // namespace s2::wire
