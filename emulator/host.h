// An endpoint without a thread: the world of the routes and the server on it, over whatever Loop and
// Listener.
//
// Belongs to the emulator's thread, which runs the loop; loop and options' texts are the caller's. Emulator
// is this on real sockets and a thread of its own; a simulation puts it on a loop and sockets of its own.
#pragma once

#include <memory>

#include "emulator/server.h"
#include "emulator/world.h"

namespace s2::emulator {

class Host {
 public:
  // Applies the options' init file and faults. Throws std::invalid_argument (one line) for bad ones.
  Host(Loop& loop, Options options);
  // Serves at `listener`, which listens already. Once.
  void serve(std::unique_ptr<Listener> listener);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Throws std::invalid_argument with the service's message.
  void create_basin(const std::string& name, const std::string& config_json);
  void create_basin(const std::string& name, const BasinConfig& config);
  void advance_clock(std::chrono::milliseconds by);
  // Forgets all data, faults and history; every connection but one is reset.
  void reset(std::uint64_t except_connection = 0);
  // Nothing is told or heard any more.
  void end();

  World& world() { return world_; }
  Server& server() { return *server_; }

 private:
  Loop& loop_;
  World world_;
  std::unique_ptr<Server> server_;
};

}  // namespace s2::emulator
