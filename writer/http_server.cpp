// See http_server.h.
#include "writer/http_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "writer/thread_name.h"

#ifdef __SANITIZE_THREAD__
// Debian's library is not instrumented: what it initialises once, under a guard that is not seen, looks like
// a race.
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libcpp-httplib.so\n";
}
#endif

namespace s2::writer {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLooksAround{50};  // whether others wait by now, or the server has ended
constexpr std::size_t kReadBufferBytes = 4096;

// Whether `events` come for the descriptor within that time.
bool polled(int fd, short events, milliseconds within) {
  pollfd wait = {fd, events, 0};
  return ::poll(&wait, 1, static_cast<int>(std::max(within, milliseconds(0)).count())) > 0;
}

// A thread for each connection, kept for the next one.
class ConnectionThreads final : public httplib::TaskQueue {
 public:
  ConnectionThreads(std::atomic<bool>& crowded, std::function<bool()> stopped)
      : crowded_(crowded), stopped_(std::move(stopped)) {}

  void enqueue(std::function<void()> serve) override {
    std::unique_lock lock(mutex_);
    while (waiting_.size() >= kMaxWaitingConnections && !stopped_()) room_.wait_for(lock, kLooksAround);
    waiting_.push_back(std::move(serve));
    if (waiting_.size() > idle_ && threads_.size() < kMaxConnections)
      threads_.emplace_back([this] { run(); });
    look();
    changed_.notify_one();
  }
  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void look() { crowded_ = waiting_.size() > idle_ && threads_.size() >= kMaxConnections; }

  void run() {
    name_this_thread("http");
    std::unique_lock lock(mutex_);
    while (true) {
      ++idle_;
      changed_.wait(lock, [&] { return over_ || !waiting_.empty(); });
      --idle_;
      if (waiting_.empty()) return;
      const std::function<void()> serve = std::move(waiting_.front());
      waiting_.pop_front();
      look();
      room_.notify_one();
      lock.unlock();
      serve();
      lock.lock();
    }
  }

  std::atomic<bool>& crowded_;
  const std::function<bool()> stopped_;
  std::mutex mutex_;
  std::condition_variable changed_, room_;
  std::deque<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool over_ = false;
};

}  // namespace

// A connection's bytes, with the deadlines of the request that is on its way. One thread.
class ConnectionStream final : public httplib::Stream {
 public:
  ConnectionStream(socket_t socket, const HttpServer& server) : socket_(socket), server_(server) {}

  // False: the peer sends none, or the server ends.
  bool await_request() {
    begin(kIdleConnection, kHurriedHead);
    if (!is_readable()) return false;
    begin(kHeadWithin, kHurriedHead);
    return true;
  }
  void await_body() { within_ = kRequestWithin, hurried_ = kHurriedRequest; }
  bool late() const { return late_; }

  bool is_readable() const override {
    while (begin_ == end_) {
      const auto now = Clock::now();
      const auto due = begun_ + (server_.crowded_ ? hurried_ : within_);
      if (now >= due || server_.stopped()) {
        late_ = true;
        return false;
      }
      // Rounded up: a poll of 0 ms would spin.
      const auto left = std::chrono::duration_cast<milliseconds>(due - now) + milliseconds(1);
      if (polled(socket_, POLLIN, std::min(left, kLooksAround))) return true;
    }
    return true;
  }
  bool is_writable() const override {
    if (!polled(socket_, POLLOUT, kStuckPeer)) return false;
    char next;
    return ::recv(socket_, &next, 1, MSG_PEEK | MSG_DONTWAIT) != 0;  // 0: the peer has gone
  }
  ssize_t read(char* target, std::size_t size) override {
    if (begin_ == end_) {
      if (!is_readable()) return -1;
      const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (got <= 0) return got;
      begin_ = 0;
      end_ = static_cast<std::size_t>(got);
    }
    const std::size_t taken = std::min(size, end_ - begin_);
    std::memcpy(target, buffer_.data() + begin_, taken);
    begin_ += taken;
    return static_cast<ssize_t>(taken);
  }
  ssize_t write(const char* bytes, std::size_t size) override {
    const auto deadline = Clock::now() + kAnswerWithin;
    for (std::size_t done = 0; done < size;) {
      const ssize_t sent = ::send(socket_, bytes + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) {
        done += static_cast<std::size_t>(sent);
      } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        return -1;
      }
      if (done < size && (Clock::now() >= deadline || !polled(socket_, POLLOUT, kStuckPeer))) return -1;
    }
    return static_cast<ssize_t>(size);
  }
  // Who asks is of no account here.
  void get_remote_ip_and_port(std::string& ip, int& port) const override { ip.clear(), port = 0; }
  void get_local_ip_and_port(std::string& ip, int& port) const override { ip.clear(), port = 0; }
  socket_t socket() const override { return socket_; }

 private:
  void begin(milliseconds within, milliseconds hurried) {
    begun_ = Clock::now();
    within_ = within;
    hurried_ = hurried;
    late_ = false;
  }

  const socket_t socket_;
  const HttpServer& server_;
  Clock::time_point begun_;
  milliseconds within_{0}, hurried_{0};
  mutable bool late_ = false;
  std::array<char, kReadBufferBytes> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

namespace {
thread_local const ConnectionStream* served_here = nullptr;  // by this thread
}

bool HttpServer::serves_late() {
  return served_here != nullptr && served_here->late();
}

HttpServer::HttpServer(std::function<void()> on_late) : on_late_(std::move(on_late)) {
  new_task_queue = [this] { return new ConnectionThreads(crowded_, [this] { return stopped(); }); };
  set_keep_alive_timeout(
      std::chrono::duration_cast<std::chrono::seconds>(kIdleConnection).count());  // says it
  set_tcp_nodelay(true);
  set_socket_options([this](socket_t socket) {  // the library's own let two servers share a port
    listening_ = socket;
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
}

int HttpServer::bind(const std::string& host, int port) {
  const int bound = port == 0 ? bind_to_any_port(host) : bind_to_port(host, port) ? port : -1;
  // The library's own has five wait, and the kernel lets the sixth wait seconds.
  if (bound > 0) ::listen(listening_, SOMAXCONN);
  return bound;
}

bool HttpServer::process_and_close_socket(socket_t socket) {
  ConnectionStream stream(socket, *this);
  served_here = &stream;
  bool served = true, closed = false;
  for (std::size_t left = keep_alive_max_count_; left > 0 && served && !closed; --left) {
    if (!stream.await_request()) break;
    served = process_request(stream, left == 1, closed, [&](httplib::Request& request) {
      request.headers.erase("Content-Type");
      stream.await_body();
    });
    if (stream.late() && !stopped()) on_late_();
  }
  served_here = nullptr;
  ::shutdown(socket, SHUT_RDWR);
  ::close(socket);
  return served;
}

}  // namespace s2::writer
