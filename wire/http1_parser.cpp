// Boost.Beast's basic_parser behind Http1Parser, with the rules of RFC 9112 that it leaves to its user: one
// Host, no transfer coding but chunked.
#include "wire/http1_parser.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "wire/http_syntax.h"

namespace s2::wire {
namespace {

namespace beast_http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

constexpr std::string_view kEmptyChunkedBody = "0\r\n\r\n";

std::string_view std_view(string_view text) {
  return {text.data(), text.size()};
}

// Absolute form ("GET http://host/path"): the authority in it wins over Host.
void split_absolute_target(RequestHead& head) {
  const std::size_t scheme_end = head.target.find("://");
  if (head.target.starts_with('/') || scheme_end == std::string::npos) return;
  const std::size_t authority = scheme_end + 3;
  const std::size_t path = head.target.find_first_of("/?", authority);
  head.authority = head.target.substr(authority, path == std::string::npos ? path : path - authority);
  std::string rest = path == std::string::npos ? "" : head.target.substr(path);
  head.target = rest.starts_with('/') ? std::move(rest) : "/" + rest;
}

// Beast's hooks. It has one base on purpose: as the second base of Parser, g++ 12 -O3 called the hooks with a
// wrong `this` (they were made direct calls without moving the pointer); the tests of the release build would
// crash.
template <bool is_request>
class Hooks final : public beast_http::basic_parser<is_request> {
  using Base = beast_http::basic_parser<is_request>;

 public:
  Http1Sink* sink = nullptr;
  const char* refusal = nullptr;
  bool before_first_chunk = false;

 private:
  void refuse(const char* why, error_code& error) {
    refusal = why;
    error = beast_http::error::bad_field;
  }

  void on_request_impl(beast_http::verb, string_view method, string_view target, int version,
                       error_code&) override {
    head_.request.method = std_view(method);
    head_.request.target = std_view(target);
    head_.is_http10 = version < 11;
  }

  void on_response_impl(int status, string_view, int version, error_code&) override {
    head_.status = status;
    head_.is_http10 = version < 11;
  }

  void on_field_impl(beast_http::field, string_view raw_name, string_view raw_value,
                     error_code& error) override {
    if (head_given_) return;  // trailers
    std::string name = lower_case(std_view(raw_name));
    const std::string_view value = std_view(raw_value);
    if (name == "transfer-encoding") {
      if (lower_case(value) != "chunked") return refuse("transfer-encoding is not chunked", error);
      if (head_.is_http10) return refuse("transfer-encoding in HTTP/1.0", error);
    } else if (name == "host" && is_request) {
      if (has_host_) return refuse("two hosts", error);
      has_host_ = true;
      head_.request.authority = value;
    } else if (!is_hop_header(name)) {
      if (name == "expect") head_.expects_continue = lower_case(value) == "100-continue";
      head_.request.headers.push_back({std::move(name), std::string(value)});
    }
  }

  void on_header_impl(error_code& error) override {
    if (is_request && !has_host_ && !head_.is_http10) return refuse("no host", error);
    if (is_request) split_absolute_target(head_.request);
    head_.keep_alive = Base::keep_alive();
    head_given_ = true;
    before_first_chunk = Base::chunked();
    sink->on_head(std::move(head_));
  }

  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override {
    sink->on_body(std_view(body));
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override { before_first_chunk = false; }
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    sink->on_body(std_view(body));
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  Http1Head head_;
  bool has_host_ = false;
  bool head_given_ = false;
};

template <bool is_request>
class Parser final : public Http1Parser {
 public:
  explicit Parser(bool skip_body) {
    beast_.eager(true);
    beast_.header_limit(kMaxHeadBytes);
    beast_.body_limit(boost::none);
    if (skip_body) beast_.skip(true);
  }

  Step feed(std::string_view& input, Http1Sink& sink) override {
    beast_.sink = &sink;
    while (!input.empty() && !beast_.is_done()) {
      // The shortest chunked body has 5 bytes, and Beast 1.81 asserts that it sees them when it looks a
      // second time.
      if (beast_.before_first_chunk && input.size() < kEmptyChunkedBody.size()) return Step::need_more;
      error_code error;
      const std::size_t taken = beast_.put(boost::asio::buffer(input.data(), input.size()), error);
      input.remove_prefix(taken);
      if (error == beast_http::error::need_more) {
        return input.size() > kMaxHeadBytes ? Step::too_large : Step::need_more;
      }
      if (error == beast_http::error::header_limit) return Step::too_large;
      if (error) {
        error_ = beast_.refusal != nullptr ? beast_.refusal : error.message();
        return Step::malformed;
      }
    }
    return beast_.is_done() ? Step::complete : Step::need_more;
  }

  bool finish_at_eof() override {
    if (!beast_.got_some()) return false;
    error_code error;
    beast_.put_eof(error);
    return !error && beast_.is_done();
  }

 private:
  Hooks<is_request> beast_;
};

}  // namespace

std::unique_ptr<Http1Parser> make_request_parser() {
  return std::make_unique<Parser<true>>(false);
}

std::unique_ptr<Http1Parser> make_response_parser(bool to_head_request) {
  return std::make_unique<Parser<false>>(to_head_request);
}

}  // namespace s2::wire
