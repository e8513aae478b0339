// See fault_plan.h.
#include "scenarios/fault_plan.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "scenarios/quantity.h"

namespace s2::scenarios {
namespace {

using nlohmann::json;

json fault_json(const Fault& fault) {
  const auto delay = [&] {
    // The plan's durations are whole milliseconds.
    return fmt::format("{}ms", std::max<std::uint64_t>(1, fault.duration.lo / 1000));
  };
  switch (fault.kind) {
    case FaultKind::none:
    case FaultKind::down:
      break;
    case FaultKind::lost_ack:
      return {{"cut", "after_commit"}};
    case FaultKind::cut_before_commit:
      return {{"cut", "before_commit"}};
    case FaultKind::cut_mid_response:
      return {{"cut", "mid_response"}};
    case FaultKind::delay:
      return {{"delay", delay()}, {"when", "after_commit"}};
    case FaultKind::delay_before_commit:
      return {{"delay", delay()}, {"when", "before_commit"}};
    case FaultKind::status_429:
      return {{"status", 429}, {"code", "rate_limited"}, {"when", "before_commit"}};
    case FaultKind::status_500:
      return {{"status", 500}, {"code", "other"}, {"when", "before_commit"}};
    case FaultKind::status_503:
      return {{"status", 503}, {"code", "unavailable"}, {"when", "before_commit"}};
    case FaultKind::status_503_after_commit:
      return {{"status", 503}, {"code", "unavailable"}, {"when", "after_commit"}};
    case FaultKind::hang_before_commit:
      return {{"hang", "before_commit"}};
    case FaultKind::hang_after_commit:
      return {{"hang", "after_commit"}};
    case FaultKind::goaway:
      return {{"goaway", true}};
  }
  return json::object();
}

// What happens to appends; the others happen to the whole endpoint.
bool of_the_plan(const Fault& fault) {
  return fault.kind != FaultKind::none && fault.kind != FaultKind::down;
}

}  // namespace

std::string fault_plan_json(const std::vector<Fault>& faults) {
  json plan = json::array();
  for (const Fault& fault : faults) {
    if (!of_the_plan(fault)) continue;
    for (const char* op : {"append", "append_session"}) {
      plan.push_back({{"match", {{"op", op}, {"after", fault.after.lo}, {"times", fault.times.lo}}},
                      {"fault", fault_json(fault)}});
    }
  }
  return plan.dump();
}

std::string refused_token_plan() {
  json plan = json::array();
  for (const char* op : {"append", "append_session"}) {
    plan.push_back({{"match", {{"op", op}}},
                    {"fault", {{"status", 403}, {"code", "permission_denied"}, {"when", "before_commit"}}}});
  }
  return plan.dump();
}

FiredFaults fired_faults(const std::vector<Fault>& faults, const std::string& plan_json) {
  FiredFaults result;
  const json plan = json::parse(plan_json, nullptr, false);
  std::size_t rule = 0;
  for (const Fault& fault : faults) {
    if (!of_the_plan(fault)) continue;
    std::uint64_t fired = 0;
    for (int op = 0; op < 2; ++op, ++rule) {
      if (rule < plan.size()) fired += plan[rule].value("fired", std::uint64_t{0});
    }
    if (fired == 0 && result.missing.empty()) result.missing = name(fault.kind);
    if (fired < fault.times.lo) result.exhausted = false;
  }
  return result;
}

}  // namespace s2::scenarios
