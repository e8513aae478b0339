// One connection: bytes between its socket and a wire::HttpServer, requests to the handler, answers back.
//
// Belongs to the emulator's thread. The Server holds it by shared_ptr until it is over; an exchange outlives
// it only as a stub that is not open. What is written is written before anything further is read, so that the
// moments of one connection keep their order. Back-pressure: it stops reading while kMaxHeldBodyBytes of
// request bodies are not given back, and routes stop producing while kWritableBytes of an answer wait.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "emulator/clock.h"
#include "emulator/exchange.h"
#include "emulator/net.h"
#include "wire/http.h"

namespace s2::emulator {

class Server;
class ConnectionExchange;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Server& server, std::unique_ptr<Socket> socket, std::uint64_t id);
  ~Connection();

  void start();
  void reset();  // RST, now
  void pause();  // reads and writes nothing until resume()
  void resume();
  void drain();  // last words of every exchange, GOAWAY, then FIN
  bool is_hung() const { return hung_; }
  bool peer_has_closed() { return socket_->peer_has_closed(); }

 private:
  friend class ConnectionExchange;
  enum class Ending { none, fin, rst };
  struct Mark {
    std::uint64_t offset;  // of the connection's output
    std::function<void(bool)> callback;
  };

  void arm_read();
  void on_readable();
  void take(std::string_view bytes);
  void on_eof();
  void handle(std::vector<wire::HttpEvent>& events);
  void handle(wire::HttpEvent& event);
  void begin(wire::RequestBegin& request);
  void exchange_gone(wire::StreamId id);
  void kick();  // pump soon
  Loop& loop();
  void pump();
  bool refill();
  bool write_some();
  void collect_marks();
  void fire_marks();
  bool wake_producers();
  void retire_finished();
  void end_if_flushed();
  void shut_down_and_linger();
  void over(bool with_reset = false);  // the socket is closed; everybody is told
  void hang();
  std::size_t rate_chunk(std::size_t wanted) const;
  std::chrono::milliseconds rate_pause(std::size_t bytes) const;
  bool is_idle() const { return dead_ || hung_ || paused_; }

  Server& server_;
  const std::unique_ptr<Socket> socket_;
  const std::uint64_t id_;
  std::string first_bytes_;  // until they tell the protocol
  std::unique_ptr<wire::HttpServer> http_;
  bool http2_ = false;
  std::map<wire::StreamId, std::shared_ptr<ConnectionExchange>> exchanges_;
  std::string out_;  // taken from http_, being written
  std::size_t out_position_ = 0;
  std::uint64_t taken_ = 0;    // bytes of output so far
  std::uint64_t written_ = 0;  // of those, in the socket
  std::deque<Mark> marks_;
  std::size_t held_body_bytes_ = 0;
  std::uint64_t bytes_per_second_ = 0;  // 0: no limit
  Ending ending_ = Ending::none;
  bool reading_ = false;        // a wait for input is pending
  bool write_waiting_ = false;  // a wait for room in the socket, or for the rate, is pending
  bool read_resting_ = false;   // waits for the rate
  bool peer_ended_ = false;
  bool lingering_ = false;
  bool kicked_ = false;
  bool in_turn_ = false;  // input is being handled; pump() follows
  bool pumping_ = false;
  bool paused_ = false;
  bool hung_ = false;
  bool dead_ = false;
};

}  // namespace s2::emulator
