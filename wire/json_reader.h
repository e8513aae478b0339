// A pull parser for JSON of a known shape: the caller says what must come, values land where they belong, no
// tree.
//
// For the codecs of this folder. Strict RFC 8259 over UTF-8, no BOM. Every call returns false once something
// is wrong; the first wrong thing, with its path and byte, is error(). Members that the caller does not know
// are skip()ped: that is S2's rule. Does not recurse: depth is bounded by the caller's shape, and in skip()
// by kMaxJsonDepth. The text must outlive the reader; a reader belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wire/error.h"

namespace s2::wire {

inline constexpr std::size_t kMaxJsonDepth = 128;  // arrays and objects inside each other, in a skipped value

class JsonReader {
 public:
  explicit JsonReader(std::string_view text);

  // on_member(key) must read that member's value and return whether it could.
  template <class OnMember>
  bool object(OnMember&& on_member);
  // on_element() must read one element.
  template <class OnElement>
  bool array(OnElement&& on_element);

  bool string(std::string& out);
  // The same without a copy where it has no escapes: then `out` is a part of the text, else of `scratch`.
  bool string(std::string& scratch, std::string_view& out);
  bool u64(std::uint64_t& out);
  bool optional_u64(std::optional<std::uint64_t>& out);  // null: none
  bool null();                                           // takes null if it comes next; false changes nothing
  bool at_string();                                      // whether a string comes next; takes nothing
  bool skip();
  bool end();  // nothing but white space follows
  // Whether every number that was skipped has no exponent and at most 300 digits: none is too large for a
  // double.
  bool skipped_only_common_numbers() const { return common_numbers_; }

  // A member that may stand only once: false (and an error) when `bit` of `seen` was set before.
  bool once(unsigned& seen, unsigned bit);
  bool fail(std::string_view what);
  // Only after a call returned false.
  DecodeError error() const;

 private:
  bool open(char bracket, const char* what) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != bracket) return expected(what);
    ++at_;
    return true;
  }
  bool next(char closing, bool& first, bool& more);
  bool expected(const char* what);
  bool key(std::string& scratch, std::string_view& out);
  void in_member(std::string_view name);
  void in_element(std::size_t index);
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }
  bool literal(std::string_view word);
  bool skip_number();
  bool skip_scalar();
  bool escape(std::string& out);
  bool hex4(std::uint32_t& out);

  std::string_view text_;
  std::size_t at_ = 0;
  bool common_numbers_ = true;
  std::string what_;
  std::string path_;
};

// Moves to the next member or element (`more`), or past the closing bracket.
inline bool JsonReader::next(char closing, bool& first, bool& more) {
  skip_space();
  if (at_ == text_.size()) return fail("the text ends too early");
  more = text_[at_] != closing;
  if (!more) {
    ++at_;
    return true;
  }
  if (!first) {
    if (text_[at_] != ',') return fail("expected a comma or the end");
    ++at_;
  }
  first = false;
  return true;
}

template <class OnMember>
bool JsonReader::object(OnMember&& on_member) {
  if (!open('{', "an object")) return false;
  std::string scratch;
  std::string_view name;
  bool first = true;
  for (bool more = false; next('}', first, more);) {
    if (!more) return true;
    if (!key(scratch, name)) return false;
    if (!on_member(name)) {
      in_member(name);
      return false;
    }
  }
  return false;
}

template <class OnElement>
bool JsonReader::array(OnElement&& on_element) {
  if (!open('[', "an array")) return false;
  bool first = true;
  std::size_t index = 0;
  for (bool more = false; next(']', first, more); ++index) {
    if (!more) return true;
    if (!on_element()) {
      in_element(index);
      return false;
    }
  }
  return false;
}

}  // namespace s2::wire
