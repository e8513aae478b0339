// Character classes of RFC 9110 and the cleaning of what callers want to send.
#include "wire/http_syntax.h"

#include <algorithm>
#include <charconv>

namespace s2::wire {
namespace {

bool is_token_char(unsigned char c) {
  if (c >= '0' && c <= '9') return true;
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
}

bool is_control(unsigned char c) {
  return (c < 0x20 && c != '\t') || c == 0x7f;
}

std::string clean_value(std::string_view value) {
  std::string clean(value);
  for (char& c : clean) {
    if (is_control(static_cast<unsigned char>(c))) c = ' ';
  }
  // Blanks at the ends are not part of a value (and HTTP/2 peers refuse them).
  const std::size_t first = clean.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return clean.substr(first, clean.find_last_not_of(" \t") - first + 1);
}

}  // namespace

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return is_token_char(c); });
}

bool is_target(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c != 0x7f; });
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string host_of(std::string_view authority) {
  if (authority.starts_with('[')) return lower_case(authority.substr(1, authority.find(']') - 1));
  return lower_case(authority.substr(0, authority.find(':')));
}

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool is_hop_header(std::string_view name) {
  return name == "connection" || name == "keep-alive" || name == "proxy-connection" ||
         name == "transfer-encoding" || name == "upgrade";
}

HttpHeaders outgoing_headers(const HttpHeaders& headers) {
  HttpHeaders clean;
  clean.reserve(headers.size());
  for (const HttpHeader& header : headers) {
    std::string name = lower_case(header.name);
    if (!is_token(name) || is_hop_header(name) || name == "host") continue;
    clean.push_back({std::move(name), clean_value(header.value)});
  }
  return clean;
}

std::optional<std::uint64_t> parse_length(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

bool never_has_body(int status) {
  return status / 100 == 1 || status == 204 || status == 304;
}

void add_body(std::vector<HttpEvent>& out, StreamId id, std::string_view bytes) {
  if (bytes.empty()) return;
  if (!out.empty()) {
    if (auto* last = std::get_if<BodyData>(&out.back()); last != nullptr && last->id == id) {
      last->bytes.append(bytes);
      return;
    }
  }
  out.push_back(BodyData{id, std::string(bytes)});
}

}  // namespace s2::wire
