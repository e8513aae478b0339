// Where in the source the steps of a trace stand: return addresses made into file:line by addr2line, once for
// all.
//
// Names the innermost place outside of sim/ and the system's headers. Where the tool is missing, or the
// program has no line tables, there is no place (""). Runs a child process; not inside a world.
#pragma once

#include <string>
#include <unordered_map>

#include "sim/world.h"

namespace s2::fuzz {

class SourceLines {
 public:
  explicit SourceLines(const sim::Execution& execution);
  // "ring.cpp:28"
  std::string of(const sim::TraceStep& step) const;

 private:
  std::unordered_map<const void*, std::string> places_;
};

}  // namespace s2::fuzz
