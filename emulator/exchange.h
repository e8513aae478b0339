// One request and its answer, as the routes see them. server.cpp makes these; a test may make its own.
//
// Belongs to the emulator's thread. A route keeps it by shared_ptr for as long as it has something to say;
// when the client is gone, `is_open` is false and whatever is sent goes nowhere. The callbacks are the
// route's to set, and are dropped when the exchange is over (so that they may hold the exchange).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "wire/http.h"

namespace s2::emulator {

class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const wire::RequestHead& head() const = 0;
  virtual std::uint64_t connection() const = 0;
  virtual bool over_http2() const = 0;
  virtual bool is_open() const = 0;

  // --- the answer ---
  virtual void send_head(const wire::ResponseHead& head, bool end) = 0;
  virtual void send_data(std::string_view bytes, bool end) = 0;
  // Calls back once: true when all that was sent so far is in the socket, false when it will never be.
  virtual void after_written(std::function<void(bool)> callback) = 0;
  virtual std::size_t unsent() const = 0;  // bytes of the answer's body that still wait here

  // --- the request's body: what on_body was given must be given back, or the client is held up ---
  virtual void consumed(std::size_t bytes) = 0;

  // --- what may go wrong on purpose ---
  virtual void cut() = 0;     // the connection is reset
  virtual void hang() = 0;    // nothing is read or sent on the connection any more
  virtual void goaway() = 0;  // the connection takes no further requests
  virtual void limit_bandwidth(std::uint64_t bytes) = 0;  // a second, on the connection, each way
  virtual void truncate_body(
      std::uint64_t bytes) = 0;         // the connection closes after so many bytes of the body
  virtual void cut_mid_response() = 0;  // the connection is reset inside the next piece of the body

  // --- what the client does ---
  std::function<void(std::string)> on_body;
  std::function<void()> on_body_end;
  std::function<void()> on_writable;  // unsent() has become small (kWritableBytes)
  std::function<void()> on_drain;     // the server is about to end: say so, and finish
  std::function<void()> on_gone;      // the client reset the stream, or the connection is over
};

// A route that streams stops producing while more than this waits unsent; on_writable comes below it.
inline constexpr std::size_t kWritableBytes = 1024 * 1024;

using ExchangePtr = std::shared_ptr<Exchange>;
using RequestHandler = std::function<void(const ExchangePtr&)>;

}  // namespace s2::emulator
