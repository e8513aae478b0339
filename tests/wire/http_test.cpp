// What holds for both protocols: server and client of each talk to each other in memory.
#include "wire/http.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>

#include "tests/wire/http_pair.h"

namespace s2::wire {
namespace {

class BothProtocols : public testing::TestWithParam<Protocol> {};
INSTANTIATE_TEST_SUITE_P(Http, BothProtocols, testing::Values(Protocol::http1, Protocol::http2),
                         [](const auto& test) {
                           return test.param == Protocol::http1 ? std::string("Http1") : std::string("Http2");
                         });

std::size_t byte_by_byte() {
  return 1;
}
std::size_t whole() {
  return kWhole;
}

TEST_P(BothProtocols, RequestAndResponseArriveAsSentWholeAndByteByByte) {
  for (const auto cut : {whole, byte_by_byte}) {
    Pair pair(GetParam());
    const StreamId id =
        pair.client->send_request(request_head("POST", "/v1/streams/a%2Fb/records?x=1",
                                               {{"content-type", "s2s/proto"}, {"x-a", "b c"}}),
                                  false);
    ASSERT_GT(id, 0);
    pair.client->send_data(id, "hello ", false);
    pair.client->send_data(id, "world", true);
    pair.run(cut);
    ASSERT_EQ(pair.at_server.order, std::vector<StreamId>{id});
    const Received& request = pair.at_server.messages[id];
    EXPECT_EQ(request.request.method, "POST");
    EXPECT_EQ(request.request.target, "/v1/streams/a%2Fb/records?x=1");
    EXPECT_EQ(request.request.authority, "localhost:1");
    EXPECT_EQ(request.request.headers, (HttpHeaders{{"content-type", "s2s/proto"}, {"x-a", "b c"}}));
    EXPECT_EQ(request.body, "hello world");
    EXPECT_TRUE(request.ended);

    pair.server->send_head(id, {429, {{"retry-after", "1"}}}, false);
    pair.server->send_data(id, "slow ", false);
    pair.server->send_data(id, "down", true);
    pair.run(cut);
    const Received& response = pair.at_client.messages[id];
    EXPECT_EQ(response.response.status, 429);
    EXPECT_EQ(response.response.headers, (HttpHeaders{{"retry-after", "1"}}));
    EXPECT_EQ(response.body, "slow down");
    EXPECT_TRUE(response.ended);
    EXPECT_TRUE(pair.client->can_request());
    EXPECT_FALSE(pair.server->finished());
    EXPECT_TRUE(pair.at_client.errors.empty() && pair.at_server.errors.empty());
  }
}

TEST_P(BothProtocols, ResponseBeginsAndEndsWhileTheRequestIsOpen) {
  Pair pair(GetParam());
  const StreamId id = pair.client->send_request(request_head("POST", "/session"), false);
  for (int i = 0; i < 5; ++i) {
    const std::string n = std::to_string(i);
    pair.client->send_data(id, "in" + n, false);
    pair.run();
    ASSERT_TRUE(pair.at_server.messages[id].body.ends_with("in" + n));
    if (i == 0) pair.server->send_head(id, {200, {}}, false);
    pair.server->send_data(id, "ack" + n, false);
    pair.run();
    ASSERT_TRUE(pair.at_client.messages[id].body.ends_with("ack" + n));
  }
  pair.server->send_data(id, "bye", true);
  pair.run();
  EXPECT_TRUE(pair.at_client.messages[id].ended);
  EXPECT_FALSE(pair.at_server.messages[id].ended);
  pair.client->send_data(id, "last", true);
  pair.run();
  EXPECT_TRUE(pair.at_server.messages[id].ended);
  EXPECT_EQ(pair.at_server.messages[id].body, "in0in1in2in3in4last");
  EXPECT_TRUE(pair.at_client.messages[id].resets.empty() && pair.at_server.messages[id].resets.empty());
  EXPECT_TRUE(pair.client->can_request());
}

TEST_P(BothProtocols, FiveMegabytesBothWays) {
  std::string body(5 * 1024 * 1024, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 2654435761U >> 13);
  Pair pair(GetParam());
  const StreamId id = pair.client->send_request(request_head("POST", "/big"), false);
  for (std::size_t at = 0; at < body.size(); at += 1000) {
    pair.client->send_data(id, std::string_view(body).substr(at, 1000), false);
  }
  EXPECT_GE(pair.client->unsent(id), body.size());
  pair.client->send_data(id, "", true);
  pair.run([] { return 70'001; });
  EXPECT_EQ(pair.client->unsent(id), 0U);
  ASSERT_TRUE(pair.at_server.messages[id].body == body);
  ASSERT_TRUE(pair.at_server.messages[id].ended);
  pair.server->send_head(id, {200, {{"content-length", std::to_string(body.size())}}}, false);
  pair.server->send_data(id, body, true);
  pair.run([] { return 70'001; });
  ASSERT_TRUE(pair.at_client.messages[id].body == body);
  ASSERT_TRUE(pair.at_client.messages[id].ended);
}

}  // namespace
}  // namespace s2::wire
