// A command line split like a shell would, without a shell: quotes and backslashes, no expansion of anything.
//
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace s2::scenarios {

// Error: one line, such as "a quote is not closed". No words at all is an error too.
tl::expected<std::vector<std::string>, std::string> split_shell_words(std::string_view command);

}  // namespace s2::scenarios
