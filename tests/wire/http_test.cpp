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
    pair.client->send_data(id, body.substr(at, 1000), false);
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

TEST_P(BothProtocols, LineBreaksInValuesCannotStartAHeader) {
  Pair pair(GetParam());
  const StreamId id = pair.client->send_request(
      request_head("GET", "/", {{"x-a", "1\r\nx-evil: 2"}, {"x b", "not a token"}, {"connection", "x-a"}}),
      true);
  pair.run();
  EXPECT_EQ(pair.at_server.messages[id].request.headers, (HttpHeaders{{"x-a", "1  x-evil: 2"}}));
  pair.server->send_head(
      id, {200, {{"x-a", std::string("1\r\n\r\n<\0>", 8)}, {"X-B\r\n", "2"}, {"X-C", " 3 "}}}, true);
  pair.run();
  EXPECT_EQ(pair.at_client.messages[id].response.headers.front(), (HttpHeader{"x-a", "1    < >"}));
  EXPECT_EQ(find_header(pair.at_client.messages[id].response.headers, "x-c"), "3");
  EXPECT_TRUE(pair.at_client.messages[id].ended);
}

TEST_P(BothProtocols, RequestLineThatWouldInjectIsRefused) {
  for (const auto& [method, target] : std::vector<std::pair<std::string, std::string>>{
           {"GET", "/a b"}, {"GET", "/a\r\nx: y"}, {"G T", "/"}, {"", "/"}, {"GET", ""}}) {
    Pair pair(GetParam());
    EXPECT_LT(pair.client->send_request(request_head(method, target), true), 0) << target;
  }
  Pair pair(GetParam());
  RequestHead head = request_head("GET", "/");
  head.authority = "a\r\nx-evil: 1";
  EXPECT_LT(pair.client->send_request(head, true), 0);
}

TEST_P(BothProtocols, EndOfConnectionResetsWhatIsOpen) {
  Pair pair(GetParam());
  const StreamId id = pair.client->send_request(request_head("POST", "/"), false);
  pair.client->send_data(id, "half", false);
  pair.run();
  pair.server->send_head(id, {200, {}}, false);
  pair.server->send_data(id, "ha", false);
  pair.run();
  for (HttpPeer* peer :
       {static_cast<HttpPeer*>(pair.server.get()), static_cast<HttpPeer*>(pair.client.get())}) {
    std::vector<HttpEvent> events;
    peer->receive_eof(events);
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(std::get<StreamReset>(events[0]).id, id);
    EXPECT_EQ(std::get<StreamReset>(events[0]).code, kConnectionLost);
    EXPECT_TRUE(peer->finished());
    events.clear();
    peer->receive("more", events);
    peer->receive_eof(events);
    peer->send_data(id, "late", true);  // events cross calls: ignored
    peer->consumed(id, 4);
    peer->reset(id, kCancel);
    EXPECT_TRUE(events.empty());
  }
  EXPECT_FALSE(pair.client->can_request());
}

TEST_P(BothProtocols, ResponsesThatHaveNoBodyCarryNone) {
  Pair pair(GetParam());
  const StreamId id = pair.client->send_request(request_head("HEAD", "/"), true);
  pair.run();
  pair.server->send_head(id, {200, {{"content-length", "5"}}}, false);
  pair.server->send_data(id, "12345", true);
  pair.run();
  EXPECT_EQ(find_header(pair.at_client.messages[id].response.headers, "content-length"), "5");
  EXPECT_TRUE(pair.at_client.messages[id].ended);
  EXPECT_EQ(pair.at_client.messages[id].body, "");
  ASSERT_TRUE(pair.client->can_request());
  const StreamId next = pair.client->send_request(request_head("DELETE", "/"), true);
  pair.run();
  pair.server->send_head(next, {204, {}}, false);
  pair.server->send_data(next, "12345", true);
  pair.run();
  EXPECT_EQ(pair.at_client.messages[next].response.status, 204);
  EXPECT_TRUE(pair.at_client.messages[next].ended);
  EXPECT_EQ(pair.at_client.messages[next].body, "");
}

TEST_P(BothProtocols, HeadAboveTheLimitIsRefusedWith431) {
  const std::string nearly(kMaxHeadBytes - 1000, 'a');
  {
    Pair pair(GetParam());
    const StreamId id = pair.client->send_request(request_head("GET", "/", {{"x-a", nearly}}), true);
    pair.run([] { return 8191; });
    EXPECT_EQ(pair.at_server.messages[id].request.headers.at(0).value, nearly);
  }
  // The client of HTTP/2 does not send such a head; a peer that does is in http2_test.cpp.
  if (GetParam() == Protocol::http2) return;
  for (const std::size_t cut : {std::size_t{8191}, kWhole}) {
    Pair pair(GetParam());
    const StreamId id =
        pair.client->send_request(request_head("GET", "/", {{"x-a", nearly}, {"x-b", nearly}}), true);
    pair.run([cut] { return cut; });
    EXPECT_TRUE(pair.at_server.order.empty());
    ASSERT_EQ(pair.at_server.errors.size(), 1U);
    EXPECT_EQ(pair.at_client.messages[id].response.status, 431);
    EXPECT_TRUE(pair.server->finished());
    EXPECT_TRUE(pair.client->finished());
  }
}

TEST_P(BothProtocols, ResetByTheClientReachesTheServerOnce) {
  Pair pair(GetParam());
  const StreamId id = pair.client->send_request(request_head("POST", "/"), false);
  pair.client->send_data(id, "x", false);
  pair.run();
  pair.client->reset(id, kCancel);
  pair.client->reset(id, kCancel);
  pair.run();
  if (GetParam() == Protocol::http1) {
    EXPECT_TRUE(pair.client->finished());  // the owner closes, and the server sees that
    std::vector<HttpEvent> events;
    pair.server->receive_eof(events);
    pair.at_server.take(events, *pair.server);
  }
  EXPECT_EQ(pair.at_server.messages[id].resets.size(), 1U);
  EXPECT_TRUE(pair.at_client.messages[id].resets.empty());
  pair.server->send_head(id, {200, {}}, true);
  pair.run();
  EXPECT_FALSE(pair.at_client.messages[id].begun);
}

// A conversation that RapidCheck draws.
struct Message {
  HttpHeaders headers;
  std::vector<std::string> pieces;
  bool end_with_last_piece = false;
  bool with_length = false;
};

rc::Gen<std::string> text(const std::string& letters, int at_most) {
  return rc::gen::mapcat(rc::gen::inRange(0, at_most + 1), [letters](int n) {
    return rc::gen::container<std::string>(static_cast<std::size_t>(n), rc::gen::elementOf(letters));
  });
}

Message draw_message() {
  Message message;
  const int headers = *rc::gen::inRange(0, 4);
  for (int i = 0; i < headers; ++i) {
    std::string value = "v";
    value += *text("abc ,;=\"\xc3\xa9", 40);
    value += "v";
    std::string name = "x-";
    name += *text("abcz09-_", 6);
    message.headers.push_back({name, value});
  }
  const int pieces = *rc::gen::inRange(0, 5);
  for (int i = 0; i < pieces; ++i) {
    std::string piece = *rc::gen::arbitrary<std::string>();
    const int repeat = *rc::gen::weightedElement<int>({{6, 1}, {2, 100}, {1, 20'000}});
    std::string many;
    for (int k = 0; k < repeat && many.size() < 150'000; ++k) many += piece;
    message.pieces.push_back(std::move(many));
  }
  message.end_with_last_piece = *rc::gen::arbitrary<bool>();
  message.with_length = *rc::gen::arbitrary<bool>();
  std::size_t size = 0;
  for (const std::string& piece : message.pieces) size += piece.size();
  if (message.with_length) message.headers.push_back({"content-length", std::to_string(size)});
  return message;
}

std::string whole_body(const Message& message) {
  std::string all;
  for (const std::string& piece : message.pieces) all += piece;
  return all;
}

void send_body(HttpPeer& peer, StreamId id, const Message& message) {
  for (std::size_t i = 0; i < message.pieces.size(); ++i) {
    const bool last = i + 1 == message.pieces.size();
    peer.send_data(id, message.pieces[i], last && message.end_with_last_piece);
  }
  if (message.pieces.empty() || !message.end_with_last_piece) peer.send_data(id, "", true);
}

TEST_P(BothProtocols, RandomConversationsInRandomPiecesArriveTheSame) {
  ASSERT_TRUE(rc::check([] {
    Pair pair(GetParam());
    pair.take_limit = *rc::gen::element<std::size_t>(100, 20'000, 256 * 1024);
    const auto cuts = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::size_t>>(
        rc::gen::weightedOneOf<std::size_t>({{3, rc::gen::inRange<std::size_t>(1, 40)},
                                             {2, rc::gen::inRange<std::size_t>(40, 100'000)},
                                             {1, rc::gen::just(kWhole)}})));
    std::size_t at = 0;
    std::size_t moved = 0;
    const auto cut = [&] {  // small pieces first, then larger ones, so that a large body ends
      const std::size_t n = cuts[at++ % cuts.size()];
      return ++moved > 2000 ? std::max<std::size_t>(n, 50'000) : n;
    };
    const int rounds = *rc::gen::inRange(1, 4);
    for (int round = 0; round < rounds; ++round) {
      const int at_once = GetParam() == Protocol::http2 ? *rc::gen::inRange(1, 4) : 1;
      std::map<StreamId, Message> requests;
      for (int i = 0; i < at_once; ++i) {
        Message message = draw_message();
        const StreamId id =
            pair.client->send_request(request_head("PUT", "/x?y=%20", message.headers), false);
        RC_ASSERT(id > 0);
        send_body(*pair.client, id, message);
        requests.emplace(id, std::move(message));
      }
      pair.run(cut);
      for (const auto& [id, message] : requests) {
        RC_ASSERT(pair.at_server.messages[id].request.method == "PUT");
        // HTTP/1.1 writes the content-length last.
        HttpHeaders got = pair.at_server.messages[id].request.headers;
        RC_ASSERT(got == message.headers);
        RC_ASSERT(pair.at_server.messages[id].body == whole_body(message));
        RC_ASSERT(pair.at_server.messages[id].ended);
      }
      std::map<StreamId, Message> responses;
      for (const auto& [id, unused] : requests) {
        Message message = draw_message();
        pair.server->send_head(id, {200, message.headers}, false);
        send_body(*pair.server, id, message);
        responses.emplace(id, std::move(message));
      }
      pair.run(cut);
      for (const auto& [id, message] : responses) {
        RC_ASSERT(pair.at_client.messages[id].response.headers == message.headers);
        RC_ASSERT(pair.at_client.messages[id].body == whole_body(message));
        RC_ASSERT(pair.at_client.messages[id].ended);
        RC_ASSERT(pair.client->unsent(id) == 0U);
      }
    }
    RC_ASSERT(pair.at_client.errors.empty() && pair.at_server.errors.empty());
    RC_ASSERT(pair.client->can_request());
  }));
}

// Damaged bytes of real conversations, and plain noise: any answer will do but a crash, an endless loop or
// two errors.
TEST_P(BothProtocols, DamagedAndTruncatedInputNeverCrashes) {
  ASSERT_TRUE(rc::check([] {
    Pair pair(GetParam());
    for (const bool server_side : {true, false}) {
      std::string bytes;
      Pair source(GetParam());
      const StreamId id = source.client->send_request(request_head("POST", "/a", {{"x-a", "b"}}), false);
      source.client->send_data(id, std::string(300, 'x'), true);
      bytes = source.client->take_output();
      if (!server_side) {
        source.run([] { return kWhole; });
        std::vector<HttpEvent> events;
        source.server->receive(bytes, events);
        source.server->send_head(id, {200, {{"x-a", "b"}}}, false);
        source.server->send_data(id, std::string(300, 'y'), true);
        bytes = source.server->take_output();
        pair.client->send_request(request_head("POST", "/a"), true);
      }
      const int damages = *rc::gen::inRange(0, 6);
      for (int i = 0; i < damages && !bytes.empty(); ++i) {
        const auto place = *rc::gen::inRange<std::size_t>(0, bytes.size());
        switch (*rc::gen::inRange(0, 4)) {
          case 0:
            bytes[place] = *rc::gen::arbitrary<char>();
            break;
          case 1:
            bytes.insert(place, *rc::gen::arbitrary<std::string>());
            break;
          case 2:
            bytes.erase(place, *rc::gen::inRange<std::size_t>(1, 20));
            break;
          default:
            bytes.insert(place, bytes.substr(*rc::gen::inRange<std::size_t>(0, bytes.size()), 40));
            break;
        }
      }
      HttpPeer& peer =
          server_side ? static_cast<HttpPeer&>(*pair.server) : static_cast<HttpPeer&>(*pair.client);
      const auto step = *rc::gen::element<std::size_t>(1, 7, kWhole);
      std::vector<HttpEvent> events;
      for (std::size_t at = 0; at < bytes.size(); at += std::min(step, bytes.size())) {
        peer.receive(std::string_view(bytes).substr(at, step), events);
        RC_ASSERT(peer.take_output().size() < 1'000'000U);
      }
      peer.receive_eof(events);
      int errors = 0;
      for (const HttpEvent& event : events) errors += std::holds_alternative<ProtocolError>(event) ? 1 : 0;
      RC_ASSERT(errors <= 1);
      if (errors == 1) RC_ASSERT(std::holds_alternative<ProtocolError>(events.back()));
      if (errors == 1) RC_ASSERT(peer.finished());
    }
  }));
}

TEST(DetectProtocol, WaitsForAsManyBytesAsItNeeds) {
  EXPECT_EQ(detect_protocol(""), Protocol::undecided);
  EXPECT_EQ(detect_protocol("P"), Protocol::undecided);
  EXPECT_EQ(detect_protocol("PO"), Protocol::http1);
  EXPECT_EQ(detect_protocol("GET / HTTP/1.1\r\n"), Protocol::http1);
  for (std::size_t n = 0; n < kHttp2Preface.size(); ++n) {
    EXPECT_EQ(detect_protocol(kHttp2Preface.substr(0, n)), Protocol::undecided);
  }
  EXPECT_EQ(detect_protocol(std::string(kHttp2Preface) + "more"), Protocol::http2);
}

}  // namespace
}  // namespace s2::wire
