// HTTP/1.1 messages out of bytes, in pieces of any size: Boost.Beast's parser, made strict (what could be
// understood in two ways is refused) and told apart from the rest of the connection. For http1_server.cpp and
// http1_client.cpp.
//
// One parser reads one message. Belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "wire/http.h"

namespace s2::wire {

struct Http1Head {
  RequestHead request;  // of a response: only its headers
  int status = 0;       // of a response
  bool is_http10 = false;
  bool keep_alive = true;
  bool expects_continue = false;
};

// Takes what the parser finds, during its feed().
class Http1Sink {
 public:
  virtual void on_head(Http1Head&& head) = 0;
  virtual void on_body(std::string_view bytes) = 0;

 protected:
  ~Http1Sink() = default;
};

class Http1Parser {
 public:
  enum class Step {
    need_more,  // the message goes on; bytes that stay in the input must be given again, with more behind
                // them
    complete,   // the rest of the input belongs to the next message
    malformed,  // error() says why
    too_large,  // head, chunk header or trailers above kMaxHeadBytes
  };

  virtual ~Http1Parser() = default;
  // Takes bytes from the front of `input`. Not to be called again after any step but need_more.
  virtual Step feed(std::string_view& input, Http1Sink& sink) = 0;
  // The connection ended: true when that completes the message.
  virtual bool finish_at_eof() = 0;
  const std::string& error() const { return error_; }

 protected:
  std::string error_;
};

std::unique_ptr<Http1Parser> make_request_parser();
// A response to HEAD has no body, whatever its head says.
std::unique_ptr<Http1Parser> make_response_parser(bool to_head_request);

}  // namespace s2::wire
