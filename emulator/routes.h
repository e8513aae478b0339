// The table of routes: which method and path is answered by whom, and what every request passes first.
//
// On the emulator's thread. One file a resource: routes_basins.cpp, routes_streams.cpp, routes_append.cpp,
// routes_read.cpp, routes_access.cpp, routes_control.cpp, routes_pages.cpp. Unknown paths are 404, known
// paths with another method 405, both with an empty body as S2 answers them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/answer.h"
#include "emulator/exchange.h"
#include "emulator/request.h"
#include "emulator/world.h"

namespace s2::emulator {

inline constexpr std::size_t kMaxBodyBytes = wire::kMaxFrameBytes;  // of a request, as sent and decompressed

struct Request {
  ExchangePtr exchange;
  std::vector<std::string> parameters;  // the path's variable segments, percent-encoded
  std::string query;
  std::string body;  // where the route has asked for it (with_body)

  const wire::RequestHead& head() const { return exchange->head(); }
  std::string_view header(std::string_view name) const { return wire::find_header(head().headers, name); }
};

struct Route {
  const char* method;
  const char* path;  // "{}" is a variable segment
  void (*serve)(World& world, Request request);
};

const std::vector<Route>& basin_routes();
const std::vector<Route>& stream_routes();
const std::vector<Route>& append_routes();
const std::vector<Route>& read_routes();
const std::vector<Route>& control_routes();
const std::vector<Route>& access_routes();
const std::vector<Route>& page_routes();

// Finds the route and serves the request.
void serve(World& world, const ExchangePtr& exchange);

void send(const World& world, const Request& request, Answer answer);
void send_error(const World& world, const Request& request, const wire::ApiError& error);

// Collects the body, undoes its Content-Encoding, and goes on with it. `too_long` is the code for a body over
// the limit, or one that does not decompress.
void with_body(World& world, Request request, const char* too_long, std::function<void(Request)> next);

// A plain operation: one effect, one answer. `effect` runs once, between the two places where a fault may
// interfere.
void run_unary(World& world, Request request, std::string_view op, std::string basin, std::string stream,
               std::function<Answer()> effect);

// The JSON body of a request that must have one; 400 bad_json without the content type.
Result<std::string_view> json_body(const Request& request);
// The same where a body may be missing: empty then. As S2 has it, a request without a content type has none.
Result<std::string_view> optional_json_body(const Request& request);

// prefix, start_after and limit of a list; `problem` judges the first two.
Result<ListRequest> list_request(const Request& request,
                                 std::optional<std::string> (*problem)(std::string_view filter));

// The stream that a path under /v1/streams/{} is about.
struct Place {
  std::string basin;
  std::string stream;
};
Result<Place> place_of(const Request& request);

}  // namespace s2::emulator
