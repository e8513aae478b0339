// The outgoing half of one HTTP/1.1 message: head and body as bytes that wait to be sent, framed by
// content-length, in chunks, or by the end of the connection. For http1_server.cpp and http1_client.cpp; one
// thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wire/byte_queue.h"
#include "wire/http.h"

namespace s2::wire {

class Http1Output {
 public:
  enum class Framing { none, length, chunked, until_close };

  // Before the head: an interim response.
  void put_raw(std::string_view bytes) { bytes_.append(bytes); }
  // `first_line` and `own` (header lines that the connection adds) end in CRLF; the headers are clean and
  // without content-length. `length` counts with Framing::length only.
  void begin(std::string_view first_line, const HttpHeaders& headers, std::string_view own, Framing framing,
             std::uint64_t length);
  void add(std::string_view bytes, bool end);
  void stop() { begun_ = ended_ = true; }  // what waits still leaves; nothing more is taken

  bool begun() const { return begun_; }
  bool ended() const { return ended_; }
  // Ended, but with fewer bytes than its content-length: the peer can only learn that from the connection's
  // end.
  bool torn() const { return torn_; }
  ByteQueue& bytes() { return bytes_; }
  const ByteQueue& bytes() const { return bytes_; }

 private:
  ByteQueue bytes_;
  Framing framing_ = Framing::none;
  std::uint64_t left_ = 0;  // of the content-length
  bool begun_ = false;
  bool ended_ = false;
  bool torn_ = false;
};

// Takes every content-length out of the headers; gives the first if it is one.
std::optional<std::uint64_t> take_content_length(HttpHeaders& headers);

}  // namespace s2::wire
