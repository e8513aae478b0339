// Which categories are captured: the body of PUT and PATCH /telemetry, and how it reads back.
//
//   {"browser": {"console": {"enabled": true}, …}, "capture_session_id": "…"}
//
// PUT says all (what it does not name is off), PATCH changes what it names. Pure; any thread.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "writer/category.h"

namespace s2::writer {

struct TelemetryConfig {
  std::array<bool, kCategories.size()> enabled{};  // as kCategories

  bool captures_anything() const;
  bool captures(std::string_view category) const;
  std::string json() const;  // {"browser":{…}}, every category named
};

struct TelemetryChange {
  std::optional<std::string> capture_session_id;
  std::array<std::optional<bool>, kCategories.size()> enabled{};

  TelemetryConfig applied_to(TelemetryConfig config) const;
};

// The error is one line for the caller: which member, and what was expected.
tl::expected<TelemetryChange, std::string> parse_telemetry_change(std::string_view body);

}  // namespace s2::writer
