// Name resolution that can be left: getaddrinfo with a deadline and a way to be interrupted.
//
// Any thread. A lookup that nobody waits for any more ends by itself, on a thread of its own; its answer is
// thrown away.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "writer/transport.h"

namespace s2::writer {

inline constexpr std::size_t kMaxLookups = 64;  // at once in the process, abandoned ones included

struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

tl::expected<std::vector<SocketAddress>, IoError> resolve(const Endpoint& endpoint,
                                                          std::chrono::steady_clock::time_point deadline,
                                                          const std::function<bool()>& interrupted);

}  // namespace s2::writer
