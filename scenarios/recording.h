// What a real browser emitted, with its times: the default workload (scenarios/workloads/, made by
// `ci/record-workload`), built into the program.
//
// Any thread; unpacked once, at the first call, and shared from then on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "scenarios/event_text.h"

namespace s2::scenarios {

inline constexpr std::size_t kMaxRecordingBytes = 256 * 1024 * 1024;  // unpacked

struct RecordedEvent {
  std::int64_t t_us = 0;  // since the recording began
  EventShape shape;
};

// JSON Lines: a header, then {"t_us","event"} a line. Error: the line and what was expected.
tl::expected<std::vector<RecordedEvent>, std::string> parse_recording(std::string_view json_lines);
const std::vector<RecordedEvent>& browser_recording();

}  // namespace s2::scenarios
