// A suite made from the model of an honest writer: many runs, some of them damaged, and one full of hostile
// text.
//
// For the tests of the report; pure.
#pragma once

#include <random>
#include <string>

#include "scenarios/report.h"
#include "tests/scenarios/honest_run.h"

namespace s2::scenarios {

// Everything that could break out of a page, a terminal, XML or Markdown, in one string (with a NUL and wrong
// UTF-8).
std::string hostile_text();

// An honest run's plan, all but its class and length drawn.
Plan drawn_plan(std::mt19937_64& random, Teardown teardown, std::size_t events);

// `runs` held runs over all classes and faults, then `broken` damaged ones.
Suite demo_suite(std::size_t runs, std::size_t broken);

// One broken run whose every text is hostile.
void add_hostile_run(Suite& suite);

}  // namespace s2::scenarios
