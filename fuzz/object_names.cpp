// What mutexes and condition variables are called where they are used; see source_lines.h.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>

#include "fuzz/source_lines.h"

namespace s2::fuzz {
namespace {

constexpr std::size_t kMostLineBytes = 300;  // of a line of source that is looked at
constexpr std::size_t kMostSourceLines = 100'000;

class Sources {
 public:
  // "" where there is no such line, or the file is newer than the program.
  const std::string& line(const std::string& file, unsigned number) {
    static const std::string none;
    const std::vector<std::string>& lines = files_.try_emplace(file).first->second;
    if (lines.empty()) read(file);
    return number == 0 || number > lines.size() ? none : lines[number - 1];
  }

 private:
  void read(const std::string& name) {
    std::error_code error, none;
    const auto changed = std::filesystem::last_write_time(name, error);
    if (error || changed > std::filesystem::last_write_time("/proc/self/exe", none)) return;
    std::vector<std::string>& lines = files_[name];
    std::ifstream file(name);
    for (std::string line; lines.size() < kMostSourceLines && std::getline(file, line);)
      lines.push_back(line);
  }

  std::map<std::string, std::vector<std::string>> files_;
};

// The expression that a line of source has for what the kind of point is about; "" if it has none, or two.
std::string expression_in(const std::string& line, sim::Kind kind) {
  static const std::regex locked(
      R"((?:lock|guard)\w*(?:<[^>]*>)?(?:\s+\w+)?\s*[({]([A-Za-z_][\w.>-]*)\s*(?:[)}]|,\s*std::))");
  static const std::regex awaited(
      R"(([A-Za-z_][\w.>-]*?)(?:\.|->)(?:wait|wait_for|wait_until|notify_\w+)\()");
  if (line.size() > kMostLineBytes) return "";
  const std::regex* pattern = nullptr;
  switch (kind) {
    case sim::Kind::lock:
    case sim::Kind::trylock:
    case sim::Kind::read_lock:
    case sim::Kind::write_lock:
      pattern = &locked;
      break;
    case sim::Kind::wait:
    case sim::Kind::notify_one:
    case sim::Kind::notify_all:
      pattern = &awaited;
      break;
    default:
      return "";
  }
  std::smatch found;
  return std::regex_search(line, found, *pattern) ? found[1].str() : "";
}

// The class that a function belongs to, "" for one of a namespace: those have small letters.
std::string class_of(const std::string& function) {
  const std::size_t colons = function.find("::");
  const bool is_class =
      colons != std::string::npos && std::isupper(static_cast<unsigned char>(function.front())) != 0;
  return is_class ? function.substr(0, colons + 2) : "";
}

}  // namespace

void name_objects(sim::Execution& execution, const SourceLines& lines) {
  Sources sources;
  std::map<std::string, int> given;
  for (const sim::TraceStep& step : execution.trace) {
    if (step.object == 0 || !execution.object_names[step.object].empty()) continue;
    const SourceLine* place = lines.at(step);
    if (place == nullptr || place->line == 0) continue;
    std::string name = expression_in(sources.line(place->file, place->line), step.kind);
    if (name.empty()) continue;
    name.insert(0, class_of(place->function));
    const int count = ++given[name];
    execution.object_names[step.object] = count == 1 ? name : name + " #" + std::to_string(count);
  }
}

}  // namespace s2::fuzz
