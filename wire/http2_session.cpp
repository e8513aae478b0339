// HTTP/2 streams over nghttp2: heads and bodies in, heads and bodies out, and what ends them.
#include "wire/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <iterator>

#include "wire/http2_callbacks.h"
#include "wire/http_syntax.h"

namespace s2::wire {
namespace {

// Frames without a body are serialised ahead of take_output() up to this; nghttp2 queues (and limits) the
// rest.
constexpr std::size_t kControlBufferBytes = 64 * 1024;
// Frames that wait in nghttp2 for a peer that provokes answers (RST_STREAM, acks) and does not fetch them.
constexpr std::size_t kMaxQueuedFrames = 10'000;
constexpr std::size_t kHeaderOverheadBytes = 32;  // RFC 9113 §6.5.2 counts so
constexpr std::size_t kMaxOpenRequests = 1000;    // of a client on one connection

nghttp2_nv field(std::string_view name, std::string_view value) {
  // nghttp2 copies both and does not write to them; its C interface has no const here.
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

void add_fields(std::vector<nghttp2_nv>& fields, const HttpHeaders& headers) {
  for (const HttpHeader& header : headers) fields.push_back(field(header.name, header.value));
}

}  // namespace

void Http2Session::Deleter::operator()(nghttp2_session* session) const {
  nghttp2_session_del(session);
}

Http2Session::Http2Session(Role role) : role_(role) {
  session_.reset(Http2Callbacks::make_session(*this));
}

Http2Session::Stream* Http2Session::find(StreamId id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : &found->second;
}

Http2Session::Stream* Http2Session::find_open(StreamId id) {
  Stream* stream = find(id);
  return stream == nullptr || stream->refused ? nullptr : stream;
}

void Http2Session::fail(std::string message) {
  if (dead_) return;
  dead_ = true;
  streams_.clear();
  emit(ProtocolError{std::move(message)});
}

void Http2Session::receive(std::string_view bytes, std::vector<HttpEvent>& out) {
  std::move(late_events_.begin(), late_events_.end(), std::back_inserter(out));
  late_events_.clear();
  if (dead_) return;
  events_ = &out;
  const ssize_t taken =
      nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (taken < 0) {
    const int error = static_cast<int>(taken);
    nghttp2_session_terminate_session(
        session_.get(), error == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
    fail(std::string("HTTP/2: ") + nghttp2_strerror(error));
  }
  pump_control(kControlBufferBytes);
  guard_queue();
  events_ = &late_events_;
}

void Http2Session::receive_eof(std::vector<HttpEvent>& out) {
  std::move(late_events_.begin(), late_events_.end(), std::back_inserter(out));
  late_events_.clear();
  if (dead_) return;
  dead_ = true;
  const auto first = static_cast<std::ptrdiff_t>(out.size());
  for (const auto& [id, stream] : streams_) {
    if (stream.announced) out.push_back(StreamReset{id, kConnectionLost});
  }
  std::sort(out.begin() + first, out.end(), [](const HttpEvent& a, const HttpEvent& b) {
    return std::get<StreamReset>(a).id < std::get<StreamReset>(b).id;
  });
  streams_.clear();
}

void Http2Session::send_data(StreamId id, std::string bytes, bool end) {
  Stream* stream = find_open(id);
  if (stream == nullptr || stream->end_queued || !stream->head_sent) return;
  if (!stream->no_body) stream->out.adopt(std::move(bytes));
  stream->end_queued = end;
  if (stream->deferred) {
    stream->deferred = false;
    nghttp2_session_resume_data(session_.get(), id);
  }
}

void Http2Session::reset(StreamId id, std::uint32_t code) {
  if (const auto held = held_after_close_.find(id); held != held_after_close_.end()) {
    give_back(held->second);
    held_after_close_.erase(held);
  }
  Stream* stream = find_open(id);
  if (stream == nullptr) return;
  if (code == kNoError && stream->end_queued && !stream->local_ended) {
    stream->reset_after_end = true;
    return;
  }
  give_back(stream->unconsumed);
  stream->unconsumed = 0;
  stream->refused = true;
  stream->announced = false;  // no event follows
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, code);
  pump_own_frames();
}

void Http2Session::give_back(std::size_t bytes) {
  nghttp2_session_consume_connection(session_.get(), bytes);
}

void Http2Session::consumed(StreamId id, std::size_t bytes) {
  if (Stream* stream = find_open(id); stream != nullptr) {
    bytes = std::min(bytes, stream->unconsumed);
    stream->unconsumed -= bytes;
    nghttp2_session_consume(session_.get(), id, bytes);
    return;
  }
  const auto held = held_after_close_.find(id);
  if (held == held_after_close_.end()) return;
  bytes = std::min(bytes, held->second);
  give_back(bytes);
  held->second -= bytes;
  if (held->second == 0) held_after_close_.erase(held);
}

std::size_t Http2Session::unsent(StreamId id) const {
  const auto found = streams_.find(id);
  return found == streams_.end() ? 0 : found->second.out.size();
}

bool Http2Session::serialise_one(std::string& out, std::size_t limit) {
  sink_ = &out;
  sink_limit_ = limit;
  const std::size_t before = out.size();
  const uint8_t* bytes = nullptr;
  const ssize_t n = nghttp2_session_mem_send(session_.get(), &bytes);
  sink_ = nullptr;
  if (n < 0) {
    fail(std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(n)));
    return false;
  }
  if (n > 0) out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(n));
  return out.size() > before;
}

void Http2Session::pump_control(std::size_t limit) {
  while (control_.size() < limit && nghttp2_session_get_outbound_queue_size(session_.get()) > 0) {
    if (!serialise_one(control_, limit)) break;
  }
}

void Http2Session::pump_own_frames() {
  pump_control(control_.size() + kControlBufferBytes);
}

void Http2Session::guard_queue() {
  if (dead_ || nghttp2_session_get_outbound_queue_size(session_.get()) <= kMaxQueuedFrames) return;
  nghttp2_session_terminate_session(session_.get(), NGHTTP2_ENHANCE_YOUR_CALM);
  fail("HTTP/2: the peer provokes answers and does not read them");
}

std::string Http2Session::take_output(std::size_t limit) {
  std::string out = std::move(control_);
  control_.clear();
  while (out.size() < limit && serialise_one(out, limit)) {
  }
  return out;
}

bool Http2Session::finished() const {
  if (dead_) return true;
  return nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0;
}

void Http2Session::send_response(StreamId id, const ResponseHead& head, bool end) {
  Stream* stream = find_open(id);
  if (stream != nullptr && !stream->head_sent) submit_head(id, *stream, head, end);
}

void Http2Session::submit_head(StreamId id, Stream& stream, const ResponseHead& head, bool end) {
  const std::string status = std::to_string(head.status >= 200 && head.status <= 999 ? head.status : 500);
  const HttpHeaders headers = outgoing_headers(head.headers);
  std::vector<nghttp2_nv> fields = {field(":status", status)};
  add_fields(fields, headers);
  stream.head_sent = true;
  stream.end_queued = end;
  stream.no_body = stream.no_body || never_has_body(head.status);
  const nghttp2_data_provider body = Http2Callbacks::body_provider();
  nghttp2_submit_response(session_.get(), id, fields.data(), fields.size(), end ? nullptr : &body);
}

void Http2Session::goaway() {
  if (dead_) return;
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_.get()), NGHTTP2_NO_ERROR, nullptr,
                        0);
  pump_own_frames();
}

bool Http2Session::can_request() const {
  if (dead_ || nghttp2_session_check_request_allowed(session_.get()) == 0) return false;
  const std::size_t peers_limit =
      nghttp2_session_get_remote_settings(session_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return streams_.size() < std::min(peers_limit, kMaxOpenRequests);
}

StreamId Http2Session::send_request(const RequestHead& head, bool end) {
  if (!can_request() || !is_token(head.method) || !is_target(head.target) || !is_target(head.authority))
    return -1;
  const HttpHeaders headers = outgoing_headers(head.headers);
  std::vector<nghttp2_nv> fields = {field(":method", head.method), field(":scheme", head.scheme),
                                    field(":authority", head.authority), field(":path", head.target)};
  add_fields(fields, headers);
  const nghttp2_data_provider body = Http2Callbacks::body_provider();
  const StreamId id = nghttp2_submit_request(session_.get(), nullptr, fields.data(), fields.size(),
                                             end ? nullptr : &body, nullptr);
  if (id < 0) return -1;
  Stream& stream = streams_[id];
  stream.announced = stream.head_sent = true;
  stream.end_queued = end;
  opening_ = id;
  pump_own_frames();
  opening_ = 0;
  return find(id) == nullptr ? -1 : id;
}

void Http2Session::ping() {
  if (!dead_) nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
}

// --- called by nghttp2, through Http2Callbacks ---

void Http2Session::on_begin_headers(StreamId id, bool opens_stream) {
  if (opens_stream && !dead_) streams_.try_emplace(id);
}

void Http2Session::on_header(StreamId id, std::string_view name, std::string_view value) {
  Stream* stream = find(id);
  if (stream == nullptr || stream->head_done || stream->refused) return;
  stream->head_bytes += name.size() + value.size() + kHeaderOverheadBytes;
  if (stream->head_bytes > kMaxHeadBytes) {
    stream->refused = true;
    stream->head = {};
    return;
  }
  RequestHead& head = stream->head;
  if (name == ":status") {
    stream->status = static_cast<int>(parse_length(value).value_or(0));
  } else if (name == ":method") {
    head.method = value;
  } else if (name == ":path") {
    head.target = value;
  } else if (name == ":authority") {
    head.authority = value;
  } else if (name == ":scheme") {
    head.scheme = value;
  } else if (name == "host" && role_ == Role::server) {
    if (head.authority.empty()) head.authority = value;
  } else if (!name.starts_with(':')) {
    head.headers.push_back({std::string(name), std::string(value)});
  }
}

void Http2Session::on_head_end(StreamId id, bool end_stream) {
  Stream* stream = find(id);
  if (stream == nullptr) return;
  if (stream->head_done) {  // trailers: S2 has none that we would need
    if (end_stream) on_message_end(id);
    return;
  }
  if (stream->refused && role_ == Role::client) {
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_ENHANCE_YOUR_CALM);
    return;
  }
  if (role_ == Role::client && stream->status / 100 == 1) {  // an interim response: the real one follows
    stream->head = {};
    return;
  }
  stream->head_done = true;
  if (stream->refused) {
    submit_head(id, *stream, ResponseHead{431, {}}, true);
    stream->reset_after_end = !end_stream;
  } else if (role_ == Role::server) {
    stream->announced = true;
    stream->no_body = stream->head.method == "HEAD";
    const bool expects =
        lower_case(find_header(stream->head.headers, "expect")) == "100-continue" && !end_stream;
    if (expects) {
      const nghttp2_nv status = field(":status", "100");
      nghttp2_submit_headers(session_.get(), NGHTTP2_FLAG_NONE, id, nullptr, &status, 1, nullptr);
    }
    emit(RequestBegin{id, std::move(stream->head)});
  } else {
    emit(ResponseBegin{id, ResponseHead{stream->status, std::move(stream->head.headers)}});
  }
  if (end_stream) on_message_end(id);
}

void Http2Session::on_data(StreamId id, std::string_view bytes) {
  Stream* stream = find(id);
  if (stream == nullptr) {
    give_back(bytes.size());
  } else if (stream->refused) {
    nghttp2_session_consume(session_.get(), id, bytes.size());
  } else {
    stream->unconsumed += bytes.size();
    add_body(*events_, id, bytes);
  }
}

void Http2Session::on_message_end(StreamId id) {
  Stream* stream = find(id);
  if (stream == nullptr) return;
  stream->peer_ended = true;
  if (stream->announced) emit(MessageEnd{id});
}

void Http2Session::on_stream_close(StreamId id, std::uint32_t code) {
  const auto node = streams_.extract(id);
  if (node.empty()) return;
  const Stream& stream = node.mapped();
  const bool complete = code == NGHTTP2_NO_ERROR && stream.peer_ended && stream.local_ended;
  if (complete && stream.unconsumed > 0) {
    held_after_close_.emplace(id, stream.unconsumed);
  } else {
    give_back(stream.unconsumed);
  }
  if (!complete && stream.announced) emit(StreamReset{id, code});
}

void Http2Session::on_head_not_sent(StreamId id) {
  if (role_ == Role::server) {  // the caller's head is too large for anybody
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
  } else if (streams_.erase(id) > 0 && id != opening_) {
    emit(StreamReset{id, kRefusedStream});
  }
}

void Http2Session::on_end_sent(StreamId id) {
  Stream* stream = find(id);
  if (stream == nullptr) return;
  stream->local_ended = true;
  if (stream->reset_after_end && !stream->peer_ended) {
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
  }
}

}  // namespace s2::wire
