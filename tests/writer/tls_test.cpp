// TLS below the client: the certificate and the name are verified, SNI and ALPN are sent, bytes go both ways.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "tests/writer/certificate.h"
#include "writer/tcp_transport.h"

namespace s2::writer {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kTlsWithin{20};

// A TLS server for one connection on loopback, with a certificate of its own for "localhost": echoes what it
// reads.
class EchoServer {
 public:
  explicit EchoServer(const std::string& certificate_file) : context_(SSL_CTX_new(TLS_server_method())) {
    s2::test::use_certificate_of_its_own(context_, certificate_file);
    SSL_CTX_set_alpn_select_cb(
        context_,
        [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned in_size,
           void*) {
          static constexpr unsigned char kOurs[] = "\x02h2";
          return SSL_select_next_proto(const_cast<unsigned char**>(out), size, kOurs, sizeof kOurs - 1, in,
                                       in_size) == OPENSSL_NPN_NEGOTIATED
                     ? SSL_TLSEXT_ERR_OK
                     : SSL_TLSEXT_ERR_NOACK;
        },
        nullptr);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 1);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }

  ~EchoServer() {
    ::shutdown(listener_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    ::close(listener_);
    SSL_CTX_free(context_);
  }

  std::uint16_t port = 0;
  // The name that the client asked for; waits until its connection has ended.
  std::string sni() {
    thread_.join();
    return sni_;
  }

 private:
  void serve() {
    const int fd = ::accept(listener_, nullptr, nullptr);
    if (fd < 0) return;
    SSL* ssl = SSL_new(context_);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
      if (const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) sni_ = asked;
      char bytes[4096];
      for (int n = 0; (n = SSL_read(ssl, bytes, sizeof bytes)) > 0;) SSL_write(ssl, bytes, n);
    }
    SSL_free(ssl);
    ::close(fd);
  }

  SSL_CTX* context_;
  int listener_ = -1;
  std::string sni_;
  std::thread thread_;
};

class Tls : public testing::Test {
 protected:
  void SetUp() override { std::signal(SIGPIPE, SIG_IGN); }  // the server's side of OpenSSL
  void TearDown() override {
    unsetenv("SSL_CERT_FILE");
    std::filesystem::remove(file);
  }
  const std::string file = testing::TempDir() + "tls_test_" + std::to_string(::getpid()) + ".pem";
};

TEST_F(Tls, AVerifiedPeerIsSpokenToWithSniAndAlpn) {
  EchoServer server(file);
  setenv("SSL_CERT_FILE", file.c_str(), 1);
  auto transport = make_tcp_transport();
  auto connection = transport->make_connection(Endpoint{true, "localhost", server.port});
  const auto connected = connection->connect(Clock::now() + kTlsWithin);
  ASSERT_TRUE(connected) << connected.error().message;
  EXPECT_EQ(connection->alpn(), "h2");
  const std::string sent(300'000, 'x');
  std::string got;
  std::thread reader([&] {
    std::string piece(10'000, '\0');
    while (got.size() < sent.size()) {
      const auto n = connection->read(piece.data(), piece.size());
      if (!n || *n == 0) break;
      got.append(piece, 0, *n);
    }
  });
  EXPECT_TRUE(connection->write(sent, Clock::now() + kTlsWithin));
  reader.join();
  EXPECT_EQ(got, sent);
  connection.reset();
  EXPECT_EQ(server.sni(), "localhost");
}

TEST_F(Tls, AnUnknownCertificateIsNotAcceptedAndSaidSo) {
  EchoServer server(file);
  setenv("SSL_CERT_FILE", "/dev/null", 1);
  auto transport = make_tcp_transport();
  auto connection = transport->make_connection(Endpoint{true, "localhost", server.port});
  const auto connected = connection->connect(Clock::now() + kTlsWithin);
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().kind, IoError::Kind::tls);
  EXPECT_NE(connected.error().message.find("certificate not accepted"), std::string::npos)
      << connected.error().message;
}

TEST_F(Tls, ACertificateForAnotherNameIsNotAccepted) {
  EchoServer server(file);
  setenv("SSL_CERT_FILE", file.c_str(), 1);
  auto transport = make_tcp_transport();
  auto connection = transport->make_connection(Endpoint{true, "127.0.0.1", server.port});
  const auto connected = connection->connect(Clock::now() + kTlsWithin);
  ASSERT_FALSE(connected);
  EXPECT_NE(connected.error().message.find("certificate not accepted"), std::string::npos)
      << connected.error().message;
}

TEST_F(Tls, CloseFromAnotherThreadEndsABlockedRead) {
  EchoServer server(file);
  setenv("SSL_CERT_FILE", file.c_str(), 1);
  auto transport = make_tcp_transport();
  auto connection = transport->make_connection(Endpoint{true, "localhost", server.port});
  ASSERT_TRUE(connection->connect(Clock::now() + kTlsWithin));
  std::thread closer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    connection->close();
  });
  char byte;
  const auto got = connection->read(&byte, 1);
  closer.join();
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, IoError::Kind::closed);
}

TEST(Tcp, ARefusedConnectionAndAnUnknownHostAreErrorsThatNameThem) {
  auto transport = make_tcp_transport();
  const int fd =
      ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);  // bound, not listening: nobody else gets the port
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  auto refused = transport->make_connection(Endpoint{false, "127.0.0.1", ntohs(address.sin_port)});
  const auto result = refused->connect(Clock::now() + kTlsWithin);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, IoError::Kind::refused) << result.error().message;
  ::close(fd);

  auto unknown = transport->make_connection(Endpoint{false, "no-such-host.invalid", 80});
  const auto looked_up = unknown->connect(Clock::now() + kTlsWithin);
  ASSERT_FALSE(looked_up);
  EXPECT_NE(looked_up.error().message.find("no-such-host.invalid"), std::string::npos);
}

}  // namespace
}  // namespace s2::writer
