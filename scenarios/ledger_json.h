// A Ledger as `timeline.json` and back: what it says is kept, value for value.
//
// Pure; any thread. Text that is not UTF-8 is kept as far as JSON can: each wrong byte becomes U+FFFD.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "scenarios/ledger.h"

namespace s2::scenarios {

std::string ledger_to_json(const Ledger& ledger);

// Error: one line, where it stands and what was expected.
tl::expected<Ledger, std::string> ledger_from_json(std::string_view json);

}  // namespace s2::scenarios
