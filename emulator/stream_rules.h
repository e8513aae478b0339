// The rules of an append that need no stream: what an input may hold, what its command records say, and which
// timestamp a record gets.
//
// Pure functions; any thread. Source: S2 spec "append", "timestamps", "command records".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "emulator/config.h"
#include "wire/types.h"

namespace s2::emulator {

struct Fence {
  std::string token;
};  // empty: clears
struct Trim {
  std::uint64_t trim_point = 0;
};  // records below it go
using Command = std::variant<Fence, Trim>;

// 422 `invalid` for: no record or more than 1000; more than 1 MiB metered; a header without a name outside a
// command record; an unknown or malformed command; a fencing token over 36 bytes or not UTF-8. Otherwise the
// metered bytes.
Result<std::size_t> check_append_input(const wire::AppendInput& input);

// Of a record that passed check_append_input; nothing for an ordinary record.
std::optional<Command> command_of(const wire::AppendRecord& record);

// The timestamp before it is raised to its predecessor's; nothing where the configuration requires one and
// the client gave none.
std::optional<std::uint64_t> timestamp_for(const std::optional<std::uint64_t>& given, std::uint64_t now,
                                           const StreamConfig& config);

}  // namespace s2::emulator
