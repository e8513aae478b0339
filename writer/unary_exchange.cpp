// One request an append, for peers without HTTP/2: protobuf up, protobuf down, one at a time on a kept
// connection.
#include <algorithm>
#include <utility>

#include "wire/proto.h"
#include "writer/append_exchange.h"

namespace s2::writer {
namespace {

constexpr std::size_t kMaxAckBytes = 4096;

class UnaryExchange final : public AppendExchange {
 public:
  explicit UnaryExchange(wire::RequestHead head) : head_(std::move(head)) {
    head_.headers.push_back({"content-type", "application/protobuf"});
    head_.headers.push_back({"accept", "application/protobuf"});
  }

  bool start(wire::HttpClient& http) override { return http.can_request(); }

  void send(wire::HttpClient& http, const wire::AppendInput& input) override {
    std::string body = wire::to_proto(input);
    wire::RequestHead head = head_;
    head.headers.push_back({"content-length", std::to_string(body.size())});
    id_ = http.send_request(head, false);
    waiting_ = true;
    status_ = 0;
    body_.clear();
    http.send_data(id_, std::move(body), true);
  }

  bool can_send(const wire::HttpClient& http) const override {
    return !over_ && !waiting_ && !retiring_ && http.can_request();
  }

  std::size_t unsent(const wire::HttpClient& http) const override { return http.unsent(id_); }
  bool over() const override { return over_; }

  void on_event(wire::HttpClient& http, wire::HttpEvent& event, std::vector<AppendEvent>& out) override {
    if (over_) return;
    if (auto* begin = std::get_if<wire::ResponseBegin>(&event)) {
      status_ = begin->head.status;
    } else if (auto* data = std::get_if<wire::BodyData>(&event)) {
      http.consumed(data->id, data->bytes.size());
      body_.append(data->bytes, 0, kMaxErrorBodyBytes - std::min(kMaxErrorBodyBytes, body_.size()));
    } else if (std::holds_alternative<wire::MessageEnd>(event)) {
      on_answer(http, out);
    } else if (std::holds_alternative<wire::StreamReset>(event)) {
      over_ = true;
      out.push_back(SessionLost{"the connection ended before the answer did"});
    } else if (auto* broken = std::get_if<wire::ProtocolError>(&event)) {
      over_ = true;
      out.push_back(SessionLost{broken->message});
    }
  }

 private:
  void on_answer(wire::HttpClient& http, std::vector<AppendEvent>& out) {
    waiting_ = false;
    if (status_ != 200) {
      over_ = true;
      out.push_back(AppendRefused{wire::api_error_from_json(status_, body_)});
      return;
    }
    auto ack = body_.size() <= kMaxAckBytes
                   ? wire::append_ack_from_proto(body_)
                   : wire::decode_error(wire::DecodeErrorKind::bad_proto, "an acknowledgement over 4 KiB");
    if (!ack) {
      over_ = true;
      out.push_back(SessionLost{"a garbled acknowledgement: " + ack.error().message});
      return;
    }
    out.push_back(AppendAcked{*ack});
    if (http.can_request()) return;
    retiring_ = true;  // "connection: close"
    out.push_back(SessionRetiring{});
  }

  wire::RequestHead head_;
  wire::StreamId id_ = -1;
  int status_ = 0;
  std::string body_;
  bool waiting_ = false;
  bool retiring_ = false;
  bool over_ = false;
};

}  // namespace

std::unique_ptr<AppendExchange> make_unary_exchange(wire::RequestHead head) {
  return std::make_unique<UnaryExchange>(std::move(head));
}

}  // namespace s2::writer
