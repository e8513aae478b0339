// A network in memory: the writer's Transport on one end, the emulator's loop, port and sockets on the other.
//
// Bytes take a drawn time, arrive torn at drawn places, in order on a connection and in any order across
// connections; either direction can fall silent, and every connection can be reset. Plain std threads: one
// runs the loop, which is the emulator's thread. In a deterministic world these are fibers and the time is
// virtual, and nothing here knows.
//
// transport() may be used by any thread, as transport.h says; loop() and what make_listener() gives belong to
// the loop's thread; the other members may be called by any thread, in_loop() by all but the loop's own.
// Connections and the emulator's Host go before the net.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "emulator/net.h"
#include "writer/transport.h"

namespace s2::scenarios {

// What goes wrong once `byte` bytes of one direction are on their way, counted over all connections: to the
// connection that carries the last of them. What is on its way by then still arrives, but for silence and
// gone.
struct ByteFault {
  enum class Kind : std::uint8_t {
    reset,      // both ends see a reset
    half_open,  // what follows in this direction of the connection is not heard; the other one goes on
    silence,    // nothing arrives any more, either way, on any connection, old or new
    gone,       // the writer's machine: a drawn prefix of what is on its way arrives, and nothing ever again
  };
  Kind kind = Kind::reset;
  bool to_server = true;
  std::uint64_t byte = 1;  // at least 1
  // half_open, silence: how long; then what was sent meanwhile arrives. 0: for ever.
  std::chrono::milliseconds lasts{0};
  // For so long new connections are refused, or their opening is not heard.
  std::chrono::milliseconds closed{0};
  bool refuses = false;
};

struct NetOptions {
  // A number below the given one: all chance comes from it. Called under the net's lock.
  std::function<std::uint64_t(std::uint64_t below)> draw;
  std::chrono::microseconds latency_max{200};  // each piece takes a drawn time up to it, each way
  std::size_t piece_max = 16 * 1024;           // bytes that arrive at once; torn at drawn places below it
  bool tear = true;                   // at drawn places; otherwise only where a piece would be larger
  std::size_t capacity = 256 * 1024;  // bytes under way or unread, each way; then writing waits
  // Of connection attempts: the first that is refused, from 1, and how many are in a row. 0: none.
  std::uint64_t refused_from = 0, refused_opens = 0;
  std::vector<ByteFault> faults = {};
  std::function<void(const ByteFault&)> on_fault = {};  // it happens; called under the net's lock
};

class MemoryNet {
 public:
  explicit MemoryNet(NetOptions options);
  ~MemoryNet();  // ends the loop's thread; what was posted and not run is dropped
  MemoryNet(const MemoryNet&) = delete;
  MemoryNet& operator=(const MemoryNet&) = delete;

  writer::Transport& transport();
  emulator::Loop& loop();
  // The one port; it listens at once. Every endpoint that the writer asks for is this port.
  std::unique_ptr<emulator::Listener> make_listener();
  // Runs `work` on the loop's thread and returns when it has.
  void in_loop(const std::function<void()>& work);

  void reset_connections();  // both ends see a reset, after what had arrived before it
  // What is sent from now on arrives only when the direction is heard again. Connecting needs both.
  void silence(bool to_server, bool to_client);
  std::size_t connections() const;  // opened so far

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace s2::scenarios
