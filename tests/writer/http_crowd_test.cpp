// The HTTP driver beside crowds: viewers, connections that are silent, and some that drip their requests. The
// bounds are of liveness: far above what a machine that is busy needs, far below what the crowd could hold.
#include <sys/socket.h>

#include <atomic>
#include <mutex>

#include "tests/writer/http_program.h"
#include "writer/http_server.h"
#include "writer/live_stream.h"

namespace s2::writer {
namespace {

using namespace test;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kSoon{5};
constexpr milliseconds kDripsEvery{700};  // below every limit on a single read
constexpr const char* kFlush = R"({"deadline_ms":20000})";

// Connections that send a request's first part, then a bit more every kDripsEvery, and come again when they
// are closed. One thread.
class Drippers {
 public:
  // `connect` is told whether the server may be gone.
  Drippers(std::size_t count, std::function<int(bool)> connect, std::string first, std::string bit)
      : connect_(std::move(connect)), first_(std::move(first)), bit_(std::move(bit)) {
    for (std::size_t i = 0; i < count; ++i) fds_.push_back(begin());
    thread_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        std::this_thread::sleep_for(kDripsEvery);
        for (int& fd : fds_) {
          if (stop.stop_requested()) return;
          drip(fd);
        }
      }
    });
  }
  ~Drippers() {
    thread_.request_stop();
    thread_.join();
    for (const int fd : fds_)
      if (fd >= 0) ::close(fd);
  }
  std::size_t closed() const { return closed_; }
  // From now on nobody may be there to connect to: whoever is refused stays away.
  void server_leaves() {
    const std::lock_guard lock(coming_);
    server_leaves_ = true;
  }

 private:
  int begin() {
    const std::lock_guard lock(coming_);
    const int fd = connect_(server_leaves_);
    ::send(fd, first_.data(), first_.size(), MSG_NOSIGNAL);
    return fd;
  }
  void drip(int& fd) {
    if (fd < 0) return;
    char answer[4096];
    ssize_t got = 0;
    while ((got = ::recv(fd, answer, sizeof answer, MSG_DONTWAIT)) > 0) {
    }
    const bool over = got == 0 || (errno != EAGAIN && errno != EINTR);
    if (!over && ::send(fd, bit_.data(), bit_.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return;
    ::close(fd);
    ++closed_;
    fd = begin();
  }

  const std::function<int(bool)> connect_;
  const std::string first_, bit_;
  std::vector<int> fds_;
  std::atomic<std::size_t> closed_ = 0;
  std::mutex coming_;
  bool server_leaves_ = false;  // guarded by coming_
  std::jthread thread_;
};

class HttpCrowd : public HttpProgram {
 protected:
  ~HttpCrowd() override {
    writer.reset();  // ends the viewers
    for (std::thread& viewer : viewers) viewer.join();
    for (const int fd : idle) ::close(fd);
  }
  void watch(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      viewers.emplace_back([this] {
        client().Get("/telemetry/stream?replay=all", [&, first = true](const char*, std::size_t) mutable {
          seen += std::exchange(first, false);
          return true;
        });
        ++ended;
      });
    }
    EXPECT_EQ(publish(), 200);
    for (int i = 0; i < 4000 && seen < count; ++i) std::this_thread::sleep_for(milliseconds(5));
    EXPECT_EQ(seen, count);
  }
  void be_idle(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) idle.push_back(connected());
  }
  std::function<int(bool)> comer() {
    return [this](bool may_be_gone) { return may_be_gone ? try_connect(seconds(2)) : connected(); };
  }
  Drippers dripping_heads(std::size_t count) {
    return {count, comer(), "GET /telemetry HTTP/1.1\r\nHost: localhost\r\n", "A: b\r\n"};
  }
  Drippers dripping_bodies(std::size_t count) {
    return {count, comer(),
            "POST /telemetry/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{", " "};
  }
  // An event and a flush, each on a connection of its own.
  void expect_served_soon() {
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_EQ(publish(), 200);
    const auto between = std::chrono::steady_clock::now();
    EXPECT_LT(between - begun, kSoon) << "an event waited";
    const auto flushed = client().Post("/telemetry/flush", kFlush, kJsonType);
    ASSERT_TRUE(flushed) << "no answer to a flush";
    EXPECT_EQ(flushed->status, 200);
    EXPECT_LT(std::chrono::steady_clock::now() - between, kSoon) << "a flush waited";
  }

  std::atomic<std::size_t> seen{0}, ended{0};
  std::vector<std::thread> viewers;
  std::vector<int> idle;
};

TEST_F(HttpCrowd, ManyConnectAtOnceThoughTheWriterIsNotRunningJustThen) {
  begin();
  writer->signal(SIGSTOP);
  for (std::size_t i = 0; i < 2 * kMaxViewers && !HasFailure(); ++i) idle.push_back(connected(seconds(2)));
  writer->signal(SIGCONT);
  EXPECT_EQ(client().Get("/telemetry")->status, 404);
}

TEST_F(HttpCrowd, SixtyFourViewersIdleAndDrippingConnectionsDelayNeitherAFlushNorTheEnd) {
  begin();
  put(kConsoleOn);
  watch(kMaxViewers);
  EXPECT_EQ(client().Get("/telemetry/stream")->status, 503);  // one more
  be_idle(64);
  Drippers heads = dripping_heads(64);
  for (int i = 0; i < 3; ++i) expect_served_soon();
  heads.server_leaves();
  const auto asked = std::chrono::steady_clock::now();
  writer->signal(SIGTERM);
  EXPECT_EQ(writer->wait_end(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - asked, kSoon);
  for (std::thread& viewer : viewers) viewer.join();
  viewers.clear();
  EXPECT_EQ(ended, kMaxViewers);
}

TEST_F(HttpCrowd, MoreConnectionsThanThereAreThreadsDelayNoFlushHoweverTheyDrip) {
  begin();
  put(kConsoleOn);
  watch(kMaxViewers);
  be_idle(kMaxConnections);
  const Drippers heads = dripping_heads(kMaxConnections - kMaxViewers + 8);
  const Drippers bodies = dripping_bodies(kMaxConnections - kMaxViewers);
  for (int i = 0; i < 5; ++i) expect_served_soon();
}

// The answer, if one is sent, says the same as the log.
TEST_F(HttpCrowd, ARequestThatIsLateIsToldWhy) {
  begin();
  for (const char* part :
       {"GET /telemetry HTTP/1.1\r\nHost: localhost\r\n",
        "POST /telemetry/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"}) {
    const std::string answer = talk({part});
    EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 400") << answer;
    EXPECT_NE(answer.find("did not arrive whole in its time"), std::string::npos) << answer;
  }
}

TEST_F(HttpCrowd, ARequestThatDripsForEverIsEndedThoughEachBitComesInTime) {
  begin();
  const Drippers heads = dripping_heads(1), bodies = dripping_bodies(1);
  const auto until = std::chrono::steady_clock::now() + kLong;
  while ((heads.closed() == 0 || bodies.closed() == 0) && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(milliseconds(20));
  EXPECT_GT(heads.closed(), 0U);
  EXPECT_GT(bodies.closed(), 0U);
  EXPECT_NE(writer->log().find("did not arrive whole in its time"), std::string::npos) << writer->log();
  EXPECT_EQ(writer->log().find("cannot be served"), std::string::npos)
      << writer->log();  // one cause, one line
}

}  // namespace
}  // namespace s2::writer
