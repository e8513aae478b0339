// A credential that cannot be printed by accident: only reveal() gives the text, and only the HTTP client
// calls it.
//
// A value; any thread. Streaming one prints "(secret)", and nothing else formats it.
#pragma once

#include <ostream>
#include <string>
#include <utility>

namespace s2::writer {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}

  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

  friend std::ostream& operator<<(std::ostream& out, const Secret&) { return out << "(secret)"; }

 private:
  std::string text_;
};

}  // namespace s2::writer
