// The HTTP/2 server: HttpServer over an Http2Session.
#include "wire/http2_session.h"

namespace s2::wire {
namespace {

class Http2Server final : public Http2Peer<HttpServer> {
 public:
  Http2Server() : Http2Peer(Http2Session::Role::server) {}

  void send_head(StreamId id, const ResponseHead& head, bool end) override {
    session_.send_response(id, head, end);
  }
  void goaway() override { session_.goaway(); }
};

}  // namespace

std::unique_ptr<HttpServer> make_http2_server() {
  return std::make_unique<Http2Server>();
}

}  // namespace s2::wire
