// The real twin of net.h: Boost.Asio on the sockets of this machine. The only sockets in the emulator.
//
// Belongs to the emulator's thread; the io_context outlives all of it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <future>
#include <string>
#include <utility>

#include "emulator/net.h"

namespace s2::emulator {

class AsioLoop final : public Loop {
 public:
  explicit AsioLoop(boost::asio::io_context& io) : io_(io), timer_(io) {}
  void post(std::function<void()> work) override;
  void set_alarm(std::chrono::nanoseconds after, std::function<void()> callback) override;

 private:
  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  std::uint64_t alarms_ = 0;  // set so far; the last one counts
};

// Runs `what` on the thread that runs `io`, and brings back its result, or what it threw. From any other
// thread.
template <class F>
auto call_on(boost::asio::io_context& io, F&& what) -> decltype(what()) {
  std::packaged_task<decltype(what())()> task(std::forward<F>(what));
  auto result = task.get_future();
  boost::asio::post(io, [&task] { task(); });
  return result.get();
}

// Bound to `host`, an address or "localhost", and to `port`, or to a free one for 0; listens at once. Throws
// std::system_error when the address cannot be served.
std::unique_ptr<Listener> make_asio_listener(boost::asio::io_context& io, const std::string& host,
                                             std::uint16_t port);

}  // namespace s2::emulator
