// The HTTP/2 client: HttpClient over an Http2Session.
#include "wire/http2_session.h"

namespace s2::wire {
namespace {

class Http2Client final : public Http2Peer<HttpClient> {
 public:
  Http2Client() : Http2Peer(Http2Session::Role::client) {}

  StreamId send_request(const RequestHead& head, bool end) override {
    return session_.send_request(head, end);
  }
  bool can_request() const override { return session_.can_request(); }
  void ping() override { session_.ping(); }
};

}  // namespace

std::unique_ptr<HttpClient> make_http2_client() {
  return std::make_unique<Http2Client>();
}

}  // namespace s2::wire
