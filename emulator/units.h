// Durations and sizes as the flags and fault plans write them: `250ms`, `5s`, `2m`; `64KiB`, `1MiB`.
//
// Pure functions; any thread. Nothing comes back for text of another shape or a value out of range.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace s2::emulator {

inline constexpr std::chrono::milliseconds kMaxDuration = std::chrono::hours(24 * 366);

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);  // ms, s, m, h
std::optional<std::uint64_t> parse_size(std::string_view text);                  // B, KiB, MiB, GiB; bytes
std::optional<std::uint64_t> parse_decimal(std::string_view text);               // digits only, fits 64 bits
std::string print_duration(std::chrono::milliseconds value);

}  // namespace s2::emulator
