// gzip by zlib, zstd by libzstd. Contexts of zstd are kept for each thread: making one costs more than most
// bodies.
#include "wire/compress.h"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <memory>
#include <new>
#include <optional>

namespace s2::wire {
namespace {

constexpr int kGzipWindowBits = 15 + 16;  // zlib's number for "32 KiB window, gzip wrapper"
constexpr int kGzipLevel = Z_BEST_SPEED;  // bodies are short-lived: time is dearer than bytes
constexpr int kZstdLevel = 1;             // likewise
constexpr std::size_t kFirstOutputBytes = 16 * 1024;

Bytef* as_zlib(const char* bytes) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes));
}

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kGzipWindowBits, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, deflateEnd);
  std::string out;
  out.resize(deflateBound(&stream, bytes.size()));
  stream.next_in = as_zlib(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = as_zlib(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);  // the bound makes one call enough
  out.resize(stream.total_out);
  return out;
}

std::string zstd(std::string_view bytes) {
  thread_local const std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(),
                                                                                     ZSTD_freeCCtx);
  if (!context) throw std::bad_alloc();
  std::string out;
  out.resize(ZSTD_compressBound(bytes.size()));
  out.resize(
      ZSTD_compressCCtx(context.get(), out.data(), out.size(), bytes.data(), bytes.size(), kZstdLevel));
  return out;
}

std::string over_limit(std::size_t limit_bytes) {
  return "decompressed body over " + std::to_string(limit_bytes) + " bytes";
}

// Room for more output: doubles, and never goes further than one byte past the limit (that byte tells a
// bomb).
void grow(std::string& out, std::size_t limit_bytes) {
  out.resize(std::min(std::max(out.size() * 2, kFirstOutputBytes), limit_bytes + 1));
}

Decoded<std::string> gunzip(std::string_view bytes, std::size_t limit_bytes, DecodeErrorKind kind) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWindowBits) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, inflateEnd);
  stream.next_in = as_zlib(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  std::size_t size = 0;
  while (true) {
    if (size == out.size()) grow(out, limit_bytes);
    stream.next_out = as_zlib(out.data() + size);
    stream.avail_out = static_cast<uInt>(out.size() - size);
    const int result = inflate(&stream, Z_NO_FLUSH);
    size = out.size() - stream.avail_out;
    if (size > limit_bytes) return decode_error(kind, over_limit(limit_bytes));
    if (result == Z_STREAM_END) {
      if (stream.avail_in == 0) break;
      inflateReset(&stream);  // RFC 1952 2.2: members may follow each other
    } else if (result == Z_BUF_ERROR || (result == Z_OK && stream.avail_in == 0 && stream.avail_out != 0)) {
      return decode_error(kind, "gzip body ends too early");
    } else if (result != Z_OK) {
      return decode_error(kind, "not a gzip body");
    }
  }
  out.resize(size);
  return out;
}

// In one piece, not streaming: a frame that asks for a large window then costs nothing but its output.
Decoded<std::string> unzstd(std::string_view bytes, std::size_t limit_bytes, DecodeErrorKind kind) {
  thread_local const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                                     ZSTD_freeDCtx);
  if (!context) throw std::bad_alloc();
  const unsigned long long declared = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (declared == ZSTD_CONTENTSIZE_ERROR) return decode_error(kind, "not a zstd body");
  std::string out;
  if (declared != ZSTD_CONTENTSIZE_UNKNOWN) {
    if (declared > limit_bytes) return decode_error(kind, over_limit(limit_bytes));
    out.resize(declared);
  }
  while (true) {
    const std::size_t size =
        ZSTD_decompressDCtx(context.get(), out.data(), out.size(), bytes.data(), bytes.size());
    if (!ZSTD_isError(size)) {
      if (size > limit_bytes) return decode_error(kind, over_limit(limit_bytes));
      out.resize(size);
      return out;
    }
    if (ZSTD_getErrorCode(size) != ZSTD_error_dstSize_tooSmall)
      return decode_error(kind, std::string("zstd body: ") + ZSTD_getErrorName(size));
    if (out.size() > limit_bytes) return decode_error(kind, over_limit(limit_bytes));
    grow(out, limit_bytes);
  }
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Takes what stands before `separator` off the front of `rest`.
std::string_view take(std::string_view& rest, char separator) {
  const std::size_t at = rest.find(separator);
  const std::string_view part = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 1);
  return trim(part);
}

// Whether a weight is over zero. One that cannot be understood is not: sending no compression is always
// right.
bool is_wanted(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string parameter = lower(take(parameters, ';'));
    if (parameter.rfind("q=", 0) != 0) continue;
    const std::string_view weight = std::string_view(parameter).substr(2);
    return weight.find_first_not_of("0123456789.") == std::string_view::npos &&
           weight.find_first_of("123456789") != std::string_view::npos;
  }
  return true;
}

}  // namespace

std::string compress(Compression how, std::string_view bytes) {
  switch (how) {
    case Compression::gzip:
      return gzip(bytes);
    case Compression::zstd:
      return zstd(bytes);
    case Compression::none:
      break;
  }
  return std::string(bytes);
}

Decoded<std::string> decompress(Compression how, std::string_view bytes, std::size_t limit_bytes,
                                DecodeErrorKind kind) {
  switch (how) {
    case Compression::gzip:
      return gunzip(bytes, limit_bytes, kind);
    case Compression::zstd:
      return unzstd(bytes, limit_bytes, kind);
    case Compression::none:
      break;
  }
  if (bytes.size() > limit_bytes) return decode_error(kind, over_limit(limit_bytes));
  return std::string(bytes);
}

Decoded<Compression> compression_from_content_encoding(std::string_view value) {
  const std::string coding = lower(trim(value));
  if (coding.empty() || coding == "identity") return Compression::none;
  if (coding == "gzip") return Compression::gzip;
  if (coding == "zstd") return Compression::zstd;
  return decode_error(DecodeErrorKind::bad_header, "content-encoding: expected gzip, zstd or identity");
}

Compression best_accepted(std::string_view accept_encoding) {
  std::optional<bool> zstd_named;
  std::optional<bool> gzip_named;
  bool others = false;
  while (!accept_encoding.empty()) {
    std::string_view parameters = take(accept_encoding, ',');
    const std::string coding = lower(take(parameters, ';'));
    const bool wanted = is_wanted(parameters);
    if (coding == "zstd") zstd_named = wanted;
    if (coding == "gzip") gzip_named = wanted;
    if (coding == "*") others = wanted;
  }
  if (zstd_named.value_or(others)) return Compression::zstd;
  if (gzip_named.value_or(others)) return Compression::gzip;
  return Compression::none;
}

}  // namespace s2::wire
