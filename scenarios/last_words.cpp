// See last_words.h.
#include "scenarios/last_words.h"

#include <fmt/format.h>

namespace s2::scenarios {
namespace {

constexpr std::string_view kBlank = " \t\r\n";

std::string_view trimmed_line(std::string_view line) {
  const std::size_t first = line.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return "";
  return line.substr(first, line.find_last_not_of(kBlank) + 1 - first);
}

}  // namespace

std::string last_words(std::string_view log) {
  std::string words;
  for (std::size_t lines = 0; lines < kMaxLastLines && words.size() < kMaxLastWords && !log.empty();) {
    const std::size_t before = log.rfind('\n');
    const std::string_view line = trimmed_line(log.substr(before == std::string_view::npos ? 0 : before + 1));
    log = log.substr(0, before == std::string_view::npos ? 0 : before);
    if (line.empty()) continue;
    ++lines;
    words = std::string(line) + (words.empty() ? "" : " / ") + words;
  }
  if (words.empty()) return "";
  if (words.size() > kMaxLastWords) words = "…" + words.substr(words.size() - kMaxLastWords);
  return "; its last words: " + words;
}

std::string how_it_ended(const Process& process) {
  return process.exit_signal != 0 ? fmt::format("was ended by signal {}", process.exit_signal)
                                  : fmt::format("ended with exit code {}", process.exit_code);
}

}  // namespace s2::scenarios
