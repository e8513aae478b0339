// A chooser that takes each choice and each draw from bytes: an input of libFuzzer is an order.
//
// A byte says how many places past the usual choice to go, so that zeroes are the default policy and what a
// mutation leaves alone stays as it was. At the end of the bytes the usual choices follow, and draws of 0:
// every input is one order, and a shorter one is a simpler one. Belongs to one call of sim::run(); the bytes
// outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sim/chooser.h"

namespace s2::fuzz {

class BytesChooser final : public sim::Chooser {
 public:
  explicit BytesChooser(std::string_view bytes) : bytes_(bytes) {}

  std::size_t choose(const sim::Choices& choices) override {
    return (choices.usual() + next()) % choices.size();
  }
  // As many bytes as `below` needs, at least one where there is something to draw.
  std::uint64_t draw(std::uint64_t below) override {
    std::uint64_t value = 0;
    for (std::uint64_t most = below - 1; most != 0; most >>= 8) value = value << 8 | next();
    return value % below;
  }
  std::size_t taken() const { return at_; }  // of the bytes

 private:
  std::uint8_t next() { return at_ < bytes_.size() ? static_cast<std::uint8_t>(bytes_[at_++]) : 0; }

  std::string_view bytes_;
  std::size_t at_ = 0;
};

}  // namespace s2::fuzz
