// See proxy_append.h: what every append passes, and unary appends.
#include "scenarios/proxy_append.h"

#include <algorithm>
#include <utility>

#include "emulator/operation.h"
#include "emulator/request.h"
#include "wire/compress.h"
#include "wire/json.h"
#include "wire/proto.h"

namespace s2::scenarios {

using emulator::ExchangePtr;
using emulator::MediaType;
using emulator::Moment;

emulator::ProtocolEvent ProxiedAppend::moment(Moment which) const {
  emulator::ProtocolEvent event = emulator::event_of(which);
  event.connection = exchange_->connection();
  event.append_id = id_;
  event.basin = place_.basin;
  event.stream = place_.stream;
  event.input = &input_;
  if (result_) {
    event.start = result_->start;
    event.end = result_->end;
  }
  return event;
}

void ProxiedAppend::begin(Steps steps, std::chrono::nanoseconds waited) {
  steps_ = std::move(steps);
  id_ = stage_.moments.next_append_id();
  stage_.moments.emit(moment(Moment::append_received));
  const auto self = shared_from_this();
  emulator::Operation operation;
  operation.op = place_.op;
  operation.basin = place_.basin;
  operation.stream = place_.stream;
  // An endpoint that is far away is not made slower than the plan says.
  operation.waited = waited;
  if (stage_.answers >= kLatencySamples) operation.waited += stage_.latency;
  operation.perform = [self](std::function<void()> next) {
    self->next_ = std::move(next);
    self->forwarded_ns_ = emulator::steady_ns();
    ++self->stage_.under_way;
    self->steps_.forward();
  };
  operation.answer = [self] { self->answer(); };
  operation.refuse = [self](const wire::ApiError& error) { self->refuse(error); };
  emulator::run(stage_, exchange_, std::move(operation));
}

void ProxiedAppend::settled() {
  if (next_) --stage_.under_way;
}

void ProxiedAppend::answered(AppendResult result) {
  if (!next_) return;
  settled();
  auto next = std::exchange(next_, nullptr);
  const std::chrono::nanoseconds took(emulator::steady_ns() - forwarded_ns_);
  stage_.latency = std::min(took, stage_.latency);
  ++stage_.answers;
  result_ = std::move(result);
  if (result_) stage_.moments.emit(moment(Moment::committed));
  // A cut that an observer has just asked for comes first: an answer before this one may be on its way out,
  // and would take this one with it.
  stage_.loop.post(std::move(next));
}

void ProxiedAppend::lost() {
  if (!next_) return;
  settled();
  const auto dropped = std::exchange(next_, nullptr);  // may be the last to hold this
}

void ProxiedAppend::answer() {
  if (!steps_.tell()) return steps_.done();
  exchange_->after_written([self = shared_from_this()](bool written) {
    self->delivered(self->result_, written);
    self->steps_.done();
  });
}

void ProxiedAppend::refuse(const wire::ApiError& error) {
  steps_.refuse(error);
  exchange_->after_written([self = shared_from_this(), error](bool written) {
    self->delivered(tl::unexpected(error), written);
    self->steps_.done();
  });
}

void ProxiedAppend::delivered(const AppendResult& told, bool written) {
  if (!written) return;
  if (told) return stage_.moments.emit(moment(Moment::ack_sent));
  emulator::ProtocolEvent event = moment(Moment::append_refused);
  event.error_code = told.error().code;
  event.detail = wire::to_json(told.error());
  stage_.moments.emit(std::move(event));
}

ProxiedAppend::Place append_place(const wire::RequestHead& head, std::string_view op, std::string stream) {
  return {op, emulator::basin_of(head).value_or(""), std::move(stream)};
}

wire::RequestHead head_to_pass(const wire::RequestHead& head) {
  wire::RequestHead passed = head;
  // The proxy has answered it already.
  std::erase_if(passed.headers, [](const wire::HttpHeader& header) { return header.name == "expect"; });
  return passed;
}

void endpoint_lost(ProxyStage& stage, emulator::Exchange& exchange) {
  if (!exchange.is_open()) return;
  emulator::ProtocolEvent event = emulator::event_of(Moment::fault_fired);
  event.connection = exchange.connection();
  event.detail = "endpoint lost";
  stage.moments.emit(std::move(event));
  exchange.cut();
}

void answer_with_error(emulator::Exchange& exchange, const wire::ApiError& error) {
  const std::string body = wire::to_json(error);
  exchange.send_head(
      {error.status, {{"content-type", "application/json"}, {"content-length", std::to_string(body.size())}}},
      false);
  exchange.send_data(body, true);
}

namespace {

using wire::find_header;

std::optional<std::string> decoded_body(const wire::HttpHeaders& headers, const std::string& body) {
  const auto how = wire::compression_from_content_encoding(find_header(headers, "content-encoding"));
  if (!how) return std::nullopt;
  if (*how == wire::Compression::none) return body;
  auto plain = wire::decompress(*how, body, kMaxRelayedAppendBytes, wire::DecodeErrorKind::bad_header);
  return plain ? std::optional(std::move(*plain)) : std::nullopt;
}

std::optional<wire::AppendInput> append_in(const wire::RequestHead& head, const std::string& body) {
  const auto text = decoded_body(head.headers, body);
  if (!text) return std::nullopt;
  const bool proto = emulator::media_type(find_header(head.headers, "content-type")) == MediaType::protobuf;
  const std::string_view name = find_header(head.headers, "s2-format");
  const auto format = name.empty() ? wire::Format::raw : wire::format_from_header(name);
  if (!proto && !format) return std::nullopt;
  auto input = proto ? wire::append_input_from_proto(*text) : wire::append_input_from_json(*text, *format);
  return input ? std::optional(std::move(*input)) : std::nullopt;
}

// An acknowledgement that cannot be read promises nothing.
AppendResult result_of(const wire::ResponseHead& head, const std::string& body) {
  const std::string text = decoded_body(head.headers, body).value_or("");
  if (head.status != 200) return tl::unexpected(wire::api_error_from_json(head.status, text));
  const bool proto = emulator::media_type(find_header(head.headers, "content-type")) == MediaType::protobuf;
  auto ack = proto ? wire::append_ack_from_proto(text) : wire::append_ack_from_json(text);
  if (!ack) return tl::unexpected(emulator::refusal(502, "other", ack.error().message));
  return *ack;
}

class UnaryAppend : public std::enable_shared_from_this<UnaryAppend> {
 public:
  UnaryAppend(ProxyStage& stage, ExchangePtr exchange, std::string stream)
      : stage_(stage), exchange_(std::move(exchange)), stream_(std::move(stream)) {}

  void begin() {
    const auto self = shared_from_this();
    exchange_->on_body = [self](const std::string& bytes) {
      self->exchange_->consumed(bytes.size());
      self->body_ += bytes;
      if (self->body_.size() > kMaxRelayedAppendBytes) self->exchange_->cut();
    };
    exchange_->on_body_end = [self] { self->whole(); };
  }

 private:
  void whole() {
    auto input = append_in(exchange_->head(), body_);
    if (!input) return forward();  // the endpoint will say what is wrong with it
    const auto append = std::make_shared<ProxiedAppend>(
        stage_, exchange_, append_place(exchange_->head(), "append", stream_), std::move(*input));
    append_ = append;
    const auto self = shared_from_this();
    append->begin(
        {.forward = [self] { self->forward(); },
         .tell = [self] { return self->tell(); },
         .refuse = [self](const wire::ApiError& error) { answer_with_error(*self->exchange_, error); },
         .done = [] {}});
  }

  void forward() {
    const auto self = shared_from_this();
    UpstreamAnswer answer;
    answer.on_head = [self](const wire::ResponseHead& head) { self->answer_head_ = head; };
    answer.on_body = [self](const std::string& bytes) { self->answer_body_ += bytes; };
    answer.on_end = [self] { self->complete(); };
    answer.on_lost = [self] { self->lost(); };
    const auto request =
        stage_.upstream.request(head_to_pass(exchange_->head()), exchange_->over_http2(), std::move(answer));
    request->send(body_, true);
  }

  void complete() {
    if (const auto append = append_.lock()) return append->answered(result_of(answer_head_, answer_body_));
    tell();
  }

  void lost() {
    if (const auto append = append_.lock()) append->lost();
    endpoint_lost(stage_, *exchange_);
  }

  bool tell() {
    if (!exchange_->is_open()) return false;
    exchange_->send_head(answer_head_, answer_body_.empty());
    if (!answer_body_.empty()) exchange_->send_data(answer_body_, true);
    return true;
  }

  ProxyStage& stage_;
  const ExchangePtr exchange_;
  const std::string stream_;
  std::string body_;
  std::weak_ptr<ProxiedAppend> append_;
  wire::ResponseHead answer_head_;
  std::string answer_body_;
};

}  // namespace

void relay_unary_append(ProxyStage& stage, const ExchangePtr& exchange, std::string stream) {
  std::make_shared<UnaryAppend>(stage, exchange, std::move(stream))->begin();
}

}  // namespace s2::scenarios
