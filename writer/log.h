// The writer's log: one line an entry, on stderr, written whole.
//
// A Log is called from any thread. What it is given may come from hostile events: control characters are
// shown as
// \xNN. It never gets a secret; stderr_log() blanks the ones it knows all the same.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "writer/secret.h"

namespace s2::writer {

inline constexpr std::size_t kMaxLogLineBytes = 2048;  // the rest is cut
inline constexpr std::size_t kLeastSecretBytes = 4;  // a shorter one is no secret, and would blank every word

using Log = std::function<void(std::string_view line)>;

Log stderr_log(Secret access_token, Secret read_token = {}, Secret api_token = {});

// `text` on one line, without control characters, cut to `limit` bytes (never within a UTF-8 character).
std::string one_line(std::string_view text, std::size_t limit);

}  // namespace s2::writer
