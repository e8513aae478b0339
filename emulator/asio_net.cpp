// See asio_net.h.
#include "emulator/asio_net.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <system_error>

namespace s2::emulator {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

Socket::Outcome outcome_of(const error_code& error, std::size_t bytes) {
  if (!error) return {Socket::Io::moved, bytes};
  if (error == boost::asio::error::would_block || error == boost::asio::error::try_again)
    return {Socket::Io::would_block, 0};
  if (error == boost::asio::error::eof) return {Socket::Io::ended, 0};
  return {Socket::Io::failed, 0};
}

class AsioSocket final : public Socket {
 public:
  explicit AsioSocket(tcp::socket socket) : socket_(std::move(socket)) {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
  }

  Outcome read_some(char* into, std::size_t capacity) override {
    error_code error;
    const std::size_t n = socket_.read_some(boost::asio::buffer(into, capacity), error);
    return outcome_of(error, n);
  }

  Outcome write_some(std::string_view bytes) override {
    error_code error;
    const std::size_t n = socket_.write_some(boost::asio::buffer(bytes.data(), bytes.size()), error);
    return outcome_of(error, n);
  }

  void when_readable(std::function<void()> callback) override {
    wait(tcp::socket::wait_read, std::move(callback));
  }
  void when_writable(std::function<void()> callback) override {
    wait(tcp::socket::wait_write, std::move(callback));
  }

  void stop_waiting() override {
    error_code ignored;
    socket_.cancel(ignored);
  }

  void end_sending() override {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }

  void close(bool with_reset) override {
    error_code ignored;
    if (with_reset) socket_.set_option(boost::asio::socket_base::linger(true, 0), ignored);
    socket_.close(ignored);
  }

  bool peer_has_closed() override {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return true;
    return info.tcpi_state == TCP_CLOSE_WAIT || info.tcpi_state == TCP_CLOSE ||
           info.tcpi_state == TCP_LAST_ACK;
  }

 private:
  void wait(tcp::socket::wait_type what, std::function<void()> callback) {
    socket_.async_wait(what, [callback = std::move(callback)](const error_code& error) {
      if (!error) callback();
    });
  }

  tcp::socket socket_;
};

class AsioListener final : public Listener {
 public:
  AsioListener(boost::asio::io_context& io, const std::string& host, std::uint16_t port)
      : acceptor_(io),
        address_(boost::asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host), port) {}

  std::uint16_t port() const override { return address_.port(); }

  void listen() override {
    try {
      if (!acceptor_.is_open()) bind();
      acceptor_.listen();  // also the one that refuse() stopped
      listening_ = true;
    } catch (const boost::system::system_error& error) {
      error_code ignored;
      acceptor_.close(ignored);
      throw std::system_error(error.code());
    }
  }

  // Stops listening without a moment in which the port is nobody's (close and bind again leave one, and fail
  // where a child of this process still holds the old socket). Linux: shutdown() of a listening socket ends
  // the listening, and a port that was asked for by its number stays bound.
  void refuse() override {
    error_code ignored;
    listening_ = false;
    acceptor_.cancel(ignored);
    ::shutdown(acceptor_.native_handle(), SHUT_RD);
  }

  bool is_listening() const override { return listening_; }

  void when_connected(std::function<void()> callback) override {
    acceptor_.async_wait(tcp::acceptor::wait_read, [callback = std::move(callback)](const error_code& error) {
      if (!error) callback();
    });
  }

  std::unique_ptr<Socket> accept() override {
    error_code error;
    tcp::socket socket(acceptor_.get_executor());
    acceptor_.accept(socket, error);
    return error ? nullptr : std::make_unique<AsioSocket>(std::move(socket));
  }

 private:
  void bind() {
    if (address_.port() == 0) {
      tcp::acceptor finder(acceptor_.get_executor());
      bind(finder);
      address_ = finder.local_endpoint();
      bind(acceptor_);  // by its number, for refuse(); while the finder keeps others from it
    } else {
      bind(acceptor_);
    }
    acceptor_.non_blocking(true);
  }

  void bind(tcp::acceptor& socket) {
    socket.open(address_.protocol());
    socket.set_option(tcp::acceptor::reuse_address(true));
    socket.bind(address_);
  }

  tcp::acceptor acceptor_;
  tcp::endpoint address_;
  bool listening_ = false;
};

}  // namespace

void AsioLoop::post(std::function<void()> work) {
  boost::asio::post(io_, std::move(work));
}

void AsioLoop::set_alarm(std::chrono::nanoseconds after, std::function<void()> callback) {
  timer_.expires_after(
      after);  // drops the one before, unless its turn has come already: then it is no longer the one
  const std::uint64_t alarm = ++alarms_;
  if (!callback) return;
  timer_.async_wait([this, alarm, callback = std::move(callback)](const error_code& error) {
    if (!error && alarm == alarms_) callback();
  });
}

std::unique_ptr<Listener> make_asio_listener(boost::asio::io_context& io, const std::string& host,
                                             std::uint16_t port) {
  try {
    auto listener = std::make_unique<AsioListener>(io, host, port);
    listener->listen();
    return listener;
  } catch (const std::system_error& error) {
    throw std::system_error(error.code(), host + ":" + std::to_string(port));
  }
}

}  // namespace s2::emulator
