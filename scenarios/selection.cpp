// See selection.h.
#include "scenarios/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "scenarios/catalogue.h"
#include "scenarios/promises.h"
#include "scenarios/property.h"
#include "scenarios/quantity.h"
#include "scenarios/scenario_text.h"
#include "scenarios/token.h"

namespace s2::scenarios {
namespace {

bool is_file_name(const std::string& name) {
  return name.find('/') != std::string::npos || name.ends_with(".scenario");
}

tl::expected<Scenario, std::string> load_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return tl::unexpected(fmt::format("cannot read the scenario file `{}`", path));
  std::string text(kMaxScenarioBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  return parse_scenario(text, path);
}

bool in_suite(const Scenario& scenario, const Options& options) {
  return options.long_suite ? scenario.in_long : scenario.quick;
}

bool of_classes(const Scenario& scenario, const std::vector<Teardown>& classes) {
  return classes.empty() ||
         std::find(classes.begin(), classes.end(), scenario.teardown.kind) != classes.end();
}

const Scenario* find(const std::vector<Scenario>& catalogue, const std::string& name) {
  const auto at =
      std::find_if(catalogue.begin(), catalogue.end(), [&](const Scenario& s) { return s.name == name; });
  return at == catalogue.end() ? nullptr : &*at;
}

}  // namespace

tl::expected<Selection, std::string> select_scenarios(const Options& options) {
  auto catalogue = load_catalogue();
  if (!catalogue) return tl::unexpected(catalogue.error());
  Selection selection;
  const auto add = [&](Scenario scenario, std::string source) {
    selection.scenarios.push_back(std::move(scenario));
    selection.sources.push_back(std::move(source));
  };
  for (const std::string& given : options.names) {
    Scenario scenario;
    if (is_file_name(given)) {
      auto loaded = load_file(given);
      if (!loaded) return tl::unexpected(loaded.error());
      if (!nameable(given)) {
        return tl::unexpected(
            fmt::format("`{}`: a replay token cannot hold this path: at most 120 of A-Z, a-z, 0-9 "
                        "and ./_-+",
                        given));
      }
      scenario = std::move(*loaded);
    } else if (const Scenario* found = find(*catalogue, given)) {
      scenario = *found;
    } else {
      return tl::unexpected(fmt::format("there is no scenario `{}`; `s2-scenarios list` names them", given));
    }
    if (!of_classes(scenario, options.teardowns)) {
      return tl::unexpected(fmt::format("scenario `{}` is of class `{}`, which --teardown leaves out",
                                        scenario.name, name(scenario.teardown.kind)));
    }
    add(std::move(scenario), given);
  }
  if (!options.names.empty() || options.property_only) return selection;
  for (Scenario& scenario : *catalogue) {
    if (!in_suite(scenario, options) || !of_classes(scenario, options.teardowns)) continue;
    std::string source = scenario.name;
    add(std::move(scenario), std::move(source));
  }
  if (selection.scenarios.empty()) {
    return tl::unexpected(std::string("the suite has no scenario of these classes"));
  }
  return selection;
}

tl::expected<PlannedRun, std::string> find_run(const RunIdentity& identity) {
  PlannedRun planned;
  planned.identity = identity;
  if (identity.source == kPropertySource) {
    const auto drawn = parse_property_case(identity.property_case);
    if (!drawn) return tl::unexpected(std::string("the token's property case cannot be read"));
    planned.drawn = to_scenario(*drawn, identity.seed);
    return planned;
  }
  Scenario scenario;
  if (is_file_name(identity.source)) {
    auto loaded = load_file(identity.source);
    if (!loaded) return tl::unexpected(loaded.error());
    scenario = std::move(*loaded);
  } else {
    auto catalogue = load_catalogue();
    if (!catalogue) return tl::unexpected(catalogue.error());
    const Scenario* found = find(*catalogue, identity.source);
    if (!found)
      return tl::unexpected(
          fmt::format("the token's scenario `{}` is not in this catalogue", identity.source));
    scenario = *found;
  }
  if (identity.combination >= scenario.combinations()) {
    return tl::unexpected(fmt::format("scenario `{}` has {}, the token's is number {}", scenario.name,
                                      count_of(scenario.combinations(), "combination"),
                                      identity.combination));
  }
  planned.drawn = draw(scenario, identity.combination, identity.seed, identity.instant);
  return planned;
}

}  // namespace s2::scenarios
