// See resolve.h. Uses getaddrinfo_a: a plain getaddrinfo can block for a minute and nothing can call it back.
#include "writer/resolve.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>

namespace s2::writer {
namespace {

constexpr std::chrono::milliseconds kLookEvery{20};  // how late an interruption may be noticed

struct Lookup {
  std::string host;
  std::string port;
  addrinfo hints{};
  gaicb request{};
  ~Lookup() {
    if (request.ar_result) freeaddrinfo(request.ar_result);
  }
};

// glibc writes into an abandoned request until its answer comes: it must stay where it is till then.
class LateLookups {
 public:
  bool full() {
    const std::lock_guard lock(mutex_);
    sweep();
    return late_.size() >= kMaxLateLookups;
  }
  void keep(std::unique_ptr<Lookup> lookup) {
    const std::lock_guard lock(mutex_);
    late_.push_back(std::move(lookup));
  }

 private:
  void sweep() {
    late_.remove_if([](const auto& lookup) { return gai_error(&lookup->request) != EAI_INPROGRESS; });
  }
  std::mutex mutex_;
  std::list<std::unique_ptr<Lookup>> late_;
};

LateLookups& late_lookups() {
  static auto* const lookups = new LateLookups;  // never destroyed: an answer may come after main()
  return *lookups;
}

IoError failed(const Endpoint& endpoint, const std::string& why,
               IoError::Kind kind = IoError::Kind::resolve) {
  return IoError{kind, "looking up " + endpoint.host + ": " + why};
}

}  // namespace

tl::expected<std::vector<SocketAddress>, IoError> resolve(const Endpoint& endpoint,
                                                          std::chrono::steady_clock::time_point deadline,
                                                          const std::function<bool()>& interrupted) {
  auto lookup = std::make_unique<Lookup>();
  lookup->host = endpoint.host;
  lookup->port = std::to_string(endpoint.port);
  lookup->hints.ai_family = AF_UNSPEC;
  lookup->hints.ai_socktype = SOCK_STREAM;
  lookup->hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  // An address literal needs nobody's answer.
  int result =
      getaddrinfo(lookup->host.c_str(), lookup->port.c_str(), &lookup->hints, &lookup->request.ar_result);
  if (result == EAI_NONAME) {
    if (late_lookups().full()) return tl::unexpected(failed(endpoint, "too many lookups without an answer"));
    lookup->hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
    lookup->request.ar_name = lookup->host.c_str();
    lookup->request.ar_service = lookup->port.c_str();
    lookup->request.ar_request = &lookup->hints;
    gaicb* list[] = {&lookup->request};
    result = getaddrinfo_a(GAI_NOWAIT, list, 1, nullptr);
    if (result != 0) return tl::unexpected(failed(endpoint, gai_strerror(result)));
    while ((result = gai_error(&lookup->request)) == EAI_INPROGRESS) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left.count() <= 0 || interrupted()) {
        if (gai_cancel(&lookup->request) != EAI_CANCELED) late_lookups().keep(std::move(lookup));
        return tl::unexpected(interrupted()
                                  ? failed(endpoint, "closed", IoError::Kind::closed)
                                  : failed(endpoint, "no answer in time", IoError::Kind::timed_out));
      }
      const auto pause = std::min<std::chrono::nanoseconds>(left, kLookEvery);
      const timespec wait{pause.count() / 1'000'000'000, pause.count() % 1'000'000'000};
      const gaicb* const wanted[] = {&lookup->request};
      gai_suspend(wanted, 1, &wait);
    }
  }
  if (result != 0) return tl::unexpected(failed(endpoint, gai_strerror(result)));
  std::vector<SocketAddress> out;
  for (const addrinfo* at = lookup->request.ar_result; at; at = at->ai_next) {
    if (at->ai_addrlen > sizeof(sockaddr_storage)) continue;
    SocketAddress address;
    std::memcpy(&address.bytes, at->ai_addr, at->ai_addrlen);
    address.size = at->ai_addrlen;
    out.push_back(address);
  }
  if (out.empty()) return tl::unexpected(failed(endpoint, "no address"));
  return out;
}

}  // namespace s2::writer
