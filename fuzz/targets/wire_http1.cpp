// HTTP/1.1 of both sides: torn anywhere it tells the same messages; answers go out without a crash. That a
// head is wrong may be said at once or only when it ends, as it comes: so what failed is not part of the
// story.
#include <string>
#include <variant>
#include <vector>

#include "fuzz/targets/target.h"
#include "wire/http.h"

using namespace s2;
using s2::fuzz::must;

void append_events(std::string& story, std::vector<wire::HttpEvent>& events) {
  for (const wire::HttpEvent& event : events) {
    if (const auto* data = std::get_if<wire::BodyData>(&event)) {
      story += data->bytes;
    } else if (const auto* request = std::get_if<wire::RequestBegin>(&event)) {
      story += "\n" + request->head.method + " " + request->head.target + " " + request->head.authority;
      for (const auto& [name, value] : request->head.headers) story += "|" + name + ":" + value;
      story += "\n";
    } else if (const auto* response = std::get_if<wire::ResponseBegin>(&event)) {
      story += "\n" + std::to_string(response->head.status);
      for (const auto& [name, value] : response->head.headers) story += "|" + name + ":" + value;
      story += "\n";
    } else if (std::holds_alternative<wire::MessageEnd>(event)) {
      story += "\nend\n";
    }
  }
  events.clear();
}

FUZZ_TARGET(wire_http1, input) {
  const std::string_view text = fuzz::text_of(input);
  const auto tell = [&](wire::HttpPeer& peer, bool torn) {
    std::string story;
    std::vector<wire::HttpEvent> events;
    fuzz::in_pieces(torn ? fuzz::lengths_of(input) : "\xff\xff\xff\xff", text, [&](std::string_view piece) {
      peer.receive(piece, events);
      append_events(story, events);
    });
    peer.receive_eof(events);
    append_events(story, events);
    return story;
  };
  const auto whole = wire::make_http1_server(), torn = wire::make_http1_server();
  must(tell(*whole, false) == tell(*torn, true), "a server is told the same, torn anywhere");
  for (const bool to_head : {false, true}) {
    const auto ask = [&] {
      auto client = wire::make_http1_client();
      client->send_request({to_head ? "HEAD" : "GET", "/", "localhost", "http", {}}, true);
      return client;
    };
    const auto one = ask(), other = ask();
    must(tell(*one, false) == tell(*other, true), "a client is told the same, torn anywhere");
  }
  // Every request is answered at once.
  const auto server = wire::make_http1_server();
  std::vector<wire::HttpEvent> events;
  fuzz::in_pieces(fuzz::lengths_of(input), text, [&](std::string_view piece) {
    server->receive(piece, events);
    for (const wire::HttpEvent& event : events) {
      if (const auto* data = std::get_if<wire::BodyData>(&event))
        server->consumed(data->id, data->bytes.size());
      if (const auto* end = std::get_if<wire::MessageEnd>(&event)) {
        server->send_head(end->id, {200, {{"x", "y"}}}, false);
        server->send_data(end->id, "body", true);
      }
    }
    events.clear();
    while (!server->take_output().empty()) {
    }
  });
}
