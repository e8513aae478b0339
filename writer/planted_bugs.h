// Planted bugs: known mistakes that the explorer and the scenarios must find, each behind one name.
//
// Compiled only into simulation and test builds (PLANTED_BUGS); elsewhere planted() is a constant false and
// costs nothing. One bug at a time, named by S2_WRITER_PLANTED_BUG, read once. Any thread.
#pragma once

#include <cstdlib>
#include <string_view>

namespace s2::writer {

#ifdef PLANTED_BUGS
inline bool planted(std::string_view name) {
  static const std::string_view chosen = [] {
    const char* value = std::getenv("S2_WRITER_PLANTED_BUG");
    return std::string_view(value ? value : "");
  }();
  return chosen == name;
}
#else
constexpr bool planted(std::string_view) {
  return false;
}
#endif

}  // namespace s2::writer
