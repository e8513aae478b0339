// What is no S2 API: health, metrics, the page at /; and the parts of S2 that the emulator does not have yet
// (501).
#include <fmt/format.h>

#include "emulator/routes.h"

namespace s2::emulator {
namespace {

constexpr const char* kConsole = R"(<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>s2-emulator</title>
<style>body{font:16px/1.5 system-ui;margin:2rem auto;max-width:40rem;padding:0 1rem;color-scheme:light dark}</style>
<h1>s2-emulator</h1>
<p>An S2 endpoint on this machine is running here. Point a client at this address.</p>
<ul>
<li><a href="/health">/health</a>: whether it serves</li>
<li><a href="/metrics">/metrics</a>: counters</li>
<li><a href="/v1/basins">/v1/basins</a>: the basins, as JSON</li>
<li><a href="/_emulator/faults">/_emulator/faults</a>: the fault plan</li>
</ul>
</html>
)";

void health(World& world, Request request) {
  send(world, request, {.body = "OK", .content_type = "text/plain; charset=utf-8"});
}

void metrics(World& world, Request request) {
  const Counters counters = world.service.counters();
  const ConnectionCounts connections = world.connections();
  struct Metric {
    const char* name;
    const char* type;
    const char* help;
    std::uint64_t value;
  };
  const Metric all[] = {
      {"s2_emulator_appends_total", "counter", "Appends that were committed.", counters.appends},
      {"s2_emulator_appends_refused_total", "counter", "Appends that were refused.",
       counters.appends_refused},
      {"s2_emulator_records_appended_total", "counter", "Records that were committed.",
       counters.records_appended},
      {"s2_emulator_records_read_total", "counter", "Records that were read.", counters.records_read},
      {"s2_emulator_connections_total", "counter", "Connections that were accepted.", connections.opened},
      {"s2_emulator_connections", "gauge", "Connections that are open.", connections.open},
      {"s2_emulator_basins", "gauge", "Basins.", counters.basins},
      {"s2_emulator_streams", "gauge", "Streams.", counters.streams},
      {"s2_emulator_records", "gauge", "Records held.", counters.records},
      {"s2_emulator_metered_bytes", "gauge", "Metered bytes held.", counters.metered_bytes},
  };
  std::string text;
  for (const Metric& metric : all) {
    text += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", metric.name, metric.help, metric.type,
                        metric.value);
  }
  send(world, request, {.body = std::move(text), .content_type = "text/plain; version=0.0.4"});
}

void console(World& world, Request request) {
  if (!world.options.console) return send(world, request, {.status = 404, .body = ""});
  send(world, request,
       {.body = kConsole,
        .content_type = "text/html; charset=utf-8",
        .headers = {{"content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"},
                    {"x-content-type-options", "nosniff"}}});
}

void not_implemented(World& world, Request request) {
  send_error(world, request, refusal(501, "not_implemented", "Not implemented"));
}

}  // namespace

const std::vector<Route>& page_routes() {
  static const std::vector<Route> kRoutes = {
      {"GET", "/health", health},
      {"GET", "/metrics", metrics},
      {"GET", "/", console},
      {"GET", "/v1/metrics", not_implemented},
      {"GET", "/v1/metrics/{}", not_implemented},
      {"GET", "/v1/metrics/{}/{}", not_implemented},
      {"GET", "/v1/locations", not_implemented},
      {"GET", "/v1/locations/default", not_implemented},
      {"PUT", "/v1/locations/default", not_implemented},
  };
  return kRoutes;
}

}  // namespace s2::emulator
