// See command_line.h.
#include "scenarios/command_line.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <system_error>

namespace s2::scenarios {

std::function<std::string(const std::string&)> whole_number(std::uint64_t most) {
  return [most](const std::string& text) -> std::string {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first != std::string::npos && text[first] == '-') return "`" + text + "` is negative";
    errno = 0;
    if (std::strtoull(text.c_str(), nullptr, 0) <= most && errno != ERANGE) return "";
    return "`" + text + "` is too large, the largest is " + std::to_string(most);
  };
}

std::string no_such_command(const std::string& word, const std::vector<std::string>& commands) {
  std::string all;
  for (const std::string& each : commands) all += (all.empty() ? "" : ", ") + each;
  return "`" + word + "` is no command, expected one of " + all;
}

std::string twin_of(std::string_view prefix, std::string_view flag) {
  std::string name = std::string(prefix) + std::string(flag.substr(2));
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

std::optional<Shard> parse_shard(std::string_view text) {
  const std::size_t slash = text.find('/');
  unsigned i = 0, n = 0;
  const auto number = [](std::string_view part, unsigned& into) {
    const auto [rest, error] = std::from_chars(part.data(), part.data() + part.size(), into);
    return error == std::errc() && rest == part.data() + part.size();
  };
  const bool good = slash != std::string_view::npos && number(text.substr(0, slash), i) &&
                    number(text.substr(slash + 1), n) && i >= 1 && i <= n;
  return good ? std::optional(Shard{i - 1, n}) : std::nullopt;
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

std::string without(std::string text, const std::string& secret) {
  if (secret.size() < 4) return text;
  for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
    text.replace(at, secret.size(), "[token]");
  }
  return text;
}

std::string unwritten_result(int error_before) {
  const int error = std::fflush(stdout) == 0 || error_before != 0 ? error_before : errno;
  if (error == 0 && std::ferror(stdout) == 0) return "";
  const std::string what = "the result cannot be written to stdout";
  return error == 0 ? what : what + ": " + std::generic_category().message(error);
}

}  // namespace s2::scenarios
