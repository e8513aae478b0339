// One line of the writer's stdout, understood: the protocol of `--writer-driver stdio`.
//
// Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "scenarios/ledger.h"

namespace s2::scenarios {

struct Published {
  std::uint64_t n = 0;
  std::uint64_t seq = 0;
};
struct Rejected {
  std::uint64_t n = 0;
  std::string reason;
};

// A Statement without its time, session as the line says it (or empty). `garbage` for what is none of these.
using WriterLine = std::variant<Published, Rejected, Statement>;
WriterLine parse_writer_line(std::string_view line);

}  // namespace s2::scenarios
