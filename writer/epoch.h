// Which of two processes came later: what their fencing tokens tell.
//
// A process that was paused before it fenced its stream, and is resumed beside its successor, must not take
// the stream back. S2 keeps no order of owners, so the token carries one: where and when its process began,
// by the clock since boot and by the wall clock. Another process counts as later only where both clocks say
// so in one boot; in doubt (another host, a clock that was set) it does not, and the one that comes last
// takes the stream.
//
// Any thread; no state.
#pragma once

#include <string>
#include <string_view>

namespace s2::writer {

inline constexpr std::size_t kEpochTokenBytes = 22;  // leaves 14 of S2's 36 for stream and fence numbers

// Of this moment, unique to it; empty (and errno) where no randomness is to be had.
std::string new_epoch_token();

// For tests: the same from given facts. `boot` names a boot of a host; times in milliseconds.
std::string make_epoch_token(std::string_view boot, std::uint64_t since_boot_ms, std::uint64_t wall_ms,
                             std::uint64_t random);

// Whether the fencing token `other` (with whatever follows its epoch) is of a process that began after that
// of `ours`. False for any text that is no epoch token.
bool is_of_later_process(std::string_view other, std::string_view ours);

}  // namespace s2::writer
