// nghttp2's C side: options, settings and callbacks of a session in memory.
#include "wire/http2_callbacks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <new>
#include <string>

namespace s2::wire {
namespace {

// What one peer may ask of us before it is cut off with a GOAWAY.
constexpr std::uint32_t kMaxConcurrentStreams = 1000;
constexpr std::size_t kMaxQueuedAcks = 1000;     // PING and SETTINGS acks that the peer does not fetch
constexpr std::size_t kMaxSettingsEntries = 32;  // in one SETTINGS frame
constexpr std::size_t kMaxContinuations = 16;    // CONTINUATION frames of one head
constexpr std::uint64_t kResetBurst = 1000;      // streams that the peer opens and resets …
constexpr std::uint64_t kResetsPerSecond = 33;   // … and how fast that allowance grows back

std::string_view view(const uint8_t* bytes, std::size_t n) {
  return {reinterpret_cast<const char*>(bytes), n};
}

}  // namespace

nghttp2_session* Http2Callbacks::make_session(Http2Session& owner) {
  const bool server = owner.role_ == Http2Session::Role::server;

  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0)
    throw std::bad_alloc();
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk_recv);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);

  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_max_outbound_ack(option, kMaxQueuedAcks);
  nghttp2_option_set_max_settings(option, kMaxSettingsEntries);
  nghttp2_option_set_max_continuations(option, kMaxContinuations);
  nghttp2_option_set_max_send_header_block_length(option, kMaxHeadBytes);
  nghttp2_option_set_stream_reset_rate_limit(option, kResetBurst, kResetsPerSecond);

  nghttp2_session* session = nullptr;
  const int made = server ? nghttp2_session_server_new2(&session, callbacks, &owner, option)
                          : nghttp2_session_client_new2(&session, callbacks, &owner, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  if (made != 0) throw std::bad_alloc();

  std::array<nghttp2_settings_entry, 3> settings = {{
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kHttp2WindowBytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxHeadBytes},
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kMaxConcurrentStreams},
  }};
  if (!server) settings[2] = {NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kHttp2WindowBytes);
  return session;
}

nghttp2_data_provider Http2Callbacks::body_provider() {
  nghttp2_data_provider provider{};
  provider.read_callback = on_read_body;
  return provider;
}

int Http2Callbacks::on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
  if (frame->hd.type == NGHTTP2_HEADERS) {
    self(user_data).on_begin_headers(frame->hd.stream_id, frame->headers.cat == NGHTTP2_HCAT_REQUEST);
  }
  return 0;
}

int Http2Callbacks::on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                              size_t name_length, const uint8_t* value, size_t value_length, uint8_t,
                              void* user_data) {
  self(user_data).on_header(frame->hd.stream_id, view(name, name_length), view(value, value_length));
  return 0;
}

int Http2Callbacks::on_frame_recv(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
  Http2Session& owner = self(user_data);
  const bool end_stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
      owner.on_head_end(frame->hd.stream_id, end_stream);
      break;
    case NGHTTP2_DATA:
      if (end_stream) owner.on_message_end(frame->hd.stream_id);
      break;
    case NGHTTP2_GOAWAY:
      owner.emit(GoAway{frame->goaway.last_stream_id, frame->goaway.error_code});
      break;
    case NGHTTP2_PING:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) owner.emit(PingAck{});
      break;
    default:
      break;  // nghttp2 deals with the others
  }
  return 0;
}

int Http2Callbacks::on_data_chunk_recv(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data,
                                       size_t length, void* user_data) {
  self(user_data).on_data(id, view(data, length));
  return 0;
}

int Http2Callbacks::on_stream_close(nghttp2_session*, int32_t id, uint32_t code, void* user_data) {
  self(user_data).on_stream_close(id, code);
  return 0;
}

int Http2Callbacks::on_frame_send(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
  Http2Session& owner = self(user_data);
  const bool has_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
  if (has_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) owner.on_end_sent(frame->hd.stream_id);
  if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
    // We never send such a GOAWAY for our own reasons: nghttp2 has found the peer at fault.
    owner.fail(fmt::format("HTTP/2 {}: {}", nghttp2_http2_strerror(frame->goaway.error_code),
                           view(frame->goaway.opaque_data, frame->goaway.opaque_data_len)));
  }
  return 0;
}

int Http2Callbacks::on_frame_not_send(nghttp2_session*, const nghttp2_frame* frame, int, void* user_data) {
  if (frame->hd.type == NGHTTP2_HEADERS) self(user_data).on_head_not_sent(frame->hd.stream_id);
  return 0;
}

ssize_t Http2Callbacks::on_read_body(nghttp2_session*, int32_t id, uint8_t*, size_t length, uint32_t* flags,
                                     nghttp2_data_source*, void* user_data) {
  Http2Session::Stream* stream = self(user_data).find(id);
  if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // resets the stream
  if (stream->refused || (stream->out.empty() && !stream->end_queued)) {
    stream->deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  const std::size_t n = std::min(length, stream->out.size());
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (stream->end_queued && n == stream->out.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(n);
}

int Http2Callbacks::on_send_data(nghttp2_session*, nghttp2_frame* frame, const uint8_t* frame_header,
                                 size_t length, nghttp2_data_source*, void* user_data) {
  constexpr std::size_t kFrameHeaderBytes = 9;
  Http2Session& owner = self(user_data);
  Http2Session::Stream* stream = owner.find(frame->hd.stream_id);
  if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  // Without this nghttp2 would go on to the end of the peer's window in one call.
  if (owner.sink_->size() >= owner.sink_limit_) return NGHTTP2_ERR_WOULDBLOCK;
  if (owner.sink_->empty())
    owner.sink_->reserve(std::min(owner.sink_limit_, stream->out.size()) + 2 * length);
  owner.sink_->append(view(frame_header, kFrameHeaderBytes));
  stream->out.move_to(*owner.sink_, length);
  return 0;
}

}  // namespace s2::wire
