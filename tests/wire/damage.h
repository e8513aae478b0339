// Ways to damage good bytes, and a place for bytes where reading one too far is seen.
//
// For tests that feed garbage to a decoder.
#pragma once

#include <rapidcheck.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "tests/wire/generators.h"
#include "wire/error.h"

namespace s2::generators {

// The bytes in a heap block of exactly their size: the address sanitizer sees one byte of over-read.
class Exact {
 public:
  explicit Exact(std::string_view bytes) : size_(bytes.size()), bytes_(new char[bytes.size()]) {
    if (size_ != 0) std::memcpy(bytes_.get(), bytes.data(), size_);
  }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

// Random bytes, or `good` after some bit flips, cuts, insertions and repetitions. Call inside a property.
inline std::string damaged(std::string good) {
  if (*rc::gen::inRange(0, 4) == 0) return *bytes();
  const int wounds = *rc::gen::inRange(1, 5);
  for (int i = 0; i < wounds; ++i) {
    const std::size_t at = *rc::gen::inRange<std::size_t>(0, good.size() + 1);
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        if (at < good.size()) good[at] = static_cast<char>(good[at] ^ 1 << *rc::gen::inRange(0, 8));
        break;
      case 1:
        good.resize(at);
        break;
      case 2:
        good.insert(at, *bytes());
        break;
      default:
        good.insert(at, good.substr(*rc::gen::inRange<std::size_t>(0, good.size() + 1), 16));
    }
  }
  return good;
}

// What every refusal must be: of this kind, one line, saying something.
inline void expect_kind(const wire::DecodeError& error, wire::DecodeErrorKind kind) {
  RC_ASSERT(error.kind == kind);
  RC_ASSERT(!error.message.empty());
  RC_ASSERT(error.message.size() <= 512u);
  RC_ASSERT(
      std::none_of(error.message.begin(), error.message.end(), [](unsigned char c) { return c < 0x20; }));
}

}  // namespace s2::generators
