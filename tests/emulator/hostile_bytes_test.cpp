// Bytes that no client should send, on the real port: always an answer or an end, never a crash, never a
// leak.
#include <rapidcheck.h>

#include <thread>

#include "tests/emulator/test_client.h"

namespace s2::emulator::test {
namespace {

void expect_still_serving(Endpoint& endpoint) {
  EXPECT_EQ(endpoint.client().request("GET", "/health").body, "OK");
}

void expect_no_connection(Endpoint& endpoint) {
  expect_still_serving(endpoint);  // so that every earlier connection has been accepted, and can be counted
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (endpoint.emulator.open_connections() > 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(endpoint.emulator.open_connections(), 0u);
}

TEST(HostileBytes, GarbageOnThePortIsAnsweredWith400AndClosed) {
  Endpoint endpoint;
  RawSocket socket(endpoint.emulator);
  socket.send("\x16\x03\x01\x02\x00 this is no HTTP at all\r\n\r\n");
  EXPECT_TRUE(socket.receive_all().starts_with("HTTP/1.1 400"));
  EXPECT_EQ(socket.end(), RawSocket::End::fin);
  socket.close();
  expect_no_connection(endpoint);
}

TEST(HostileBytes, AHeadWithoutAnEndIsRefused) {
  Endpoint endpoint;
  RawSocket socket(endpoint.emulator);
  socket.send("GET / HTTP/1.1\r\n");
  const std::string line = "x: " + std::string(8000, 'y') + "\r\n";
  for (int n = 0; n < 20 && socket.send(line); ++n) {
  }
  EXPECT_TRUE(socket.receive_all().starts_with("HTTP/1.1 431"));
}

TEST(HostileBytes, AFrameThatLiesAboutItsLengthEndsTheHttp2Connection) {
  Endpoint endpoint;
  RawSocket socket(endpoint.emulator);
  socket.send(std::string(wire::kHttp2Preface));
  socket.send(std::string("\xff\xff\xff\x04\x00\x00\x00\x00\x00", 9));
  socket.receive_all();
  EXPECT_EQ(socket.end(), RawSocket::End::fin);
  expect_still_serving(endpoint);
}

TEST(HostileBytes, HalfAFrameThenNothingHoldsOnlyItsOwnConnection) {
  Endpoint endpoint;
  {
    RawSocket socket(endpoint.emulator);
    socket.send(std::string(wire::kHttp2Preface));
    socket.send(std::string("\x00\x00\x06\x04\x00", 5));
    expect_still_serving(endpoint);
  }
  expect_no_connection(endpoint);
}

TEST(HostileBytes, HalfAPrefaceIsWaitedForAndItsEndIsAnEnd) {
  Endpoint endpoint;
  for (std::size_t n = 0; n < wire::kHttp2Preface.size(); ++n) {
    RawSocket socket(endpoint.emulator);
    socket.send(wire::kHttp2Preface.substr(0, n));
  }
  expect_no_connection(endpoint);
}

TEST(HostileBytes, AClientThatLeavesInTheMiddleOfABodyStoresNothing) {
  Endpoint endpoint;
  RawSocket socket(endpoint.emulator);
  socket.send(
      "POST /v1/streams/s/records HTTP/1.1\r\nhost: x\r\ns2-basin: test-basin\r\ncontent-type: "
      "application/json\r\n"
      "content-length: 100\r\n\r\n{\"records\":[{\"body\":\"a\"}]}");
  socket.close();
  expect_no_connection(endpoint);
  EXPECT_EQ(endpoint.client().tail("s"), 0u);
}

TEST(HostileBytes, AnyBytesLeaveTheServerServing) {
  Endpoint endpoint;
  ASSERT_TRUE(rc::check("any bytes", [&](const std::string& bytes, bool http2) {
    RawSocket socket(endpoint.emulator);
    if (http2) socket.send(std::string(wire::kHttp2Preface));
    socket.send(bytes);
  }));
  expect_still_serving(endpoint);
  expect_no_connection(endpoint);
}

}  // namespace
}  // namespace s2::emulator::test
