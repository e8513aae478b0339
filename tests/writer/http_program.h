// s2-writer --driver http as a process, beside an emulator: what the tests of its routes share.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <poll.h>

#include "emulator/emulator.h"
#include "tests/writer/stdio_pipe.h"

namespace s2::writer::test {

inline constexpr const char* kJsonType = "application/json";
inline constexpr const char* kConsoleOn =
    R"({"browser":{"console":{"enabled":true}},"capture_session_id":"session-1"})";
inline constexpr const char* kLogEvent = R"({"type":"console_log","data":"probe"})";

class HttpProgram : public testing::Test {
 protected:
  HttpProgram() { s2.create_basin("basin-one"); }
  std::map<std::string, std::string> environment() const {
    return {{"S2_BASIN", "basin-one"}, {"S2_ACCESS_TOKEN", "a-token"}, {"S2_BASIN_ENDPOINT", s2.endpoint()}};
  }
  void begin(std::map<std::string, std::string> variables) {
    writer = std::make_unique<Program>(std::move(variables), std::vector<std::string>{"--driver", "http"});
    url = writer->expect("ready").value("url", "");
  }
  void begin() { begin(environment()); }
  httplib::Client client() const {
    httplib::Client made(url);
    made.set_read_timeout(20);
    return made;
  }
  int put(const char* body) {
    const auto answer = client().Put("/telemetry", body, kJsonType);
    return answer ? answer->status : 0;
  }
  int publish(const std::string& body = kLogEvent) {
    const auto answer = client().Post("/telemetry/events", body, kJsonType);
    return answer ? answer->status : 0;
  }
  int connected(std::chrono::seconds within = std::chrono::seconds(20)) const {
    const int fd = try_connect(within);
    EXPECT_GE(fd, 0);
    return fd;
  }
  // -1 where nobody takes it.
  int try_connect(std::chrono::seconds within) const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval limit = {within.count(), 0};
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
    ::close(fd);
    return -1;
  }
  // Sends the parts one behind the other, each once the server has answered or a while has passed; all that
  // comes until it closes an idle connection.
  std::string talk(const std::vector<std::string>& parts) const {
    const int fd = connected();
    std::string answers;
    const auto hear = [&](int patience_ms) {
      pollfd wait{fd, POLLIN, 0};
      char buffer[4096];
      if (::poll(&wait, 1, patience_ms) <= 0) return false;
      const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got > 0) answers.append(buffer, static_cast<std::size_t>(got));
      return got > 0;
    };
    for (const std::string& part : parts) {
      if (::send(fd, part.data(), part.size(), MSG_NOSIGNAL) < 0) break;
      hear(150);
    }
    while (hear(20'000)) {
    }
    ::close(fd);
    return answers;
  }
  // The sequence numbers of a stored page.
  std::vector<std::uint64_t> stored(const std::string& query) {
    const auto answer = client().Get("/telemetry/events?" + query);
    EXPECT_TRUE(answer && answer->status == 200) << (answer ? answer->body : "no answer");
    std::vector<std::uint64_t> seqs;
    if (!answer || answer->status != 200) return seqs;
    for (const nlohmann::json& envelope : nlohmann::json::parse(answer->body))
      seqs.push_back(envelope["seq"]);
    more = answer->get_header_value("X-Has-More");
    next = answer->get_header_value("X-Next-Offset");
    return seqs;
  }

  std::string url, more, next;
  emulator::Emulator s2;
  std::unique_ptr<Program> writer;
};

}  // namespace s2::writer::test
