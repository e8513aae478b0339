// See escape.h.
#include "scenarios/escape.h"

#include <fmt/format.h>

#include <cctype>
#include <cstdint>

namespace s2::scenarios {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// The next code point and how many bytes it takes; a wrong byte is one kReplacement of one byte.
struct Decoded {
  char32_t point = kReplacement;
  std::size_t size = 1;
};

Decoded decode(std::string_view s) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || s.size() < size) return {};
  char32_t point = lead & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    point = (point << 6) | (byte(i) & 0x3FU);
  }
  const bool overlong = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  if (overlong || surrogate || point > 0x10FFFF) return {};
  return {point, size};
}

// Calls `each(code point, its bytes)`; a wrong byte comes as kReplacement with that one's bytes.
template <class F>
void for_each_point(std::string_view text, const F& each) {
  while (!text.empty()) {
    const Decoded d = decode(text);
    const bool wrong = d.point == kReplacement && d.size == 1;
    each(d.point, wrong ? std::string_view("\xEF\xBF\xBD") : text.substr(0, d.size));
    text.remove_prefix(d.size);
  }
}

bool is_control(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0);
}

bool hides_or_turns(char32_t c) {
  return c == 0x2028 || c == 0x2029 || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x2069) || c == 0x061C || c == 0xFEFF;
}

bool in_xml(char32_t c) {
  return c == '\t' || c == '\n' || (c >= 0x20 && !is_control(c) && c != 0xFFFE && c != 0xFFFF);
}

void append_entity(std::string& out, char32_t c, std::string_view bytes) {
  switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    case '\'':
      out += "&#39;";
      break;
    default:
      out += bytes;
  }
}

}  // namespace

std::string utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for_each_point(text, [&](char32_t, std::string_view bytes) { out += bytes; });
  return out;
}

std::string visible(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for_each_point(text, [&](char32_t c, std::string_view bytes) {
    if (is_control(c)) {
      out += fmt::format("\\x{:02x}", static_cast<std::uint32_t>(c));
    } else if (hides_or_turns(c)) {
      out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c));
    } else {
      out += bytes;
    }
  });
  return out;
}

std::string for_html(std::string_view text) {
  std::string out;
  for_each_point(visible(text), [&](char32_t c, std::string_view bytes) { append_entity(out, c, bytes); });
  return out;
}

std::string for_xml(std::string_view text) {
  std::string out;
  for_each_point(text, [&](char32_t c, std::string_view bytes) {
    if (hides_or_turns(c)) {
      out += visible(bytes);
    } else if (in_xml(c)) {
      append_entity(out, c, bytes);
    }
  });
  return out;
}

std::string for_markdown_html(std::string_view text) {
  std::string out;
  for (const char c : visible(text)) {
    const bool punctuation = c > 0x20 && c < 0x7F && std::isalnum(static_cast<unsigned char>(c)) == 0;
    out += punctuation ? fmt::format("&#{};", static_cast<int>(c)) : std::string(1, c);
  }
  return out;
}

std::string for_markdown(std::string_view text) {
  std::string out;
  for_each_point(visible(text), [&](char32_t c, std::string_view bytes) {
    if (c == '&' || c == '<' || c == '>') {
      append_entity(out, c, bytes);
    } else if (c < 0x80 && std::string_view("\\`*_{}[]()#+-.!|~:@\"'$^=").find(static_cast<char>(c)) !=
                               std::string_view::npos) {
      out += '\\';
      out += bytes;
    } else {
      out += bytes;
    }
  });
  return out;
}

}  // namespace s2::scenarios
