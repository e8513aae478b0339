// POST /v1/streams/{}/records: the unary append, in JSON or protobuf, and the way to append sessions. S2 spec
// "append".
#include "emulator/append.h"
#include "emulator/routes.h"
#include "wire/json.h"
#include "wire/proto.h"

namespace s2::emulator {
namespace {

Result<wire::AppendInput> input_of(const Request& request) {
  if (media_type(request.header("content-type")) == MediaType::protobuf) {
    auto input = wire::append_input_from_proto(request.body);
    if (!input) return tl::unexpected(refusal(input.error()));
    return std::move(*input);
  }
  const std::string_view name = request.header("s2-format");
  const auto format = name.empty() ? wire::Format::raw : wire::format_from_header(name);
  if (!format) return tl::unexpected(refusal(format.error()));
  const auto text = json_body(request);
  if (!text) return tl::unexpected(text.error());
  auto input = wire::append_input_from_json(*text, *format);
  if (!input) return tl::unexpected(refusal(input.error()));
  return std::move(*input);
}

Answer ack_answer(const Request& request, const wire::AppendAck& ack) {
  if (media_type(request.header("accept")) == MediaType::protobuf) {
    return {.body = wire::to_proto(ack), .content_type = "application/protobuf"};
  }
  return {.body = wire::to_json(ack)};
}

void append(World& world, Request request) {
  const auto place = place_of(request);
  if (!place) return send_error(world, request, place.error());
  const auto if_created = stream_config_of(request.head());
  if (!if_created) return send_error(world, request, if_created.error());
  const MediaType content = media_type(request.header("content-type"));
  if (content == MediaType::s2s) {
    return serve_append_session(world, request.exchange, place->basin, place->stream, *if_created);
  }
  const char* const too_long = content == MediaType::protobuf ? "bad_proto" : "bad_json";
  with_body(world, std::move(request), too_long,
            [&world, place = *place, if_created = *if_created](const Request& whole) {
              auto input = input_of(whole);
              if (!input) return send_error(world, whole, input.error());
              Append append{.op = "append",
                            .basin = place.basin,
                            .stream = place.stream,
                            .if_created = if_created,
                            .input = std::move(*input),
                            .arrived_ns = world.clock.elapsed_ns()};
              run_append(world, whole.exchange, std::move(append), [&world, whole](const auto& result) {
                send(world, whole, result ? ack_answer(whole, *result) : error_answer(result.error()));
              });
            });
}

}  // namespace

const std::vector<Route>& append_routes() {
  static const std::vector<Route> kRoutes = {{"POST", "/v1/streams/{}/records", append}};
  return kRoutes;
}

}  // namespace s2::emulator
