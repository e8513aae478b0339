// See private_network.h. Speaks rtnetlink itself: a socket keeps the namespace in which it was opened, so
// that one for each side is all that is needed afterwards.
//
//   service's namespace                              writer's namespace
//     lo 10.77.0.1   s2-link <------ veth ------> s2-link   lo 10.77.1.2
//     route to the other: s2-link, and behind it lo, where a packet for somebody else ends without a word
#include "scenarios/private_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

namespace s2::scenarios {
namespace {

using Done = tl::expected<void, std::string>;

constexpr const char* kWriterAddress = "10.77.1.2";
constexpr const char* kLink = "s2-link";
constexpr std::uint32_t kThroughLink = 1, kIntoNothing = 100;  // metrics: the lower one is taken
constexpr std::size_t kMaxRequestBytes = 512;

tl::unexpected<std::string> refused(const std::string& what, int error) {
  return tl::unexpected<std::string>(fmt::format("{}: {}", what, std::strerror(error)));
}

// One request of rtnetlink and its answer.
class Request {
 public:
  template <class Body>
  Request(std::uint16_t type, std::uint16_t flags, const Body& body) {
    head().nlmsg_type = type;
    head().nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    head().nlmsg_len = NLMSG_HDRLEN;
    append(&body, sizeof body);
  }

  void add(std::uint16_t type, const void* data, std::size_t size) {
    const rtattr attribute{static_cast<unsigned short>(RTA_LENGTH(size)), type};
    append(&attribute, sizeof attribute);
    append(data, size);
  }
  void add(std::uint16_t type, const char* text) { add(type, text, std::strlen(text) + 1); }
  void add(std::uint16_t type, std::uint32_t value) { add(type, &value, sizeof value); }
  void add_address(std::uint16_t type, const char* dotted) {
    in_addr address{};
    inet_pton(AF_INET, dotted, &address);
    add(type, &address, sizeof address);
  }
  template <class Body>
  void add_raw(const Body& body) {
    append(&body, sizeof body);
  }
  std::size_t open(std::uint16_t type) {
    const std::size_t at = head().nlmsg_len;
    add(type, nullptr, 0);
    return at;
  }
  void close(std::size_t at) {
    const auto size = static_cast<unsigned short>(head().nlmsg_len - at);
    std::memcpy(bytes_.data() + at + offsetof(rtattr, rta_len), &size, sizeof size);
  }

  Done ask(int socket, const std::string& what) {
    if (send(socket, bytes_.data(), head().nlmsg_len, 0) < 0) return refused(what, errno);
    alignas(nlmsghdr) std::array<char, 4096> answer;
    const ssize_t got = recv(socket, answer.data(), answer.size(), 0);
    if (got < 0) return refused(what, errno);
    nlmsghdr answered{};
    nlmsgerr said{};
    if (static_cast<std::size_t>(got) < NLMSG_LENGTH(sizeof said)) return refused(what, EPROTO);
    std::memcpy(&answered, answer.data(), sizeof answered);
    std::memcpy(&said, answer.data() + NLMSG_HDRLEN, sizeof said);
    if (answered.nlmsg_type != NLMSG_ERROR) return refused(what, EPROTO);
    if (said.error != 0) return refused(what, -said.error);
    return {};
  }

 private:
  nlmsghdr& head() { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  void append(const void* data, std::size_t size) {
    const std::size_t at = head().nlmsg_len;
    if (at + NLMSG_ALIGN(size) > bytes_.size()) std::abort();  // the requests below are of fixed sizes
    if (size > 0) std::memcpy(bytes_.data() + at, data, size);
    head().nlmsg_len = static_cast<std::uint32_t>(at + NLMSG_ALIGN(size));
  }

  alignas(nlmsghdr) std::array<char, kMaxRequestBytes> bytes_{};
};

// What one side asks of its own namespace.
class Side {
 public:
  explicit Side(int socket) : socket_(socket) {}

  Done up(const char* device) const {
    ifinfomsg body{};
    body.ifi_flags = body.ifi_change = IFF_UP;
    Request request(RTM_NEWLINK, 0, body);
    request.add(IFLA_IFNAME, device);
    return request.ask(socket_, fmt::format("`ip link set {} up`", device));
  }
  Done add_link(int peers_namespace) const {
    Request request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
    request.add(IFLA_IFNAME, kLink);
    const std::size_t info = request.open(IFLA_LINKINFO);
    request.add(IFLA_INFO_KIND, "veth");
    const std::size_t data = request.open(IFLA_INFO_DATA);
    const std::size_t peer = request.open(VETH_INFO_PEER);
    request.add_raw(ifinfomsg{});
    request.add(IFLA_IFNAME, kLink);
    request.add(IFLA_NET_NS_FD, static_cast<std::uint32_t>(peers_namespace));
    for (const std::size_t at : {peer, data, info}) request.close(at);
    return request.ask(socket_, "`ip link add type veth`");
  }
  Done delete_link() const {
    Request request(RTM_DELLINK, 0, ifinfomsg{});
    request.add(IFLA_IFNAME, kLink);
    return request.ask(socket_, "`ip link del`");
  }
  Done add_address(const char* address) const {
    ifaddrmsg body{};
    body.ifa_family = AF_INET;
    body.ifa_prefixlen = 32;
    body.ifa_index = kLoopback;
    Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body);
    request.add_address(IFA_LOCAL, address);
    request.add_address(IFA_ADDRESS, address);
    return request.ask(socket_, fmt::format("`ip address add {} dev lo`", address));
  }
  Done add_route(const char* to, const char* from, std::uint32_t device, std::uint32_t metric) const {
    rtmsg body{};
    body.rtm_family = AF_INET;
    body.rtm_dst_len = 32;
    body.rtm_table = RT_TABLE_MAIN;
    body.rtm_protocol = RTPROT_STATIC;
    body.rtm_scope = RT_SCOPE_LINK;
    body.rtm_type = RTN_UNICAST;
    Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, body);
    request.add_address(RTA_DST, to);
    request.add_address(RTA_PREFSRC, from);
    request.add(RTA_OIF, device);
    request.add(RTA_PRIORITY, metric);
    return request.ask(socket_, fmt::format("`ip route add {}`", to));
  }
  // Once for all: the own address, and the way into nothing.
  Done prepare(const char* own, const char* other) const {
    return up("lo").and_then([&] { return add_address(own); }).and_then([&] {
      return add_route(other, own, kLoopback, kIntoNothing);
    });
  }
  Done join(const char* own, const char* other, std::uint32_t device) const {
    return up(kLink).and_then([&] { return add_route(other, own, device, kThroughLink); });
  }

  static constexpr std::uint32_t kLoopback = 1;  // its index, in every namespace

 private:
  int socket_;
};

int open_own_namespace() {
  return ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

// A namespace cannot be left any more than a run can go on in the wrong one.
void enter(int fd) {
  if (setns(fd, CLONE_NEWNET) != 0) std::abort();
}

}  // namespace

struct PrivateNetwork::Files {
  int original = -1;                    // the namespace that the thread came from
  int service = -1, writer = -1;        // namespaces
  int at_service = -1, at_writer = -1;  // rtnetlink sockets
  bool entered = false;
  ~Files() {
    if (entered) enter(original);
    for (const int fd : {original, service, writer, at_service, at_writer}) {
      if (fd >= 0) ::close(fd);
    }
  }
};

PrivateNetwork::PrivateNetwork(std::unique_ptr<Files> files) : files_(std::move(files)) {}
PrivateNetwork::~PrivateNetwork() = default;

tl::expected<std::unique_ptr<PrivateNetwork>, std::string> PrivateNetwork::make() {
  auto files = std::make_unique<Files>();
  files->original = open_own_namespace();
  if (files->original < 0) return refused("/proc/thread-self/ns/net", errno);
  for (auto [space, socket] : {std::pair(&files->writer, &files->at_writer),
                               std::pair(&files->service, &files->at_service)}) {  // and there it stays
    if (unshare(CLONE_NEWNET) != 0)
      return refused("unshare(CLONE_NEWNET), which needs CAP_SYS_ADMIN (root)", errno);
    files->entered = true;
    *space = open_own_namespace();
    *socket = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (*space < 0 || *socket < 0) return refused("an rtnetlink socket", errno);
  }
  std::unique_ptr<PrivateNetwork> network(new PrivateNetwork(std::move(files)));
  if (auto done = network->prepare(); !done) return tl::unexpected(done.error());
  if (auto done = network->heal(); !done) return tl::unexpected(done.error());
  return network;
}

Done PrivateNetwork::prepare() {
  return Side(files_->at_service).prepare(kServiceAddress, kWriterAddress).and_then([&] {
    return Side(files_->at_writer).prepare(kWriterAddress, kServiceAddress);
  });
}

Done PrivateNetwork::cut() {
  return Side(files_->at_service).delete_link();
}

Done PrivateNetwork::heal() {
  const Side service(files_->at_service), writer(files_->at_writer);
  if (auto made = service.add_link(files_->writer); !made) return made;
  const auto index_here = [] { return if_nametoindex(kLink); };
  const std::uint32_t at_service = index_here();
  std::uint32_t at_writer = 0;
  {
    const AtWriter there(this);
    at_writer = index_here();
  }
  return service.join(kServiceAddress, kWriterAddress, at_service).and_then([&] {
    return writer.join(kWriterAddress, kServiceAddress, at_writer);
  });
}

PrivateNetwork::AtWriter::AtWriter(const PrivateNetwork* network) : network_(network) {
  if (network_) enter(network_->files_->writer);
}
PrivateNetwork::AtWriter::~AtWriter() {
  if (network_) enter(network_->files_->service);
}

const std::string& why_no_private_network() {
  static const std::string why = [] {
    std::string found;
    std::thread([&found] {
      if (const auto network = PrivateNetwork::make(); !network) found = network.error();
    }).join();
    return found;
  }();
  return why;
}

}  // namespace s2::scenarios
