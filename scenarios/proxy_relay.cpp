// See proxy_relay.h: which request is an append, and requests that are none.
#include "scenarios/proxy_relay.h"

#include <utility>

#include "emulator/request.h"

namespace s2::scenarios {
namespace {

using emulator::ExchangePtr;

constexpr std::size_t kMaxRequestWaiting = 1024 * 1024;  // bytes of a request's body, on their way up

class PlainRelay : public std::enable_shared_from_this<PlainRelay> {
 public:
  PlainRelay(ProxyStage& stage, ExchangePtr exchange) : stage_(stage), exchange_(std::move(exchange)) {}

  void begin() {
    const auto self = shared_from_this();
    UpstreamAnswer answer;
    answer.on_head = [self](const wire::ResponseHead& head) { self->exchange_->send_head(head, false); };
    answer.on_body = [self](const std::string& bytes) { self->pass_down(bytes); };
    answer.on_end = [self] { self->exchange_->send_data("", true); };
    answer.on_lost = [self] { endpoint_lost(self->stage_, *self->exchange_); };
    answer.on_progress = [self] { self->give_back(); };
    request_ =
        stage_.upstream.request(head_to_pass(exchange_->head()), exchange_->over_http2(), std::move(answer));
    exchange_->on_body = [self](const std::string& bytes) {
      self->held_bytes_ += bytes.size();
      self->request_->send(bytes, false);
      self->give_back();
    };
    exchange_->on_body_end = [self] { self->request_->send("", true); };
    exchange_->on_gone = [self] { self->request_->cancel(); };
  }

 private:
  void give_back() {
    if (request_->unsent() <= kMaxRequestWaiting) exchange_->consumed(std::exchange(held_bytes_, 0));
  }

  void pass_down(const std::string& bytes) {
    exchange_->send_data(bytes, false);
    if (exchange_->unsent() <= emulator::kWritableBytes) return;
    request_->hold(true);
    exchange_->on_writable = [self = shared_from_this()] { self->request_->hold(false); };
  }

  ProxyStage& stage_;
  const ExchangePtr exchange_;
  std::shared_ptr<UpstreamRequest> request_;
  std::size_t held_bytes_ = 0;
};

}  // namespace

void relay(ProxyStage& stage, const ExchangePtr& exchange) {
  const wire::RequestHead& head = exchange->head();
  const auto segments =
      emulator::split_target(head.target).segments;  // an endpoint may have a path before /v1
  const std::size_t n = segments.size();
  if (head.method != "POST" || n < 3 || segments[n - 3] != "streams" || segments[n - 1] != "records") {
    return std::make_shared<PlainRelay>(stage, exchange)->begin();
  }
  std::string stream = emulator::percent_decode(segments[n - 2]);
  const auto type = emulator::media_type(wire::find_header(head.headers, "content-type"));
  type == emulator::MediaType::s2s ? relay_append_session(stage, exchange, std::move(stream))
                                   : relay_unary_append(stage, exchange, std::move(stream));
}

}  // namespace s2::scenarios
