// /v1/access-tokens: issue, list, revoke. S2 spec "access tokens".
#include <nlohmann/json.hpp>

#include "emulator/names.h"
#include "emulator/routes.h"

namespace s2::emulator {
namespace {

void issue_access_token(World& world, Request request) {
  with_body(world, std::move(request), "bad_json", [&world](const Request& whole) {
    const auto text = json_body(whole);
    if (!text) return send_error(world, whole, text.error());
    auto wanted = access_token_from_json(*text);
    if (!wanted) return send_error(world, whole, wanted.error());
    run_unary(world, whole, "issue_access_token", "", "", [&world, wanted = std::move(*wanted)]() -> Answer {
      const auto secret = world.access_tokens.issue(wanted);
      return secret ? Answer{.status = 201, .body = nlohmann::json{{"access_token", *secret}}.dump()}
                    : error_answer(secret.error());
    });
  });
}

void list_access_tokens(World& world, Request request) {
  const auto wanted = list_request(request, stream_filter_problem);
  if (!wanted) return send_error(world, request, wanted.error());
  run_unary(world, request, "list_access_tokens", "", "", [&world, wanted = *wanted]() -> Answer {
    return {.body = to_json(world.access_tokens.list(wanted))};
  });
}

void revoke_access_token(World& world, Request request) {
  const std::string id = percent_decode(request.parameters[0]);
  run_unary(world, request, "revoke_access_token", "", "", [&world, id]() -> Answer {
    const auto done = world.access_tokens.revoke(id);
    return done ? Answer{.status = 204, .body = ""} : error_answer(done.error());
  });
}

}  // namespace

const std::vector<Route>& access_routes() {
  static const std::vector<Route> kRoutes = {
      {"GET", "/v1/access-tokens", list_access_tokens},
      {"POST", "/v1/access-tokens", issue_access_token},
      {"DELETE", "/v1/access-tokens/{}", revoke_access_token},
  };
  return kRoutes;
}

}  // namespace s2::emulator
