// See catalogue.h.
#include "scenarios/catalogue.h"

#include <algorithm>
#include <string_view>

#include "scenarios/scenario_text.h"

namespace s2::scenarios {
namespace {

struct File {
  std::string_view path;
  std::string_view text;
};

constexpr File kFiles[] = {
#include "catalogue_data.inc"
};

}  // namespace

tl::expected<std::vector<Scenario>, std::string> load_catalogue() {
  std::vector<Scenario> all;
  for (const File& file : kFiles) {
    auto parsed = parse_scenario(file.text, std::string(file.path));
    if (!parsed) return tl::unexpected(parsed.error());
    all.push_back(std::move(*parsed));
  }
  std::sort(all.begin(), all.end(), [](const Scenario& a, const Scenario& b) { return a.name < b.name; });
  return all;
}

}  // namespace s2::scenarios
