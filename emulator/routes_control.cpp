// /_emulator: the emulator's own control plane, faults, history, clock, reset; never for pages of other
// origins.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "emulator/routes.h"
#include "emulator/units.h"

namespace s2::emulator {
namespace {

constexpr std::string_view kBearer = "Bearer ";

// A page in a browser can reach a loopback port, under a name of its own making too (DNS rebinding): Host and
// Origin tell. Source: the contract, "Control plane".
std::optional<wire::ApiError> turn_away(const World& world, const wire::RequestHead& head) {
  const std::string host = wire::host_of(head.authority);
  if (!wire::is_loopback(host) && host != world.options.host) {
    return refusal(421, "bad_header",
                   fmt::format("/_emulator answers to loopback names and to `{}` only", world.options.host));
  }
  const std::string_view origin = wire::find_header(head.headers, "origin");
  if (!origin.empty() && origin != "http://" + head.authority) {
    return refusal(403, "permission_denied", "/_emulator is not for pages of another origin");
  }
  const bool open = world.options.auth == Auth::open && wire::is_loopback(world.options.host);
  const std::string_view token = wire::find_header(head.headers, "authorization");
  if (!open && (world.options.root_token.empty() || !token.starts_with(kBearer) ||
                token.substr(kBearer.size()) != world.options.root_token)) {
    return refusal(token.empty() ? 401 : 403, token.empty() ? "authn" : "permission_denied",
                   "/_emulator needs the root token here");
  }
  return std::nullopt;
}

template <void (*Serve)(World&, Request)>
void guarded(World& world, Request request) {
  if (const auto refused = turn_away(world, request.head())) return send_error(world, request, *refused);
  Serve(world, std::move(request));
}

void get_faults(World& world, Request request) {
  send(world, request, {.body = world.faults.to_json()});
}

void put_faults(World& world, Request request) {
  with_body(world, std::move(request), "bad_json", [&world](const Request& whole) {
    try {
      world.faults.replace(whole.body);
    } catch (const std::invalid_argument& error) {
      return send_error(world, whole, refusal(400, "bad_json", error.what()));
    }
    send(world, whole, {.body = world.faults.to_json()});
  });
}

void get_history(World& world, Request request) {
  const Query query(request.query);
  const auto basin = query.text("basin");
  const auto stream = query.text("stream");
  if (!basin || !stream) return send_error(world, request, !basin ? basin.error() : stream.error());
  if (!*basin || !*stream) {
    return send_error(world, request, refusal(400, "bad_query", "name `basin` and `stream`"));
  }
  send(world, request, {.body = world.history.lines(**basin, **stream), .content_type = "application/jsonl"});
}

void post_clock(World& world, Request request) {
  with_body(world, std::move(request), "bad_json", [&world](const Request& whole) {
    const auto body = nlohmann::json::parse(whole.body, nullptr, false);
    const bool shaped =
        body.is_object() && body.size() == 1 && body.contains("advance") && body["advance"].is_string();
    const auto by = shaped ? parse_duration(body["advance"].get<std::string>()) : std::nullopt;
    if (!by) return send_error(world, whole, refusal(400, "bad_json", R"(the body is {"advance":"10s"})"));
    world.clock.advance(*by);
    world.service.sweep(world.clock.now_ms());
    send(world, whole, {.body = fmt::format(R"({{"now":{}}})", world.clock.now_ms())});
  });
}

void post_reset(World& world, Request request) {
  world.reset(request.exchange->connection());
  send(world, request, {.body = "{}"});
}

}  // namespace

const std::vector<Route>& control_routes() {
  static const std::vector<Route> kRoutes = {
      {"GET", "/_emulator/faults", guarded<get_faults>},   {"PUT", "/_emulator/faults", guarded<put_faults>},
      {"GET", "/_emulator/history", guarded<get_history>}, {"POST", "/_emulator/clock", guarded<post_clock>},
      {"POST", "/_emulator/reset", guarded<post_reset>},
  };
  return kRoutes;
}

}  // namespace s2::emulator
