// One run drawn over time: lanes for publish, ring, append, commit, ack, what the writer said, process and
// faults, and the read-back.
//
// Pure; any thread. Returns HTML with inline SVG and no script. Marks are merged to kColumns places a lane,
// so that a drawing stays small however many events it shows.
#pragma once

#include <cstdint>
#include <string>

#include "scenarios/ledger.h"

namespace s2::scenarios {

inline constexpr int kColumns = 500;  // places along one lane

struct Window {
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
  std::int64_t span() const { return end_ns - begin_ns; }
};

// From the first thing that happened to the last.
Window whole_run(const Ledger& ledger);

// `caption` is shown as it is: escape it before.
std::string timeline_html(const Ledger& ledger, const Window& window, const std::string& caption);

}  // namespace s2::scenarios
