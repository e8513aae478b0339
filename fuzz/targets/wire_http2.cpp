// HTTP/2 of both sides against bytes of any kind: no crash, and a server that answers goes on.
#include <string>
#include <variant>
#include <vector>

#include "fuzz/targets/target.h"
#include "wire/http.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(wire_http2, input) {
  const std::string_view text = fuzz::text_of(input);
  for (const bool with_preface : {false, true}) {
    const auto server = wire::make_http2_server();
    std::vector<wire::HttpEvent> events;
    if (with_preface)
      server->receive(std::string(wire::kHttp2Preface) + std::string("\0\0\0\4\0\0\0\0\0", 9), events);
    fuzz::in_pieces(fuzz::lengths_of(input), text, [&](std::string_view piece) {
      server->receive(piece, events);
      for (const wire::HttpEvent& event : events) {
        if (const auto* data = std::get_if<wire::BodyData>(&event))
          server->consumed(data->id, data->bytes.size());
        if (const auto* begin = std::get_if<wire::RequestBegin>(&event)) {
          server->send_head(begin->id, {200, {{"x", "y"}}}, false);
          server->send_data(begin->id, "body", true);
        }
      }
      events.clear();
      while (!server->take_output().empty()) {
      }
    });
    server->goaway();
    server->receive_eof(events);
  }
  const auto client = wire::make_http2_client();
  std::vector<wire::HttpEvent> events;
  client->send_request({"POST", "/v1", "localhost", "http", {{"a", "b"}}}, false);
  client->send_request({"GET", "/", "localhost", "http", {}}, true);
  client->take_output();
  fuzz::in_pieces(fuzz::lengths_of(input), text, [&](std::string_view piece) {
    client->receive(piece, events);
    client->take_output();
    events.clear();
  });
  client->receive_eof(events);
}
