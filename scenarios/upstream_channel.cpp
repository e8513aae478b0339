// See upstream_channel.h.
#include "scenarios/upstream_channel.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <stdexcept>
#include <utility>

namespace s2::scenarios {
namespace {

using boost::asio::ip::tcp;
using NetError = boost::system::error_code;
using TlsStream = boost::asio::ssl::stream<tcp::socket>;

constexpr std::string_view kAlpn = "\x02h2\x08http/1.1";

// What TCP and TLS have in common; `Stream` is the one or the other.
template <class Stream>
class StreamChannel : public Channel, public std::enable_shared_from_this<StreamChannel<Stream>> {
 public:
  template <class... More>
  StreamChannel(boost::asio::io_context& io, const tcp::resolver::results_type& addresses, More&... more)
      : addresses_(addresses), stream_(io, more...), patience_(io) {}

  void connect(std::function<void(const std::string&)> callback) override {
    patience_.expires_after(kUpstreamConnectWithin);
    patience_.async_wait([weak = this->weak_from_this()](const NetError& error) {
      const auto self = weak.lock();
      if (error || !self) return;
      self->timed_out_ = true;
      self->drop();
    });
    boost::asio::async_connect(
        socket(), addresses_,
        [self = this->shared_from_this(), callback = std::move(callback)](const NetError& error,
                                                                          const tcp::endpoint&) {
          if (self->closed_) return;
          if (error) return self->connected(error, callback);
          NetError ignored;
          self->socket().set_option(tcp::no_delay(true), ignored);
          self->greet([self, callback](const NetError& greeted) { self->connected(greeted, callback); });
        });
  }

  void read(char* into, std::size_t capacity,
            std::function<void(const std::string&, std::size_t)> callback) override {
    stream_.async_read_some(boost::asio::buffer(into, capacity),
                            [self = this->shared_from_this(), callback = std::move(callback)](
                                const NetError& error, std::size_t bytes) {
                              if (self->closed_) return;
                              const bool ended = error == boost::asio::error::eof;
                              callback(error && !ended ? error.message() : "", ended ? 0 : bytes);
                            });
  }

  void write(std::string_view bytes, std::function<void(const std::string&)> callback) override {
    boost::asio::async_write(stream_, boost::asio::buffer(bytes.data(), bytes.size()),
                             [self = this->shared_from_this(), callback = std::move(callback)](
                                 const NetError& error, std::size_t) {
                               if (!self->closed_) callback(error ? error.message() : "");
                             });
  }

  void close() override {
    closed_ = true;
    drop();
  }

 protected:
  // Whatever comes between the connection and the first byte of HTTP.
  virtual void greet(std::function<void(const NetError&)> callback) = 0;
  auto& socket() { return stream_.lowest_layer(); }

  const tcp::resolver::results_type addresses_;
  Stream stream_;

 private:
  void connected(const NetError& error, const std::function<void(const std::string&)>& callback) {
    patience_.cancel();
    if (closed_) return;
    if (timed_out_)
      return callback(fmt::format("no connection within {} ms", kUpstreamConnectWithin.count()));
    callback(error ? error.message() : "");
  }

  void drop() {
    NetError ignored;
    patience_.cancel();
    socket().close(ignored);
  }

  boost::asio::steady_timer patience_;
  bool timed_out_ = false;
  bool closed_ = false;
};

class PlainChannel final : public StreamChannel<tcp::socket> {
 public:
  using StreamChannel::StreamChannel;
  bool chose_http2() const override { return false; }

 private:
  void greet(std::function<void(const NetError&)> callback) override { callback({}); }
};

class TlsChannel final : public StreamChannel<TlsStream> {
 public:
  TlsChannel(boost::asio::io_context& io, const tcp::resolver::results_type& addresses,
             boost::asio::ssl::context& context, std::string host)
      : StreamChannel(io, addresses, context), host_(std::move(host)) {}

  bool chose_http2() const override {
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(const_cast<TlsStream&>(stream_).native_handle(), &chosen, &size);
    return size == 2 && chosen[0] == 'h' && chosen[1] == '2';
  }

 private:
  void greet(std::function<void(const NetError&)> callback) override {
    SSL* const tls = stream_.native_handle();
    SSL_set_tlsext_host_name(tls, host_.c_str());
    SSL_set_alpn_protos(tls, reinterpret_cast<const unsigned char*>(kAlpn.data()), kAlpn.size());
    stream_.set_verify_mode(boost::asio::ssl::verify_peer);
    stream_.set_verify_callback(boost::asio::ssl::host_name_verification(host_));
    stream_.async_handshake(boost::asio::ssl::stream_base::client,
                            [self = shared_from_this(),
                             callback = std::move(callback)](const NetError& error) { callback(error); });
  }

  const std::string host_;
};

}  // namespace

struct ChannelSource::Tls {
  Tls() : context(boost::asio::ssl::context::tls_client) { context.set_default_verify_paths(); }
  boost::asio::ssl::context context;
};

ChannelSource::ChannelSource(boost::asio::io_context& io, Origin origin)
    : io_(io), origin_(std::move(origin)) {
  NetError error;
  addresses_ = tcp::resolver(io).resolve(origin_.host, std::to_string(origin_.port), error);
  if (error) throw std::runtime_error(fmt::format("{}: {}", origin_.authority, error.message()));
  if (origin_.tls) tls_ = std::make_unique<Tls>();
}

ChannelSource::~ChannelSource() = default;

std::shared_ptr<Channel> ChannelSource::make() {
  if (tls_) return std::make_shared<TlsChannel>(io_, addresses_, tls_->context, origin_.host);
  return std::make_shared<PlainChannel>(io_, addresses_);
}

}  // namespace s2::scenarios
