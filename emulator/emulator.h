// An S2 endpoint inside this process: the same server that `s2-emulator` runs, on a loopback port.
//
// One object is one endpoint with its own thread, data, faults and clock; many live side by side. Starting
// takes under 5 ms. Every member may be called from any thread (they are carried to the emulator's thread)
// except from inside an Observer. The destructor closes every connection and joins the thread. Source of the
// formats: the contract of `s2-emulator` (docs/emulator.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/types.h"

namespace s2::emulator {

enum class Auth { open, enforced };

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: a free one
  Auth auth = Auth::open;
  std::string root_token{};
  std::string init_json{};    // text of an `--init-file`, or empty
  std::string faults_json{};  // text of a `--faults` file, or empty
  std::uint64_t seed = 0;     // for fault probabilities
  bool cors = true;
  bool console = true;
};

// Moments that the protocol shows, in the order in which one append passes them.
enum class Moment {
  connection_opened,
  bytes_received,   // some bytes of a connection were taken from the socket (see stop_reading_at)
  append_received,  // one append (unary body, or session frame) is whole and understood; nothing is committed
  committed,        // it is durable; nothing is answered
  ack_sent,         // its acknowledgement was written to the socket
  append_refused,   // it was answered with an error (`error_code` names it)
  connection_closed,
  fault_fired,  // `detail` names the fault
};

struct ProtocolEvent {
  Moment moment;
  std::uint64_t ordinal =
      0;  // counts events of this moment from 1, since start, reset() or restart of counting
  std::uint64_t bytes = 0;  // bytes received so far from all connections
  std::uint64_t connection = 0;
  std::uint64_t append_id = 0;  // the same for all moments of one append; 0 where there is none
  std::int64_t t_ns = 0;        // std::chrono::steady_clock, nanoseconds
  std::string basin;
  std::string stream;
  const wire::AppendInput* input = nullptr;   // append moments only; valid during the call
  std::optional<wire::StreamPosition> start;  // committed, ack_sent
  std::optional<wire::StreamPosition> end;
  std::string error_code;
  std::string detail;
};

// Called on the emulator's thread. Until it returns the emulator neither reads, commits nor sends: a kill
// from inside an Observer is exact.
using Observer = std::function<void(const ProtocolEvent&)>;

enum class CutKind {
  reset,   // every connection is reset, new ones are reset at once
  silent,  // nothing is read, answered or accepted any more; no FIN, no RST
};

class Emulator {
 public:
  // Throws std::system_error when the address cannot be served, std::invalid_argument (one line) for bad
  // options.
  explicit Emulator(Options options = {});
  ~Emulator();
  Emulator(const Emulator&) = delete;
  Emulator& operator=(const Emulator&) = delete;

  std::string endpoint() const;  // "http://127.0.0.1:43211"

  // `config_json` as in S2's BasinConfig; throws std::invalid_argument with the service's message.
  void create_basin(const std::string& name,
                    const std::string& config_json = R"({"create_stream_on_append":true})");

  // The whole plan, as `PUT /_emulator/faults` takes it; throws std::invalid_argument.
  void set_faults(const std::string& plan_json);
  std::string faults() const;  // as `GET /_emulator/faults`
  std::string history(const std::string& basin, const std::string& stream) const;  // JSON Lines
  std::vector<std::pair<std::string, std::string>> history_streams()
      const;  // basin, stream: those that have one
  void advance_clock(std::chrono::milliseconds by);
  void reset();

  // Replaces the observer (nullptr: none) and starts counting ordinals and bytes anew.
  void observe(Observer observer);
  // The emulator takes bytes from sockets only up to the n-th in all, then a `bytes_received` event with
  // exactly `bytes == n` follows and reading goes on. 0: no such place.
  void stop_reading_at(std::uint64_t n);

  // Alone of all members it may be called from inside an Observer: then it takes effect before anything more
  // is read.
  void cut(CutKind kind);
  void heal();
  // What a restart of S2 looks like: sessions are told (GOAWAY, reconnect advised), connections close,
  // nothing is served for `downtime` (connections refused), then the same port serves again. Data stays.
  // Returns when it is down.
  void drain(std::chrono::milliseconds downtime);

  std::size_t open_connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace s2::emulator
