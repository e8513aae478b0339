// One face for HTTP/1.1 and HTTP/2, server and client: bytes in, events out; calls in, bytes out.
//
// No socket, no clock, no thread: whoever owns a connection feeds what it read to receive(), handles the
// events, calls send_*(), and writes what take_output() gives (any call may make output: look after each). An
// object belongs to one thread at a time (the caller locks). Nothing here throws on bad bytes: the peer's
// fault is one ProtocolError event, the last one of the connection (no StreamReset for what was open);
// take_output() still gives what should be sent before closing (a 400, a GOAWAY). Calls for a stream that is
// over are ignored: events may have crossed them.
//
// Flow control (HTTP/2): body bytes delivered by BodyData must be given back with consumed(), or the peer
// stalls: that is the caller's back-pressure. (Bytes of a stream that was reset, by either side, are given
// back by themselves.) Outgoing body is queued here and leaves as the peer's window allows; unsent() says how
// much waits. HTTP/1.1 accepts the same calls (consumed() does nothing).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace s2::wire {

using StreamId = std::int32_t;  // HTTP/2 stream id; HTTP/1.1: 1, 2, 3, … one a request

struct HttpHeader {
  std::string name;  // lower-case on input and output
  std::string value;
  bool operator==(const HttpHeader&) const = default;
};

using HttpHeaders = std::vector<HttpHeader>;

// The first value of that (lower-case) name, or "".
std::string_view find_header(const HttpHeaders& headers, std::string_view name);

// The host of an authority, without port and brackets, in lower case.
std::string host_of(std::string_view authority);
// Whether that host is a name or an address of this machine alone.
bool is_loopback(std::string_view host);

struct RequestHead {
  std::string method;
  std::string target;           // origin-form: path and query as sent (percent-encoded)
  std::string authority;        // :authority or Host
  std::string scheme = "http";  // HTTP/2 only
  HttpHeaders headers;          // without pseudo-headers and Host
};

struct ResponseHead {
  int status = 0;
  HttpHeaders headers;
};

// Limits: a head of more than 64 KiB is refused (431), a chunk header or line likewise.
inline constexpr std::size_t kMaxHeadBytes = 64 * 1024;
inline constexpr std::uint32_t kHttp2WindowBytes =
    10 * 1024 * 1024;  // what we advertise, per stream and connection

// Codes of StreamReset, GoAway and reset(): those of RFC 9113 §7, for both protocols. Others occur.
inline constexpr std::uint32_t kNoError = 0;
inline constexpr std::uint32_t kHttpProtocolError = 1;
inline constexpr std::uint32_t kInternalError = 2;
inline constexpr std::uint32_t kRefusedStream = 7;
inline constexpr std::uint32_t kCancel = 8;
inline constexpr std::uint32_t kConnectionLost =
    0x100;  // never on the wire: receive_eof() with the stream open

// --- events ---
struct RequestBegin {
  StreamId id;
  RequestHead head;
};
struct ResponseBegin {
  StreamId id;
  ResponseHead head;
};
struct BodyData {
  StreamId id;
  std::string bytes;
};
struct MessageEnd {
  StreamId id;
};  // the peer's half is complete
// The stream is over before both halves were complete: the peer reset it, refused it (GOAWAY above
// last_stream_id, code kRefusedStream: surely unprocessed), broke the rules in it (kHttpProtocolError), or
// the connection ended (kConnectionLost). After the MessageEnd of a response it means that the server wants
// no more of the request.
struct StreamReset {
  StreamId id;
  std::uint32_t code;
};
struct GoAway {
  StreamId last_stream_id;
  std::uint32_t code;
};
struct PingAck {};
struct ProtocolError {
  std::string message;
};

using HttpEvent = std::variant<RequestBegin, ResponseBegin, BodyData, MessageEnd, StreamReset, GoAway,
                               PingAck, ProtocolError>;

// What both sides can do.
class HttpPeer {
 public:
  virtual ~HttpPeer() = default;

  virtual void receive(std::string_view bytes, std::vector<HttpEvent>& out) = 0;
  // End of the byte stream: ends an HTTP/1.1 body that ends with the connection; what is open gets a
  // StreamReset. An HTTP/1.1 request that was complete can still be answered (the client may have closed its
  // half only).
  virtual void receive_eof(std::vector<HttpEvent>& out) = 0;

  virtual void send_data(StreamId id, std::string bytes, bool end) = 0;
  // Ends the stream now; no event follows. HTTP/1.1: the connection must close. With kNoError after the end
  // of a response, what is queued still leaves: "keep the rest of the request".
  virtual void reset(StreamId id, std::uint32_t code) = 0;
  virtual void consumed(StreamId id, std::size_t bytes) = 0;
  virtual std::size_t unsent(StreamId id) const = 0;

  // Up to about `limit` bytes for the socket; empty: nothing to send now.
  virtual std::string take_output(std::size_t limit = 256 * 1024) = 0;
  // Nothing more will come in or go out: close once take_output() is empty.
  virtual bool finished() const = 0;
};

class HttpServer : public HttpPeer {
 public:
  // A response may begin, and go on, while the request is still being received. Headers of one hop
  // (connection, transfer-encoding) are made here; content-length is the caller's to give or not (HTTP/1.1
  // without it: chunked). Control bytes in values become blanks, headers whose names are no tokens are left
  // out. Expect: 100-continue is answered here.
  virtual void send_head(StreamId id, const ResponseHead& head, bool end) = 0;
  // HTTP/2: GOAWAY with the last processed stream, open streams go on. HTTP/1.1: "connection: close" from now
  // on.
  virtual void goaway() = 0;
};

class HttpClient : public HttpPeer {
 public:
  // Starts a request; with end = false the body follows by send_data(). HTTP/1.1 takes one request at a time:
  // a second before the first response ended is a programming error. Returns < 0 when no more streams can be
  // opened here, or when method, target or authority cannot stand in a request.
  virtual StreamId send_request(const RequestHead& head, bool end) = 0;
  virtual bool can_request() const = 0;
  virtual void ping() = 0;  // HTTP/2; a PingAck event answers. HTTP/1.1: nothing happens
};

std::unique_ptr<HttpServer> make_http1_server();
std::unique_ptr<HttpClient> make_http1_client();
// Prior knowledge in the clear and ALPN "h2" over TLS are the same bytes.
std::unique_ptr<HttpServer> make_http2_server();
std::unique_ptr<HttpClient> make_http2_client();

// The client's first bytes on an HTTP/2 connection; a server that shares a port with HTTP/1.1 compares what
// it has.
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum class Protocol { undecided, http1, http2 };
Protocol detect_protocol(std::string_view first_bytes);

}  // namespace s2::wire
