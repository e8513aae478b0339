// See faults.h.
#include "emulator/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "emulator/units.h"

namespace s2::emulator {
namespace {

using nlohmann::json;

constexpr std::array kOps = {
    "append",        "append_session", "read",       "read_session", "check_tail",   "list_basins",
    "create_basin",  "ensure_basin",   "get_basin",  "patch_basin",  "delete_basin", "list_streams",
    "create_stream", "ensure_stream",  "get_stream", "patch_stream", "delete_stream"};

[[noreturn]] void bad(std::size_t index, const std::string& what) {
  throw std::invalid_argument(fmt::format("fault rule {}: {}", index, what));
}

std::string_view name_of(FaultWhen when) {
  switch (when) {
    case FaultWhen::before_commit:
      return "before_commit";
    case FaultWhen::after_commit:
      return "after_commit";
    case FaultWhen::mid_response:
      return "mid_response";
  }
  return "";
}

std::string_view name_of(FaultKind kind) {
  constexpr std::string_view kNames[] = {"delay",  "status",   "cut",       "hang",
                                         "goaway", "truncate", "late_twin", "bandwidth"};
  return kNames[static_cast<std::size_t>(kind)];
}

FaultWhen parse_when(std::size_t index, const json& value, std::string_view member, bool mid_response) {
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  if (text == "before_commit") return FaultWhen::before_commit;
  if (text == "after_commit") return FaultWhen::after_commit;
  if (text == "mid_response" && mid_response) return FaultWhen::mid_response;
  bad(index,
      fmt::format("`{}` is before_commit or after_commit{}", member, mid_response ? " or mid_response" : ""));
}

std::uint64_t parse_count(std::size_t index, const json& value, std::string_view member) {
  if (!value.is_number_unsigned()) bad(index, fmt::format("`{}` is a whole number, 0 or more", member));
  return value.get<std::uint64_t>();
}

std::chrono::milliseconds parse_time(std::size_t index, const json& value, std::string_view member) {
  const auto parsed = value.is_string() ? parse_duration(value.get<std::string>()) : std::nullopt;
  if (!parsed) bad(index, fmt::format("`{}` is a duration such as \"200ms\" or \"5s\"", member));
  return *parsed;
}

// The S2 code that usually goes with a status, for a rule that names none.
std::string usual_code(int status) {
  switch (status) {
    case 401:
      return "authn";
    case 403:
      return "permission_denied";
    case 408:
      return "request_timeout";
    case 409:
      return "transaction_conflict";
    case 429:
      return "rate_limited";
    case 502:
      return "hot_server";
    case 503:
      return "unavailable";
    case 504:
      return "upstream_timeout";
    default:
      return "other";
  }
}

Fault parse_fault(std::size_t index, const json& source) {
  if (!source.is_object()) bad(index, "`fault` is an object");
  Fault fault;
  int kinds = 0;
  for (const auto& [member, value] : source.items()) {
    if (member == "when") {
      fault.when = parse_when(index, value, member, false);
      continue;
    }
    if (member == "code") {
      if (!value.is_string()) bad(index, "`code` is a string");
      fault.code = value.get<std::string>();
      continue;
    }
    ++kinds;
    if (member == "delay" || member == "late_twin") {
      fault.kind = member == "delay" ? FaultKind::delay : FaultKind::late_twin;
      fault.duration = parse_time(index, value, member);
    } else if (member == "status") {
      fault.kind = FaultKind::status;
      if (!value.is_number_integer() || value < 400 || value > 599)
        bad(index, "`status` is a number, 400 to 599");
      fault.status = value.get<int>();
    } else if (member == "cut" || member == "hang") {
      fault.kind = member == "cut" ? FaultKind::cut : FaultKind::hang;
      fault.when = parse_when(index, value, member, member == "cut");
    } else if (member == "goaway") {
      fault.kind = FaultKind::goaway;
      if (value != true) bad(index, "`goaway` is true");
    } else if (member == "truncate") {
      fault.kind = FaultKind::truncate;
      fault.bytes = parse_count(index, value, member);
    } else if (member == "bandwidth") {
      fault.kind = FaultKind::bandwidth;
      const auto size = value.is_string() ? parse_size(value.get<std::string>()) : std::nullopt;
      if (!size || *size == 0) bad(index, "`bandwidth` is a size a second such as \"64KiB\"");
      fault.bytes = *size;
    } else {
      bad(index, fmt::format("`fault` has no member `{}`", member));
    }
  }
  if (kinds != 1)
    bad(index,
        "`fault` names exactly one of delay, status, cut, hang, goaway, truncate, late_twin, bandwidth");
  const bool timed = fault.kind == FaultKind::delay || fault.kind == FaultKind::status;
  if (source.contains("when") && !timed) bad(index, "`when` goes with delay or status");
  if (source.contains("code") && fault.kind != FaultKind::status) bad(index, "`code` goes with status");
  if (fault.kind == FaultKind::status && fault.code.empty()) fault.code = usual_code(fault.status);
  return fault;
}

}  // namespace

bool glob_matches(std::string_view glob, std::string_view text) {
  std::size_t g = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      resume = t;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g, ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', g) == std::string_view::npos;
}

std::string Fault::describe() const {
  switch (kind) {
    case FaultKind::delay:
      return fmt::format("delay {} {}", print_duration(duration), name_of(when));
    case FaultKind::status:
      return fmt::format("status {} {} {}", status, code, name_of(when));
    case FaultKind::cut:
    case FaultKind::hang:
      return fmt::format("{} {}", name_of(kind), name_of(when));
    case FaultKind::goaway:
      return "goaway";
    case FaultKind::late_twin:
      return fmt::format("late_twin {}", print_duration(duration));
    case FaultKind::truncate:
    case FaultKind::bandwidth:
      return fmt::format("{} {}", name_of(kind), bytes);
  }
  return "";
}

FaultPlan::Rule FaultPlan::parse_rule(const std::string& text, std::size_t index) {
  const json source = json::parse(text);
  if (!source.is_object()) bad(index, "is not an object");
  Rule rule;
  rule.source = text;
  for (const auto& [member, value] : source.items()) {
    if (member != "match" && member != "fault") bad(index, fmt::format("there is no member `{}`", member));
  }
  if (!source.contains("fault")) bad(index, "`fault` is missing");
  rule.fault = parse_fault(index, source["fault"]);
  const json match = source.value("match", json::object());
  if (!match.is_object()) bad(index, "`match` is an object");
  for (const auto& [member, value] : match.items()) {
    if (member == "op" || member == "basin" || member == "stream") {
      if (!value.is_string()) bad(index, fmt::format("`{}` is a string", member));
      (member == "op" ? rule.op : member == "basin" ? rule.basin : rule.stream) = value.get<std::string>();
    } else if (member == "after") {
      rule.after = parse_count(index, value, member);
    } else if (member == "times") {
      rule.times = parse_count(index, value, member);
    } else if (member == "probability") {
      if (!value.is_number() || value < 0 || value > 1) bad(index, "`probability` is a number, 0 to 1");
      rule.probability = value.get<double>();
    } else {
      bad(index, fmt::format("`match` has no member `{}`", member));
    }
  }
  if (!rule.op.empty() && std::find(kOps.begin(), kOps.end(), rule.op) == kOps.end()) {
    bad(index, fmt::format("there is no op `{}`; ops are {}", rule.op, fmt::join(kOps, ", ")));
  }
  return rule;
}

void FaultPlan::replace(const std::string& text) {
  const json plan = json::parse(text, nullptr, false);
  if (plan.is_discarded()) throw std::invalid_argument("a fault plan is a JSON array; this is not JSON");
  if (!plan.is_array()) throw std::invalid_argument("a fault plan is a JSON array of {\"match\",\"fault\"}");
  if (plan.size() > kMaxFaultRules) {
    throw std::invalid_argument(fmt::format("a fault plan has at most {} rules", kMaxFaultRules));
  }
  std::vector<Rule> rules;
  for (const json& entry : plan) rules.push_back(parse_rule(entry.dump(-1, ' ', true), rules.size()));
  rules_ = std::move(rules);
  random_.reset();
}

std::string FaultPlan::to_json() const {
  json plan = json::array();
  for (const Rule& rule : rules_) {
    json entry = json::parse(rule.source);
    entry["matched"] = rule.matched;
    entry["fired"] = rule.fired;
    plan.push_back(std::move(entry));
  }
  return plan.dump();
}

bool FaultPlan::may_fire(std::string_view op) const {
  return std::any_of(rules_.begin(), rules_.end(), [op](const Rule& rule) {
    return (rule.op.empty() || rule.op == op) && (!rule.times || rule.fired < *rule.times);
  });
}

std::optional<Fault> FaultPlan::next(std::string_view op, std::string_view basin, std::string_view stream) {
  std::optional<Fault> chosen;
  for (Rule& rule : rules_) {
    if (!rule.op.empty() && rule.op != op) continue;
    if (!rule.basin.empty() && !glob_matches(rule.basin, basin)) continue;
    if (!rule.stream.empty() && !glob_matches(rule.stream, stream)) continue;
    if (++rule.matched <= rule.after || chosen) continue;
    if (rule.times && rule.fired >= *rule.times) continue;
    if (!random_) random_.emplace(seed_);
    const double draw = static_cast<double>((*random_)() >> 11) * 0x1p-53;
    if (draw >= rule.probability) continue;
    ++rule.fired;
    chosen = rule.fault;
  }
  return chosen;
}

}  // namespace s2::emulator
