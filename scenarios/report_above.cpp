// See report_above.h.
#include "scenarios/report_above.h"

#include <fstream>
#include <iterator>

#include "scenarios/report_data.h"

namespace s2::scenarios {

std::optional<ReportAbove> report_above(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path run = fs::canonical(path, error);
  if (error) return std::nullopt;
  if (!fs::is_directory(run, error)) run = run.parent_path();
  const fs::path results = run.parent_path().parent_path() / "results.json";
  std::ifstream file(results, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto suite = results_from_json(text);
  if (!suite || suite->result_of(run.filename().string()) == nullptr) return std::nullopt;
  return ReportAbove{results.lexically_proximate(fs::current_path(error)).string(), suite->options()};
}

}  // namespace s2::scenarios
