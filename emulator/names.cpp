// The rules of names.h, one after the other.
#include "emulator/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "wire/json.h"
#include "wire/types.h"

namespace s2::emulator {
namespace {

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

std::optional<std::string> basin_text_problem(std::string_view text) {
  if (text.size() > wire::kMaxBasinNameBytes) {
    return fmt::format("has {} bytes, at most {} are allowed", text.size(), wire::kMaxBasinNameBytes);
  }
  if (!std::ranges::all_of(text, [](char c) { return is_lower_or_digit(c) || c == '-'; })) {
    return "may hold only lower-case letters, digits and hyphens";
  }
  if (!text.empty() && text.front() == '-') return "may not begin with a hyphen";
  return std::nullopt;
}

std::optional<std::string> stream_text_problem(std::string_view text) {
  if (text.size() > wire::kMaxStreamNameBytes) {
    return fmt::format("has {} bytes, at most {} are allowed", text.size(), wire::kMaxStreamNameBytes);
  }
  if (!wire::is_utf8(text)) return "is not valid UTF-8";
  return std::nullopt;
}

std::optional<std::string> with_subject(std::string_view subject, std::optional<std::string> problem) {
  if (problem) return fmt::format("{} {}", subject, *problem);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> basin_name_problem(std::string_view name) {
  std::optional<std::string> problem;
  if (name.size() < wire::kMinBasinNameBytes) {
    problem = fmt::format("has {} bytes, at least {} are needed", name.size(), wire::kMinBasinNameBytes);
  } else {
    problem = basin_text_problem(name);
    if (!problem && name.back() == '-') problem = "may not end with a hyphen";
  }
  return with_subject("basin name", std::move(problem));
}

std::optional<std::string> basin_filter_problem(std::string_view text) {
  return with_subject("basin name filter", basin_text_problem(text));
}

std::optional<std::string> stream_name_problem(std::string_view name) {
  if (name.empty()) return "stream name is empty";
  if (wire::is_dots(name)) return "stream name may not be \".\" or \"..\"";
  return with_subject("stream name", stream_text_problem(name));
}

std::optional<std::string> stream_filter_problem(std::string_view text) {
  return with_subject("stream name filter", stream_text_problem(text));
}

}  // namespace s2::emulator
