// Server-sent events. The decoder scans each byte once for line ends and keeps one line and one event.
#include "wire/sse.h"

#include <cassert>
#include <utility>

namespace s2::wire {
namespace {

constexpr std::string_view kLineEnds = "\r\n";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// `text` as lines, each "PREFIX line\n". CR, LF and CRLF end a line, as the reader on the other side has it.
void append_lines(std::string& out, std::string_view prefix, std::string_view text) {
  while (true) {
    const std::size_t end = text.find_first_of(kLineEnds);
    out += prefix;
    out += text.substr(0, end);
    out += '\n';
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + (text.substr(end, 2) == "\r\n" ? 2 : 1));
  }
}

[[maybe_unused]] bool is_one_line(std::string_view text) {
  return text.find_first_of(kLineEnds) == std::string_view::npos;
}

}  // namespace

std::string encode_sse(const SseEvent& event) {
  assert(is_one_line(event.event));
  assert(!event.id || is_one_line(*event.id));
  std::string out;
  out.reserve(event.event.size() + event.data.size() + 64);
  if (!event.event.empty()) append_lines(out, "event: ", event.event);
  if (event.id) append_lines(out, "id: ", *event.id);
  append_lines(out, "data: ", event.data);
  out += '\n';
  return out;
}

std::string encode_sse_comment(std::string_view text) {
  std::string out;
  append_lines(out, ": ", text);
  out += '\n';
  return out;
}

SseDecoder::SseDecoder(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

tl::expected<void, DecodeError> SseDecoder::receive(std::string_view bytes, std::vector<SseEvent>& out) {
  if (failed_) return tl::unexpected<DecodeError>(*failed_);
  while (!bytes.empty()) {
    if (std::exchange(last_was_cr_, false) && bytes[0] == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t end = bytes.find_first_of(kLineEnds);
    const std::string_view piece = bytes.substr(0, end);
    const std::size_t held =
        line_.size() + current_.data.size() + current_.event.size() + (current_.id ? current_.id->size() : 0);
    if (piece.size() > limit_bytes_ || held > limit_bytes_ - piece.size()) {
      failed_ = DecodeError{DecodeErrorKind::bad_frame,
                            "SSE: an event over " + std::to_string(limit_bytes_) + " bytes"};
      line_ = std::string();
      current_ = SseEvent();
      return tl::unexpected<DecodeError>(*failed_);
    }
    if (end == std::string_view::npos) {
      line_ += piece;
      return {};
    }
    last_was_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    // A line that came in one piece is never copied whole.
    if (line_.empty()) {
      take_line(piece, out);
    } else {
      line_ += piece;
      take_line(std::exchange(line_, {}), out);
    }
  }
  return {};
}

void SseDecoder::take_line(std::string_view line, std::vector<SseEvent>& out) {
  if (std::exchange(at_start_, false) && line.substr(0, 3) == kByteOrderMark) line.remove_prefix(3);
  if (line.empty()) {
    if (std::exchange(has_data_, false)) out.push_back(std::move(current_));
    current_ = SseEvent();
    return;
  }
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.substr(0, 1) == " ") value.remove_prefix(1);
  if (field == "data") {
    if (std::exchange(has_data_, true)) current_.data += '\n';
    current_.data += value;
  } else if (field == "event") {
    current_.event = value;
  } else if (field == "id" && value.find('\0') == std::string_view::npos) {
    current_.id = value;
  }
  // A comment (empty field), `retry` and anything unknown say nothing to us.
}

}  // namespace s2::wire
