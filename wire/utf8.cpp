// UTF-8: what is valid, what replaces the rest, and JSON strings, which are built on both.
#include <bit>
#include <cstring>

#include "wire/json.h"
#include "wire/text.h"

namespace s2::wire {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighBits = 0x8080808080808080;

std::uint64_t load8(const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// Has the high bit of each byte that is < n (1 <= n <= 128); may have more above the lowest such byte, never
// less.
std::uint64_t bytes_below(std::uint64_t word, std::uint64_t n) {
  return (word - kOnes * n) & ~word & kHighBits;
}

// Of the first byte in memory that has its high bit set.
std::size_t first_marked(std::uint64_t marks) {
  static_assert(std::endian::native == std::endian::little);
  return static_cast<std::size_t>(std::countr_zero(marks)) / 8;
}

bool is_json_plain(unsigned char byte) {
  return byte >= 0x20 && byte != '"' && byte != '\\';
}

std::uint64_t not_json_plain(std::uint64_t word) {
  return bytes_below(word, 0x20) | bytes_below(word ^ (kOnes * '"'), 1) |
         bytes_below(word ^ (kOnes * '\\'), 1);
}

// As json_plain_run_end, and ASCII only.
std::size_t plain_ascii_run_end(std::string_view text, std::size_t at) {
  for (; at + 8 <= text.size(); at += 8) {
    const std::uint64_t word = load8(text.data() + at);
    const std::uint64_t marks = (word & kHighBits) | not_json_plain(word);
    if (marks != 0) return at + first_marked(marks);
  }
  while (at < text.size() && is_json_plain(static_cast<unsigned char>(text[at])) &&
         static_cast<unsigned char>(text[at]) < 0x80)
    ++at;
  return at;
}

std::size_t ascii_run_end(std::string_view bytes, std::size_t at) {
  while (at + 8 <= bytes.size() && (load8(bytes.data() + at) & kHighBits) == 0) at += 8;
  while (at < bytes.size() && static_cast<unsigned char>(bytes[at]) < 0x80) ++at;
  return at;
}

void append_escaped(std::string& out, unsigned char byte) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (byte) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\r':
      out += "\\r";
      return;
    default:
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
  }
}

}  // namespace

Utf8Part utf8_part(std::string_view bytes, std::size_t at) {
  const auto byte_at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[at + i]); };
  const unsigned char lead = byte_at(0);
  if (lead < 0x80) return {1, true};
  std::size_t size = 0;
  // The second byte's range is narrower after some leads: no overlong forms, no surrogates, nothing past
  // U+10FFFF.
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    size = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    size = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    size = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {1, false};
  }
  for (std::size_t i = 1; i < size; ++i) {
    if (at + i >= bytes.size() || byte_at(i) < low || byte_at(i) > high) return {i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {size, true};
}

bool is_utf8(std::string_view bytes) {
  for (std::size_t at = ascii_run_end(bytes, 0); at < bytes.size(); at = ascii_run_end(bytes, at)) {
    const Utf8Part part = utf8_part(bytes, at);
    if (!part.valid) return false;
    at += part.size;
  }
  return true;
}

std::string utf8_lossy(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t run_end = ascii_run_end(bytes, at);
    out.append(bytes, at, run_end - at);
    at = run_end;
    if (at == bytes.size()) break;
    const Utf8Part part = utf8_part(bytes, at);
    out += part.valid ? bytes.substr(at, part.size) : kReplacementCharacter;
    at += part.size;
  }
  return out;
}

void append_utf8(std::string& out, std::uint32_t code_point) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((code_point >> shift) & 0x3F)); };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0 | (code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0 | (code_point >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | (code_point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::size_t json_plain_run_end(std::string_view text, std::size_t at) {
  for (; at + 8 <= text.size(); at += 8) {
    const std::uint64_t marks = not_json_plain(load8(text.data() + at));
    if (marks != 0) return at + first_marked(marks);
  }
  while (at < text.size() && is_json_plain(static_cast<unsigned char>(text[at]))) ++at;
  return at;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t run_end = plain_ascii_run_end(text, at);
    out.append(text, at, run_end - at);
    at = run_end;
    if (at == text.size()) break;
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      append_escaped(out, static_cast<unsigned char>(text[at++]));
      continue;
    }
    const Utf8Part part = utf8_part(text, at);
    out += part.valid ? text.substr(at, part.size) : kReplacementCharacter;
    at += part.size;
  }
  out += '"';
}

}  // namespace s2::wire
