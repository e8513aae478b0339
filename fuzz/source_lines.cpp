// See source_lines.h.
#include "fuzz/source_lines.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "fuzz/run_output.h"

namespace s2::fuzz {
namespace {

constexpr std::size_t kMostAddresses = 16'384;  // asked of the tool for one module; the rest by symbol
constexpr std::size_t kMostOutput = 16 << 20;   // bytes that the tool may print
constexpr auto kMostToolTime = std::chrono::seconds(20);  // for one module

// One function that an address lies in; inlined ones share theirs.
struct Place {
  std::string function;  // without arguments; "" unknown
  std::string file;      // as the compiler was given it; "" unknown
  std::string below_root;
  unsigned line = 0;
};

struct Module {
  std::string file;
  std::vector<const void*> addresses;
};

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> heads) {
  return std::any_of(heads.begin(), heads.end(),
                     [&](std::string_view head) { return text.starts_with(head); });
}

// The folder of the sources, with its slash. Not by __FILE__: a compiler's cache may make that relative.
const std::string& source_root() {
  static const std::string root = S2_SOURCE_ROOT;
  return root;
}

// Where a file of the sources stands below their folder; "" for any other. A compiler's cache may know it in
// the folder of another checkout.
std::string below_root(const std::string& file) {
  if (file.starts_with(source_root())) return file.substr(source_root().size());
  std::error_code error;
  const std::size_t name = file.rfind('/');
  for (std::size_t at = file.find('/'); at < name; at = file.find('/', at + 1)) {
    if (std::filesystem::is_regular_file(source_root() + file.substr(at + 1), error))
      return file.substr(at + 1);
  }
  return "";
}

// Past a group of brackets that opens at `at`.
std::size_t past_group(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  for (; at < text.size(); ++at) {
    if (text[at] == '<' || text[at] == '(') ++depth;
    if ((text[at] == '>' || text[at] == ')') && --depth == 0) return at + 1;
  }
  return at;
}

// Without arguments, template arguments and the type that it returns.
std::string plain_name(std::string_view demangled) {
  constexpr std::string_view kUnnamed = "(anonymous namespace)::", kOperator = "operator", kAbi = "[abi:";
  std::string name;
  for (std::size_t at = 0; at < demangled.size();) {
    const std::string_view rest = demangled.substr(at);
    if (rest.starts_with(kUnnamed)) {
      at += kUnnamed.size();
    } else if (rest.starts_with(kAbi)) {
      at = std::min(demangled.find(']', at), demangled.size() - 1) + 1;
    } else if (name.ends_with(kOperator) && rest.find_first_of("<>-=!+*/%&|^~[]( ") == 0) {
      std::size_t symbols = rest.starts_with("()") ? 2 : rest.find_first_not_of("<>-=!+*/%&|^~[]");
      if (symbols == 0) symbols = 1;
      name += rest.substr(0, symbols);
      at += std::min(symbols, rest.size());
    } else if (rest[0] == '<' || rest[0] == '(') {
      at = past_group(demangled, at);
    } else if (rest.starts_with(" const") || rest.starts_with(" [")) {
      break;
    } else if (rest[0] == ' ') {
      name.clear();  // that was the type it returns
      ++at;
    } else {
      name += rest[0];
      ++at;
    }
  }
  constexpr std::string_view kCall = "}::operator()";
  if (name.ends_with(kCall)) name.resize(name.size() - kCall.size() + 1);  // of a lambda: there is no other
  return name;
}

// An optimised build knows a thread's or function's lambda only as an argument of the library's template that
// calls it: then the lambda's own name.
std::string_view called(std::string_view demangled) {
  const std::size_t lambda = demangled.find("{lambda");
  if (!demangled.starts_with("std::") || lambda == std::string_view::npos) return demangled;
  std::size_t begin = lambda, depth = 0;
  for (; begin > 0; --begin) {
    const char c = demangled[begin - 1];
    if (depth == 0 && (c == '<' || c == ',' || c == ' ' || c == '(')) break;
    if (c == '>' || c == ')') ++depth;
    if (c == '<' || c == '(') --depth;
  }
  return demangled.substr(begin, demangled.find('}', lambda) + 1 - begin);
}

// What stands between the code under test and the world: the world itself, and what it is reached by.
bool is_between(const Place& place) {
  static constexpr std::array<std::string_view, 10> kOfTheLibrary = {
      "clock_gettime", "clock_nanosleep", "nanosleep", "usleep",    "sleep",
      "sched_yield",   "gettimeofday",    "time",      "getrandom", "syscall"};
  if (starts_with_any(place.file, {"/usr/include/", "/usr/lib/"}) || place.below_root.starts_with("sim/"))
    return true;
  if (std::find(kOfTheLibrary.begin(), kOfTheLibrary.end(), place.function) != kOfTheLibrary.end())
    return true;
  return starts_with_any(place.function, {"s2::sim::", "std::", "__", "pthread_", "sem_", "s2_sim_"});
}

// The program itself has no name in its link map, and what it was called by may be relative.
const std::string& program_file() {
  static const std::string file = [] {
    std::error_code error;
    return std::filesystem::read_symlink("/proc/self/exe", error).string();
  }();
  return file;
}

bool is_of_the_system(const std::string& file) {
  return file != program_file() && starts_with_any(file, {"/lib/", "/lib64/", "/usr/"});
}

struct Loaded {
  std::string file;           // "" unknown
  std::uintptr_t offset = 0;  // as the file's symbols count
  std::string symbol;
};

Loaded loaded(const void* address) {
  Dl_info info{};
  void* extra = nullptr;
  if (dladdr1(address, &info, &extra, RTLD_DL_LINKMAP) == 0 || extra == nullptr) return {};
  const auto* map = static_cast<const link_map*>(extra);
  Loaded found;
  found.file = map->l_name != nullptr && *map->l_name != '\0' ? map->l_name : program_file();
  found.offset = reinterpret_cast<std::uintptr_t>(address) - map->l_addr;
  if (info.dli_sname != nullptr) {
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> plain(
        abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status), std::free);
    found.symbol = plain_name(called(status == 0 ? plain.get() : info.dli_sname));
  }
  return found;
}

// The frames hold return addresses: the call is before.
const void* call_at(const void* frame) {
  return static_cast<const char*>(frame) - 1;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

Place place_said(std::string_view function, std::string_view where) {
  Place place;
  if (function != "??") place.function = plain_name(called(function));
  where = where.substr(0, where.find(" (discriminator"));
  const std::size_t colon = where.rfind(':');
  if (colon == std::string_view::npos || where.starts_with("??")) return place;
  std::from_chars(where.data() + colon + 1, where.data() + where.size(), place.line);
  if (place.line == 0) return place;  // "?"
  place.file = std::filesystem::path(where.substr(0, colon)).lexically_normal().string();
  place.below_root = below_root(place.file);
  return place;
}

using Places = std::unordered_map<const void*, std::vector<Place>>;  // innermost first

// The tool answers each address with the address, and a function and a place for each that is inlined there.
void ask(const std::string& tool, const Module& module, Places& places) {
  std::vector<std::string> command{tool, "-a", "-f", "-i", "-C", "-e", module.file};
  for (const void* address : module.addresses)
    command.push_back(fmt::format("{:#x}", loaded(address).offset));
  const RunOutput ran =
      output_of(command, {.quiet = true, .most_bytes = kMostOutput, .most_time = kMostToolTime});
  const std::string output = ran.exit_code == 0 ? ran.output : "";
  std::size_t next = 0;
  std::vector<Place>* answer = nullptr;
  const std::vector<std::string_view> lines = lines_of(output);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].starts_with("0x") && next < module.addresses.size()) {
      answer = &places[module.addresses[next++]];
    } else if (answer != nullptr && i + 1 < lines.size()) {
      answer->push_back(place_said(lines[i], lines[i + 1]));
      ++i;
    }
  }
}

// Below the sources their own path; elsewhere the last two parts.
std::string short_file(const Place& place) {
  if (!place.below_root.empty()) return place.below_root;
  const std::filesystem::path path(place.file);
  return (path.parent_path().filename() / path.filename()).string();
}

// Nothing for what stands between.
std::optional<SourceLine> line_at(const void* address, const std::vector<Place>& said) {
  const Loaded where = loaded(address);
  if (where.file.empty() || is_of_the_system(where.file)) return std::nullopt;
  std::vector<Place> inlined = said;
  if (inlined.empty()) inlined.emplace_back();
  if (inlined.back().function.empty()) inlined.back().function = where.symbol;
  const auto place = std::find_if_not(inlined.begin(), inlined.end(), is_between);
  if (place == inlined.end()) return std::nullopt;
  SourceLine found{"", short_name(place->function),
                   place->below_root.empty() ? place->file : source_root() + place->below_root, place->line};
  if (found.function == "operator()") found.function.clear();  // an inlined lambda, of which no more is known
  found.text = found.function + (found.function.empty() ? "" : " ");
  found.text +=
      place->line != 0
          ? fmt::format("{}:{}", short_file(*place), place->line)
          : fmt::format("{}+{:#x}", std::filesystem::path(where.file).filename().string(), where.offset);
  return found;
}

}  // namespace

std::string short_name(std::string_view demangled) {
  std::string name = plain_name(demangled);
  std::size_t begin = name.size();
  for (int scopes = name.find("{lambda") != std::string::npos ? 3 : 2; scopes > 0; --scopes) {
    const std::size_t colons = begin == 0 ? std::string::npos : name.rfind("::", begin - 1);
    if (colons == std::string::npos) return name;
    begin = colons;
  }
  return name.substr(begin + 2);
}

SourceLines::SourceLines(const sim::Execution& execution, const std::string& tool) {
  Places places;
  std::map<std::string, Module> modules;
  for (const sim::TraceStep& step : execution.trace) {
    for (const void* frame : step.frames) {
      if (frame == nullptr || !places.try_emplace(call_at(frame)).second) continue;
      const std::string file = loaded(call_at(frame)).file;
      if (file.empty() || is_of_the_system(file)) continue;
      Module& module = modules[file];
      module.file = file;
      if (module.addresses.size() < kMostAddresses) module.addresses.push_back(call_at(frame));
    }
  }
  for (const auto& [file, module] : modules) ask(tool, module, places);
  for (const auto& [address, said] : places) {
    if (auto line = line_at(address, said)) places_.emplace(address, std::move(*line));
  }
}

std::string SourceLines::of(const sim::TraceStep& step) const {
  const SourceLine* line = at(step);
  return line == nullptr ? "" : line->text;
}

const SourceLine* SourceLines::at(const sim::TraceStep& step) const {
  for (const void* frame : step.frames) {
    if (frame == nullptr) break;
    const auto found = places_.find(call_at(frame));
    if (found != places_.end()) return &found->second;
  }
  return nullptr;
}

}  // namespace s2::fuzz
