// Base64, RFC 4648 section 4: standard alphabet, padding required, no second spelling of the same bytes.
#include <array>

#include "wire/json.h"
#include "wire/text.h"

namespace s2::wire {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNotInAlphabet = 0xFF;

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNotInAlphabet);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  return values;
}();

std::uint32_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

}  // namespace

void append_base64(std::string& out, std::string_view bytes) {
  const std::size_t begin = out.size();
  out.resize(begin + (bytes.size() + 2) / 3 * 4);
  char* to = out.data() + begin;
  std::size_t at = 0;
  for (; at + 3 <= bytes.size(); at += 3) {
    const std::uint32_t group =
        byte_at(bytes, at) << 16 | byte_at(bytes, at + 1) << 8 | byte_at(bytes, at + 2);
    *to++ = kAlphabet[group >> 18];
    *to++ = kAlphabet[group >> 12 & 63];
    *to++ = kAlphabet[group >> 6 & 63];
    *to++ = kAlphabet[group & 63];
  }
  if (at == bytes.size()) return;
  const bool two_left = bytes.size() - at == 2;
  const std::uint32_t group = byte_at(bytes, at) << 16 | (two_left ? byte_at(bytes, at + 1) << 8 : 0);
  *to++ = kAlphabet[group >> 18];
  *to++ = kAlphabet[group >> 12 & 63];
  *to++ = two_left ? kAlphabet[group >> 6 & 63] : '=';
  *to++ = '=';
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  const std::size_t digits = text.size() - padding;
  std::string out;
  out.resize(digits * 3 / 4);
  char* to = out.data();
  std::uint8_t wrong =
      0;  // collects the high bit that only kNotInAlphabet has: one test a body, not one a digit
  const auto value_at = [&](std::size_t at) {
    const std::uint8_t value = kValues[static_cast<unsigned char>(text[at])];
    wrong |= value;
    return static_cast<std::uint32_t>(value);
  };
  std::size_t at = 0;
  for (; at + 4 <= digits; at += 4) {
    const std::uint32_t group =
        value_at(at) << 18 | value_at(at + 1) << 12 | value_at(at + 2) << 6 | value_at(at + 3);
    *to++ = static_cast<char>(group >> 16);
    *to++ = static_cast<char>(group >> 8);
    *to++ = static_cast<char>(group);
  }
  if (padding != 0) {
    const std::uint32_t group =
        value_at(at) << 18 | value_at(at + 1) << 12 | (padding == 1 ? value_at(at + 2) << 6 : 0);
    *to++ = static_cast<char>(group >> 16);
    if (padding == 1) *to++ = static_cast<char>(group >> 8);
    // Bits that no byte uses must be zero, else two texts would mean the same bytes.
    if ((group & (padding == 1 ? 0xFFU : 0xFFFFU)) != 0) return std::nullopt;
  }
  if ((wrong & 0x80) != 0) return std::nullopt;
  return out;
}

}  // namespace s2::wire
