// The real twin of Transport: TCP sockets, and TLS where the endpoint says so. See transport.h for the
// contract.
//
// TLS: the server's certificate and name are verified against the system's roots (SSL_CERT_FILE and
// SSL_CERT_DIR are honoured), SNI is sent, ALPN offers h2 and http/1.1. TCP: no delay; true silence is
// noticed by TCP_USER_TIMEOUT and keep-alive. The transport outlives its connections; making it ignores
// SIGPIPE where nobody else has handled it.
#pragma once

#include <memory>

#include "writer/transport.h"

namespace s2::writer {

struct TcpOptions {
  bool offer_http2 = true;  // in ALPN
};

std::unique_ptr<Transport> make_tcp_transport(TcpOptions options = {});

}  // namespace s2::writer
