// A journal of any bytes: what is read from it are whole lines of its files, each once, a torn end is cut and
// said where a process of the same basin has signed it, nothing else is changed, and read again it says the
// same. A \x1e in the input begins the next file.
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "fuzz/targets/target.h"
#include "writer/journal_scan.h"

using namespace s2;
using s2::fuzz::must;

namespace {

constexpr std::array kFiles = {"console.jsonl", "network.jsonl", "console.branch.jsonl", "settled.jsonl"};
constexpr const char* kBasin = "my-basin";

// Of this process, and gone with it; in memory where there is such a place.
class Directory {
 public:
  Directory() {
    std::string name =
        std::filesystem::exists("/dev/shm") ? "/dev/shm/s2-fuzz-XXXXXX" : "/tmp/s2-fuzz-XXXXXX";
    must(::mkdtemp(name.data()) != nullptr, "a directory can be made");
    path = name;
  }
  ~Directory() { std::filesystem::remove_all(path); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  std::string path;
};

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Read {
  std::vector<std::string> lines;  // what each is of, and its text
  std::size_t cuts = 0;            // that the log said
  bool operator==(const Read&) const = default;
};

Read read(const std::string& directory) {
  Read read;
  const auto scan = writer::JournalScan::read(directory, kBasin, "", [&](std::string_view line) {
    must(line.find('\n') == std::string_view::npos, "the log gets lines");
    read.cuts += line.find("torn last line") != std::string_view::npos;
  });
  must(scan.has_value(), "a directory can be read");
  for (const writer::JournalPart& part : scan->parts()) {
    must(!part.lines.empty() && !part.mark.epoch.empty() && !part.mark.basin.empty(), "a part is somebody's");
    for (std::size_t i = 0; i < part.lines.size(); ++i) {
      must(i == 0 || part.lines[i].seq > part.lines[i - 1].seq, "each number comes once, and they rise");
      const auto text = scan->text(part.lines[i]);
      must(text.has_value(), "a line that was found can be read");
      const auto envelope = nlohmann::json::parse(*text, nullptr, false);
      must(envelope.is_object(), "what is taken for an event is whole");
      must(envelope.contains("seq") && envelope["seq"].is_number_unsigned(), "an event has its number");
      read.lines.push_back(part.mark.epoch + "\n" + part.mark.stream + "\n" + *text);
    }
  }
  return read;
}

// Whether the text stands on a line of its own, with a newline behind it.
bool is_line_of(const std::string& content, const std::string& text) {
  for (std::size_t at = content.find(text); at != std::string::npos; at = content.find(text, at + 1)) {
    const std::size_t end = at + text.size();
    if ((at == 0 || content[at - 1] == '\n') && end < content.size() && content[end] == '\n') return true;
  }
  return false;
}

// Whether the last process that signed a line of these stores into the basin.
bool is_ours(const std::string& whole_lines) {
  bool ours = false;
  std::istringstream lines(whole_lines);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("{\"journal\":")) continue;
    const auto mark = nlohmann::json::parse(line, nullptr, false);
    if (!mark.is_object() || !mark["journal"].is_object()) continue;
    if (const auto& said = mark["journal"];
        said.value("epoch", nlohmann::json()).is_string() && said["epoch"] != "")
      ours = said.value("basin", nlohmann::json()) == kBasin;
  }
  return ours;
}

}  // namespace

FUZZ_TARGET(journal, input) {
  static const Directory directory;
  std::string all;
  std::size_t torn = 0;
  std::map<std::string, std::string> left;  // what each file holds afterwards
  for (const char* name : kFiles) {
    const std::string content(input.substr(0, input.find('\x1e')));
    input.remove_prefix(std::min(input.size(), content.size() + 1));
    const std::string path = directory.path + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    left[path] = content;
    if (std::string_view(name) == "settled.jsonl") continue;
    const std::string whole = content.substr(0, content.rfind('\n') + 1);
    all += whole + "\n";
    if (whole == content || !is_ours(whole)) continue;
    ++torn;
    left[path] = whole;
  }
  Read first = read(directory.path);
  must(first.cuts == torn, "a torn last line of the basin's is cut, and said");
  for (const std::string& line : first.lines)
    must(is_line_of(all, line.substr(line.rfind('\n') + 1)), "a line is as it was written");
  for (const auto& [path, content] : left) must(content_of(path) == content, "nothing else is changed");
  first.cuts = 0;
  must(read(directory.path) == first, "read again it says the same");
}
