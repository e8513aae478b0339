// Server-sent events: writing them, and reading them back from any cut of the byte stream.
//
// An `id` is told with the event that carries it, not carried over to later ones; a block without data is no
// event. Pure; a decoder belongs to one thread at a time. Source: WHATWG HTML, "Server-sent events"; S2 spec
// "read" (SSE).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/error.h"

namespace s2::wire {

struct SseEvent {
  std::string event;  // empty: none given ("message")
  std::string data;   // lines joined by '\n'
  std::optional<std::string> id;
  bool operator==(const SseEvent&) const = default;
};

// CR and LF in `event` and `id` are a programming error; `data` may have any number of lines.
std::string encode_sse(const SseEvent& event);
std::string encode_sse_comment(std::string_view text);

class SseDecoder {
 public:
  // At most `limit_bytes` are held for one event; more is bad_frame.
  explicit SseDecoder(std::size_t limit_bytes = 8 * 1024 * 1024);
  tl::expected<void, DecodeError> receive(std::string_view bytes, std::vector<SseEvent>& out);

 private:
  void take_line(std::string_view line, std::vector<SseEvent>& out);

  std::size_t limit_bytes_;
  std::string line_;
  SseEvent current_;
  bool has_data_ = false;
  bool last_was_cr_ = false;
  bool at_start_ = true;
  std::optional<DecodeError> failed_;
};

}  // namespace s2::wire
