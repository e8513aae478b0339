// See command_line.h.
#include "scenarios/command_line.h"

#include <algorithm>
#include <cctype>
#include <fstream>

namespace s2::scenarios {

std::string not_negative(const std::string& text) {
  return text.starts_with('-') ? "`" + text + "` is negative" : "";
}

std::string twin_of(std::string_view prefix, std::string_view flag) {
  std::string name = std::string(prefix) + std::string(flag.substr(2));
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

tl::expected<std::string, std::string> secret_of(const std::string& given) {
  constexpr std::size_t kMaxFileBytes = 64 * 1024;
  if (given.empty() || given[0] != '@') return given;
  std::ifstream file(given.substr(1), std::ios::binary);
  std::string text(kMaxFileBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.pop_back();
  if (text.empty()) return tl::unexpected("`" + given.substr(1) + "` cannot be read, or is empty");
  return text;
}

}  // namespace s2::scenarios
