// What both protocols share on the public face: looking up a header, telling the protocols apart by their
// first bytes.
#include "wire/http.h"

#include <algorithm>

namespace s2::wire {

std::string_view find_header(const HttpHeaders& headers, std::string_view name) {
  for (const HttpHeader& header : headers) {
    if (header.name == name) return header.value;
  }
  return "";
}

Protocol detect_protocol(std::string_view first_bytes) {
  const std::size_t n = std::min(first_bytes.size(), kHttp2Preface.size());
  if (first_bytes.substr(0, n) != kHttp2Preface.substr(0, n)) return Protocol::http1;
  // "PRI" is reserved (RFC 9113 §3.4): no HTTP/1.1 request begins with all of the preface, but "P" may become
  // "POST".
  return n == kHttp2Preface.size() ? Protocol::http2 : Protocol::undecided;
}

}  // namespace s2::wire
