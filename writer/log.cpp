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

// With mutex_ held: the kind's own place, a free one, that of a kind that has been silent, or the last.
LimitedLog::Kind& LimitedLog::place_of(std::string_view kind, Clock::time_point now, std::string& rest) {
  Kind* silent = nullptr;
  for (Kind& each : kinds_) {
    if (each.text == kind) return each;
    if (silent == nullptr && (each.text.empty() || now - each.written >= kSameLineEvery)) silent = &each;
  }
  if (silent == nullptr) return kinds_.back();
  rest = rest_of(*silent);
  *silent = {std::string(kind), now - kSameLineEvery, 0};
  return *silent;
}

std::string LimitedLog::rest_of(const Kind& kind) {
  return kind.left_out == 0 ? std::string() : fmt::format("{}; {} more", kind.text, kind.left_out);
}

void LimitedLog::operator()(std::string_view kind, std::string_view detail) {
  std::string line(kind), rest;
  {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    Kind& place = place_of(kind, now, rest);
    if (now - place.written < kSameLineEvery) {
      ++place.left_out;
      line.clear();
    } else {
      line += detail;
      if (place.left_out > 0) line += fmt::format("; {} more before it", place.left_out);
      place = {std::string(kind), now, 0};
    }
  }
  for (const std::string& each : {rest, line}) {
    if (!each.empty()) log_(each);
  }
}

void LimitedLog::close() {
  const std::lock_guard lock(mutex_);
  for (Kind& each : kinds_) {
    if (each.left_out > 0) log_(rest_of(each));
    each.left_out = 0;
  }
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

std::string counted(std::uint64_t count, std::string_view one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

}  // namespace s2::writer
