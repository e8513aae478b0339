// /v1/basins: create, ensure, list, get, reconfigure, delete. S2 spec "basins".
#include "emulator/names.h"
#include "emulator/resource_json.h"
#include "emulator/routes.h"

namespace s2::emulator {
namespace {

Answer provisioned(const Provisioned<BasinInfo>& result, int status_if_not_created) {
  return {.status = result.what == Provision::created ? 201 : status_if_not_created,
          .body = to_json(result.info),
          .headers = {{"s2-provision-result", std::string(name_of(result.what))}}};
}

void list_basins(World& world, Request request) {
  const auto wanted = list_request(request, basin_filter_problem);
  if (!wanted) return send_error(world, request, wanted.error());
  run_unary(world, request, "list_basins", "", "", [&world, wanted = *wanted]() -> Answer {
    const auto page = world.service.list_basins(wanted);
    return page ? Answer{.body = to_json(*page)} : error_answer(page.error());
  });
}

void create_basin(World& world, Request request) {
  with_body(world, std::move(request), "bad_json", [&world](const Request& whole) {
    const auto token = request_token_of(whole.head());
    if (!token) return send_error(world, whole, token.error());
    const auto text = json_body(whole);
    if (!text) return send_error(world, whole, text.error());
    const auto wanted = create_basin_from_json(*text);
    if (!wanted) return send_error(world, whole, wanted.error());
    run_unary(world, whole, "create_basin", wanted->basin, "",
              [&world, wanted = *wanted, token = *token]() -> Answer {
                const auto done =
                    world.service.create_basin(wanted.basin, wanted.config, token, world.clock.now_ms());
                return done ? provisioned(*done, 201) : error_answer(done.error());
              });
  });
}

void ensure_basin(World& world, Request request) {
  with_body(world, std::move(request), "bad_json", [&world](const Request& whole) {
    const auto basin = basin_from_segment(whole.parameters[0]);
    if (!basin) return send_error(world, whole, basin.error());
    const auto text = optional_json_body(whole);
    if (!text) return send_error(world, whole, text.error());
    const auto config = ensure_basin_from_json(*text);
    if (!config) return send_error(world, whole, config.error());
    run_unary(world, whole, "ensure_basin", *basin, "",
              [&world, basin = *basin, config = *config]() -> Answer {
                const auto done = world.service.ensure_basin(basin, config, world.clock.now_ms());
                return done ? provisioned(*done, 200) : error_answer(done.error());
              });
  });
}

void get_basin(World& world, Request request) {
  const auto basin = basin_from_segment(request.parameters[0]);
  if (!basin) return send_error(world, request, basin.error());
  run_unary(world, request, "get_basin", *basin, "", [&world, basin = *basin]() -> Answer {
    const auto config = world.service.basin_config(basin);
    return config ? Answer{.body = to_json(*config)} : error_answer(config.error());
  });
}

void patch_basin(World& world, Request request) {
  with_body(world, std::move(request), "bad_json", [&world](const Request& whole) {
    const auto basin = basin_from_segment(whole.parameters[0]);
    if (!basin) return send_error(world, whole, basin.error());
    const auto text = json_body(whole);
    if (!text) return send_error(world, whole, text.error());
    const auto change = basin_reconfiguration_from_json(*text);
    if (!change) return send_error(world, whole, change.error());
    run_unary(world, whole, "patch_basin", *basin, "",
              [&world, basin = *basin, change = *change]() -> Answer {
                const auto config = world.service.reconfigure_basin(basin, change);
                return config ? Answer{.body = to_json(*config)} : error_answer(config.error());
              });
  });
}

void delete_basin(World& world, Request request) {
  const auto basin = basin_from_segment(request.parameters[0]);
  if (!basin) return send_error(world, request, basin.error());
  run_unary(world, request, "delete_basin", *basin, "", [&world, basin = *basin]() -> Answer {
    const auto done = world.service.delete_basin(basin);
    return done ? Answer{.status = 202, .body = ""} : error_answer(done.error());
  });
}

}  // namespace

const std::vector<Route>& basin_routes() {
  static const std::vector<Route> kRoutes = {
      {"GET", "/v1/basins", list_basins},      {"POST", "/v1/basins", create_basin},
      {"GET", "/v1/basins/{}", get_basin},     {"PUT", "/v1/basins/{}", ensure_basin},
      {"PATCH", "/v1/basins/{}", patch_basin}, {"DELETE", "/v1/basins/{}", delete_basin},
  };
  return kRoutes;
}

}  // namespace s2::emulator
