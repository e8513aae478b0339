// The HTTP/1.1 server. Requests are delivered as they come, also those that a client sends ahead
// (pipelining); their responses may be given in any order and leave in the order of the requests. HTTP/1.0 is
// answered and closed.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "wire/http1_output.h"
#include "wire/http1_parser.h"
#include "wire/http_syntax.h"

namespace s2::wire {
namespace {

// Requests of one connection that wait for their response; a client that sends more ahead is cut off.
constexpr std::size_t kMaxPipelinedRequests = 256;

class Http1Server final : public HttpServer, private Http1Sink {
 public:
  void receive(std::string_view bytes, std::vector<HttpEvent>& out) override {
    events_ = &out;
    if (!buffer_.empty()) buffer_.append(bytes);
    std::string_view input = buffer_.empty() ? bytes : std::string_view(buffer_);
    while (!input.empty() && !broken_ && parse_some(input)) {
    }
    if (broken_ || (last_request_ && !parser_)) input = {};
    if (buffer_.empty()) {
      buffer_.assign(input);
    } else {
      buffer_.erase(0, buffer_.size() - input.size());
    }
  }

  void receive_eof(std::vector<HttpEvent>& out) override {
    if (broken_) return;
    last_request_ = true;
    parser_.reset();
    if (!exchanges_.empty() && !exchanges_.back().request_done) {
      out.push_back(StreamReset{exchanges_.back().id, kConnectionLost});
      exchanges_.pop_back();
    }
  }

  void send_head(StreamId id, const ResponseHead& head, bool end) override {
    Exchange* exchange = find(id);
    if (exchange == nullptr || exchange->out.begun()) return;
    begin_response(*exchange, head, end);
  }

  void send_data(StreamId id, std::string bytes, bool end) override {
    Exchange* exchange = find(id);
    if (exchange == nullptr) return;
    exchange->out.add(bytes, end);
    if (exchange->out.torn()) drop_from(id + 1);  // only the end of the connection can tell
  }

  void reset(StreamId id, std::uint32_t code) override {
    const Exchange* exchange = find(id);
    if (exchange == nullptr) return;
    drop_from(code == kNoError && exchange->out.ended() ? id + 1 : id);
  }

  void consumed(StreamId, std::size_t) override {}

  std::size_t unsent(StreamId id) const override {
    if (exchanges_.empty() || id < exchanges_.front().id || id > exchanges_.back().id) return 0;
    return exchanges_[static_cast<std::size_t>(id - exchanges_.front().id)].out.bytes().size();
  }

  std::string take_output(std::size_t limit) override {
    std::string out;
    for (Exchange& exchange : exchanges_) {
      ByteQueue& waiting = exchange.out.bytes();
      waiting.move_to(out, std::min(waiting.size(), limit - out.size()));
      if (!waiting.empty() || !exchange.out.ended()) break;
    }
    forget_complete();
    return out;
  }

  bool finished() const override {
    if (broken_) return true;
    return last_request_ && !parser_ &&
           std::all_of(exchanges_.begin(), exchanges_.end(), [](const Exchange& e) { return e.out.ended(); });
  }

  void goaway() override { last_request_ = true; }

 private:
  struct Exchange {
    StreamId id = 0;
    Http1Output out;
    bool request_done = false;
    bool is_head = false;
    bool is_http10 = false;
  };

  Exchange* find(StreamId id) {
    if (broken_ || exchanges_.empty() || id < exchanges_.front().id || id > exchanges_.back().id)
      return nullptr;
    return &exchanges_[static_cast<std::size_t>(id - exchanges_.front().id)];
  }

  // False: more bytes are needed, or none are wanted.
  bool parse_some(std::string_view& input) {
    if (!parser_) {
      if (last_request_) return false;
      while (input.starts_with("\r\n"))
        input.remove_prefix(2);  // RFC 9112 §2.2: blank lines before a request
      if (input.empty() || input == "\r") return false;
      if (exchanges_.size() >= kMaxPipelinedRequests) {
        fail(503, "too many requests ahead of their responses");
        return false;
      }
      parser_ = make_request_parser();
    }
    switch (parser_->feed(input, *this)) {
      case Http1Parser::Step::need_more:
        return false;
      case Http1Parser::Step::malformed:
        fail(400, parser_->error());
        return false;
      case Http1Parser::Step::too_large:
        fail(431, "head or chunk header above 64 KiB");
        return false;
      case Http1Parser::Step::complete:
        break;
    }
    parser_.reset();
    exchanges_.back().request_done = true;
    events_->push_back(MessageEnd{exchanges_.back().id});
    forget_complete();
    return true;
  }

  void on_head(Http1Head&& head) override {
    Exchange& exchange = exchanges_.emplace_back();
    exchange.id = next_id_++;
    exchange.is_head = head.request.method == "HEAD";
    exchange.is_http10 = head.is_http10;
    if (!head.keep_alive || head.is_http10) last_request_ = true;
    if (head.expects_continue && !head.is_http10) exchange.out.put_raw("HTTP/1.1 100 Continue\r\n\r\n");
    events_->push_back(RequestBegin{exchange.id, std::move(head.request)});
  }

  void on_body(std::string_view bytes) override { add_body(*events_, exchanges_.back().id, bytes); }

  void begin_response(Exchange& exchange, const ResponseHead& head, bool end) {
    const int status = head.status >= 200 && head.status <= 999 ? head.status : 500;
    HttpHeaders headers = outgoing_headers(head.headers);
    std::optional<std::uint64_t> length = take_content_length(headers);
    const bool no_body = never_has_body(status) || exchange.is_head;
    if (end && !no_body) length = 0;
    if (never_has_body(status)) length.reset();

    std::string own;
    Http1Output::Framing framing = Http1Output::Framing::none;
    if (length) own += fmt::format("content-length: {}\r\n", *length);
    if (!no_body) {
      if (length) {
        framing = Http1Output::Framing::length;
      } else if (exchange.is_http10) {
        framing = Http1Output::Framing::until_close;
      } else {
        framing = Http1Output::Framing::chunked;
        own += "transfer-encoding: chunked\r\n";
      }
    }
    if (last_request_ && exchange.id == exchanges_.back().id) own += "connection: close\r\n";
    exchange.out.begin(fmt::format("HTTP/1.1 {} {}\r\n", status, reason_phrase(status)), headers, own,
                       framing, length.value_or(0));
    if (end) exchange.out.add("", true);
  }

  // The requests from `id` on are given up; when those before are answered the connection is over.
  void drop_from(StreamId id) {
    while (!exchanges_.empty() && exchanges_.back().id >= id) exchanges_.pop_back();
    last_request_ = true;
    parser_.reset();
  }

  void forget_complete() {
    while (!exchanges_.empty()) {
      const Exchange& front = exchanges_.front();
      if (!front.request_done || !front.out.ended() || !front.out.bytes().empty()) return;
      exchanges_.pop_front();
    }
  }

  // The peer's fault: the answer takes the place of the bad request's response if that is still free and next
  // in turn.
  void fail(int status, const std::string& why) {
    events_->push_back(ProtocolError{"HTTP/1.1: " + why});
    last_request_ = true;
    const auto open = std::find_if(exchanges_.begin(), exchanges_.end(),
                                   [](const Exchange& exchange) { return !exchange.out.ended(); });
    if (open == exchanges_.end()) exchanges_.emplace_back().id = next_id_++;
    Exchange& next_in_turn = open == exchanges_.end() ? exchanges_.back() : *open;
    while (exchanges_.back().id > next_in_turn.id) exchanges_.pop_back();
    const bool is_the_bad_one = !next_in_turn.request_done;
    if (is_the_bad_one && !next_in_turn.out.begun())
      begin_response(next_in_turn, ResponseHead{status, {}}, true);
    next_in_turn.out.stop();
    broken_ = true;
    parser_.reset();
  }

  std::deque<Exchange>
      exchanges_;  // requests without a complete response on the wire, oldest first; ids without gaps
  std::unique_ptr<Http1Parser> parser_;  // of the request that is coming in
  std::string buffer_;                   // input that the parser cannot take yet: at most kMaxHeadBytes stay
  std::vector<HttpEvent>* events_ = nullptr;  // during receive()
  StreamId next_id_ = 1;
  bool last_request_ = false;  // after the one that is coming in, no other
  bool broken_ = false;        // ProtocolError: only what is queued leaves
};

}  // namespace

std::unique_ptr<HttpServer> make_http1_server() {
  return std::make_unique<Http1Server>();
}

}  // namespace s2::wire
