// Where in the source the steps of a trace stand: return addresses made into function and file:line by
// addr2line, once for all.
//
// Runs child processes and waits for them; not inside a world.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "sim/world.h"

namespace s2::fuzz {

class SourceLines {
 public:
  // Asks `tool` (of binutils, or what takes its arguments) once for each program or library that the trace's
  // addresses lie in.
  explicit SourceLines(const sim::Execution& execution, const std::string& tool = "addr2line");
  // Of a step of that trace, the innermost place that is neither the world's nor a system library's:
  // "Ring::publish writer/ring.cpp:28". Without line tables or without the tool "Ring::publish
  // s2-fuzz+0x1a2b", without symbols "s2-fuzz+0x1a2b"; "" where no such frame was kept.
  std::string of(const sim::TraceStep& step) const;

 private:
  std::unordered_map<const void*, std::string> places_;
};

// A demangled name without its arguments, template arguments and return type, and the last two of its scopes.
std::string short_name(std::string_view demangled);

}  // namespace s2::fuzz
