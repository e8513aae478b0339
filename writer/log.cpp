// The log on stderr; see log.h.
#include "writer/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace s2::writer {

std::string one_line(std::string_view text, std::size_t limit) {
  std::string line;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    bool control = byte < 0x20 || byte == 0x7f;
    if (line.size() + (control ? 4 : 1) > limit) {
      while (!line.empty() && (static_cast<unsigned char>(line.back()) & 0xC0) == 0x80) line.pop_back();
      if (!line.empty() && (static_cast<unsigned char>(line.back()) & 0x80) != 0) line.pop_back();
      return line + "…";
    }
    if (control) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
  return line;
}

Log stderr_log(Secret access_token, Secret read_token, Secret api_token) {
  return [secrets = std::array{std::move(access_token), std::move(read_token), std::move(api_token)}](
             std::string_view text) {
    std::string line(text);
    for (const Secret& secret : secrets) {
      if (secret.reveal().size() < kLeastSecretBytes) continue;
      for (std::size_t at = 0; (at = line.find(secret.reveal(), at)) != std::string::npos; at += 3) {
        line.replace(at, secret.reveal().size(), "***");
      }
    }
    line = "s2-writer: " + one_line(line, kMaxLogLineBytes) + "\n";
    // A log that cannot be written has nowhere to say so.
    if (::write(STDERR_FILENO, line.data(), line.size()) < 0) return;
  };
}

}  // namespace s2::writer
