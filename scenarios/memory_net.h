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

#include "emulator/net.h"
#include "writer/transport.h"

namespace s2::scenarios {

struct NetOptions {
  // A number below the given one: all chance comes from it. Called under the net's lock.
  std::function<std::uint64_t(std::uint64_t below)> draw;
  std::chrono::microseconds latency_max{200};  // each piece takes a drawn time up to it, each way
  std::size_t piece_max = 16 * 1024;           // bytes that arrive at once; torn at drawn places below it
  bool tear = true;                   // at drawn places; otherwise only where a piece would be larger
  std::size_t capacity = 256 * 1024;  // bytes under way or unread, each way; then writing waits
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
