// See upstream.h.
#include "scenarios/upstream.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>
#include <vector>

namespace s2::scenarios {

class UpstreamConnection : public std::enable_shared_from_this<UpstreamConnection> {
 public:
  UpstreamConnection(Upstream& owner, bool http2) : owner_(owner), http2_(http2) {}

  bool is_idle(bool http2) const {
    return open_ && !request_ && !writing_ && http2_wanted_or(http2) && http_->can_request();
  }

  void dial(std::shared_ptr<UpstreamRequest> request) {
    request_ = std::move(request);
    channel_ = owner_.channels_.make();
    channel_->connect([self = shared_from_this()](const std::string& error) {
      if (!error.empty()) return self->over();
      if (self->owner_.origin().tls) self->http2_ = self->channel_->chose_http2();
      self->http_ = self->http2_ ? wire::make_http2_client() : wire::make_http1_client();
      self->open_ = true;
      self->begin();
      self->pump();
      self->read();
    });
  }

  void take(std::shared_ptr<UpstreamRequest> request) {
    request_ = std::move(request);
    begin();
  }

  void send(std::string_view body, bool end) {
    if (dead_) return;
    if (!open_) {
      request_->early_ += body;
      request_->early_end_ = end;
      return;
    }
    http_->send_data(id_, std::string(body), end);
    write();
  }

  std::size_t unsent() const {
    if (dead_) return 0;
    return open_ ? http_->unsent(id_) : request_->early_.size();
  }

  // The request is of no more interest. HTTP/2 could go on, but a connection is cheap and this is rare.
  void drop_request() {
    request_.reset();
    over();
  }

  void go_on() {
    if (!reading_) read();
  }

  // The connection is gone; so is the request on it.
  void over() {
    if (dead_) return;
    dead_ = true;
    open_ = false;
    const auto self = shared_from_this();
    channel_->close();
    owner_.connections_.erase(self);
    const auto request = std::exchange(request_, nullptr);
    if (!request) return;
    const UpstreamAnswer answer = std::exchange(request->answer_, {});
    if (answer.on_lost) answer.on_lost();
  }

 private:
  static constexpr std::size_t kReadBytes = 64 * 1024;

  bool http2_wanted_or(bool http2) const { return owner_.origin().tls || http2_ == http2; }

  void begin() {
    id_ = http_->send_request(request_->head_, false);
    std::string early = std::exchange(request_->early_, {});
    if (!early.empty() || request_->early_end_) http_->send_data(id_, std::move(early), request_->early_end_);
    write();
  }

  void pump() {
    write();
    if (!dead_ && !writing_ && http_->finished()) over();
  }

  void write() {
    if (dead_ || writing_) return;
    out_ = http_->take_output();
    if (out_.empty()) return;
    writing_ = true;
    channel_->write(out_, [self = shared_from_this()](const std::string& error) {
      self->writing_ = false;
      if (!error.empty()) return self->over();
      const auto request = self->request_;
      if (request && request->answer_.on_progress) request->answer_.on_progress();
      self->pump();
      self->settle();
    });
  }

  void read() {
    if (dead_ || reading_ || (request_ && request_->held_)) return;
    reading_ = true;
    channel_->read(buffer_.data(), buffer_.size(),
                   [self = shared_from_this()](const std::string& error, std::size_t bytes) {
                     self->reading_ = false;
                     self->received(error, bytes);
                   });
  }

  void received(const std::string& error, std::size_t bytes) {
    if (!error.empty()) return over();
    std::vector<wire::HttpEvent> events;
    if (bytes == 0) {
      http_->receive_eof(events);
    } else {
      http_->receive({buffer_.data(), bytes}, events);
    }
    for (wire::HttpEvent& event : events) {
      if (dead_) return;
      handle(event);
    }
    if (bytes == 0) return over();
    pump();
    settle();
    read();
  }

  void handle(wire::HttpEvent& event) {
    const auto request = request_;
    if (std::holds_alternative<wire::ProtocolError>(event)) return over();
    if (!request) return;  // the rest of one that was answered early
    if (const auto* head = std::get_if<wire::ResponseBegin>(&event)) {
      if (request->answer_.on_head) request->answer_.on_head(head->head);
    } else if (auto* body = std::get_if<wire::BodyData>(&event)) {
      http_->consumed(body->id, body->bytes.size());
      if (request->answer_.on_body) request->answer_.on_body(std::move(body->bytes));
    } else if (std::holds_alternative<wire::MessageEnd>(event)) {
      request->answered_ = true;
      const UpstreamAnswer answer = std::exchange(request->answer_, {});
      if (answer.on_end) answer.on_end();
    } else if (std::holds_alternative<wire::StreamReset>(event)) {
      over();
    }
  }

  // Lets the request go when both halves of it are through.
  void settle() {
    if (dead_ || !request_ || !request_->answered_) return;
    if (!request_->ended_) return over();  // answered early: the rest of the request has no reader
    if (writing_ || !http_->can_request()) return;
    request_.reset();
  }

  Upstream& owner_;
  bool http2_;
  std::shared_ptr<Channel> channel_;
  std::unique_ptr<wire::HttpClient> http_;
  std::shared_ptr<UpstreamRequest> request_;
  wire::StreamId id_ = 0;
  bool open_ = false;
  bool dead_ = false;
  bool writing_ = false;
  bool reading_ = false;
  std::string out_;
  std::array<char, kReadBytes> buffer_{};
};

void UpstreamRequest::send(std::string_view body, bool end) {
  if (ended_) return;
  ended_ = end;
  if (const auto connection = connection_.lock()) connection->send(body, end);
}

std::size_t UpstreamRequest::unsent() const {
  const auto connection = connection_.lock();
  return connection ? connection->unsent() : 0;
}

void UpstreamRequest::hold(bool on) {
  held_ = on;
  const auto connection = connection_.lock();
  if (!on && connection) connection->go_on();
}

void UpstreamRequest::cancel() {
  const UpstreamAnswer dropped = std::exchange(answer_, {});
  if (const auto connection = connection_.lock(); connection && !(answered_ && ended_)) {
    connection->drop_request();
  }
}

Upstream::Upstream(boost::asio::io_context& io, const std::string& endpoint)
    : channels_(io, parse_origin(endpoint)) {}

Upstream::~Upstream() {
  close();
}

void Upstream::close() {
  while (!connections_.empty()) {
    const auto first = *connections_.begin();
    first->over();
  }
}

std::shared_ptr<UpstreamRequest> Upstream::request(wire::RequestHead head, bool http2,
                                                   UpstreamAnswer answer) {
  head.authority = origin().authority;
  head.scheme = origin().tls ? "https" : "http";
  auto request = std::make_shared<UpstreamRequest>(std::move(head), std::move(answer));
  const auto idle = std::find_if(connections_.begin(), connections_.end(),
                                 [http2](const auto& each) { return each->is_idle(http2); });
  if (idle != connections_.end()) {
    request->connection_ = *idle;
    (*idle)->take(request);
    return request;
  }
  const auto connection = std::make_shared<UpstreamConnection>(*this, http2);
  connections_.insert(connection);
  request->connection_ = connection;
  connection->dial(request);
  return request;
}

}  // namespace s2::scenarios
