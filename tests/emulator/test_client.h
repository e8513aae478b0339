// A blocking client for tests: a real loopback socket, and wire's own HTTP/1.1 or HTTP/2 client on it.
//
// One thread at a time. Every wait has a generous bound and fails by returning what there is; nothing sleeps
// for luck.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "emulator/emulator.h"
#include "wire/http.h"
#include "wire/json.h"
#include "wire/proto.h"
#include "wire/s2s.h"

namespace s2::emulator::test {

inline constexpr std::chrono::seconds kPatience{20};  // a liveness bound, never a measurement
inline const std::string kBasin = "test-basin";

class RawSocket {
 public:
  explicit RawSocket(const Emulator& emulator) : RawSocket(emulator.endpoint()) {}
  explicit RawSocket(const std::string& endpoint) {  // "http://127.0.0.1:43211"
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawSocket() { close(); }
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  bool connected() const { return connected_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void abort() {  // RST
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) {
        reset_told_ = errno == ECONNRESET || errno == EPIPE;  // told once: recv would only see an end
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  enum class End { none, fin, reset };
  // Some bytes, within the time; empty: nothing came, or the connection ended (see end()).
  std::string receive(std::chrono::milliseconds within) {
    pollfd wait{fd_, POLLIN, 0};
    if (end_ != End::none || ::poll(&wait, 1, static_cast<int>(within.count())) <= 0) return "";
    char buffer[65536];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n == 0) end_ = reset_told_ ? End::reset : End::fin;
    if (n < 0) end_ = End::reset;
    return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : "";
  }
  End end() const { return end_; }
  // Everything until the connection ends.
  std::string receive_all() {
    std::string all;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (end_ == End::none && std::chrono::steady_clock::now() < deadline) {
      all += receive(std::chrono::milliseconds(100));
    }
    return all;
  }

 private:
  int fd_ = -1;
  bool connected_ = false;
  bool reset_told_ = false;
  End end_ = End::none;
};

enum class Http { one, two };

struct Answer {
  int status = 0;  // 0: no head came
  wire::HttpHeaders headers;
  std::string body;
  bool ended = false;
  bool broken = false;  // the stream was reset, or the connection ended first
  nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
  std::string header(std::string_view name) const { return std::string(wire::find_header(headers, name)); }
};

inline wire::AppendInput input_of(const std::vector<std::string>& bodies) {
  wire::AppendInput input;
  for (const std::string& body : bodies) input.records.emplace_back().body = body;
  return input;
}

class Client {
 public:
  Client(const Emulator& emulator, Http version) : Client(emulator.endpoint(), version) {}
  Client(const std::string& endpoint, Http version)
      : socket_(endpoint),
        http_(version == Http::one ? wire::make_http1_client() : wire::make_http2_client()) {}

  bool connected() const { return socket_.connected(); }
  RawSocket& socket() { return socket_; }
  bool saw_goaway() const { return saw_goaway_; }

  // Begins a request; `end` false leaves its body open for send().
  wire::StreamId open(const std::string& method, const std::string& target, wire::HttpHeaders headers,
                      bool end) {
    headers.push_back({"s2-basin", kBasin});
    wire::RequestHead head{method, target, "127.0.0.1", "http", std::move(headers)};
    const wire::StreamId id = http_->send_request(head, end);
    answers_[id];
    flush();
    return id;
  }
  void send(wire::StreamId id, std::string_view bytes, bool end = false) {
    http_->send_data(id, std::string(bytes), end);
    flush();
  }
  // Reads until `done`, or the connection ends, or patience does.
  bool wait_until(const std::function<bool()>& done, std::chrono::milliseconds patience = kPatience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!done() && socket_.end() == RawSocket::End::none && std::chrono::steady_clock::now() < deadline) {
      step(std::chrono::milliseconds(20));
    }
    return done();
  }
  Answer& answer(wire::StreamId id) { return answers_[id]; }
  Answer& wait(wire::StreamId id) {
    wait_until([&] { return answers_[id].ended || answers_[id].broken; });
    return answers_[id];
  }
  Answer request(const std::string& method, const std::string& target, const std::string& body = "",
                 wire::HttpHeaders headers = {{"content-type", "application/json"}}) {
    if (!body.empty()) headers.push_back({"content-length", std::to_string(body.size())});
    const wire::StreamId id = open(method, target, std::move(headers), body.empty());
    if (!body.empty()) send(id, body, true);
    return wait(id);
  }
  Answer append(const std::string& stream, const std::vector<std::string>& bodies,
                nlohmann::json extra = {}) {
    nlohmann::json input = extra.is_null() ? nlohmann::json::object() : extra;
    input["records"] = nlohmann::json::array();
    for (const std::string& body : bodies) input["records"].push_back({{"body", body}});
    return request("POST", "/v1/streams/" + stream + "/records", input.dump());
  }
  // As protobuf: of large bodies JSON would take longer than all else.
  Answer append_large(const std::string& stream, const std::vector<std::string>& bodies) {
    return request("POST", "/v1/streams/" + stream + "/records", wire::to_proto(input_of(bodies)),
                   {{"content-type", "application/protobuf"}});
  }
  std::uint64_t tail(const std::string& stream) {
    const auto body = request("GET", "/v1/streams/" + stream + "/records/tail").json();
    return body.contains("tail") ? body["tail"]["seq_num"].get<std::uint64_t>() : ~0ULL;
  }

 private:
  void flush() {
    for (;;) {
      const std::string out = http_->take_output();
      if (out.empty() || !socket_.send(out)) return;
    }
  }
  void step(std::chrono::milliseconds within) {
    const std::string bytes = socket_.receive(within);
    std::vector<wire::HttpEvent> events;
    if (!bytes.empty()) http_->receive(bytes, events);
    if (socket_.end() != RawSocket::End::none) http_->receive_eof(events);
    for (wire::HttpEvent& event : events) take(event);
    if (socket_.end() != RawSocket::End::none) {
      for (auto& [id, answer] : answers_) answer.broken |= !answer.ended;
    }
    flush();
  }
  void take(wire::HttpEvent& event) {
    if (const auto* begin = std::get_if<wire::ResponseBegin>(&event)) {
      answers_[begin->id].status = begin->head.status;
      answers_[begin->id].headers = begin->head.headers;
    } else if (const auto* body = std::get_if<wire::BodyData>(&event)) {
      answers_[body->id].body += body->bytes;
      http_->consumed(body->id, body->bytes.size());
    } else if (const auto* end = std::get_if<wire::MessageEnd>(&event)) {
      answers_[end->id].ended = true;
    } else if (const auto* reset = std::get_if<wire::StreamReset>(&event)) {
      answers_[reset->id].broken = true;
    } else if (std::holds_alternative<wire::GoAway>(event)) {
      saw_goaway_ = true;
    }
  }

  RawSocket socket_;
  std::unique_ptr<wire::HttpClient> http_;
  std::map<wire::StreamId, Answer> answers_;
  bool saw_goaway_ = false;
};

// An append or read session: one stream of a Client, in frames.
class Session {
 public:
  Session(Client& client, const std::string& method, const std::string& target)
      : client_(client), id_(client.open(method, target, {{"content-type", "s2s/proto"}}, method == "GET")) {}
  static Session append(Client& client, const std::string& stream) {
    return Session(client, "POST", "/v1/streams/" + stream + "/records");
  }
  void submit(const std::vector<std::string>& bodies) { client_.send(id_, frame(input_of(bodies))); }
  static std::string frame(const wire::AppendInput& input) {
    wire::S2sFrame out;
    out.body = wire::to_proto(input);
    return wire::encode_s2s(out);
  }
  void end() { client_.send(id_, "", true); }
  wire::StreamId id() const { return id_; }
  Answer& answer() { return client_.answer(id_); }
  // Waits for `count` frames in all, or the end of the session.
  std::vector<wire::S2sFrame>& frames(std::size_t count) {
    client_.wait_until([&] {
      decode();
      return frames_.size() >= count || answer().ended || answer().broken;
    });
    return frames_;
  }
  void decode() {
    const std::string_view body = answer().body;
    EXPECT_TRUE(decoder_.receive(body.substr(taken_), frames_).has_value());
    taken_ = body.size();
  }

 private:
  Client& client_;
  wire::StreamId id_;
  wire::S2sDecoder decoder_;
  std::vector<wire::S2sFrame> frames_;
  std::size_t taken_ = 0;
};

// An emulator with a basin in which streams come into being on append and on read.
struct Endpoint {
  explicit Endpoint(Options options = {}) : emulator(std::move(options)) {
    emulator.create_basin(kBasin, R"({"create_stream_on_append":true,"create_stream_on_read":true})");
  }
  Client client(Http version = Http::two) { return Client(emulator, version); }
  Emulator emulator;
};

}  // namespace s2::emulator::test
