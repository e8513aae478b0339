// See answer.h.
#include "emulator/answer.h"

#include "wire/compress.h"
#include "wire/types.h"

namespace s2::emulator {
namespace {

void append_headers(wire::HttpHeaders& to, wire::HttpHeaders from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

Answer error_answer(const wire::ApiError& error) {
  return {.status = error.status, .body = wire::to_json(error)};
}

wire::HttpHeaders cors_headers(const World& world, const wire::RequestHead& head) {
  if (!world.options.cors || head.target.starts_with("/_emulator")) return {};
  wire::HttpHeaders headers{{"vary", "origin, access-control-request-method, access-control-request-headers"},
                            {"access-control-allow-credentials", "true"}};
  const std::string_view origin = wire::find_header(head.headers, "origin");
  if (!origin.empty()) headers.push_back({"access-control-allow-origin", std::string(origin)});
  if (head.method != "OPTIONS") return headers;
  const std::string_view method = wire::find_header(head.headers, "access-control-request-method");
  const std::string_view names = wire::find_header(head.headers, "access-control-request-headers");
  if (!method.empty()) headers.push_back({"access-control-allow-methods", std::string(method)});
  if (!names.empty()) headers.push_back({"access-control-allow-headers", std::string(names)});
  return headers;
}

void send(const World& world, Exchange& exchange, Answer answer) {
  const wire::RequestHead& request = exchange.head();
  wire::ResponseHead head;
  head.status = answer.status;
  if (!answer.body.empty()) head.headers.push_back({"content-type", answer.content_type});
  if (answer.body.size() > wire::kCompressionThresholdBytes) {
    const auto how = wire::best_accepted(wire::find_header(request.headers, "accept-encoding"));
    head.headers.push_back({"vary", "accept-encoding"});
    if (how != wire::Compression::none) {
      answer.body = wire::compress(how, answer.body);
      head.headers.push_back({"content-encoding", how == wire::Compression::zstd ? "zstd" : "gzip"});
    }
  }
  append_headers(head.headers, std::move(answer.headers));
  append_headers(head.headers, cors_headers(world, request));
  head.headers.push_back({"content-length", std::to_string(answer.body.size())});
  const bool has_body = !answer.body.empty() && request.method != "HEAD";
  exchange.send_head(head, !has_body);
  if (has_body) exchange.send_data(answer.body, true);
}

void begin_stream(const World& world, Exchange& exchange, std::string content_type) {
  wire::ResponseHead head{200,
                          {{"content-type", std::move(content_type)},
                           {"cache-control", "no-cache, no-transform"},
                           {"x-accel-buffering", "no"}}};
  append_headers(head.headers, cors_headers(world, exchange.head()));
  exchange.send_head(head, false);
}

}  // namespace s2::emulator
