// The pull parser's grammar: strings with escapes, unsigned integers, values to skip, and where things went
// wrong.
#include "wire/json_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "wire/json.h"
#include "wire/text.h"

namespace s2::wire {
namespace {

constexpr std::size_t kMaxCommonDigits = 300;    // of a number; a double reaches beyond 308
constexpr std::size_t kMaxNameInPathBytes = 64;  // a hostile member name must not make a hostile error line

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Eight digits at once, the first in the lowest byte: pairs, then fours, then all.
constexpr std::size_t kDigitsAtOnce = 8;
bool eight_digits(const char* text, std::uint64_t& out) {
  std::uint64_t word = 0;
  std::memcpy(&word, text, sizeof word);
  static_assert(std::endian::native == std::endian::little);
  const std::uint64_t digits = word - 0x3030303030303030ULL;
  if (((digits | (word + 0x4646464646464646ULL)) & 0x8080808080808080ULL) != 0) return false;
  std::uint64_t value = digits * 10 + (digits >> 8);
  value = ((value & 0x000000FF000000FFULL) * (100 + (1000000ULL << 32)) +
           ((value >> 16) & 0x000000FF000000FFULL) * (1 + (10000ULL << 32))) >>
          32;
  out = value;
  return true;
}

bool is_printable(std::string_view name) {
  for (const char c : name)
    if (c < 0x20 || c > 0x7E) return false;
  return true;
}

}  // namespace

// One look at the whole text settles UTF-8, so that no later step needs to.
JsonReader::JsonReader(std::string_view text) : text_(text) {
  if (!is_utf8(text)) {
    text_ = {};
    what_ = "the text is not UTF-8";
  }
}

bool JsonReader::fail(std::string_view what) {
  if (what_.empty()) what_ = std::string(what) + " at byte " + std::to_string(at_);
  return false;
}

DecodeError JsonReader::error() const {
  std::string message = "JSON";
  if (!path_.empty()) message += " " + (path_[0] == '.' ? path_.substr(1) : path_);
  return {DecodeErrorKind::bad_json, message + ": " + what_};
}

void JsonReader::in_member(std::string_view name) {
  path_.insert(
      0, name.size() <= kMaxNameInPathBytes && is_printable(name) ? "." + std::string(name) : ".(member)");
}

void JsonReader::in_element(std::size_t index) {
  path_.insert(0, "[" + std::to_string(index) + "]");
}

bool JsonReader::once(unsigned& seen, unsigned bit) {
  if ((seen & bit) != 0) return fail("the member stands twice");
  seen |= bit;
  return true;
}

bool JsonReader::expected(const char* what) {
  return fail(std::string("expected ") + what);
}

bool JsonReader::at_string() {
  skip_space();
  return at_ < text_.size() && text_[at_] == '"';
}

bool JsonReader::key(std::string& scratch, std::string_view& out) {
  if (!string(scratch, out)) return false;
  skip_space();
  if (at_ == text_.size() || text_[at_] != ':') return fail("expected a colon");
  ++at_;
  return true;
}

bool JsonReader::string(std::string& out) {
  out.clear();
  if (!open('"', "a string")) return false;
  while (at_ < text_.size()) {
    const std::size_t run_end = json_plain_run_end(text_, at_);
    out.append(text_, at_, run_end - at_);
    at_ = run_end;
    if (at_ == text_.size()) break;
    if (text_[at_] == '"') {
      ++at_;
      return true;
    }
    if (text_[at_] != '\\') return fail("a control character in a string");
    if (!escape(out)) return false;
  }
  return fail("a string without end");
}

bool JsonReader::string(std::string& scratch, std::string_view& out) {
  if (at_string()) {
    const std::size_t begin = at_ + 1;
    const std::size_t end = json_plain_run_end(text_, begin);
    if (end < text_.size() && text_[end] == '"') {
      out = text_.substr(begin, end - begin);
      at_ = end + 1;
      return true;
    }
  }
  if (!string(scratch)) return false;
  out = scratch;
  return true;
}

bool JsonReader::hex4(std::uint32_t& out) {
  out = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    const int digit = is_digit(c)            ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return fail("expected four hexadecimal digits");
    out = out << 4 | static_cast<std::uint32_t>(digit);
  }
  return true;
}

// One escape, at its backslash.
bool JsonReader::escape(std::string& out) {
  ++at_;
  if (at_ == text_.size()) return fail("a string without end");
  switch (text_[at_]) {
    case '"':
    case '\\':
    case '/':
      out += text_[at_];
      break;
    case 'b':
      out += '\b';
      break;
    case 'f':
      out += '\f';
      break;
    case 'n':
      out += '\n';
      break;
    case 'r':
      out += '\r';
      break;
    case 't':
      out += '\t';
      break;
    case 'u': {
      ++at_;
      std::uint32_t unit = 0;
      if (!hex4(unit)) return false;
      if (unit >= 0xD800 && unit <= 0xDBFF && text_.substr(at_, 2) == "\\u") {
        at_ += 2;
        std::uint32_t low = 0;
        if (!hex4(low)) return false;
        if (low < 0xDC00 || low > 0xDFFF) return fail("a surrogate without its partner");
        append_utf8(out, 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
        return true;
      }
      if (unit >= 0xD800 && unit <= 0xDFFF) return fail("a surrogate without its partner");
      append_utf8(out, unit);
      return true;
    }
    default:
      return fail("an unknown escape");
  }
  ++at_;
  return true;
}

bool JsonReader::u64(std::uint64_t& out) {
  skip_space();
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  constexpr std::size_t kSafeDigits = std::numeric_limits<std::uint64_t>::digits10;  // so many always fit
  std::size_t at = at_;
  std::uint64_t value = 0;
  const std::size_t safe = std::min(text_.size(), at_ + kSafeDigits);
  for (std::uint64_t eight = 0; at + kDigitsAtOnce <= safe && eight_digits(text_.data() + at, eight);
       at += kDigitsAtOnce)
    value = value * 100'000'000 + eight;
  for (; at < safe && is_digit(text_[at]); ++at)
    value = value * 10 + static_cast<std::uint64_t>(text_[at] - '0');
  for (; at < text_.size() && is_digit(text_[at]); ++at) {
    const auto digit = static_cast<std::uint64_t>(text_[at] - '0');
    if (value > (kMax - digit) / 10) return fail("a number over 64 bits");
    value = value * 10 + digit;
  }
  const std::size_t digits = at - at_;
  const bool goes_on = at < text_.size() && (text_[at] == '.' || text_[at] == 'e' || text_[at] == 'E');
  if (digits == 0 || goes_on || (digits > 1 && text_[at_] == '0'))
    return fail("expected an unsigned integer");
  at_ = at;
  out = value;
  return true;
}

bool JsonReader::optional_u64(std::optional<std::uint64_t>& out) {
  out.reset();
  if (null()) return true;
  std::uint64_t value = 0;
  if (!u64(value)) return false;
  out = value;
  return true;
}

bool JsonReader::literal(std::string_view word) {
  if (text_.substr(at_, word.size()) != word) return false;
  at_ += word.size();
  return true;
}

bool JsonReader::null() {
  skip_space();
  return literal("null");
}

bool JsonReader::skip_number() {
  const auto digits = [&] {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ - begin;
  };
  if (at_ < text_.size() && text_[at_] == '-') ++at_;
  const std::size_t begin = at_;
  const std::size_t whole = digits();
  if (whole == 0 || (whole > 1 && text_[begin] == '0')) return fail("expected a value");
  if (whole > kMaxCommonDigits) common_numbers_ = false;
  if (at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    if (digits() == 0) return fail("expected a digit");
  }
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    common_numbers_ = false;
    ++at_;
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
    if (digits() == 0) return fail("expected a digit");
  }
  return true;
}

bool JsonReader::skip_scalar() {
  std::string scratch;
  std::string_view text;
  if (text_[at_] == '"') return string(scratch, text);
  return literal("null") || literal("true") || literal("false") || skip_number();
}

bool JsonReader::skip() {
  std::array<char, kMaxJsonDepth> closings{};  // of the arrays and objects that are open, innermost last
  std::size_t depth = 0;                       // so many of them
  bool first = false;                          // whether the innermost has had no element yet
  while (true) {
    skip_space();
    if (at_ == text_.size()) return fail("the text ends too early");
    if (text_[at_] == '{' || text_[at_] == '[') {
      if (depth == kMaxJsonDepth) return fail("more than 128 levels");
      closings[depth++] = text_[at_] == '{' ? '}' : ']';
      first = true;
      ++at_;
    } else if (!skip_scalar()) {
      return false;
    }
    // Close what ends here, then stand before the next value.
    for (bool more = false; !more; first = false) {
      if (depth == 0) return true;
      if (!next(closings[depth - 1], first, more)) return false;
      if (!more) --depth;
    }
    std::string scratch;
    std::string_view name;
    if (closings[depth - 1] == '}' && !key(scratch, name)) return false;
  }
}

bool JsonReader::end() {
  skip_space();
  return at_ == text_.size() || fail("something follows the value");
}

}  // namespace s2::wire
