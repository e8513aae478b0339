// The resource file that `--init-file` names: basins and streams that are ensured at the start.
//
// On the thread that builds the emulator. Format: that of `s2 lite --init-file`, {"basins":[{"name","config",
// "streams":[{"name","config"}]}]}.
#pragma once

#include <cstdint>
#include <string>

#include "emulator/service.h"

namespace s2::emulator {

// Throws std::invalid_argument with one line that names the resource and what is wrong with it.
void apply_init_json(Service& service, const std::string& text, std::uint64_t now_ms);

}  // namespace s2::emulator
