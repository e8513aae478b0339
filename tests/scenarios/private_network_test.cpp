// The network of a run's own: a deleted link is silence, the addresses outlive it, and the machine's own
// network is not touched.
#include "scenarios/private_network.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <thread>

namespace s2::scenarios {
namespace {

constexpr int kSilenceMs = 400, kAnswerMs = 10'000;

// On a thread of its own: namespaces are a thread's.
void with_network(const std::function<void(PrivateNetwork&)>& body) {
  if (!why_no_private_network().empty()) GTEST_SKIP() << why_no_private_network();
  std::thread([&] {
    const auto network = PrivateNetwork::make();
    ASSERT_TRUE(network) << network.error();
    body(**network);
  }).join();
}

struct Socket {
  int fd;
  explicit Socket(int taken) : fd(taken) {}
  ~Socket() { close(fd); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  bool speaks_within(int ms, short what = POLLIN) const {
    pollfd ready{fd, what, 0};
    return poll(&ready, 1, ms) > 0;
  }
  int error() const {
    int found = 0;
    socklen_t size = sizeof found;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &found, &size);
    return found;
  }
};

sockaddr_in at_service(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, PrivateNetwork::kServiceAddress, &address.sin_addr);
  return address;
}

int listening(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = at_service(port);
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(fd, 8), 0);
  return fd;
}

// A connection attempt from the writer's side that nobody waits for.
int dialling(const PrivateNetwork& network, std::uint16_t port) {
  const PrivateNetwork::AtWriter there(&network);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const sockaddr_in address = at_service(port);
  EXPECT_TRUE(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
              errno == EINPROGRESS);
  return fd;
}

TEST(PrivateNetwork, ADeletedLinkIsSilenceToWhatStandsAndToWhatIsNewAndEndsWithTheLink) {
  with_network([](PrivateNetwork& network) {
    constexpr std::uint16_t kPort = 4433;
    const Socket listener(listening(kPort)), writer(dialling(network, kPort));
    ASSERT_TRUE(listener.speaks_within(kAnswerMs));
    const Socket service(accept(listener.fd, nullptr, nullptr));
    ASSERT_EQ(send(writer.fd, "a", 1, 0), 1);
    ASSERT_TRUE(service.speaks_within(kAnswerMs));
    char got = 0;
    ASSERT_EQ(recv(service.fd, &got, 1, 0), 1);

    ASSERT_TRUE(network.cut());
    ASSERT_EQ(send(writer.fd, "b", 1, 0), 1);  // taken by the kernel, as ever
    const Socket late(dialling(network, kPort));
    EXPECT_FALSE(service.speaks_within(kSilenceMs));        // neither a byte nor an end
    EXPECT_FALSE(writer.speaks_within(0));                  // neither FIN nor RST
    EXPECT_FALSE(late.speaks_within(0, POLLIN | POLLOUT));  // neither taken nor refused
    EXPECT_EQ(writer.error() + late.error(), 0);

    ASSERT_TRUE(network.heal());
    ASSERT_TRUE(service.speaks_within(kAnswerMs));  // the same connection goes on
    EXPECT_EQ(recv(service.fd, &got, 1, 0), 1);
    EXPECT_EQ(got, 'b');
    EXPECT_TRUE(late.speaks_within(kAnswerMs, POLLOUT));
    EXPECT_EQ(late.error(), 0);
  });
}

TEST(PrivateNetwork, ItIsTheThreadsAloneAndTheThreadComesBackFromIt) {
  if (!why_no_private_network().empty()) GTEST_SKIP() << why_no_private_network();
  const auto here = [] {
    struct stat found{};
    stat("/proc/thread-self/ns/net", &found);
    return found.st_ino;
  };
  const auto machines = here();
  ASSERT_NE(machines, 0U);
  std::thread([&] {
    {
      const auto network = PrivateNetwork::make();
      ASSERT_TRUE(network) << network.error();
      EXPECT_NE(here(), machines);
      const auto services = here();
      const PrivateNetwork::AtWriter there(network->get());
      EXPECT_NE(here(), services);
      EXPECT_NE(here(), machines);
    }
    EXPECT_EQ(here(), machines);
  }).join();
  EXPECT_EQ(here(), machines);
}

}  // namespace
}  // namespace s2::scenarios
