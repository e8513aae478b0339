// What a writer is asked, and one line of its stdout, understood: the protocol of `--writer-driver stdio`.
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

struct DriverOp {
  enum class Kind { start, publish, flush, stop, storage, identity, end };
  Kind kind = Kind::publish;
  std::string session = {};
  std::uint64_t n = 0;           // publish
  int publisher = 0;             // publish
  std::string event = {};        // publish: its JSON
  std::int64_t deadline_ms = 0;  // flush, stop
  bool on = true;                // storage; identity: whether it inherits
  std::string stream = {};       // identity; may be empty
};

// The operation as a line with its newline; `current_session`: the one started last, which need not be named.
std::string stdio_line(const DriverOp& op, const std::string& current_session);

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
