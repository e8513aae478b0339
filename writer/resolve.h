// Name resolution that can be left: getaddrinfo with a deadline and a way to be interrupted.
//
// Any thread. An answer that comes after the deadline is thrown away by itself.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "writer/transport.h"

namespace s2::writer {

inline constexpr std::size_t kMaxLateLookups =
    16;  // abandoned lookups that are still on their way, in the process

struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

tl::expected<std::vector<SocketAddress>, IoError> resolve(const Endpoint& endpoint,
                                                          std::chrono::steady_clock::time_point deadline,
                                                          const std::function<bool()>& interrupted);

}  // namespace s2::writer
