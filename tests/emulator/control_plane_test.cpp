// /_emulator over sockets: faults, history, clock, reset; and whom it turns away. Source: the contract.
#include "tests/emulator/test_client.h"

namespace s2::emulator::test {
namespace {

std::string raw(const Emulator& emulator, const std::string& request_line, const std::string& headers) {
  RawSocket socket(emulator);
  socket.send(request_line + " HTTP/1.1\r\n" + headers + "connection: close\r\n\r\n");
  return socket.receive_all();
}

TEST(ControlPlane, FaultsAreReplacedAndCounted) {
  Endpoint endpoint;
  Client client = endpoint.client(Http::one);
  EXPECT_EQ(
      client.request("PUT", "/_emulator/faults", R"([{"match":{"op":"append"},"fault":{"status":503}}])")
          .status,
      200);
  EXPECT_EQ(client.append("s", {"a"}).status, 503);
  EXPECT_EQ(client.request("GET", "/_emulator/faults").json()[0]["fired"], 1);
  const Answer bad = client.request("PUT", "/_emulator/faults", R"([{"fault":{"oops":1}}])");
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(bad.json()["message"], "fault rule 0: `fault` has no member `oops`");
  EXPECT_EQ(client.request("GET", "/_emulator/faults").json().size(), 1u);
}

TEST(ControlPlane, TheClockAdvances) {
  Endpoint endpoint;
  Client client = endpoint.client();
  const auto before =
      client.request("POST", "/_emulator/clock", R"({"advance":"0ms"})").json()["now"].get<std::int64_t>();
  const auto after =
      client.request("POST", "/_emulator/clock", R"({"advance":"10s"})").json()["now"].get<std::int64_t>();
  EXPECT_GE(after - before, 10'000);
  for (const char* bad :
       {"", "{}", R"({"advance":10})", R"({"advance":"-1s"})", R"({"advance":"1s","x":1})"}) {
    EXPECT_EQ(client.request("POST", "/_emulator/clock", bad).status, 400) << bad;
  }
}

TEST(ControlPlane, AResetIsAnsweredAndForgetsAllButItsOwnConnection) {
  Endpoint endpoint;
  Client other = endpoint.client();
  other.append("s", {"a"});
  Client client = endpoint.client();
  EXPECT_EQ(client.request("POST", "/_emulator/reset").status, 200);
  EXPECT_EQ(client.request("GET", "/v1/basins").json()["basins"].size(), 0u);
  other.wait_until([] { return false; }, std::chrono::seconds(5));
  EXPECT_EQ(other.socket().end(), RawSocket::End::reset);
}

TEST(ControlPlane, ForeignHostsAndOriginsAreTurnedAway) {
  Endpoint endpoint;
  const Emulator& emulator = endpoint.emulator;
  const std::string authority = emulator.endpoint().substr(7);
  EXPECT_TRUE(
      raw(emulator, "GET /_emulator/faults", "host: evil.example.com\r\n").starts_with("HTTP/1.1 421"));
  EXPECT_TRUE(raw(emulator, "GET /_emulator/faults", "host: localhost:1\r\n").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(raw(emulator, "GET /_emulator/faults", "host: [::1]:1\r\n").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(
      raw(emulator, "GET /_emulator/faults", "host: " + authority + "\r\norigin: http://evil.example.com\r\n")
          .starts_with("HTTP/1.1 403"));
  EXPECT_TRUE(raw(emulator, "GET /_emulator/faults", "host: " + authority + "\r\norigin: null\r\n")
                  .starts_with("HTTP/1.1 403"));
  const std::string own = raw(emulator, "GET /_emulator/faults",
                              "host: " + authority + "\r\norigin: http://" + authority + "\r\n");
  EXPECT_TRUE(own.starts_with("HTTP/1.1 200"));
  EXPECT_EQ(own.find("access-control"), std::string::npos);
}

TEST(ControlPlane, WithEnforcedAuthItNeedsTheRootToken) {
  Endpoint endpoint({.auth = Auth::enforced, .root_token = "secret"});
  Client client = endpoint.client();
  EXPECT_EQ(client.request("GET", "/_emulator/faults").status, 401);
  EXPECT_EQ(client.request("GET", "/_emulator/faults", "", {{"authorization", "Bearer wrong"}}).status, 403);
  EXPECT_EQ(client.request("GET", "/_emulator/faults", "", {{"authorization", "Bearer secret"}}).status, 200);
}

}  // namespace
}  // namespace s2::emulator::test
