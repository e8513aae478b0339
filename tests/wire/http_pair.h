// A server and a client of one protocol that talk to each other in memory. For the http*_test.cpp; one
// thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "wire/http.h"

namespace s2::wire {

inline constexpr std::size_t kWhole = std::string::npos;

// What was received of one message, put together.
struct Received {
  RequestHead request;
  ResponseHead response;
  bool begun = false;
  std::string body;
  bool ended = false;
  std::vector<std::uint32_t> resets;
};

// Sorts events into messages.
class Inbox {
 public:
  // Events come in by take(); body bytes are given back to `peer` when consume is true.
  void take(std::vector<HttpEvent>& events, HttpPeer& peer) {
    for (HttpEvent& event : events) {
      if (auto* begin = std::get_if<RequestBegin>(&event)) {
        messages[begin->id].begun = true;
        messages[begin->id].request = std::move(begin->head);
        order.push_back(begin->id);
      } else if (auto* answer = std::get_if<ResponseBegin>(&event)) {
        messages[answer->id].begun = true;
        messages[answer->id].response = std::move(answer->head);
      } else if (auto* data = std::get_if<BodyData>(&event)) {
        messages[data->id].body += data->bytes;
        if (consume) peer.consumed(data->id, data->bytes.size());
      } else if (auto* end = std::get_if<MessageEnd>(&event)) {
        messages[end->id].ended = true;
      } else if (auto* reset = std::get_if<StreamReset>(&event)) {
        messages[reset->id].resets.push_back(reset->code);
      } else if (auto* goaway = std::get_if<GoAway>(&event)) {
        goaways.push_back(*goaway);
      } else if (std::holds_alternative<PingAck>(event)) {
        ++ping_acks;
      } else {
        errors.push_back(std::get<ProtocolError>(event).message);
      }
    }
    events.clear();
  }

  bool consume = true;
  std::map<StreamId, Received> messages;
  std::vector<StreamId> order;  // requests as they began
  std::vector<GoAway> goaways;
  std::vector<std::string> errors;
  int ping_acks = 0;
};

struct Pair {
  explicit Pair(Protocol protocol)
      : server(protocol == Protocol::http2 ? make_http2_server() : make_http1_server()),
        client(protocol == Protocol::http2 ? make_http2_client() : make_http1_client()) {}

  // Moves bytes until both are silent, in pieces whose sizes `cut` gives. After each piece `on_server` may
  // act.
  void run(const std::function<std::size_t()>& cut, const std::function<void()>& on_server = [] {}) {
    std::string to_server;
    std::string to_client;
    while (true) {
      to_server += client->take_output(take_limit);
      to_client += server->take_output(take_limit);
      if (to_server.empty() && to_client.empty()) return;
      move(to_server, cut(), *server, at_server);
      on_server();
      move(to_client, cut(), *client, at_client);
    }
  }
  void run() {
    run([] { return kWhole; });
  }

  static void move(std::string& bytes, std::size_t n, HttpPeer& to, Inbox& inbox) {
    if (bytes.empty()) return;
    std::vector<HttpEvent> events;
    n = std::min(n, bytes.size());
    to.receive(std::string_view(bytes).substr(0, n), events);
    bytes.erase(0, n);
    inbox.take(events, to);
  }

  std::unique_ptr<HttpServer> server;
  std::unique_ptr<HttpClient> client;
  Inbox at_server;
  Inbox at_client;
  std::size_t take_limit = 256 * 1024;
};

inline RequestHead request_head(std::string method, std::string target, HttpHeaders headers = {}) {
  RequestHead head;
  head.method = std::move(method);
  head.target = std::move(target);
  head.authority = "localhost:1";
  head.headers = std::move(headers);
  return head;
}

}  // namespace s2::wire
