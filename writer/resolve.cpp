// See resolve.h. A plain getaddrinfo can block for a minute and nothing can call it back: it runs on a thread
// that is left to itself once nobody waits for it any more. (glibc's getaddrinfo_a does the same, on threads
// that sanitizers break.)
#include "writer/resolve.h"

#include <netdb.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

namespace s2::writer {
namespace {

constexpr std::chrono::milliseconds kLookEvery{20};  // how late an interruption may be noticed

std::atomic<std::size_t> lookups{0};

struct Answer {
  int result = 0;
  std::vector<SocketAddress> addresses;
};

// What the asking and the looking thread share; the last of them frees it.
struct Lookup {
  Endpoint endpoint;
  std::mutex mutex;
  std::condition_variable answered_cv;
  bool answered = false;
  Answer answer;
};

Answer look_up(const Endpoint& endpoint, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  Answer out;
  out.result = getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found);
  if (out.result != 0) return out;
  for (const addrinfo* at = found; at; at = at->ai_next) {
    if (at->ai_addrlen > sizeof(sockaddr_storage)) continue;
    SocketAddress address;
    std::memcpy(&address.bytes, at->ai_addr, at->ai_addrlen);
    address.size = at->ai_addrlen;
    out.addresses.push_back(address);
  }
  freeaddrinfo(found);
  return out;
}

IoError failed(const Endpoint& endpoint, const std::string& why,
               IoError::Kind kind = IoError::Kind::resolve) {
  return IoError{kind, "looking up " + endpoint.host + ": " + why};
}

tl::expected<Answer, IoError> look_up_elsewhere(const Endpoint& endpoint,
                                                std::chrono::steady_clock::time_point deadline,
                                                const std::function<bool()>& interrupted) {
  if (lookups >= kMaxLookups) return tl::unexpected(failed(endpoint, "too many lookups without an answer"));
  auto lookup = std::make_shared<Lookup>();
  lookup->endpoint = endpoint;
  try {
    ++lookups;
    std::thread([lookup] {
      Answer answer = look_up(lookup->endpoint, AI_NUMERICSERV | AI_ADDRCONFIG);
      const std::lock_guard lock(lookup->mutex);
      lookup->answer = std::move(answer);
      lookup->answered = true;
      lookup->answered_cv.notify_all();
      --lookups;
    }).detach();
  } catch (const std::system_error& error) {
    --lookups;
    return tl::unexpected(failed(endpoint, error.what()));
  }
  std::unique_lock lock(lookup->mutex);
  while (!lookup->answered) {
    if (interrupted()) return tl::unexpected(failed(endpoint, "closed", IoError::Kind::closed));
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline)
      return tl::unexpected(failed(endpoint, "no answer in time", IoError::Kind::timed_out));
    lookup->answered_cv.wait_until(lock, std::min(deadline, now + kLookEvery));
  }
  return std::move(lookup->answer);
}

}  // namespace

tl::expected<std::vector<SocketAddress>, IoError> resolve(const Endpoint& endpoint,
                                                          std::chrono::steady_clock::time_point deadline,
                                                          const std::function<bool()>& interrupted) {
  // An address literal needs nobody's answer.
  tl::expected<Answer, IoError> answer = look_up(endpoint, AI_NUMERICHOST | AI_NUMERICSERV);
  if (answer->result == EAI_NONAME) answer = look_up_elsewhere(endpoint, deadline, interrupted);
  if (!answer) return tl::unexpected(answer.error());
  if (answer->result != 0) return tl::unexpected(failed(endpoint, gai_strerror(answer->result)));
  if (answer->addresses.empty()) return tl::unexpected(failed(endpoint, "no address"));
  return std::move(answer->addresses);
}

}  // namespace s2::writer
