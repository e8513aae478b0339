// See request.h.
#include "emulator/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "emulator/names.h"
#include "emulator/units.h"
#include "wire/json.h"

namespace s2::emulator {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

tl::unexpected<wire::ApiError> bad_query(std::string_view name, std::string_view what) {
  return refuse(400, "bad_query", fmt::format("query parameter `{}`: {}", name, what));
}

bool is_address(std::string_view host) {
  return host.find(':') != std::string_view::npos ||
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

Target split_target(std::string_view target) {
  Target out;
  const std::size_t mark = target.find('?');
  if (mark != std::string_view::npos) out.query = target.substr(mark + 1);
  std::string_view path = target.substr(0, mark);
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  for (;;) {
    const std::size_t slash = path.find('/');
    out.segments.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    path.remove_prefix(slash + 1);
  }
}

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i] == '+' && plus_is_space ? ' ' : text[i];
    }
  }
  return out;
}

Query::Query(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (!pair.empty()) {
      values_.emplace(percent_decode(pair.substr(0, equals), true),
                      percent_decode(pair.substr(std::min(equals + 1, pair.size())), true));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

Result<std::optional<std::string>> Query::text(const std::string& name) const {
  const auto [first, last] = values_.equal_range(name);
  if (first == last) return std::nullopt;
  if (std::next(first) != last) return bad_query(name, "is given twice");
  return first->second;
}

Result<std::optional<std::uint64_t>> Query::number(const std::string& name) const {
  const auto value = text(name);
  if (!value) return tl::unexpected(value.error());
  if (!*value) return std::nullopt;
  const auto number = parse_decimal(**value);
  if (!number) return bad_query(name, "is not a whole number of at most 64 bits");
  return number;
}

Result<std::optional<bool>> Query::boolean(const std::string& name) const {
  const auto value = text(name);
  if (!value) return tl::unexpected(value.error());
  if (!*value) return std::nullopt;
  if (**value != "true" && **value != "false") return bad_query(name, "is neither `true` nor `false`");
  return **value == "true";
}

MediaType media_type(std::string_view header_value) {
  std::string_view first = header_value.substr(0, header_value.find_first_of(",;"));
  const std::string type = lower(trimmed(first));
  if (type.empty()) return MediaType::none;
  if (type == "application/json" || (type.starts_with("application/") && type.ends_with("+json"))) {
    return MediaType::json;
  }
  if (type == "application/protobuf" || type == "application/x-protobuf") return MediaType::protobuf;
  if (type == "s2s/proto") return MediaType::s2s;
  if (type == "text/event-stream") return MediaType::event_stream;
  return MediaType::other;
}

wire::ApiError refusal(const wire::DecodeError& error) {
  return refusal(400, std::string(wire::code_of(error.kind)), error.message);
}

wire::ApiError refusal(int status, std::string code, std::string message) {
  wire::ApiError error;
  error.status = status;
  error.code = std::move(code);
  error.message = std::move(message);
  return error;
}

Result<std::string> basin_of(const wire::RequestHead& head) {
  std::string basin(wire::find_header(head.headers, "s2-basin"));
  if (basin.empty()) {
    const std::string host = wire::host_of(head.authority);
    const std::size_t dot = host.find('.');
    if (is_address(host) || dot == std::string::npos) {
      return refuse(400, "bad_header", "Missing header `s2-basin`");
    }
    basin = host.substr(0, dot);
  }
  if (const auto problem = basin_name_problem(basin)) {
    return refuse(400, "bad_header", fmt::format("Invalid header `s2-basin`: {}", *problem));
  }
  return basin;
}

Result<std::string> basin_from_segment(std::string_view segment) {
  std::string basin = percent_decode(segment);
  if (const auto problem = basin_name_problem(basin)) {
    return refuse(400, "bad_path", fmt::format("Invalid URL: {}", *problem));
  }
  return basin;
}

Result<std::string> stream_from_segment(std::string_view segment) {
  std::string stream = percent_decode(segment);
  if (!wire::is_utf8(stream)) return refuse(400, "bad_path", "Invalid URL: Invalid UTF-8 in `stream`");
  if (const auto problem = stream_name_problem(stream)) {
    return refuse(400, "bad_path", fmt::format("Invalid URL: {}", *problem));
  }
  return stream;
}

Result<StreamConfigLayer> stream_config_of(const wire::RequestHead& head) {
  const std::string_view text = wire::find_header(head.headers, "s2-stream-config");
  if (text.empty()) return StreamConfigLayer{};
  return stream_config_from_json(text, wire::DecodeErrorKind::bad_header);
}

Result<std::optional<std::string>> request_token_of(const wire::RequestHead& head) {
  const std::string_view token = wire::find_header(head.headers, "s2-request-token");
  if (token.empty()) return std::nullopt;
  if (token.size() > kMaxRequestTokenBytes) {
    return refuse(400, "bad_header",
                  fmt::format("Invalid header `s2-request-token`: over {} bytes", kMaxRequestTokenBytes));
  }
  return std::string(token);
}

std::string_view bearer_of(const wire::RequestHead& head) {
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view value = wire::find_header(head.headers, "authorization");
  return value.starts_with(kScheme) ? value.substr(kScheme.size()) : std::string_view();
}

}  // namespace s2::emulator
