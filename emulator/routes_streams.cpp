// /v1/streams: create, ensure, list, get, reconfigure, delete. S2 spec "streams".
#include "emulator/names.h"
#include "emulator/resource_json.h"
#include "emulator/routes.h"

namespace s2::emulator {
namespace {

Answer provisioned(const Provisioned<StreamInfo>& result, int status_if_not_created) {
  return {.status = result.what == Provision::created ? 201 : status_if_not_created,
          .body = to_json(result.info),
          .headers = {{"s2-provision-result", std::string(name_of(result.what))}}};
}

void list_streams(World& world, Request request) {
  const auto basin = basin_of(request.head());
  if (!basin) return send_error(world, request, basin.error());
  const auto wanted = list_request(request, stream_filter_problem);
  if (!wanted) return send_error(world, request, wanted.error());
  run_unary(world, request, "list_streams", *basin, "",
            [&world, basin = *basin, wanted = *wanted]() -> Answer {
              const auto page = world.service.list_streams(basin, wanted, world.clock.now_ms());
              return page ? Answer{.body = to_json(*page)} : error_answer(page.error());
            });
}

void create_stream(World& world, Request request) {
  with_body(world, std::move(request), "bad_json", [&world](const Request& whole) {
    const auto token = request_token_of(whole.head());
    if (!token) return send_error(world, whole, token.error());
    const auto basin = basin_of(whole.head());
    if (!basin) return send_error(world, whole, basin.error());
    const auto text = json_body(whole);
    if (!text) return send_error(world, whole, text.error());
    const auto wanted = create_stream_from_json(*text);
    if (!wanted) return send_error(world, whole, wanted.error());
    run_unary(world, whole, "create_stream", *basin, wanted->stream,
              [&world, basin = *basin, wanted = *wanted, token = *token]() -> Answer {
                const auto done = world.service.create_stream(basin, wanted.stream, wanted.config, token,
                                                              world.clock.now_ms());
                return done ? provisioned(*done, 201) : error_answer(done.error());
              });
  });
}

void ensure_stream(World& world, Request request) {
  with_body(world, std::move(request), "bad_json", [&world](const Request& whole) {
    const auto place = place_of(whole);
    if (!place) return send_error(world, whole, place.error());
    const auto text = optional_json_body(whole);
    if (!text) return send_error(world, whole, text.error());
    const auto config = ensure_stream_from_json(*text);
    if (!config) return send_error(world, whole, config.error());
    run_unary(world, whole, "ensure_stream", place->basin, place->stream,
              [&world, place = *place, config = *config]() -> Answer {
                const auto done =
                    world.service.ensure_stream(place.basin, place.stream, config, world.clock.now_ms());
                return done ? provisioned(*done, 200) : error_answer(done.error());
              });
  });
}

void get_stream(World& world, Request request) {
  const auto place = place_of(request);
  if (!place) return send_error(world, request, place.error());
  run_unary(world, request, "get_stream", place->basin, place->stream, [&world, place = *place]() -> Answer {
    const auto config = world.service.stream_config(place.basin, place.stream, world.clock.now_ms());
    return config ? Answer{.body = to_json(*config)} : error_answer(config.error());
  });
}

void patch_stream(World& world, Request request) {
  with_body(world, std::move(request), "bad_json", [&world](const Request& whole) {
    const auto place = place_of(whole);
    if (!place) return send_error(world, whole, place.error());
    const auto text = json_body(whole);
    if (!text) return send_error(world, whole, text.error());
    const auto change = stream_reconfiguration_from_json(*text);
    if (!change) return send_error(world, whole, change.error());
    run_unary(world, whole, "patch_stream", place->basin, place->stream,
              [&world, place = *place, change = *change]() -> Answer {
                const auto config =
                    world.service.reconfigure_stream(place.basin, place.stream, change, world.clock.now_ms());
                return config ? Answer{.body = to_json(*config)} : error_answer(config.error());
              });
  });
}

void delete_stream(World& world, Request request) {
  const auto place = place_of(request);
  if (!place) return send_error(world, request, place.error());
  run_unary(world, request, "delete_stream", place->basin, place->stream,
            [&world, place = *place]() -> Answer {
              const auto done = world.service.delete_stream(place.basin, place.stream, world.clock.now_ms());
              return done ? Answer{.status = 202, .body = ""} : error_answer(done.error());
            });
}

}  // namespace

const std::vector<Route>& stream_routes() {
  static const std::vector<Route> kRoutes = {
      {"GET", "/v1/streams", list_streams},      {"POST", "/v1/streams", create_stream},
      {"GET", "/v1/streams/{}", get_stream},     {"PUT", "/v1/streams/{}", ensure_stream},
      {"PATCH", "/v1/streams/{}", patch_stream}, {"DELETE", "/v1/streams/{}", delete_stream},
  };
  return kRoutes;
}

}  // namespace s2::emulator
