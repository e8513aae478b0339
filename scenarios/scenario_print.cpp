// See scenario_text.h: TOML out, in the order in which a person asks: why, what, what goes wrong, how it
// ends.
#include <fmt/format.h>

#include <chrono>

#include "scenarios/promises.h"
#include "scenarios/quantity.h"
#include "scenarios/scenario_text.h"

namespace s2::scenarios {
namespace {

std::string toml_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

std::string numbers(const Range& range) {
  return range.fixed() ? std::to_string(range.lo) : fmt::format("\"{}..{}\"", range.lo, range.hi);
}

std::string durations(const Range& range) {
  const auto one = [](std::uint64_t us) { return print_duration(std::chrono::microseconds(us)); };
  return range.fixed() ? fmt::format("\"{}\"", one(range.lo))
                       : fmt::format("\"{}..{}\"", one(range.lo), one(range.hi));
}

template <class Enums>
std::string names(const Enums& all) {
  std::string out;
  for (const auto each : all) out += fmt::format("{}\"{}\"", out.empty() ? "" : ", ", name(each));
  return "[" + out + "]";
}

// Writes `key = value` unless the value is what a missing member means.
template <class T>
void line(std::string& out, const char* key, const T& value, const T& fallback,
          std::string (*text)(const T&)) {
  if (!(value == fallback)) out += fmt::format("{} = {}\n", key, text(value));
}

void print_teardown(std::string& out, const TeardownSpec& teardown) {
  const TeardownSpec usual;
  out += fmt::format("\n[teardown]\nclass = \"{}\"\n", name(teardown.kind));
  line(out, "at", teardown.at, usual.at, numbers);
  if (!teardown.instants.empty()) out += "instants = " + names(teardown.instants) + "\n";
  line(out, "ordinal", teardown.ordinal, usual.ordinal, numbers);
  line(out, "bytes", teardown.bytes, usual.bytes, numbers);
  line(out, "wall", teardown.wall, usual.wall, durations);
  line(out, "grace", teardown.grace, usual.grace, durations);
  line(out, "lasts", teardown.lasts, usual.lasts, durations);
  if (teardown.cuts != usual.cuts) out += "cuts = " + names(teardown.cuts) + "\n";
  if (!teardown.ends.empty()) out += "ends = " + names(teardown.ends) + "\n";
  if (teardown.once_faulted) out += "once_faulted = true\n";
}

void print_config(std::string& out, const WriterConfig& config) {
  if (config == WriterConfig{}) return;
  out += "\n[config]\n";
  if (config.ring_capacity) out += "ring_capacity = " + numbers(*config.ring_capacity) + "\n";
  if (config.linger) out += "linger = " + durations(*config.linger) + "\n";
  if (config.max_records) out += "max_records = " + numbers(*config.max_records) + "\n";
  if (config.shutdown_budget) out += "shutdown_budget = " + durations(*config.shutdown_budget) + "\n";
  if (config.fixed_stream_percent)
    out += fmt::format("fixed_stream_percent = {}\n", config.fixed_stream_percent);
  if (config.http) out += "http = true\n";
  if (config.journal) out += "journal = true\n";
  if (config.environment.empty()) return;
  out += "\n[config.environment]\n";
  for (const auto& [key, value] : config.environment)
    out += toml_quoted(key) + " = " + toml_quoted(value) + "\n";
}

}  // namespace

std::string print_scenario(const Scenario& scenario) {
  const Scenario usual;
  std::string out =
      fmt::format("name = \"{}\"\npurpose = {}\n", scenario.name, toml_quoted(scenario.purpose));
  if (!scenario.promise.empty()) out += "promise = " + toml_quoted(scenario.promise) + "\n";
  if (!scenario.quick || !scenario.in_long) {
    out += fmt::format("suites = [{}]\n", scenario.quick ? "\"quick\"" : scenario.in_long ? "\"long\"" : "");
  }
  if (scenario.weight != 1) out += fmt::format("weight = {}\n", scenario.weight);
  if (scenario.faults_together) out += "faults_together = true\n";
  line(out, "heal_bound", scenario.heal_bound, usual.heal_bound, durations);
  for (const Workload& workload : scenario.workloads) {
    const Workload plain;
    out += fmt::format("\n[[workload]]\nkind = \"{}\"\n", name(workload.kind));
    line(out, "events", workload.events, plain.events, numbers);
    line(out, "publishers", workload.publishers, plain.publishers, numbers);
    line(out, "rate", workload.rate, plain.rate, numbers);
    line(out, "silence", workload.silence, plain.silence, durations);
  }
  for (const Fault& fault : scenario.faults) {
    const Fault plain;
    out += fmt::format("\n[[fault]]\nkind = \"{}\"\n", name(fault.kind));
    line(out, "after", fault.after, plain.after, numbers);
    line(out, "times", fault.times, plain.times, numbers);
    line(out, "duration", fault.duration, plain.duration, durations);
  }
  print_teardown(out, scenario.teardown);
  print_config(out, scenario.config);
  return out;
}

}  // namespace s2::scenarios
