// The outside as the emulator sees it: a loop that calls back, a port, sockets. The only I/O that a server
// does.
//
// Twins: asio_net.h on real sockets, and a simulated one that keeps these words. Everything here belongs to
// the emulator's thread: it calls, and is called back from its loop, never from inside the call that asks. A
// callback that waits is dropped unheard when its socket or listener is closed or destroyed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace s2::emulator {

class Loop {
 public:
  virtual ~Loop() = default;
  // Runs `work` after what runs now; in the order of posting.
  virtual void post(std::function<void()> work) = 0;
  // The one alarm: replaces what was set before and has not been called yet, be it due or not. Not before
  // `after` has passed on the steady clock. A null callback: none.
  virtual void set_alarm(std::chrono::nanoseconds after, std::function<void()> callback) = 0;
};

// A connected stream of bytes; never blocks.
class Socket {
 public:
  enum class Io { moved, would_block, ended, failed };  // ended: the peer sends no more
  struct Outcome {
    Io io = Io::failed;
    std::size_t bytes = 0;  // where it moved: at least 1
  };

  virtual ~Socket() = default;
  virtual Outcome read_some(char* into, std::size_t capacity) = 0;
  virtual Outcome write_some(std::string_view bytes) = 0;
  // Calls back once when the next read_some (write_some) would not block. One of each kind may wait.
  virtual void when_readable(std::function<void()> callback) = 0;
  virtual void when_writable(std::function<void()> callback) = 0;
  virtual void stop_waiting() = 0;          // drops both callbacks
  virtual void end_sending() = 0;           // FIN
  virtual void close(bool with_reset) = 0;  // FIN, or RST; nothing but the destructor after it
  virtual bool peer_has_closed() = 0;       // for those who do not read
};

// One port.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual std::uint16_t port() const = 0;
  // Connections are taken from now on; throws std::system_error when another has the port.
  virtual void listen() = 0;
  // Connections are refused from now on, those not yet accepted are reset; the port is kept from others. A
  // callback that waits is dropped.
  virtual void refuse() = 0;
  virtual bool is_listening() const = 0;
  // Calls back once when somebody connects, or the listener failed.
  virtual void when_connected(std::function<void()> callback) = 0;
  virtual std::unique_ptr<Socket> accept() = 0;  // null: nobody, after all
};

}  // namespace s2::emulator
