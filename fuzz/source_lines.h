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

// One place in the source.
struct SourceLine {
  std::string text;      // "Ring::publish writer/ring.cpp:28"
  std::string function;  // with its scope: "Ring::publish"; "" unknown
  std::string file;      // its path; "" unknown
  unsigned line = 0;
};

class SourceLines {
 public:
  // Asks `tool` (of binutils, or what takes its arguments) once for each program or library that the trace's
  // addresses lie in.
  explicit SourceLines(const sim::Execution& execution, const std::string& tool = "addr2line");
  // Of a step of that trace, the innermost place that is neither the world's nor a system library's:
  // "Ring::publish writer/ring.cpp:28". Without line tables or without the tool "Ring::publish
  // s2-fuzz+0x1a2b", without symbols "s2-fuzz+0x1a2b"; "" where no such frame was kept.
  std::string of(const sim::TraceStep& step) const;
  // The same in parts; nullptr where of() is "". Lives as long as this.
  const SourceLine* at(const sim::TraceStep& step) const;

 private:
  std::unordered_map<const void*, SourceLine> places_;
};

// Gives each mutex and condition variable that has no name the one that it bears in the source, as far as
// that can be read: "Ring::mutex_", a second one of that name "Ring::mutex_ #2". Sources that are newer than
// the program are not looked at. `lines` are of that execution.
void name_objects(sim::Execution& execution, const SourceLines& lines);

// A demangled name without its arguments, template arguments and return type, and the last two of its scopes.
std::string short_name(std::string_view demangled);

}  // namespace s2::fuzz
