// The report on disk: writes the directory, reads it back.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "scenarios/curve.h"
#include "scenarios/escape.h"
#include "scenarios/ledger_json.h"
#include "scenarios/report.h"
#include "scenarios/report_data.h"

namespace s2::scenarios {
namespace {

namespace fs = std::filesystem;

std::string cannot(const char* what, const fs::path& path, const std::string& why) {
  return fmt::format("cannot {} {}: {}", what, visible(path.string()), why);
}

tl::expected<void, std::string> put(const fs::path& path, const std::string& text, const char* mode = "wb") {
  std::FILE* file = std::fopen(path.c_str(), mode);
  if (file == nullptr) return tl::unexpected(cannot("write", path, std::strerror(errno)));
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const int write_error = errno;
  if (std::fclose(file) != 0) return tl::unexpected(cannot("write", path, std::strerror(errno)));
  if (!written) return tl::unexpected(cannot("write", path, std::strerror(write_error)));
  return {};
}

tl::expected<std::string, std::string> take(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return tl::unexpected(cannot("read", path, std::strerror(errno)));
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The section that `s2-scenarios curve` left in the same directory; empty: none.
std::string curves_in(const fs::path& root) {
  const auto page = take(root / "curve.html");
  return page ? curve_section_of(*page) : "";
}

// Run names become directories: only what the runner makes (hex digits) is one.
bool is_run_name(const std::string& run) {
  return !run.empty() && run.size() <= 64 &&
         run.find_first_not_of("0123456789abcdefABCDEF-_") == std::string::npos;
}

}  // namespace

tl::expected<void, std::string> write_report(const Suite& suite, const std::string& dir) {
  const fs::path root(dir);
  std::error_code error;
  fs::create_directories(root, error);
  if (error) return tl::unexpected(cannot("make", root, error.message()));
  for (const auto& [file, text] :
       {std::pair("results.json", results_json(suite)), std::pair("junit.xml", junit_xml(suite)),
        std::pair("index.html", with_curve_section(index_html(suite), curves_in(root)))}) {
    if (auto done = put(root / file, text); !done) return done;
  }
  for (const Ledger& ledger : suite.drawn()) {
    if (!is_run_name(ledger.run)) continue;
    const fs::path run = root / "runs" / ledger.run;
    fs::create_directories(run, error);
    if (error) return tl::unexpected(cannot("make", run, error.message()));
    if (auto done = put(run / "timeline.json", ledger_to_json(ledger)); !done) return done;
  }
  if (const char* summary = std::getenv("GITHUB_STEP_SUMMARY"); summary != nullptr && *summary != '\0') {
    return put(summary, step_summary(suite), "ab");
  }
  return {};
}

tl::expected<Suite, std::string> read_report(const std::string& dir) {
  const fs::path root(dir);
  const auto text = take(root / "results.json");
  if (!text) return tl::unexpected(text.error());
  auto lines = results_from_json(*text);
  if (!lines) return tl::unexpected(lines.error());
  Suite suite(lines->options());
  suite.options().directory = dir;
  for (const RunResult& line : lines->runs()) {
    RunResult result = line;
    const fs::path timeline = root / "runs" / line.run / "timeline.json";
    std::optional<Ledger> ledger;
    if (is_run_name(line.run) && fs::exists(timeline)) {
      const auto json = take(timeline);
      if (!json) return tl::unexpected(json.error());
      auto read = ledger_from_json(*json);
      if (!read) return tl::unexpected(cannot("read", timeline, read.error()));
      ledger = std::move(*read);
      result.verdict = judge(*ledger);
      note_conduct(result, *ledger);
    }
    suite.restore(std::move(result), std::move(ledger));
  }
  return suite;
}

}  // namespace s2::scenarios
