// A failing execution as one page: threads as lanes, time downward, what the program noted of itself, the
// losing order marked, the failure at the end. It is for a browser, has no script and fetches nothing.
//
// Pure; any thread. Names, words and places are text from outside: whatever they hold, they stay text.
#pragma once
#include <functional>
#include <string>

#include "fuzz/explore.h"

namespace s2::fuzz {

inline constexpr std::size_t kMostPictureBytes = 1'000'000;

struct Picture {
  std::string title;
  std::string lost;    // what was lost, in lines
  std::string replay;  // the line that runs this execution again
  Schedule followed;   // as replay() gives it; without it only the trace's preemptions are marked
  // Where in the source a step stands, "" if that is not known: SourceLines' of().
  std::function<std::string(const sim::TraceStep&)> place_of = {};
};

// Of an execution with its trace. Where a turn of a thread is long, its middle is folded; where there are
// more turns than a page should have, those far from the marks and from the end are counted instead.
std::string picture_of(const sim::Execution& execution, const Picture& about);

}  // namespace s2::fuzz
