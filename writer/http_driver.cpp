// See http_driver.h: sockets, threads and signals around telemetry_api.h and live_stream.h.
#include "writer/http_driver.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <future>
#include <thread>
#include <vector>

#include "wire/http.h"
#include "writer/http_server.h"
#include "writer/live_stream.h"
#include "writer/output.h"
#include "writer/planted_bugs.h"
#include "writer/telemetry_api.h"
#include "writer/thread_name.h"
#include "writer/voice.h"

namespace s2::writer {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kJson = "application/json";
constexpr const char* kLate = "a request did not arrive whole in its time";
constexpr int kWaitingShareOfHttp = 20;  // as the stdio driver's: of the shutdown's budget
constexpr std::chrono::milliseconds kServerEndsWithin{200};  // for the answers that are on their way

struct Route {
  std::string_view path;
  std::string_view methods;  // as in `Allow`
};
constexpr std::array<Route, 5> kRoutes = {{{"/telemetry", "GET, HEAD, PUT, PATCH"},
                                           {"/telemetry/events", "GET, HEAD, POST"},
                                           {"/telemetry/stream", "GET, HEAD"},
                                           {"/telemetry/flush", "POST"},
                                           {"/telemetry/identity", "POST"}}};

const Route* route_of(const std::string& path) {
  const auto* found = std::ranges::find(kRoutes, std::string_view(path), &Route::path);
  return found == kRoutes.end() ? nullptr : found;
}

// What a request for nothing that there is gets.
ApiAnswer not_there(const httplib::Request& request) {
  const Route* route = route_of(request.path);
  if (route == nullptr) return api_problem(404, "there is nothing at " + request.path.substr(0, 100));
  ApiAnswer answer = api_problem(405, fmt::format("{} takes {}", route->path, route->methods));
  answer.headers.emplace_back("Allow", route->methods);
  return answer;
}

// Of these the library reads the body before it asks a handler, and of no others.
bool reads_body(const std::string& method) {
  return method == "POST" || method == "PUT" || method == "PATCH" || method == "DELETE" || method == "PRI";
}

class HttpDriver {
 public:
  explicit HttpDriver(HttpOptions options)
      : options_(std::move(options)), output_(options_.out_fd, [] {}, [] {}), voice_(output_) {}

  int run();

 private:
  using Request = httplib::Request;
  using Response = httplib::Response;
  void reply(const Request& request, Response& response, const ApiAnswer& answer) const;
  void reply_and_close(const Request& request, Response& response, const ApiAnswer& answer) const;
  void tell(const Request& request, const ApiAnswer& answer) const;
  bool allowed(const Request& request, Response& response) const;
  void route();
  void stream(const Request& request, Response& response);
  void wait_for_signal() const;

  const HttpOptions options_;
  Output output_;
  Voice voice_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<TelemetryApi> api_;
  std::unique_ptr<LiveStream> live_;
  HttpServer server_{
      [this] { writer_->limited_log()(fmt::format("http: {}: its connection is closed", kLate)); }};
};

int HttpDriver::run() {
  auto writer = Writer::make(options_.writer, options_.make_producers, voice_, options_.log);
  if (!writer) {
    options_.log(writer.error());
    return 3;
  }
  writer_ = std::move(*writer);
  api_ = std::make_unique<TelemetryApi>(*writer_, options_.client, options_.shutdown_budget);
  live_ = std::make_unique<LiveStream>(*writer_, options_.keep_alive);
  route();
  const bool v6 = options_.host.find(':') != std::string::npos;
  const int port = server_.bind(options_.host, options_.port);
  if (port <= 0) {
    options_.log(fmt::format("cannot listen on {}:{}: the address is taken, or not this machine's",
                             options_.host, options_.port));
    return 3;
  }
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
  for (const std::string& line : lines_of(report)) options_.log("shutdown: " + line);
  const int code = report.unsaved == 0 ? 0 : 1;
  server_.stop();
  const bool served_all = ended.wait_for(kServerEndsWithin) == std::future_status::ready;
  writer_->limited_log().close();
  if (!served_all || report.journal_left) {
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

// A line for what others do wrong. That nothing is there, or not yet, is an ordinary answer, and a flush has
// a line of its own.
void HttpDriver::tell(const Request& request, const ApiAnswer& answer) const {
  if (answer.problem.empty() || answer.status == 404) return;
  const Route* route = route_of(request.path);
  const std::string_view path = route == nullptr ? "another path" : route->path;
  writer_->limited_log()(
      fmt::format("http: {} {}: {}: {}", request.method.substr(0, 10), path, answer.status, answer.problem));
}

void HttpDriver::reply(const Request& request, Response& response, const ApiAnswer& answer) const {
  tell(request, answer);
  response.status = answer.status;
  for (const auto& [name, value] : answer.headers) response.set_header(name, value);
  if (!answer.body.empty()) response.set_content(answer.body, kJson);
}

// For a request of which a body may still be on its way: what is left of it would be taken for the
// connection's next request, without the headers by which a page is known. The library closes where a
// provider gives up.
void HttpDriver::reply_and_close(const Request& request, Response& response, const ApiAnswer& answer) const {
  tell(request, answer);
  response.status = answer.status;
  response.set_header("Connection", "close");
  response.set_content_provider(answer.body.size(), kJson,
                                [body = answer.body](std::size_t, std::size_t, httplib::DataSink& sink) {
                                  sink.write(body.data(), body.size());
                                  return false;
                                });
}

bool HttpDriver::allowed(const Request& request, Response& response) const {
  if (request.has_header("Origin")) {
    reply(request, response, api_problem(403, "requests of web pages (with an Origin) are refused"));
    return false;
  }
  if (options_.api_token.empty()) {
    // A page reaches a loopback port under a name of its own, too, and then needs no Origin (DNS rebinding).
    const std::string host = wire::host_of(request.get_header_value("Host"));
    if (!wire::is_loopback(options_.host) || wire::is_loopback(host) || host == options_.host) return true;
    reply(request, response,
          api_problem(421, "on loopback, Host must be a loopback name; any will do with an API token"));
    return false;
  }
  constexpr std::string_view kBearer = "Bearer ";
  const std::string given = request.get_header_value("Authorization");
  if (given.starts_with(kBearer) && same_secret(given.substr(kBearer.size()), options_.api_token.reveal()))
    return true;
  reply(request, response, api_problem(401, "the API token is missing or wrong: Authorization: Bearer …"));
  response.set_header("WWW-Authenticate", "Bearer");
  return false;
}

void HttpDriver::route() {
  server_.set_payload_max_length(kMaxApiBodyBytes);
  server_.set_pre_routing_handler([this](const Request& request, Response& response) {
    const bool bodied = request.has_header("Content-Length") || request.has_header("Transfer-Encoding");
    if (reads_body(request.method) && bodied) return httplib::Server::HandlerResponse::Unhandled;
    if (bodied && request.get_header_value("Content-Length") != "0") {
      reply_and_close(request, response,
                      api_problem(400, "a " + request.method.substr(0, 10) + " has no body"));
    } else if (!reads_body(request.method)) {
      return httplib::Server::HandlerResponse::Unhandled;
    } else if (allowed(request, response)) {
      // Without a length the library would wait for a body until the peer goes.
      const Route* route = route_of(request.path);
      const bool taken = route != nullptr && route->methods.find(request.method) != std::string_view::npos;
      reply(request, response,
            !taken                              ? not_there(request)
            : route->path == "/telemetry/flush" ? api_->flush("")
                                                : api_problem(411, "Content-Length is missing"));
    }
    return httplib::Server::HandlerResponse::Handled;
  });
  // What no handler has answered is what the library could not read.
  server_.set_error_handler([this](const Request& request, Response& response) {
    if (!response.body.empty() || response.content_length_ != 0) return;
    const int status = response.status;
    const bool late = HttpServer::serves_late();
    ApiAnswer answer =
        api_problem(status, late            ? kLate
                            : status == 413 ? fmt::format("the body is over {} bytes", kMaxApiBodyBytes)
                                            : "the request cannot be served");
    if (late) answer.problem.clear();  // the server tells it, whether there is an answer or not
    reply_and_close(request, response, answer);
  });
  server_.set_exception_handler(
      [this](const Request& request, Response& response, std::exception_ptr thrown) {
        try {
          std::rethrow_exception(thrown);
        } catch (const std::exception& error) {
          options_.log(fmt::format("a request failed: {}", error.what()));
        } catch (...) {
          options_.log("a request failed");
        }
        reply(request, response, api_problem(500, "the writer failed to answer; its log says why"));
      });

  // Asked behind the body: see reply_and_close().
  const auto guarded = [this](auto serve) -> httplib::Server::Handler {
    return [this, serve](const Request& q, Response& r) {
      if (allowed(q, r)) reply(q, r, serve(q));
    };
  };
  server_.Get("/telemetry", guarded([this](const Request&) { return api_->state(); }));
  server_.Put("/telemetry", guarded([this](const Request& q) { return api_->put(q.body); }));
  server_.Patch("/telemetry", guarded([this](const Request& q) { return api_->patch(q.body); }));
  server_.Post("/telemetry/events", guarded([this](const Request& q) { return api_->publish(q.body); }));
  server_.Post("/telemetry/flush", guarded([this](const Request& q) { return api_->flush(q.body); }));
  server_.Post("/telemetry/identity", guarded([this](const Request& q) { return api_->identify(q.body); }));
  server_.Get("/telemetry/events", guarded([this](const Request& q) {
                return api_->stored({q.get_param_value("stream"), q.get_param_value("offset"),
                                     q.get_param_value("limit"), q.get_param_value("since"),
                                     q.get_param_value("until")});
              }));
  server_.Get("/telemetry/stream", [this](const Request& q, Response& r) {
    if (allowed(q, r)) stream(q, r);
  });
  const auto nothing = guarded(not_there);
  constexpr const char* kAnyOther = R"([\s\S]*)";
  server_.Get(kAnyOther, nothing);
  server_.Post(kAnyOther, nothing);
  server_.Put(kAnyOther, nothing);
  server_.Patch(kAnyOther, nothing);
  server_.Delete(kAnyOther, nothing);
  server_.Options(kAnyOther, nothing);
}

void HttpDriver::stream(const Request& request, Response& response) {
  const std::string replay = request.get_param_value("replay");
  if (!replay.empty() && replay != "all")
    return reply(request, response, api_problem(400, "`replay` is `all`, or not given"));
  const auto last_seen = event_id(request.get_header_value("Last-Event-ID"));
  if (!last_seen) {
    return reply(request, response,
                 api_problem(400, "`Last-Event-ID` must be the `id` of an event: a sequence number"));
  }
  std::shared_ptr<LiveStream::Viewer> viewer = live_->join(*last_seen, replay == "all");
  if (!viewer) {
    return reply(request, response,
                 api_problem(503, live_->over() ? std::string("the writer is shutting down")
                                                : fmt::format("{} viewers are there already", kMaxViewers)));
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
