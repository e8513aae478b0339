// Typed reading of JSON with places; see json_view.h.
#include "emulator/json_view.h"

#include <fmt/format.h>

#include <algorithm>

namespace s2::emulator {
namespace {

constexpr std::size_t kMaxShownBytes = 64;  // of a foreign name in an error line

std::string shown(std::string_view name) {
  std::string out;
  for (char c : name.substr(0, kMaxShownBytes)) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    out += control ? '?' : c;
  }
  return name.size() > kMaxShownBytes ? out + "…" : out;
}

}  // namespace

bool JsonView::object() {
  if (!given()) return false;
  if (value_->is_object()) return true;
  refuse("must be an object");
  return false;
}

bool JsonView::array() {
  if (!given()) return false;
  if (value_->is_array()) return true;
  refuse("must be an array");
  return false;
}

std::optional<bool> JsonView::boolean() {
  if (!given()) return std::nullopt;
  if (value_->is_boolean()) return value_->get<bool>();
  refuse("must be true or false");
  return std::nullopt;
}

std::optional<std::uint64_t> JsonView::whole_number() {
  if (!given()) return std::nullopt;
  if (value_->is_number_unsigned()) return value_->get<std::uint64_t>();
  refuse("must be a whole number, 0 or more");
  return std::nullopt;
}

std::optional<std::string> JsonView::text() {
  if (!given()) return std::nullopt;
  if (value_->is_string()) return value_->get<std::string>();
  refuse("must be a string");
  return std::nullopt;
}

JsonView JsonView::field(std::string_view name) const {
  const nlohmann::json* found = nullptr;
  if (value_ != nullptr && value_->is_object()) {
    const auto it = value_->find(std::string(name));
    if (it != value_->end()) found = &*it;
  }
  return JsonView(found, place_.empty() ? std::string(name) : fmt::format("{}.{}", place_, name), *problem_);
}

JsonView JsonView::element(std::size_t index) const {
  return JsonView(&(*value_)[index], fmt::format("{}[{}]", place_, index), *problem_);
}

void JsonView::only(std::initializer_list<std::string_view> names) {
  if (!given() || !value_->is_object()) return;
  for (const auto& entry : value_->items()) {
    if (std::ranges::find(names, std::string_view(entry.key())) == names.end()) {
      refuse(fmt::format("unknown field \"{}\"; known are {}", shown(entry.key()), fmt::join(names, ", ")));
      return;
    }
  }
}

void JsonView::require() {
  if (absent() || null()) refuse("is missing");
}

void JsonView::refuse(std::string what, bool of_shape) {
  if (*problem_) return;
  *problem_ = JsonProblem{of_shape, place_.empty() ? std::move(what) : fmt::format("{}: {}", place_, what)};
}

nlohmann::json parse_json(std::string_view text, std::optional<JsonProblem>& problem) {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    const std::string_view before = text.substr(0, error.byte > 0 ? error.byte - 1 : 0);
    const auto line = std::ranges::count(before, '\n') + 1;
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0: the first line
    if (text.empty()) {
      problem = JsonProblem{true, "empty where JSON is expected"};
    } else {
      problem = JsonProblem{
          true, fmt::format("not JSON: line {}, column {}", line, before.size() - line_start + 1)};
    }
  } catch (const nlohmann::json::exception&) {  // a number beyond what fits
    problem = JsonProblem{true, "JSON with a number out of range"};
  }
  return nlohmann::json(nlohmann::json::value_t::discarded);
}

}  // namespace s2::emulator
