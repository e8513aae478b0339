// TCP and TLS connections over TcpSocket; see tcp_transport.h.
#include "writer/tcp_transport.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <csignal>
#include <mutex>
#include <utility>

#include "writer/tcp_socket.h"

namespace s2::writer {
namespace {

class TcpConnection final : public Connection {
 public:
  explicit TcpConnection(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}
  tl::expected<void, IoError> connect(Deadline deadline) override {
    return socket_.connect(endpoint_, deadline);
  }
  tl::expected<std::size_t, IoError> read(char* into, std::size_t capacity) override {
    return socket_.receive(into, capacity);
  }
  tl::expected<void, IoError> write(std::string_view bytes, Deadline deadline) override {
    return socket_.send(bytes, deadline);
  }
  std::string alpn() const override { return ""; }
  void close() override { socket_.close(); }

 private:
  const Endpoint endpoint_;
  TcpSocket socket_;
};

std::string tls_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "the peer ended the connection";
  char text[256];
  ERR_error_string_n(code, text, sizeof text);
  return text;
}

// OpenSSL's object takes one thread at a time, and reads while writing: a lock around each call, no lock
// around waits.
class TlsConnection final : public Connection {
 public:
  TlsConnection(Endpoint endpoint, SSL_CTX* context)
      : endpoint_(std::move(endpoint)), ssl_(context ? SSL_new(context) : nullptr) {}
  ~TlsConnection() override { SSL_free(ssl_); }

  tl::expected<void, IoError> connect(Deadline deadline) override {
    if (auto connected = socket_.connect(endpoint_, deadline); !connected) return connected;
    const char* host = endpoint_.host.c_str();
    unsigned char address[sizeof(in6_addr)];
    const bool literal = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    const std::lock_guard lock(mutex_);
    if (!ssl_ || SSL_set_fd(ssl_, socket_.fd()) != 1) return tl::unexpected(failure(tls_reason()));
    if (literal) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), host);
    } else {
      SSL_set_tlsext_host_name(ssl_, host);
      SSL_set1_host(ssl_, host);
    }
    while (true) {  // nobody else uses the object yet: the lock may be held over the waits
      const int result = SSL_connect(ssl_);
      if (result == 1) return {};
      if (auto ready = wait_for(SSL_get_error(ssl_, result), deadline); !ready)
        return handshake_failure(ready.error());
    }
  }

  tl::expected<std::size_t, IoError> read(char* into, std::size_t capacity) override {
    while (true) {
      int error = SSL_ERROR_NONE;
      {
        const std::lock_guard lock(mutex_);
        if (socket_.closed()) return tl::unexpected(socket_.closed_error());
        std::size_t got = 0;
        const int result = SSL_read_ex(ssl_, into, capacity, &got);
        if (result == 1) return got;
        error = SSL_get_error(ssl_, result);
        if (error == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
          return tl::unexpected(failure(tls_reason()));
      }
      if (auto ready = wait_for(error, Deadline::max()); !ready) return tl::unexpected(ready.error());
    }
  }

  tl::expected<void, IoError> write(std::string_view bytes, Deadline deadline) override {
    while (!bytes.empty()) {
      int error = SSL_ERROR_NONE;
      {
        const std::lock_guard lock(mutex_);
        if (socket_.closed()) return tl::unexpected(socket_.closed_error());
        std::size_t sent = 0;
        const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &sent);
        if (result == 1) {
          bytes.remove_prefix(sent);
          continue;
        }
        error = SSL_get_error(ssl_, result);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
          return tl::unexpected(failure(tls_reason()));
      }
      if (auto ready = wait_for(error, deadline); !ready) return ready;
    }
    return {};
  }

  std::string alpn() const override {
    const std::lock_guard lock(mutex_);
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &name, &size);
    return std::string(reinterpret_cast<const char*>(name), size);
  }

  void close() override { socket_.close(); }

 private:
  tl::expected<void, IoError> wait_for(int ssl_error, Deadline deadline) {
    if (ssl_error == SSL_ERROR_WANT_READ) return socket_.wait_readable(deadline);
    if (ssl_error == SSL_ERROR_WANT_WRITE) return socket_.wait_writable(deadline);
    return tl::unexpected(failure(tls_reason()));
  }

  tl::expected<void, IoError> handshake_failure(IoError error) const {
    const long verified = SSL_get_verify_result(ssl_);
    if (error.kind == IoError::Kind::tls && verified != X509_V_OK) {
      error.message = "TLS with " + socket_.name() +
                      ": certificate not accepted: " + X509_verify_cert_error_string(verified);
    }
    return tl::unexpected(std::move(error));
  }

  IoError failure(const std::string& why) const {
    return IoError{IoError::Kind::tls, "TLS with " + socket_.name() + ": " + why};
  }

  const Endpoint endpoint_;
  TcpSocket socket_;
  mutable std::mutex mutex_;
  SSL* ssl_;
};

SSL_CTX* make_context(const TcpOptions& options) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (!context) return nullptr;
  // OpenSSL writes without MSG_NOSIGNAL: a peer that is gone must be an error, not the end of the process.
  struct sigaction current{};
  if (sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL)
    std::signal(SIGPIPE, SIG_IGN);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_default_verify_paths(context);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  static constexpr unsigned char kBoth[] = "\x02h2\x08http/1.1";
  static constexpr unsigned char kOnly1[] = "\x08http/1.1";
  if (options.offer_http2) {
    SSL_CTX_set_alpn_protos(context, kBoth, sizeof kBoth - 1);
  } else {
    SSL_CTX_set_alpn_protos(context, kOnly1, sizeof kOnly1 - 1);
  }
  return context;
}

class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(TcpOptions options) : options_(options) {}
  ~TcpTransport() override { SSL_CTX_free(context_); }

  std::unique_ptr<Connection> make_connection(const Endpoint& endpoint) override {
    if (!endpoint.tls) return std::make_unique<TcpConnection>(endpoint);
    // Loading the system's roots takes tens of milliseconds: only who needs them pays.
    std::call_once(once_, [this] { context_ = make_context(options_); });
    return std::make_unique<TlsConnection>(endpoint, context_);
  }

 private:
  const TcpOptions options_;
  std::once_flag once_;
  SSL_CTX* context_ = nullptr;
};

}  // namespace

std::unique_ptr<Transport> make_tcp_transport(TcpOptions options) {
  return std::make_unique<TcpTransport>(options);
}

}  // namespace s2::writer
