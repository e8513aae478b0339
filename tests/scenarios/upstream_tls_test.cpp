// The fault proxy before an endpoint that speaks TLS: a terminator with a certificate of its own stands
// before an emulator.
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "scenarios/fault_proxy.h"
#include "tests/emulator/test_client.h"
#include "tests/writer/certificate.h"

namespace s2::scenarios {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using emulator::test::Client;
using emulator::test::Endpoint;
using emulator::test::Http;
using emulator::test::Session;

// One connection: TLS on the one side, TCP on the other.
class Bridge : public std::enable_shared_from_this<Bridge> {
 public:
  Bridge(tcp::socket accepted, asio::ssl::context& tls, tcp::endpoint behind)
      : outer_(std::move(accepted), tls), inner_(outer_.get_executor()), behind_(std::move(behind)) {}

  void begin() {
    outer_.async_handshake(asio::ssl::stream_base::server,
                           [self = shared_from_this()](const boost::system::error_code& error) {
                             if (error) return;
                             self->inner_.connect(self->behind_);
                             self->pump(self->outer_, self->inner_, self->up_);
                             self->pump(self->inner_, self->outer_, self->down_);
                           });
  }

 private:
  using Buffer = std::array<char, 16384>;

  template <class From, class To>
  void pump(From& from, To& to, Buffer& buffer) {
    from.async_read_some(asio::buffer(buffer), [self = shared_from_this(), &from, &to, &buffer](
                                                   const boost::system::error_code& error, std::size_t n) {
      if (error) return self->close();
      asio::async_write(to, asio::buffer(buffer.data(), n),
                        [self, &from, &to, &buffer](const boost::system::error_code& failed, std::size_t) {
                          failed ? self->close() : self->pump(from, to, buffer);
                        });
    });
  }
  void close() {
    boost::system::error_code ignored;
    inner_.close(ignored);
    outer_.lowest_layer().close(ignored);
  }

  asio::ssl::stream<tcp::socket> outer_;
  tcp::socket inner_;
  const tcp::endpoint behind_;
  Buffer up_{}, down_{};
};

class TlsFront {
 public:
  // `protocol`: what it chooses by ALPN, "h2" or "http/1.1".
  TlsFront(const std::string& certificate_file, std::string protocol, const std::string& behind)
      : protocol_(std::move(protocol)),
        behind_(asio::ip::address_v4::loopback(),
                static_cast<std::uint16_t>(std::stoi(behind.substr(behind.rfind(':') + 1)))) {
    s2::test::use_certificate_of_its_own(context_.native_handle(), certificate_file);
    SSL_CTX_set_alpn_select_cb(
        context_.native_handle(),
        [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
           unsigned length, void* self) {
          const std::string& wanted = static_cast<TlsFront*>(self)->protocol_;
          for (unsigned at = 0; at < length; at += 1U + offered[at]) {
            if (std::string_view(reinterpret_cast<const char*>(offered + at + 1), offered[at]) != wanted)
              continue;
            *out = offered + at + 1;
            *size = offered[at];
            return SSL_TLSEXT_ERR_OK;
          }
          return SSL_TLSEXT_ERR_ALERT_FATAL;
        },
        this);
    accept();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~TlsFront() {
    io_.stop();
    thread_.join();
  }
  std::string url(const std::string& host) const {
    return "https://" + host + ":" + std::to_string(acceptor_.local_endpoint().port());
  }

 private:
  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, tcp::socket socket) {
      if (error) return;
      std::make_shared<Bridge>(std::move(socket), context_, behind_)->begin();
      accept();
    });
  }

  asio::io_context io_{1};
  asio::ssl::context context_{asio::ssl::context::tls_server};
  tcp::acceptor acceptor_{io_, {asio::ip::address_v4::loopback(), 0}};
  const std::string protocol_;
  const tcp::endpoint behind_;
  std::thread thread_;
};

class UpstreamTls : public testing::TestWithParam<const char*> {
 protected:
  UpstreamTls() { setenv("SSL_CERT_FILE", certificate.c_str(), 1); }
  ~UpstreamTls() override {
    unsetenv("SSL_CERT_FILE");
    std::filesystem::remove(certificate);
  }

  const std::string certificate = testing::TempDir() + "upstream-tls-" + std::to_string(getpid()) + ".pem";
  Endpoint behind;
  TlsFront front{certificate, GetParam(), behind.emulator.endpoint()};
};

INSTANTIATE_TEST_SUITE_P(WhateverItChooses, UpstreamTls, testing::Values("h2", "http/1.1"),
                         [](const auto& chosen) { return chosen.param[1] == '2' ? "Http2" : "Http1"; });

TEST_P(UpstreamTls, AppendsAndSessionsPassFromEitherProtocol) {
  const FaultProxy proxy(front.url("localhost"));
  std::uint64_t tail = 0;
  for (const Http version : {Http::one, Http::two}) {
    Client client(proxy.endpoint(), version);
    EXPECT_EQ(client.append("s", {"a"}).status, 200);
    Session session = Session::append(client, "s");
    for (int i = 0; i < 3; ++i) session.submit({std::string(100'000, 'x')});
    EXPECT_EQ(session.frames(3).size(), 3U);
    session.end();
    EXPECT_TRUE(client.wait(session.id()).ended);
    EXPECT_EQ(client.tail("s"), tail += 4);
  }
}

TEST_P(UpstreamTls, ACertificateOfAnotherNameIsNotTaken) {
  const FaultProxy proxy(front.url("127.0.0.1"));
  Client client(proxy.endpoint(), Http::two);
  EXPECT_TRUE(client.append("s", {"a"}).broken);
}

TEST_P(UpstreamTls, ACertificateThatNobodyVouchesForIsNotTaken) {
  unsetenv("SSL_CERT_FILE");
  const FaultProxy proxy(front.url("localhost"));
  Client client(proxy.endpoint(), Http::two);
  EXPECT_TRUE(client.append("s", {"a"}).broken);
  EXPECT_EQ(behind.client().tail("s"), 0U);
}

}  // namespace
}  // namespace s2::scenarios
