// A suite made from the model of an honest writer: many runs, some of them damaged, and one full of hostile
// text.
//
// For the tests of the report; pure.
#pragma once

#include <string>

#include "scenarios/report.h"

namespace s2::scenarios {

// Everything that could break out of a page, a terminal, XML or Markdown, in one string (with a NUL and wrong
// UTF-8).
std::string hostile_text();

// `runs` held runs over all classes and faults, then `broken` damaged ones.
Suite demo_suite(std::size_t runs, std::size_t broken);

// One broken run whose every text is hostile.
void add_hostile_run(Suite& suite);

}  // namespace s2::scenarios
