// The writer's log: one line an entry, on stderr, written whole.
//
// A Log is called from any thread. What it is given may come from hostile events: control characters are
// shown as
// \xNN. It never gets a secret; stderr_log() blanks the ones it knows all the same.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "writer/secret.h"

namespace s2::writer {

inline constexpr std::size_t kMaxLogLineBytes = 2048;  // the rest is cut
inline constexpr std::size_t kLeastSecretBytes = 4;  // a shorter one is no secret, and would blank every word

using Log = std::function<void(std::string_view line)>;

Log stderr_log(Secret access_token, Secret read_token = {}, Secret api_token = {});

inline constexpr std::chrono::seconds kSameLineEvery{1};
inline constexpr std::size_t kMaxLineKinds = 24;  // at once; what is beyond shares one

// The log of what others do wrong, which may come at any rate: the first line of a kind is written at once,
// then at most one a kSameLineEvery, with how many came since. Lines hold no event's content. Any thread.
class LimitedLog {
 public:
  explicit LimitedLog(Log log) : log_(std::move(log)) {}

  // The line is `kind` and `detail`; those of one kind are counted together.
  void operator()(std::string_view kind, std::string_view detail = "");
  // Writes how many came since the last lines: at the end.
  void close();

 private:
  using Clock = std::chrono::steady_clock;
  struct Kind {
    std::string text;
    Clock::time_point written;
    std::uint64_t left_out = 0;
  };
  Kind& place_of(std::string_view kind, Clock::time_point now, std::string& rest);
  static std::string rest_of(const Kind& kind);

  const Log log_;
  std::mutex mutex_;
  std::array<Kind, kMaxLineKinds + 1> kinds_;  // the last is shared
};

// `text` on one line, without control characters, cut to `limit` bytes (never within a UTF-8 character).
std::string one_line(std::string_view text, std::size_t limit);

// "1 event", "2 events".
std::string counted(std::uint64_t count, std::string_view one);

}  // namespace s2::writer
