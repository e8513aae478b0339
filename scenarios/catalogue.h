// The scenarios that the program brings along: the files of scenarios/catalogue/, built into it.
//
// Any thread. A file that does not parse is a defect of the build: a test holds every one of them to the
// format.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "scenarios/scenario.h"

namespace s2::scenarios {

// By name. Error: the first file that does not parse.
tl::expected<std::vector<Scenario>, std::string> load_catalogue();

}  // namespace s2::scenarios
