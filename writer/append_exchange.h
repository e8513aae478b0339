// How appends travel in HTTP: as one append session (s2s frames, HTTP/2), or one request each (unary,
// HTTP/1.1).
//
// No I/O, no clock, no lock: works on the HttpClient that it is given, for one thread at a time. An exchange
// lives for one session on one connection; after AppendRefused or SessionLost it is over. Source: S2 spec
// "append", "s2s".
#pragma once

#include <memory>
#include <vector>

#include "wire/http.h"
#include "writer/s2_client.h"

namespace s2::writer {

inline constexpr std::size_t kMaxErrorBodyBytes = 64 * 1024;  // of a refusal; the rest is not kept
inline constexpr std::size_t kMaxUnsentBytes =
    2 * 1024 * 1024;  // queued behind the peer's window; then no more sends

class AppendExchange {
 public:
  virtual ~AppendExchange() = default;
  // False: this connection takes no further request.
  virtual bool start(wire::HttpClient& http) = 0;
  virtual void send(wire::HttpClient& http, const wire::AppendInput& input) = 0;
  virtual void on_event(wire::HttpClient& http, wire::HttpEvent& event, std::vector<AppendEvent>& out) = 0;
  virtual bool can_send(const wire::HttpClient& http) const = 0;
  virtual std::size_t unsent(
      const wire::HttpClient& http) const = 0;  // body bytes that the peer does not take yet
  virtual bool over() const = 0;
};

// `head` is complete but for what the way itself needs (content-type, accept, content-length).
std::unique_ptr<AppendExchange> make_session_exchange(wire::RequestHead head, WireCompression compression);
std::unique_ptr<AppendExchange> make_unary_exchange(wire::RequestHead head);

}  // namespace s2::writer
