// What an HTTP/2 server and client have in common: one nghttp2 session in memory, the streams, bodies in both
// directions. For http2_server.cpp and http2_client.cpp only; the face for everybody else is http.h.
//
// Owned by an Http2Peer, used by one thread at a time. nghttp2 calls back into this object from inside
// receive(), take_output() and the methods that send; no callback runs outside of those.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "wire/byte_queue.h"
#include "wire/http.h"

struct nghttp2_session;

namespace s2::wire {

class Http2Session {
 public:
  enum class Role { server, client };

  explicit Http2Session(Role role);
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  void receive(std::string_view bytes, std::vector<HttpEvent>& out);
  void receive_eof(std::vector<HttpEvent>& out);
  void send_data(StreamId id, std::string bytes, bool end);
  void reset(StreamId id, std::uint32_t code);
  void consumed(StreamId id, std::size_t bytes);
  std::size_t unsent(StreamId id) const;
  std::string take_output(std::size_t limit);
  bool finished() const;

  void send_response(StreamId id, const ResponseHead& head, bool end);
  void goaway();
  StreamId send_request(const RequestHead& head, bool end);
  bool can_request() const;
  void ping();

 private:
  friend struct Http2Callbacks;

  struct Stream {
    ByteQueue out;
    bool head_sent = false;
    bool no_body = false;      // response to HEAD, 204, 304: body bytes of the caller are dropped
    bool end_queued = false;   // our caller gave the last byte
    bool local_ended = false;  // END_STREAM left
    bool deferred = false;     // nghttp2 waits for nghttp2_session_resume_data
    bool reset_after_end = false;

    RequestHead head;  // as it comes in; a response uses its headers and `status`
    int status = 0;
    std::size_t head_bytes = 0;
    bool head_done = false;  // what follows are trailers
    bool refused = false;    // we gave it up: what still comes for it is swallowed, calls for it are ignored
    bool announced = false;  // the caller knows the id
    bool peer_ended = false;
    std::size_t unconsumed = 0;
  };

  struct Deleter {
    void operator()(nghttp2_session* session) const;
  };

  Stream* find(StreamId id);
  Stream* find_open(StreamId id);  // those that the caller may still use
  template <class Event>
  void emit(Event event) {
    // In place: g++ 12 sees ghosts (-Wmaybe-uninitialized) in the move of a variant that it can look through.
    events_->emplace_back(std::in_place_type<Event>, std::move(event));
  }
  void fail(std::string message);
  // Serialises frames that nghttp2 has queued (all but DATA) so that what they bring about is known at once,
  // until `limit` bytes wait.
  void pump_control(std::size_t limit);
  void pump_own_frames();
  void submit_head(StreamId id, Stream& stream, const ResponseHead& head, bool end);
  void guard_queue();
  void give_back(std::size_t bytes);
  bool serialise_one(std::string& out, std::size_t limit);

  void on_begin_headers(StreamId id, bool opens_stream);
  void on_header(StreamId id, std::string_view name, std::string_view value);
  void on_head_end(StreamId id, bool end_stream);
  void on_data(StreamId id, std::string_view bytes);
  void on_message_end(StreamId id);
  void on_stream_close(StreamId id, std::uint32_t code);
  void on_head_not_sent(StreamId id);
  void on_end_sent(StreamId id);

  const Role role_;
  std::unique_ptr<nghttp2_session, Deleter> session_;
  std::unordered_map<StreamId, Stream> streams_;
  // Bytes of complete streams that the caller still holds; the connection's window bounds their sum.
  std::unordered_map<StreamId, std::size_t> held_after_close_;
  std::string control_;                 // frames that were serialised early
  std::string* sink_ = nullptr;         // where DATA frames go while nghttp2 serialises …
  std::size_t sink_limit_ = 0;          // … until it has that many bytes
  std::vector<HttpEvent> late_events_;  // arose outside of receive(): delivered by the next one
  std::vector<HttpEvent>* events_ = &late_events_;
  StreamId opening_ = 0;  // the request that send_request() is about to open
  bool dead_ = false;     // ProtocolError or end of bytes: nothing comes in any more
};

// The calls that HttpServer and HttpClient share, passed on to the session.
template <class Face>
class Http2Peer : public Face {
 public:
  explicit Http2Peer(Http2Session::Role role) : session_(role) {}

  void receive(std::string_view bytes, std::vector<HttpEvent>& out) override { session_.receive(bytes, out); }
  void receive_eof(std::vector<HttpEvent>& out) override { session_.receive_eof(out); }
  void send_data(StreamId id, std::string bytes, bool end) override {
    session_.send_data(id, std::move(bytes), end);
  }
  void reset(StreamId id, std::uint32_t code) override { session_.reset(id, code); }
  void consumed(StreamId id, std::size_t bytes) override { session_.consumed(id, bytes); }
  std::size_t unsent(StreamId id) const override { return session_.unsent(id); }
  std::string take_output(std::size_t limit) override { return session_.take_output(limit); }
  bool finished() const override { return session_.finished(); }

 protected:
  Http2Session session_;
};

}  // namespace s2::wire
