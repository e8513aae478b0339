// See http_courier.h.
#include "scenarios/http_courier.h"

#include <fmt/format.h>
#include <httplib.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "scenarios/json_number.h"

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto kAnswersAtTheEnd = 1s;
constexpr auto kPollsEvery = 20ms;
constexpr auto kConnectsWithin = 5s;
constexpr auto kAnswersWithin = 120s;  // a writer may be paused
constexpr const char* kJson = "application/json";
constexpr const char* kAllOn =
    R"({"console":{"enabled":true},"network":{"enabled":true},"page":{"enabled":true},)"
    R"("interaction":{"enabled":true},"liveview":{"enabled":true},"captcha":{"enabled":true},)"
    R"("system":{"enabled":true}})";

json parsed(const httplib::Result& result) {
  return json::parse(result->body, nullptr, /*allow_exceptions=*/false);
}

}  // namespace

class HttpCourier::Impl {
 public:
  Impl(const std::string& url, Line line, std::function<void()> end)
      : line_(std::move(line)),
        end_(std::move(end)),
        ops_client_(url),
        ends_client_(url),
        poll_client_(url),
        view_client_(url) {
    for (httplib::Client* client : {&ops_client_, &ends_client_, &poll_client_, &view_client_}) {
      client->set_connection_timeout(kConnectsWithin);
      client->set_read_timeout(kAnswersWithin);
      client->set_write_timeout(kAnswersWithin);
      client->set_keep_alive(true);
      client->set_tcp_nodelay(true);
    }
    threads_ = 2;
    ops_thread_ = std::thread([this] { carry(ops_, [this](const DriverOp& op) { carry_out(op); }); });
    ends_thread_ = std::thread([this] { carry(ends_, [this](const DriverOp& op) { wait_for_end(op); }); });
    poll_thread_ = std::thread([this] { poll_acks(); });
    view_thread_ = std::thread([this] { view(); });
  }

  ~Impl() {
    {
      std::unique_lock lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
      changed_.wait_for(lock, kAnswersAtTheEnd, [this] { return threads_ == 0; });
    }
    for (httplib::Client* client : {&ops_client_, &ends_client_, &poll_client_, &view_client_})
      client->stop();
    for (std::thread* thread : {&ops_thread_, &ends_thread_, &poll_thread_, &view_thread_}) thread->join();
  }

  void take(DriverOp op) {
    const std::lock_guard lock(mutex_);
    waiting_bytes_ += op.event.size();
    ops_.waiting.push_back(std::move(op));
    changed_.notify_all();
  }

  std::size_t waiting_bytes() const {
    const std::lock_guard lock(mutex_);
    return waiting_bytes_;
  }

 private:
  struct Queue {
    std::deque<DriverOp> waiting;
    bool busy = false;
  };

  template <class Do>
  void carry(Queue& queue, const Do& out) {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stopping_ || !queue.waiting.empty(); });
      if (stopping_) break;
      const DriverOp op = std::move(queue.waiting.front());
      queue.waiting.pop_front();
      waiting_bytes_ -= op.event.size();
      queue.busy = true;
      lock.unlock();
      out(op);
      lock.lock();
      queue.busy = false;
      changed_.notify_all();
    }
    --threads_;
    changed_.notify_all();
  }

  void carry_out(const DriverOp& op) {
    switch (op.kind) {
      case DriverOp::Kind::start:
        return start(op.session);
      case DriverOp::Kind::publish:
        return publish(op);
      case DriverOp::Kind::flush:
      case DriverOp::Kind::stop: {
        if (op.kind == DriverOp::Kind::stop) active_.clear();
        const std::lock_guard lock(mutex_);
        ends_.waiting.push_back(op);
        changed_.notify_all();
        return;
      }
      case DriverOp::Kind::storage:
      case DriverOp::Kind::identity:  // a fork's branches would listen on one port: the realm does not ask
        return;                       // the API has no such switch
      case DriverOp::Kind::end:
        wait_for_ends();
        return end_();
    }
  }

  // A session ends before the next begins.
  void wait_for_ends() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopping_ || (ends_.waiting.empty() && !ends_.busy); });
  }

  void start(const std::string& session) {
    wait_for_ends();
    if (!active_.empty() && active_ != session) ops_client_.Put("/telemetry", R"({"browser":{}})", kJson);
    const std::string body =
        fmt::format(R"({{"browser":{},"capture_session_id":{}}})", kAllOn, json(session).dump());
    const auto result = ops_client_.Put("/telemetry", body, kJson);
    if (!result) return;
    if (result->status != 200 && result->status != 201)
      return line_(fmt::format("PUT /telemetry was answered {}: {}", result->status, result->body));
    active_ = session;
    line_(json{{"started", session}}.dump());
  }

  void publish(const DriverOp& op) {
    const auto reject = [&](const std::string& reason) {
      line_(json{{"rejected", op.n}, {"reason", reason}}.dump());
    };
    if (op.session != active_) return reject("this session is not the one that is captured");
    const auto result = ops_client_.Post("/telemetry/events", op.event, kJson);
    if (!result) return;
    if (result->status != 200) return reject(fmt::format("status {}", result->status));
    const std::uint64_t seq = number_in(parsed(result), "seq").value_or(0);
    line_(json{{"published", op.n}, {"seq", seq}}.dump());
  }

  void wait_for_end(const DriverOp& op) {
    const bool stops = op.kind == DriverOp::Kind::stop;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(op.deadline_ms);
    if (stops && !ends_client_.Put("/telemetry", R"({"browser":{}})", kJson)) return;
    const auto left = std::max(
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()),
        0ms);
    const auto result =
        ends_client_.Post("/telemetry/flush", json{{"deadline_ms", left.count()}}.dump(), kJson);
    if (!result || (result->status != 200 && result->status != 504)) return;
    const json body = parsed(result);
    const bool flushed = result->status == 200;
    const std::uint64_t through = number_in(body, flushed ? "through" : "durable_through").value_or(0);
    if (stops) return line_(json{{"stopped", {{"through", through}, {"session", op.session}}}}.dump());
    if (flushed) return line_(json{{"flushed", {{"through", through}, {"session", op.session}}}}.dump());
    line_(json{{"flush_failed",
                {{"durable_through", through},
                 {"pending", number_in(body, "pending").value_or(0)},
                 {"session", op.session}}}}
              .dump());
  }

  void poll_acks() {
    std::uint64_t acked = 0;
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kPollsEvery, [this] { return stopping_; })) {
      lock.unlock();
      if (const auto result = poll_client_.Get("/telemetry"); result && result->status == 200) {
        const json body = parsed(result);
        const std::uint64_t through = number_in(body, "durable_through").value_or(0);
        if (through > acked && body.contains("capture_session_id")) {
          acked = through;
          line_(json{{"acked", through}, {"session", body["capture_session_id"]}}.dump());
        }
      }
      lock.lock();
    }
  }

  // One viewer of the live stream, from the first moment to the last: it must not hold up anything.
  void view() {
    view_client_.Get("/telemetry/stream", [this](const char*, std::size_t) {
      const std::lock_guard lock(mutex_);
      return !stopping_;
    });
  }

  const Line line_;
  const std::function<void()> end_;
  httplib::Client ops_client_, ends_client_, poll_client_, view_client_;
  std::string active_;  // the session that is captured; the ops' thread's own

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t waiting_bytes_ = 0;
  Queue ops_, ends_;
  bool stopping_ = false;
  int threads_ = 0;  // that may still have an answer to tell
  std::thread ops_thread_, ends_thread_, poll_thread_, view_thread_;
};

HttpCourier::HttpCourier(const std::string& url, Line line, std::function<void()> end)
    : impl_(std::make_unique<Impl>(url, std::move(line), std::move(end))) {}
HttpCourier::~HttpCourier() = default;

void HttpCourier::take(DriverOp op) {
  impl_->take(std::move(op));
}

std::size_t HttpCourier::waiting_bytes() const {
  return impl_->waiting_bytes();
}

}  // namespace s2::scenarios
