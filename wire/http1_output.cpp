// Writing of one HTTP/1.1 message.
#include "wire/http1_output.h"

#include <fmt/format.h>

#include <algorithm>

#include "wire/http_syntax.h"

namespace s2::wire {

void Http1Output::begin(std::string_view first_line, const HttpHeaders& headers, std::string_view own,
                        Framing framing, std::uint64_t length) {
  std::string head(first_line);
  for (const HttpHeader& header : headers) {
    head.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  head.append(own).append("\r\n");
  bytes_.append(head);
  begun_ = true;
  framing_ = framing;
  left_ = length;
}

void Http1Output::add(std::string_view bytes, bool end) {
  if (!begun_ || ended_) return;
  switch (framing_) {
    case Framing::none:
      break;
    case Framing::until_close:
      bytes_.append(bytes);
      break;
    case Framing::length: {
      const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_));
      bytes_.append(bytes.substr(0, n));
      left_ -= n;
      torn_ = end && left_ > 0;
      break;
    }
    case Framing::chunked:
      if (!bytes.empty()) {
        bytes_.append(fmt::format("{:x}\r\n", bytes.size()));
        bytes_.append(bytes);
        bytes_.append("\r\n");
      }
      if (end) bytes_.append("0\r\n\r\n");
      break;
  }
  ended_ = end;
}

std::optional<std::uint64_t> take_content_length(HttpHeaders& headers) {
  const auto found = std::find_if(headers.begin(), headers.end(),
                                  [](const HttpHeader& header) { return header.name == "content-length"; });
  if (found == headers.end()) return std::nullopt;
  const std::optional<std::uint64_t> length = parse_length(found->value);
  std::erase_if(headers, [](const HttpHeader& header) { return header.name == "content-length"; });
  return length;
}

}  // namespace s2::wire
