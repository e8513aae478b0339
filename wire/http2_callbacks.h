// Makes the nghttp2 session of an Http2Session: options, limits, and the C callbacks that lead back into it.
// Used by http2_session.cpp only. No exception crosses nghttp2: the callbacks only throw when memory is out.
#pragma once

#include <nghttp2/nghttp2.h>

#include "wire/http2_session.h"

namespace s2::wire {

struct Http2Callbacks {
  // Settings are queued; `owner` must outlive the session.
  static nghttp2_session* make_session(Http2Session& owner);
  // Gives the next body bytes of a stream to nghttp2 (without copying them: see on_send_data).
  static nghttp2_data_provider body_provider();

 private:
  static Http2Session& self(void* user_data) { return *static_cast<Http2Session*>(user_data); }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame*, void*);
  static int on_header(nghttp2_session*, const nghttp2_frame*, const uint8_t*, size_t, const uint8_t*, size_t,
                       uint8_t, void*);
  static int on_frame_recv(nghttp2_session*, const nghttp2_frame*, void*);
  static int on_data_chunk_recv(nghttp2_session*, uint8_t, int32_t, const uint8_t*, size_t, void*);
  static int on_stream_close(nghttp2_session*, int32_t, uint32_t, void*);
  static int on_frame_send(nghttp2_session*, const nghttp2_frame*, void*);
  static int on_frame_not_send(nghttp2_session*, const nghttp2_frame*, int, void*);
  static ssize_t on_read_body(nghttp2_session*, int32_t, uint8_t*, size_t, uint32_t*, nghttp2_data_source*,
                              void*);
  static int on_send_data(nghttp2_session*, nghttp2_frame*, const uint8_t*, size_t, nghttp2_data_source*,
                          void*);
};

}  // namespace s2::wire
