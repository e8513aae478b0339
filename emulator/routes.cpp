// See routes.h.
#include "emulator/routes.h"

#include <fmt/format.h>

#include "emulator/operation.h"
#include "wire/compress.h"

namespace s2::emulator {
namespace {

bool matches(const Route& route, const std::vector<std::string>& segments,
             std::vector<std::string>& parameters) {
  const Target pattern = split_target(route.path);
  if (pattern.segments.size() != segments.size()) return false;
  parameters.clear();
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (pattern.segments[i] == "{}") {
      if (segments[i].empty()) return false;
      parameters.push_back(segments[i]);
    } else if (pattern.segments[i] != segments[i]) {
      return false;
    }
  }
  return true;
}

Answer empty_answer(int status) {
  return {.status = status, .body = ""};
}

// S2 spec "authentication"; the open emulator takes any token, and none.
std::optional<wire::ApiError> authenticate(const World& world, const wire::RequestHead& head) {
  if (world.options.auth == Auth::open) return std::nullopt;
  const std::string_view token = bearer_of(head);
  if (token.empty()) return refusal(401, "authn", "Missing header `authorization` with a bearer token");
  if (token != world.options.root_token && world.access_tokens.of_secret(token) == nullptr) {
    return refusal(401, "authn", "the access token is not one that was issued here");
  }
  return std::nullopt;
}

}  // namespace

void send(const World& world, const Request& request, Answer answer) {
  send(world, *request.exchange, std::move(answer));
}

void send_error(const World& world, const Request& request, const wire::ApiError& error) {
  send(world, request, error_answer(error));
}

void serve(World& world, const ExchangePtr& exchange) {
  static constexpr auto kTables = {basin_routes,  stream_routes,  append_routes, read_routes,
                                   access_routes, control_routes, page_routes};
  const wire::RequestHead& head = exchange->head();
  const Target target = split_target(head.target);
  const bool is_api = target.segments.front() == "v1";
  Request request;
  request.exchange = exchange;
  request.query = target.query;
  const std::string method = head.method == "HEAD" ? "GET" : head.method;
  std::string allowed;
  for (const auto table : kTables) {
    for (const Route& route : table()) {
      if (!matches(route, target.segments, request.parameters)) continue;
      if (route.method != method) {
        allowed += allowed.empty() ? "" : ",";
        allowed += route.method == std::string_view("GET") ? "GET,HEAD" : route.method;
        continue;
      }
      if (is_api) {
        if (const auto refused = authenticate(world, head)) return send_error(world, request, *refused);
      }
      return route.serve(world, std::move(request));
    }
  }
  if (head.method == "OPTIONS" && world.options.cors && !head.target.starts_with("/_emulator")) {
    return send(world, request, empty_answer(200));
  }
  Answer answer = empty_answer(allowed.empty() ? 404 : 405);
  if (!allowed.empty()) answer.headers.push_back({"allow", allowed});
  send(world, request, std::move(answer));
}

void with_body(World& world, Request request, const char* too_long, std::function<void(Request)> next) {
  const auto how = wire::compression_from_content_encoding(request.header("content-encoding"));
  if (!how) {
    Answer answer = empty_answer(415);
    answer.headers.push_back({"accept-encoding", "zstd,gzip"});
    return send(world, request, std::move(answer));
  }
  const ExchangePtr exchange = request.exchange;
  struct Collected {
    std::string body;
    bool refused = false;
  };
  const auto collected = std::make_shared<Collected>();
  const auto refuse_it = [&world, request, too_long](const std::string& why) {
    send_error(world, request, refusal(400, too_long, "Failed to buffer the request body: " + why));
  };
  exchange->on_body = [weak = std::weak_ptr(exchange), collected, refuse_it](std::string bytes) {
    if (const auto open = weak.lock()) open->consumed(bytes.size());
    if (collected->refused) return;
    collected->body += bytes;
    if (collected->body.size() <= kMaxBodyBytes) return;
    collected->refused = true;
    collected->body.clear();
    refuse_it(fmt::format("it is over the limit of {} bytes", kMaxBodyBytes));
  };
  exchange->on_body_end = [how = *how, request, collected, refuse_it, next = std::move(next)]() mutable {
    if (collected->refused) return;
    request.body = std::move(collected->body);
    if (how != wire::Compression::none) {
      auto plain = wire::decompress(how, request.body, kMaxBodyBytes, wire::DecodeErrorKind::bad_header);
      if (!plain) return refuse_it(plain.error().message);
      request.body = std::move(*plain);
    }
    next(std::move(request));
  };
}

void run_unary(World& world, Request request, std::string_view op, std::string basin, std::string stream,
               std::function<Answer()> effect) {
  const auto answer = std::make_shared<Answer>();
  Operation operation;
  operation.op = op;
  operation.basin = std::move(basin);
  operation.stream = std::move(stream);
  operation.perform = [answer, effect = std::move(effect)](const std::function<void()>& next) {
    *answer = effect();
    next();
  };
  operation.answer = [&world, request, answer] { send(world, request, std::move(*answer)); };
  operation.refuse = [&world, request](const wire::ApiError& error) { send_error(world, request, error); };
  run(world, request.exchange, std::move(operation));
}

Result<std::string_view> json_body(const Request& request) {
  if (media_type(request.header("content-type")) != MediaType::json) {
    return refuse(400, "bad_json", "Expected request with `Content-Type: application/json`");
  }
  return std::string_view(request.body);
}

Result<std::string_view> optional_json_body(const Request& request) {
  if (request.header("content-type").empty()) return std::string_view();
  return json_body(request);
}

Result<ListRequest> list_request(const Request& request,
                                 std::optional<std::string> (*problem)(std::string_view filter)) {
  const Query query(request.query);
  const auto prefix = query.text("prefix");
  const auto start_after = query.text("start_after");
  const auto limit = query.number("limit");
  if (!prefix) return tl::unexpected(prefix.error());
  if (!start_after) return tl::unexpected(start_after.error());
  if (!limit) return tl::unexpected(limit.error());
  ListRequest wanted{prefix->value_or(""), start_after->value_or(""),
                     static_cast<std::size_t>(limit->value_or(0))};
  for (const std::string* filter : {&wanted.prefix, &wanted.start_after}) {
    if (const auto wrong = problem(*filter)) return refuse(400, "bad_query", *wrong);
  }
  return wanted;
}

Result<Place> place_of(const Request& request) {
  const auto basin = basin_of(request.head());
  if (!basin) return tl::unexpected(basin.error());
  const auto stream = stream_from_segment(request.parameters[0]);
  if (!stream) return tl::unexpected(stream.error());
  return Place{*basin, *stream};
}

}  // namespace s2::emulator
