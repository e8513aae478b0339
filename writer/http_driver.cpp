// See http_driver.h: sockets, threads and signals around telemetry_api.h and live_stream.h.
#include "writer/http_driver.h"

#include <fmt/format.h>
#include <httplib.h>
#include <poll.h>

#include <array>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "writer/live_stream.h"
#include "writer/output.h"
#include "writer/planted_bugs.h"
#include "writer/telemetry_api.h"
#include "writer/thread_name.h"
#include "writer/voice.h"

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

constexpr const char* kJson = "application/json";
constexpr int kWaitingShareOfHttp = 20;             // as the stdio driver's: of the shutdown's budget
constexpr std::chrono::seconds kIdleConnection{2};  // between two requests, and for half a request
constexpr std::chrono::seconds kStuckViewer{2};     // takes no byte for so long: it is cut off
constexpr std::chrono::milliseconds kServerEndsWithin{200};  // for the answers that are on their way

// A thread for each connection, kept for the next one.
class ConnectionThreads final : public httplib::TaskQueue {
 public:
  void enqueue(std::function<void()> serve) override {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(serve));
    if (waiting_.size() > idle_ && threads_.size() < kMaxConnections)
      threads_.emplace_back([this] { run(); });
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
      lock.unlock();
      serve();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool over_ = false;
};

// Of these the library reads the body before it asks a handler, and of no others.
bool reads_body(const std::string& method) {
  return method == "POST" || method == "PUT" || method == "PATCH" || method == "DELETE" || method == "PRI";
}

void reply(httplib::Response& response, const ApiAnswer& answer) {
  response.status = answer.status;
  for (const auto& [name, value] : answer.headers) response.set_header(name, value);
  if (!answer.body.empty()) response.set_content(answer.body, kJson);
}

// For a request of which a body may still be on its way: what is left of it would be taken for the
// connection's next request, without the headers by which a page is known. The library closes where a
// provider gives up.
void reply_and_close(httplib::Response& response, const ApiAnswer& answer) {
  response.status = answer.status;
  response.set_header("Connection", "close");
  response.set_content_provider(answer.body.size(), kJson,
                                [body = answer.body](std::size_t, std::size_t, httplib::DataSink& sink) {
                                  sink.write(body.data(), body.size());
                                  return false;
                                });
}

class HttpDriver {
 public:
  explicit HttpDriver(HttpOptions options)
      : options_(std::move(options)), output_(options_.out_fd, [] {}, [] {}), voice_(output_) {}

  int run();

 private:
  bool allowed(const httplib::Request& request, httplib::Response& response) const;
  void route();
  void stream(const httplib::Request& request, httplib::Response& response);
  void wait_for_signal() const;

  const HttpOptions options_;
  Output output_;
  Voice voice_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<TelemetryApi> api_;
  std::unique_ptr<LiveStream> live_;
  httplib::Server server_;
  socket_t listening_ = INVALID_SOCKET;
};

int HttpDriver::run() {
  auto writer = Writer::make(options_.writer, options_.make_producers, voice_, options_.log);
  if (!writer) {
    options_.log(writer.error());
    return 3;
  }
  writer_ = std::move(*writer);
  api_ = std::make_unique<TelemetryApi>(*writer_, options_.client, options_.shutdown_budget);
  live_ = std::make_unique<LiveStream>(*writer_);
  route();
  const bool v6 = options_.host.find(':') != std::string::npos;
  const int port = options_.port == 0 ? server_.bind_to_any_port(options_.host.c_str())
                   : server_.bind_to_port(options_.host.c_str(), options_.port) ? options_.port
                                                                                : -1;
  if (port <= 0) {
    options_.log(fmt::format("cannot listen on {}:{}: the address is taken, or not this machine's",
                             options_.host, options_.port));
    return 3;
  }
  // The library's own has five wait, and the kernel lets the sixth wait seconds.
  ::listen(listening_, SOMAXCONN);
  std::promise<void> served;
  std::thread serving([&] {
    name_this_thread("http-accept");
    server_.listen_after_bind();
    served.set_value();
  });
  output_.say(fmt::format("ready http://{}{}{}:{}", v6 ? "[" : "", options_.host, v6 ? "]" : "", port));
  wait_for_signal();

  output_.limit_waiting(options_.shutdown_budget / kWaitingShareOfHttp);
  api_->refuse();
  std::future<void> ended = served.get_future();
  std::chrono::milliseconds budget = options_.shutdown_budget;
  if (planted(PlantedBug::sse_hold)) {
    server_.stop();
    if (ended.wait_for(budget) != std::future_status::ready) budget = std::chrono::milliseconds(0);
  }
  live_->end();
  const ShutdownReport report =
      writer_->shutdown(budget, [this](Clock::time_point deadline) { return output_.flush(deadline); });
  for (const ShutdownRow& row : kShutdownTable) {
    for (const ShutdownOutcome& outcome : report.steps) {
      if (outcome.step != row.step || outcome.done) continue;
      options_.log(
          fmt::format("shutdown: step \"{}\" was not done after {} ms", row.name, outcome.took.count()));
    }
  }
  if (report.unsaved != 0) options_.log(fmt::format("shutdown: {} events are unsaved", report.unsaved));
  if (report.journal_left) options_.log(fmt::format("shutdown: {}", kJournalLeft));
  const int code = report.unsaved == 0 ? 0 : 1;
  server_.stop();
  if (ended.wait_for(kServerEndsWithin) != std::future_status::ready || report.journal_left) {
    // A peer that is idle, or does not read, or a disk that hangs holds a thread: all is said and stored, so
    // it holds up nobody.
    std::_Exit(code);
  }
  serving.join();
  live_.reset();
  api_.reset();
  writer_.reset();
  return code;
}

void HttpDriver::wait_for_signal() const {
  pollfd wait = {options_.signal_fd, POLLIN, 0};
  while (::poll(&wait, 1, -1) <= 0 || wait.revents == 0) {
  }
  std::array<char, 1024> ignored;
  [[maybe_unused]] const ssize_t got = ::read(options_.signal_fd, ignored.data(), ignored.size());
}

bool HttpDriver::allowed(const httplib::Request& request, httplib::Response& response) const {
  if (request.has_header("Origin")) {
    reply(response, api_problem(403, "requests of web pages (with an Origin) are refused"));
    return false;
  }
  if (options_.api_token.empty()) return true;
  constexpr std::string_view kBearer = "Bearer ";
  const std::string given = request.get_header_value("Authorization");
  if (given.starts_with(kBearer) && same_secret(given.substr(kBearer.size()), options_.api_token.reveal()))
    return true;
  reply(response, api_problem(401, "the API token is missing or wrong: Authorization: Bearer …"));
  response.set_header("WWW-Authenticate", "Bearer");
  return false;
}

void HttpDriver::route() {
  server_.new_task_queue = [] { return new ConnectionThreads(); };
  server_.set_payload_max_length(kMaxApiBodyBytes);
  server_.set_keep_alive_timeout(kIdleConnection.count());
  server_.set_read_timeout(kIdleConnection.count());
  server_.set_write_timeout(kStuckViewer.count());
  server_.set_tcp_nodelay(true);
  server_.set_socket_options([this](socket_t socket) {  // the library's own let two servers share a port
    listening_ = socket;
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  server_.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
    const bool bodied = request.has_header("Content-Length") || request.has_header("Transfer-Encoding");
    if (reads_body(request.method) && bodied) return httplib::Server::HandlerResponse::Unhandled;
    if (bodied && request.get_header_value("Content-Length") != "0") {
      reply_and_close(response, api_problem(400, "a " + request.method.substr(0, 10) + " has no body"));
    } else if (!reads_body(request.method)) {
      return httplib::Server::HandlerResponse::Unhandled;
    } else if (allowed(request, response)) {
      // Without a length the library would wait for a body until the peer goes.
      reply(response, request.method == "POST" && request.path == "/telemetry/flush"
                          ? api_->flush("")
                          : api_problem(411, "Content-Length is missing"));
    }
    return httplib::Server::HandlerResponse::Handled;
  });
  // What no handler has answered is what the library could not read.
  server_.set_error_handler([](const httplib::Request&, httplib::Response& response) {
    if (!response.body.empty() || response.content_length_ != 0) return;
    const int status = response.status;
    reply_and_close(response, api_problem(status, status == 413 ? fmt::format("the body is over {} bytes",
                                                                              kMaxApiBodyBytes)
                                                                : "the request cannot be served"));
  });
  server_.set_exception_handler(
      [this](const httplib::Request&, httplib::Response& response, std::exception_ptr thrown) {
        try {
          std::rethrow_exception(thrown);
        } catch (const std::exception& error) {
          options_.log(fmt::format("a request failed: {}", error.what()));
        } catch (...) {
          options_.log("a request failed");
        }
        reply(response, api_problem(500, "the writer failed to answer; its log says why"));
      });

  using Request = httplib::Request;
  using Response = httplib::Response;
  // Asked behind the body: see reply_and_close().
  const auto guarded = [this](auto serve) -> httplib::Server::Handler {
    return [this, serve](const Request& q, Response& r) {
      if (allowed(q, r)) serve(q, r);
    };
  };
  server_.Get("/telemetry", guarded([this](const Request&, Response& r) { reply(r, api_->state()); }));
  server_.Put("/telemetry", guarded([this](const Request& q, Response& r) { reply(r, api_->put(q.body)); }));
  server_.Patch("/telemetry",
                guarded([this](const Request& q, Response& r) { reply(r, api_->patch(q.body)); }));
  server_.Post("/telemetry/events",
               guarded([this](const Request& q, Response& r) { reply(r, api_->publish(q.body)); }));
  server_.Post("/telemetry/flush",
               guarded([this](const Request& q, Response& r) { reply(r, api_->flush(q.body)); }));
  server_.Post("/telemetry/identity",
               guarded([this](const Request& q, Response& r) { reply(r, api_->identify(q.body)); }));
  server_.Get("/telemetry/events", guarded([this](const Request& q, Response& r) {
                reply(r, api_->stored({q.get_param_value("stream"), q.get_param_value("offset"),
                                       q.get_param_value("limit"), q.get_param_value("since"),
                                       q.get_param_value("until")}));
              }));
  server_.Get("/telemetry/stream", guarded([this](const Request& q, Response& r) { stream(q, r); }));
  const auto nothing = guarded([](const Request& q, Response& r) {
    reply(r, api_problem(404, "there is nothing at " + q.path.substr(0, 100)));
  });
  constexpr const char* kAnyOther = R"([\s\S]*)";
  server_.Get(kAnyOther, nothing);
  server_.Post(kAnyOther, nothing);
  server_.Put(kAnyOther, nothing);
  server_.Patch(kAnyOther, nothing);
  server_.Delete(kAnyOther, nothing);
  server_.Options(kAnyOther, nothing);
}

void HttpDriver::stream(const httplib::Request& request, httplib::Response& response) {
  const std::string replay = request.get_param_value("replay");
  if (!replay.empty() && replay != "all")
    return reply(response, api_problem(400, "`replay` is `all`, or not given"));
  std::shared_ptr<LiveStream::Viewer> viewer =
      live_->join(request.get_header_value("Last-Event-ID"), replay == "all");
  if (!viewer) {
    return reply(response,
                 api_problem(503, fmt::format("{} viewers are there already, or the writer is shutting down",
                                              kMaxViewers)));
  }
  response.set_header("Cache-Control", "no-store");
  response.set_chunked_content_provider("text/event-stream", [viewer](std::size_t, httplib::DataSink& sink) {
    bool goes_on = true;
    do {
      goes_on = viewer->serve([&](std::string_view bytes) { return sink.write(bytes.data(), bytes.size()); },
                              [&] { return sink.is_writable(); });
    } while (planted(PlantedBug::sse_hold) && goes_on);
    if (!goes_on) sink.done();
    return goes_on;
  });
}

}  // namespace

bool same_secret(const std::string& a, const std::string& b) {
  unsigned char differs = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    differs =
        static_cast<unsigned char>(differs | (static_cast<unsigned char>(a[i]) ^
                                              static_cast<unsigned char>(b.empty() ? 0 : b[i % b.size()])));
  }
  return differs == 0;
}

int run_http(HttpOptions options) {
  return HttpDriver(std::move(options)).run();
}

}  // namespace s2::writer
