// The S2 client as the producer sees it: a channel of appends to one stream, and its answers as events.
//
// AppendClient: any thread. AppendChannel: one thread (its producer's), except abort(), which any thread may
// call: it makes every call that blocks, now or later, fail at once. The channel's `wake` is called from the
// channel's reader thread whenever poll() may have news; it must not call back into the channel. Whoever made
// a channel owns it; its destructor leaves no thread and no socket. No retry happens here: a channel says
// what became of what was sent.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <variant>
#include <vector>

#include "wire/error.h"
#include "wire/types.h"
#include "writer/transport.h"

namespace s2::writer {

// What became of appends that were sent, in the order of the sends.
struct AppendAcked {
  wire::AppendAck ack;  // of the oldest append that is not yet answered
};
// S2's word about the oldest unanswered append (or about the session, when nothing was sent). The session is
// over.
struct AppendRefused {
  wire::ApiError error;
};
// No more sends in this session (GOAWAY, reconnect advised); what is in flight may still be answered.
struct SessionRetiring {};
// The session is over without a word about what is unanswered: its outcome is unknown.
struct SessionLost {
  std::string reason;
};
using AppendEvent = std::variant<AppendAcked, AppendRefused, SessionRetiring, SessionLost>;

// Where a read begins.
struct ReadFrom {
  std::uint64_t seq_num = 0;
  std::optional<std::uint64_t> timestamp;  // instead: the first record that is not older, in milliseconds
};
struct ReadError {
  bool refused = false;  // S2 answered: `error`; otherwise the network failed: `reason`
  wire::ApiError error;
  std::string reason;
};

class AppendChannel {
 public:
  using Time = std::chrono::steady_clock::time_point;

  virtual ~AppendChannel() = default;
  // Opens a session, on the connection at hand if it is sound, else on a new one. The error is one line.
  virtual tl::expected<void, std::string> open(Time deadline) = 0;
  // In an open session. After an error the session is over; events that came before are still in poll().
  virtual tl::expected<void, std::string> send(const wire::AppendInput& input, Time deadline) = 0;
  // Never waits for the peer's answer; appends what there is. After AppendRefused and SessionLost no session
  // is open.
  virtual void poll(std::vector<AppendEvent>& out, Time deadline) = 0;
  // Whether another send() may be made: in session, not retiring, less than the channel's own limit
  // unanswered.
  virtual bool can_send() const = 0;
  // Asks the peer for a sign of life (HTTP/2 PING; nothing on HTTP/1.1); what it answers moves last_heard().
  virtual void ping(Time deadline) = 0;
  virtual Time last_heard() const = 0;     // any byte from the peer
  virtual Time last_progress() const = 0;  // queued body bytes left for the peer
  virtual bool can_ping() const = 0;       // HTTP/1.1 cannot
  // Ends the session and the connection; the next open() makes a fresh one. What poll() did not fetch is
  // forgotten.
  virtual void drop() = 0;
  // Records [from, from + count) of the stream as far as they exist, by the read token, over a connection of
  // its own.
  virtual tl::expected<std::vector<wire::SequencedRecord>, ReadError> read_back(std::uint64_t from,
                                                                                std::size_t count,
                                                                                Time deadline) = 0;
  // What one answer of S2 has of it: `count` records and 1 MiB at the most, none only at the stream's end. A
  // channel that knows no times begins at the number.
  virtual tl::expected<std::vector<wire::SequencedRecord>, ReadError> read_page(const ReadFrom& from,
                                                                                std::size_t count,
                                                                                Time deadline) {
    return read_back(from.seq_num, count, deadline);
  }
  // Any thread: as if the peer broke the connections that there are. A call that waits for it fails at once.
  virtual void cut() {}
  virtual void abort() = 0;
};

class AppendClient {
 public:
  virtual ~AppendClient() = default;
  virtual std::unique_ptr<AppendChannel> make_channel(const std::string& stream,
                                                      std::function<void()> wake) = 0;
};

enum class HttpChoice { automatic, http1, http2 };  // S2_WRITER_HTTP=auto|1.1|2
enum class WireCompression { none, zstd };          // S2_WRITER_COMPRESSION=none|zstd

struct S2ClientOptions {
  std::string basin;           // S2_BASIN
  std::string basin_endpoint;  // S2_BASIN_ENDPOINT; "": the cloud
  std::string access_token;    // S2_ACCESS_TOKEN; never shown
  std::string read_token;      // S2_READ_TOKEN; "": the access token
  HttpChoice http = HttpChoice::automatic;
  WireCompression compression = WireCompression::none;
};

// `transport` outlives the client, the client its channels. The error (a bad endpoint or token) is one line.
tl::expected<std::unique_ptr<AppendClient>, std::string> make_s2_client(S2ClientOptions options,
                                                                        Transport& transport);

}  // namespace s2::writer
