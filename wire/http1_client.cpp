// The HTTP/1.1 client: one request at a time; its response may begin, and end, while the request is still
// open.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "wire/http1_output.h"
#include "wire/http1_parser.h"
#include "wire/http_syntax.h"

namespace s2::wire {
namespace {

bool usually_without_body(std::string_view method) {
  constexpr std::array<std::string_view, 5> kMethods = {"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"};
  return std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end();
}

class Http1Client final : public HttpClient, private Http1Sink {
 public:
  StreamId send_request(const RequestHead& head, bool end) override {
    if (!can_request() || !is_token(head.method) || !is_target(head.target) || !is_target(head.authority))
      return -1;
    HttpHeaders headers = outgoing_headers(head.headers);
    std::optional<std::uint64_t> length = take_content_length(headers);
    if (end) length = usually_without_body(head.method) ? std::nullopt : std::optional<std::uint64_t>(0);

    Http1Output::Framing framing = Http1Output::Framing::none;
    std::string own;
    if (length) {
      framing = Http1Output::Framing::length;
      own = fmt::format("content-length: {}\r\n", *length);
    } else if (!end) {
      framing = Http1Output::Framing::chunked;
      own = "transfer-encoding: chunked\r\n";
    }
    request_ = Http1Output();
    request_.begin(fmt::format("{} {} HTTP/1.1\r\nhost: {}\r\n", head.method, head.target, head.authority),
                   headers, own, framing, length.value_or(0));
    if (end) request_.add("", true);
    is_head_ = head.method == "HEAD";
    parser_ = make_response_parser(is_head_);
    return ++id_;
  }

  bool can_request() const override { return reusable_ && !parser_ && request_is_out(); }
  void ping() override {}

  void receive(std::string_view bytes, std::vector<HttpEvent>& out) override {
    events_ = &out;
    if (!buffer_.empty()) buffer_.append(bytes);
    std::string_view input = buffer_.empty() ? bytes : std::string_view(buffer_);
    while (!input.empty() && !over_ && parse_some(input)) {
    }
    if (over_) input = {};
    if (buffer_.empty()) {
      buffer_.assign(input);
    } else {
      buffer_.erase(0, buffer_.size() - input.size());
    }
  }

  void receive_eof(std::vector<HttpEvent>& out) override {
    if (over_) return;
    const bool response_open = parser_ != nullptr;
    if (response_open && parser_->finish_at_eof()) {
      out.push_back(MessageEnd{id_});
    } else if (response_open || !request_is_out()) {
      out.push_back(StreamReset{id_, kConnectionLost});
    }
    end_connection();
  }

  void send_data(StreamId id, std::string bytes, bool end) override {
    if (id != id_ || over_) return;
    request_.add(bytes, end);
    if (request_.torn()) end_connection();  // the server would wait for the rest for ever
  }

  void reset(StreamId id, std::uint32_t) override {
    if (id == id_ && (parser_ || !request_is_out())) end_connection();
  }

  void consumed(StreamId, std::size_t) override {}
  std::size_t unsent(StreamId id) const override { return id == id_ ? request_.bytes().size() : 0; }

  std::string take_output(std::size_t limit) override {
    std::string out;
    request_.bytes().move_to(out, limit);
    return out;
  }

  bool finished() const override { return over_; }

 private:
  bool request_is_out() const { return id_ == 0 || (request_.ended() && request_.bytes().empty()); }

  void end_connection() {
    over_ = true;
    reusable_ = false;
    parser_.reset();
    request_.bytes().clear();
    request_.stop();
  }

  bool parse_some(std::string_view& input) {
    if (!parser_) {
      fail("bytes that answer no request");
      return false;
    }
    switch (parser_->feed(input, *this)) {
      case Http1Parser::Step::need_more:
        return false;
      case Http1Parser::Step::malformed:
        fail(parser_->error());
        return false;
      case Http1Parser::Step::too_large:
        fail("head or chunk header above 64 KiB");
        return false;
      case Http1Parser::Step::complete:
        break;
    }
    if (status_ == 101) {
      fail("a switch of protocols that nobody asked for");
      return false;
    }
    if (status_ < 200) {
      parser_ = make_response_parser(is_head_);  // an interim response: the real one follows
      return true;
    }
    parser_.reset();
    events_->push_back(MessageEnd{id_});
    if (!reusable_) {
      if (!request_is_out()) events_->push_back(StreamReset{id_, kNoError});  // the server reads no further
      end_connection();
    }
    return true;
  }

  void on_head(Http1Head&& head) override {
    status_ = head.status;
    if (status_ < 200) return;
    if (!head.keep_alive) reusable_ = false;
    events_->push_back(ResponseBegin{id_, ResponseHead{head.status, std::move(head.request.headers)}});
  }

  void on_body(std::string_view bytes) override { add_body(*events_, id_, bytes); }

  void fail(const std::string& why) {
    events_->push_back(ProtocolError{"HTTP/1.1: " + why});
    end_connection();
  }

  StreamId id_ = 0;                      // of the last request
  Http1Output request_;                  // what leaves of it
  std::unique_ptr<Http1Parser> parser_;  // of its response, until that is complete
  int status_ = 0;
  bool is_head_ = false;
  bool reusable_ = true;  // another request may follow
  bool over_ = false;     // nothing comes in or goes out any more
  std::string buffer_;    // input that the parser cannot take yet: at most kMaxHeadBytes stay
  std::vector<HttpEvent>* events_ = nullptr;  // during receive()
};

}  // namespace

std::unique_ptr<HttpClient> make_http1_client() {
  return std::make_unique<Http1Client>();
}

}  // namespace s2::wire
