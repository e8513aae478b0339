// Addresses: of a basin, of an endpoint, of a request. What is taken comes back from what it is spelt as, and
// what is refused is refused with one line.
#include <stdexcept>
#include <string>

#include "emulator/names.h"
#include "emulator/request.h"
#include "fuzz/targets/target.h"
#include "scenarios/origin.h"
#include "scenarios/teardown.h"
#include "wire/http.h"
#include "writer/endpoint.h"

using namespace s2;
using s2::fuzz::must;

namespace {

void basin_endpoint(std::string_view text) {
  const auto parsed = writer::parse_basin_endpoint(text, "my-basin");
  if (!parsed) return fuzz::must_be_line(parsed.error());
  const writer::Endpoint& endpoint = parsed->endpoint;
  must(!endpoint.host.empty() && endpoint.port != 0, "an endpoint has a host and a port");
  must(!parsed->basin_in_host || endpoint.host.find("my-basin") != std::string::npos,
       "the basin is in the host");
  const auto again =
      writer::parse_basin_endpoint((endpoint.tls ? "https://" : "http://") + endpoint.authority(), "other");
  must(again && again->endpoint == endpoint && !again->basin_in_host,
       "an endpoint comes back from its authority");
}

void origin(const std::string& text) {
  scenarios::Origin parsed;
  try {
    parsed = scenarios::parse_origin(text);
  } catch (const std::invalid_argument& error) {
    fuzz::must_be_line(error.what());
    return;
  }
  must(!parsed.host.empty() && parsed.port != 0, "an origin has a host and a port");
  must(!parsed.path.ends_with('/') && (parsed.path.empty() || parsed.path.starts_with('/')),
       "a path begins with a slash");
  const auto again =
      scenarios::parse_origin((parsed.tls ? "https://" : "http://") + parsed.authority + parsed.path);
  must(again.tls == parsed.tls && again.host == parsed.host && again.port == parsed.port &&
           again.authority == parsed.authority && again.path == parsed.path,
       "an origin comes back from its parts");
  const std::string objection =
      scenarios::objection_to({.telemetry = text, .service = {.endpoint = text, .basin = "b"}});
  must(objection.empty() == parsed.path.empty(), "a telemetry API is at an origin");
}

void request(const std::string& text) {
  const std::string encoded = writer::percent_encode(text);
  must(encoded.find_first_of("/?&=#+ ") == std::string::npos, "what is encoded is one segment");
  must(emulator::percent_decode(encoded) == text && emulator::percent_decode(encoded, true) == text,
       "what was encoded comes back");
  const std::string whole_text = "/v1/" + encoded + "?name=" + encoded;
  const emulator::Target whole = emulator::split_target(whole_text);
  must(whole.segments.size() == 2 && emulator::percent_decode(whole.segments[1]) == text,
       "a segment comes back");
  const auto named = emulator::Query(whole.query).text("name");
  must(named && *named == text, "a parameter comes back");
  if (const auto stream = emulator::stream_from_segment(encoded))
    must(*stream == text, "a stream's name comes back");

  const emulator::Target target = emulator::split_target(text);
  must(!target.segments.empty(), "a path has a segment");
  const emulator::Query query(target.query);
  for (const char* name : {"seq_num", "limit", "wait", "prefix"}) {
    const auto given = query.text(name);
    const auto number = query.number(name);
    if (!given) must(!number && given.error().status == 400, "what is given twice is no number either");
    if (number && *number) must(given && *given, "a number is a text");
    if (const auto flag = query.boolean(name); flag && *flag)
      must(**given == (**flag ? "true" : "false"), "a flag is its word");
  }
  (void)emulator::media_type(text);
  const std::string host = wire::host_of(text);
  must(host.find('/') == std::string::npos || text.find('/') != std::string::npos,
       "a host is of the authority");
  (void)wire::is_loopback(host);
  const wire::RequestHead head{
      "GET", "/", text, "http", {{"s2-basin", text}, {"authorization", "Bearer " + text}}};
  if (const auto basin = emulator::basin_of(head))
    must(!emulator::basin_name_problem(*basin), "a basin has a basin's name");
  must(emulator::bearer_of(head) == text, "a token is what stands behind its scheme");
  for (const auto& problem : {emulator::basin_name_problem(text), emulator::basin_filter_problem(text),
                              emulator::stream_name_problem(text), emulator::stream_filter_problem(text)}) {
    if (problem) fuzz::must_be_line(*problem);
  }
}

}  // namespace

FUZZ_TARGET(endpoints, input) {
  const std::string text(input);
  basin_endpoint(text);
  origin(text);
  request(text);
}
