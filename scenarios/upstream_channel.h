// A connection to an endpoint as bytes: TCP, or TLS over it. The only outgoing sockets of the fault proxy.
//
// Belongs to the thread that runs the io_context. Every call but close() is answered by one callback, later
// and never from inside the call; after close() none comes. One read and one write may be under way at a
// time. The buffers are the caller's, and stay until the callback. Errors are one line of text, empty where
// all went well.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "scenarios/origin.h"

namespace s2::scenarios {

inline constexpr std::chrono::milliseconds kUpstreamConnectWithin{5000};  // TCP and TLS together

class Channel {
 public:
  virtual ~Channel() = default;
  virtual void connect(std::function<void(const std::string& error)> callback) = 0;
  virtual bool chose_http2() const = 0;  // by ALPN; false without TLS
  // 0 bytes and no error: the peer has ended.
  virtual void read(char* into, std::size_t capacity,
                    std::function<void(const std::string& error, std::size_t bytes)> callback) = 0;
  virtual void write(std::string_view bytes, std::function<void(const std::string& error)> callback) = 0;
  virtual void close() = 0;
};

// Where channels to one origin come from.
class ChannelSource {
 public:
  // Looks the host up, which may block; throws std::runtime_error with one line.
  ChannelSource(boost::asio::io_context& io, Origin origin);
  ~ChannelSource();

  const Origin& origin() const { return origin_; }
  std::shared_ptr<Channel> make();

 private:
  struct Tls;
  boost::asio::io_context& io_;
  const Origin origin_;
  boost::asio::ip::tcp::resolver::results_type addresses_;
  std::unique_ptr<Tls> tls_;
};

}  // namespace s2::scenarios
