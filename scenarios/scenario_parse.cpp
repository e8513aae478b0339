// See scenario_text.h: TOML in. Every member is asked for by name; what nobody asked for is an error, so that
// a misspelt member is never ignored.
#include <fmt/format.h>
#include <toml++/toml.h>

#include <charconv>
#include <set>
#include <stdexcept>

#include "scenarios/escape.h"
#include "scenarios/kill_instants.h"
#include "scenarios/promises.h"
#include "scenarios/quantity.h"
#include "scenarios/scenario_text.h"

namespace s2::scenarios {
namespace {

// Limits of what a file may ask for.
constexpr std::uint64_t kMaxEvents = 100'000;
constexpr std::uint64_t kMaxPublishers = 64;
constexpr std::uint64_t kMaxRate = 1'000'000;
constexpr std::uint64_t kMaxOrdinal = 1'000'000;
constexpr std::uint64_t kMaxRing = 1'000'000;

struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Table {
 public:
  Table(const toml::table& table, const std::string& file, std::string where)
      : table_(table), file_(file), where_(std::move(where)) {}

  const toml::node* find(const char* key) {
    asked_.insert(key);
    return table_.get(key);
  }
  [[noreturn]] void wrong(const toml::node* node, const std::string& what) const {
    const auto& at = (node ? node->source() : table_.source()).begin;
    throw Wrong(fmt::format("{}:{}:{}: {}", file_, at.line, at.column, what));
  }
  std::string member(const char* key) const { return where_.empty() ? key : where_ + "." + key; }

  std::string text(const char* key, const char* fallback) {
    const toml::node* node = find(key);
    if (!node && fallback) return fallback;
    if (!node) wrong(nullptr, fmt::format("`{}` is missing: expected a text", member(key)));
    if (const auto value = node->value_exact<std::string>()) return *value;
    wrong(node, fmt::format("`{}` is a text in quotes", member(key)));
  }
  bool yes(const char* key, bool fallback) {
    const toml::node* node = find(key);
    if (!node) return fallback;
    if (const auto value = node->value_exact<bool>()) return *value;
    wrong(node, fmt::format("`{}` is true or false", member(key)));
  }
  std::vector<std::string> texts(const char* key) {
    std::vector<std::string> all;
    const toml::node* node = find(key);
    if (!node) return all;
    const toml::array* list = node->as_array();
    if (!list) wrong(node, fmt::format("`{}` is a list of texts, such as [\"…\"]", member(key)));
    for (const toml::node& each : *list) {
      const auto value = each.value_exact<std::string>();
      if (!value) wrong(&each, fmt::format("`{}` is a list of texts, such as [\"…\"]", member(key)));
      all.push_back(*value);
    }
    return all;
  }
  // A whole number, or "lo..hi".
  Range numbers(const char* key, Range fallback, std::uint64_t limit) {
    const auto parse_one = [](std::string_view part) -> std::optional<std::uint64_t> {
      std::uint64_t value = 0;
      const auto [rest, error] = std::from_chars(part.data(), part.data() + part.size(), value);
      if (error != std::errc() || rest != part.data() + part.size()) return std::nullopt;
      return value;
    };
    return range(key, fallback, limit, "a whole number or a range such as \"5..20\"", parse_one);
  }
  // "5ms", or "5ms..2s", in microseconds.
  Range durations(const char* key, Range fallback) {
    const auto parse_one = [](std::string_view part) -> std::optional<std::uint64_t> {
      const auto value = parse_duration(part);
      if (!value) return std::nullopt;
      return static_cast<std::uint64_t>(value->count());
    };
    return range(key, fallback, UINT64_MAX, "a duration such as \"5ms\" or a range such as \"5ms..2s\"",
                 parse_one);
  }
  template <class Enum>
  Enum named(const char* key, std::optional<Enum> (*lookup)(std::string_view), const char* what) {
    const std::string value = text(key, nullptr);
    if (const auto found = lookup(value)) return *found;
    wrong(find(key), fmt::format("`{}`: there is no {} `{}`, expected one of {}", member(key), what, value,
                                 list_of_names(what)));
  }
  template <class Enum>
  std::vector<Enum> all_named(const char* key, std::vector<Enum> fallback,
                              std::optional<Enum> (*lookup)(std::string_view), const char* what) {
    if (!find(key)) return fallback;
    std::vector<Enum> all;
    for (const std::string& value : texts(key)) {
      const auto found = lookup(value);
      if (!found) {
        wrong(find(key), fmt::format("`{}`: there is no {} `{}`, expected one of {}", member(key), what,
                                     value, list_of_names(what)));
      }
      all.push_back(*found);
    }
    return all;
  }
  void done() const {
    for (const auto& [key, node] : table_) {
      if (!asked_.contains(std::string(key.str()))) {
        std::string known;
        for (const std::string& each : asked_) known += (known.empty() ? "" : ", ") + each;
        wrong(&node, fmt::format("there is no member `{}`{}, expected one of {}", key.str(),
                                 where_.empty() ? "" : " in `" + where_ + "`", known));
      }
    }
  }

 private:
  template <class ParseOne>
  Range range(const char* key, Range fallback, std::uint64_t limit, const char* expected,
              ParseOne parse_one) {
    const toml::node* node = find(key);
    if (!node) return fallback;
    Range value;
    if (const auto number = node->value_exact<std::int64_t>()) {
      const auto parsed = parse_one(std::to_string(*number));
      if (!parsed) wrong(node, fmt::format("`{}` is {}", member(key), expected));
      value = exactly(*parsed);
    } else {
      const auto written = node->value_exact<std::string>();
      if (!written) wrong(node, fmt::format("`{}` is {}", member(key), expected));
      const std::size_t dots = written->find("..");
      const auto lo = parse_one(written->substr(0, dots));
      const auto hi = dots == std::string::npos ? lo : parse_one(written->substr(dots + 2));
      if (!lo || !hi) wrong(node, fmt::format("`{}` is {}", member(key), expected));
      value = {*lo, *hi};
    }
    if (value.lo > value.hi) wrong(node, fmt::format("`{}`: the range ends before it begins", member(key)));
    if (value.hi > limit) wrong(node, fmt::format("`{}` is at most {}", member(key), limit));
    return value;
  }

  const toml::table& table_;
  const std::string& file_;
  std::string where_;
  std::set<std::string> asked_;
};

Workload parse_workload(Table table) {
  Workload workload;
  workload.kind = table.named<WorkloadKind>("kind", workload_named, "workload");
  workload.events = table.numbers("events", workload.events, kMaxEvents);
  if (workload.events.lo == 0) table.wrong(table.find("events"), "`workload.events` is at least 1");
  workload.publishers = table.numbers("publishers", workload.publishers, kMaxPublishers);
  if (workload.publishers.lo == 0)
    table.wrong(table.find("publishers"), "`workload.publishers` is at least 1");
  workload.rate = table.numbers("rate", workload.rate, kMaxRate);
  workload.silence = table.durations("silence", workload.silence);
  table.done();
  return workload;
}

Fault parse_fault(Table table) {
  Fault fault;
  fault.kind = table.named<FaultKind>("kind", fault_named, "fault");
  fault.after = table.numbers("after", fault.after, kMaxOrdinal);
  fault.times = table.numbers("times", fault.times, kMaxOrdinal);
  fault.duration = table.durations("duration", fault.duration);
  table.done();
  return fault;
}

bool ends_at_a_step(Teardown kind) {
  return kind == Teardown::stop || kind == Teardown::term || kind == Teardown::term_short;
}

TeardownSpec parse_teardown(Table table) {
  TeardownSpec teardown;
  teardown.kind = table.named<Teardown>("class", teardown_named, "class");
  teardown.at = table.numbers("at", teardown.at, 100);
  teardown.instants = table.all_named<InstantKind>("instants", {}, instant_named, "instant");
  teardown.ordinal = table.numbers("ordinal", teardown.ordinal, kMaxOrdinal);
  teardown.bytes = table.numbers("bytes", teardown.bytes, UINT64_MAX);
  teardown.wall = table.durations("wall", teardown.wall);
  teardown.grace = table.durations("grace", teardown.grace);
  teardown.lasts = table.durations("lasts", teardown.lasts);
  teardown.cuts = table.all_named<CutHow>("cuts", teardown.cuts, cut_named, "cut");
  teardown.ends = table.all_named<EndBy>("ends", {}, end_named, "end");
  teardown.once_faulted = table.yes("once_faulted", false);
  if (teardown.once_faulted && !ends_at_a_step(teardown.kind)) {
    table.wrong(
        table.find("once_faulted"),
        fmt::format("class `{}` knows no `once_faulted`: stop, term and term-short do", name(teardown.kind)));
  }
  const bool at_instants = teardown.kind == Teardown::kill || teardown.kind == Teardown::browser_delete;
  if (at_instants && teardown.instants.empty()) {
    table.wrong(table.find("class"), fmt::format("class `{}` needs `instants`, a list of {}",
                                                 name(teardown.kind), list_of_names("instant")));
  }
  for (const InstantKind each : teardown.instants) {
    const bool fits = teardown.kind == Teardown::browser_delete ? kill_instant_number(each) != 0
                                                                : each <= InstantKind::wall;
    if (!fits) {
      table.wrong(table.find("instants"),
                  fmt::format("class `{}` has no instant `{}`", name(teardown.kind), name(each)));
    }
  }
  const auto& ends = teardown.ends;
  if (teardown.kind == Teardown::fork && std::find(ends.begin(), ends.end(), EndBy::kill) != ends.end())
    table.wrong(table.find("ends"), "class `fork` ends by stop, end-of-input or term");
  if (teardown.cuts.empty())
    table.wrong(table.find("cuts"), "`teardown.cuts` names at least one of reset, silent, veth, refused");
  table.done();
  return teardown;
}

WriterConfig parse_config(Table table) {
  WriterConfig config;
  if (table.find("ring_capacity")) config.ring_capacity = table.numbers("ring_capacity", {}, kMaxRing);
  if (table.find("linger")) config.linger = table.durations("linger", {});
  if (table.find("max_records")) config.max_records = table.numbers("max_records", {}, 1000);
  if (table.find("shutdown_budget")) config.shutdown_budget = table.durations("shutdown_budget", {});
  config.fixed_stream_percent = static_cast<unsigned>(table.numbers("fixed_stream_percent", {}, 100).lo);
  config.http = table.yes("http", false);
  config.journal = table.yes("journal", false);
  if (const toml::node* node = table.find("environment")) {
    const toml::table* variables = node->as_table();
    if (!variables)
      table.wrong(node, "`config.environment` is a table of texts, such as { NAME = \"value\" }");
    for (const auto& [key, value] : *variables) {
      const auto text = value.value_exact<std::string>();
      if (!text) table.wrong(&value, fmt::format("`config.environment.{}` is a text in quotes", key.str()));
      config.environment[std::string(key.str())] = *text;
    }
  }
  table.done();
  return config;
}

// The entries of an array of tables; one default entry where it is missing and may be.
template <class Parse>
auto each_of(Table& root, const std::string& file, const char* key, Parse parse) {
  std::vector<decltype(parse(std::declval<Table>()))> all;
  const toml::node* node = root.find(key);
  if (!node) return all;
  const toml::array* list = node->as_array();
  if (!list || !list->is_homogeneous<toml::table>()) {
    root.wrong(node, fmt::format("`{}` is a list of tables, each begun by [[{}]]", key, key));
  }
  if (list->size() > kMaxAlternatives) {
    root.wrong(node, fmt::format("`{}` has at most {} entries", key, kMaxAlternatives));
  }
  for (const toml::node& each : *list) all.push_back(parse(Table(*each.as_table(), file, key)));
  return all;
}

const toml::table& table_of(Table& root, const char* key) {
  static const toml::table kEmpty;
  const toml::node* node = root.find(key);
  if (!node) return kEmpty;
  if (!node->is_table()) root.wrong(node, fmt::format("`{}` is a table, begun by [{}]", key, key));
  return *node->as_table();
}

Scenario from_toml(const toml::table& parsed, const std::string& file) {
  Table root(parsed, file, "");
  Scenario scenario;
  scenario.name = root.text("name", nullptr);
  if (scenario.name.empty() || scenario.name.size() > 60 ||
      scenario.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
    root.wrong(root.find("name"), "`name` is 1 to 60 of a-z, 0-9 and -");
  }
  scenario.purpose = root.text("purpose", nullptr);
  scenario.promise = root.text("promise", "");
  scenario.quick = scenario.in_long = !root.find("suites");
  for (const std::string& suite : root.texts("suites")) {
    if (suite == "quick") {
      scenario.quick = true;
    } else if (suite == "long") {
      scenario.in_long = true;
    } else {
      root.wrong(root.find("suites"),
                 fmt::format("`suites`: there is no suite `{}`, expected quick or long", suite));
    }
  }
  scenario.weight = static_cast<unsigned>(root.numbers("weight", {1, 1}, 1000).lo);
  scenario.faults_together = root.yes("faults_together", false);
  scenario.heal_bound = root.durations("heal_bound", scenario.heal_bound);
  scenario.workloads = each_of(root, file, "workload", parse_workload);
  if (scenario.workloads.empty())
    root.wrong(nullptr, "`workload` is missing: expected at least one [[workload]]");
  scenario.faults = each_of(root, file, "fault", parse_fault);
  if (scenario.faults.empty()) scenario.faults = {Fault{}};
  if (!root.find("teardown"))
    root.wrong(nullptr, "`teardown` is missing: expected [teardown] with a `class`");
  scenario.teardown = parse_teardown(Table(table_of(root, "teardown"), file, "teardown"));
  for (const Workload& each : scenario.workloads) {
    if ((each.kind == WorkloadKind::browser) != (scenario.teardown.kind == Teardown::browser_delete))
      root.wrong(root.find("workload"), "workload `browser` and class `browser-delete` go together");
    if (scenario.teardown.kind == Teardown::fork && each.kind == WorkloadKind::storage_off)
      root.wrong(root.find("workload"), "class `fork` has no workload `storage-off`");
  }
  scenario.config = parse_config(Table(table_of(root, "config"), file, "config"));
  if (scenario.teardown.kind == Teardown::fork && scenario.config.http)
    root.wrong(root.find("config"), "class `fork` has no `http`: its branches would listen on one port");
  if (scenario.teardown.kind == Teardown::fork && scenario.config.journal)
    root.wrong(root.find("config"), "class `fork` has no `journal`: its branches would write to one disk");
  root.done();
  return scenario;
}

}  // namespace

tl::expected<Scenario, std::string> parse_scenario(std::string_view text, const std::string& file) {
  if (text.size() > kMaxScenarioBytes) {
    return tl::unexpected(fmt::format("{}:1:1: a scenario is at most {} bytes", file, kMaxScenarioBytes));
  }
  try {
    return from_toml(toml::parse(text, file), file);
  } catch (const Wrong& wrong) {
    return tl::unexpected(visible(wrong.what()));  // names and values come from the file
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    return tl::unexpected(
        fmt::format("{}:{}:{}: not TOML: {}", file, at.line, at.column, visible(error.description())));
  }
}

}  // namespace s2::scenarios
