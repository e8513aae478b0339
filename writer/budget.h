// The planner of a shutdown's budgets: what each step may take, from what surrounds the writer and what its
// steps need; or one line why that cannot be.
//
// A budget must be less than what is around it, at each level: step < shutdown < supervisor's grace < host's
// grace. The usual mistake is the other way round: three steps of 10 s inside a supervisor's 25 s inside a
// host that gives 2 s. Linger costs a shutdown nothing: the last batch is sent without it. What the steps
// need is known where S2_WRITER_ACK_LATENCY is: for a ring that is full of one stream's events, of whatever
// size, and not for a backlog in the journal. Pure; any thread. Source: system rules "Shutdown", "What really
// went wrong" 3.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "writer/ring.h"
#include "writer/shutdown.h"

namespace s2::writer {

struct BudgetWishes {
  std::optional<std::chrono::milliseconds>
      whole;  // S2_WRITER_SHUTDOWN_BUDGET; nothing: what fits, 10 s if it may
  std::vector<std::chrono::milliseconds> around;  // S2_WRITER_GRACE, from the inside out; empty: not known
  std::array<std::optional<std::chrono::milliseconds>, kShutdownTable.size()>
      steps;  // S2_WRITER_STEP_BUDGETS
  std::optional<std::chrono::milliseconds>
      ack_latency;                  // S2_WRITER_ACK_LATENCY; nothing: needs are not known
  std::int64_t ring_events = 1024;  // what a drain may find
  std::int64_t ring_bytes = kDefaultRingBytes;
  std::int64_t batch_records = 50;
  std::int64_t batches_in_flight = 128;
  bool fencing = true;  // a stream is fenced before its first append
};

struct ShutdownPlan {
  std::chrono::milliseconds whole{10'000};
  ShutdownShares shares = kTableShares;
};

// The error is one line, with the arithmetic and with what to change.
tl::expected<ShutdownPlan, std::string> plan_shutdown(const BudgetWishes& wishes);

// S2_WRITER_STEP_BUDGETS: `drain=2s,acks=1s`. The error says what was expected.
tl::expected<void, std::string> parse_step_budgets(std::string_view text, BudgetWishes& into);
// S2_WRITER_GRACE: `25s`, or from the inside out `25s,30s`.
tl::expected<void, std::string> parse_graces(std::string_view text, BudgetWishes& into);

// A line a step, for people.
std::string plan_text(const ShutdownPlan& plan, const BudgetWishes& wishes);

}  // namespace s2::writer
