// See reach.h.
#include "scenarios/reach.h"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "scenarios/origin.h"

namespace s2::scenarios {
namespace {

// 0: connected; else the error.
int connect_once(const addrinfo& address, std::chrono::milliseconds patience) {
  const int fd = ::socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int error = ::connect(fd, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd writable{fd, POLLOUT, 0};
    socklen_t size = sizeof error;
    if (::poll(&writable, 1, static_cast<int>(patience.count())) <= 0) {
      error = ETIMEDOUT;
    } else if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
      error = errno;
    }
  }
  ::close(fd);
  return error;
}

std::string in_words(int error) {
  switch (error) {
    case 0:
      return "the connection was closed before an answer came";
    case ECONNREFUSED:
      return "connection refused";
    case ETIMEDOUT:
      return "no connection in time";
    case ENETUNREACH:
    case EHOSTUNREACH:
      return "no route to the host";
    default:
      return std::generic_category().message(error);
  }
}

}  // namespace

std::string why_unreachable(const std::string& url, std::chrono::milliseconds patience) try {
  const Origin origin = parse_origin(url);
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error =
          ::getaddrinfo(origin.host.c_str(), std::to_string(origin.port).c_str(), &wanted, &found))
    return fmt::format("no address for `{}` ({})", origin.host, ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  return fmt::format("{} at {}", in_words(connect_once(*found, patience)), url);
} catch (const std::invalid_argument& error) {
  return error.what();
}

}  // namespace s2::scenarios
