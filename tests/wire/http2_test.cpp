// HTTP/2: flow control, resets, GOAWAY, and peers that break the rules, some of them frame by frame.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/wire/http_pair.h"
#include "wire/http.h"

namespace s2::wire {
namespace {

// RFC 9113 §6 frame types, and flags.
enum FrameType : char {
  kData = 0,
  kHeaders = 1,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kGoaway = 7,
  kWindow = 8,
  kContinuation = 9
};
constexpr char kEndStream = 0x1;
constexpr char kEndHeaders = 0x4;

std::string frame(FrameType type, char flags, StreamId id, std::string_view payload) {
  std::string bytes;
  for (const int shift : {16, 8, 0}) bytes += static_cast<char>(payload.size() >> shift);
  bytes += static_cast<char>(type);
  bytes += flags;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(id >> shift);
  return bytes.append(payload);
}

// An HPACK literal that is not indexed.
std::string field(std::string_view name, std::string_view value) {
  std::string bytes(1, '\0');
  for (const std::string_view text : {name, value}) {
    std::size_t n = text.size();
    if (n < 127) {
      bytes += static_cast<char>(n);
    } else {
      bytes += static_cast<char>(127);
      for (n -= 127; n >= 128; n /= 128) bytes += static_cast<char>(n % 128 + 128);
      bytes += static_cast<char>(n);
    }
    bytes.append(text);
  }
  return bytes;
}

std::string get_fields() {
  return field(":method", "GET") + field(":scheme", "http") + field(":path", "/") + field(":authority", "a");
}

std::string opening() {
  return std::string(kHttp2Preface) + frame(kSettings, 0, 0, "");
}

struct Frame {
  int type;
  int flags;
  StreamId id;
  std::string payload;
};

std::vector<Frame> frames_of(std::string_view bytes) {
  std::vector<Frame> frames;
  while (bytes.size() >= 9) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const std::size_t n = at(0) << 16 | at(1) << 8 | at(2);
    frames.push_back({at(3), at(4), static_cast<StreamId>(at(5) << 24 | at(6) << 16 | at(7) << 8 | at(8)),
                      std::string(bytes.substr(9, n))});
    bytes.remove_prefix(std::min(bytes.size(), 9 + n));
  }
  EXPECT_TRUE(bytes.empty());
  return frames;
}

std::size_t count(const std::vector<Frame>& frames, FrameType type) {
  std::size_t n = 0;
  for (const Frame& f : frames) n += f.type == type ? 1 : 0;
  return n;
}

struct Http2Peer {
  void feed(std::string_view bytes) {
    std::vector<HttpEvent> events;
    peer->receive(bytes, events);
    in.take(events, *peer);
  }
  std::unique_ptr<HttpServer> peer = make_http2_server();
  Inbox in;
};

TEST(Http2, ServerAdvertisesItsWindowsAndLimits) {
  Http2Peer server;
  server.feed(opening());
  const std::vector<Frame> frames = frames_of(server.peer->take_output());
  ASSERT_FALSE(frames.empty());
  EXPECT_EQ(frames[0].type, kSettings);
  EXPECT_EQ(frames[0].payload, std::string("\0\4\0\xa0\0\0\0\6\0\1\0\0\0\3\0\0\3\xe8", 18));
  EXPECT_EQ(count(frames, kWindow), 1U);  // the connection's window
}

TEST(Http2, PeerStallsAtTheWindowUntilConsumed) {
  Pair pair(Protocol::http2);
  pair.at_server.consume = false;
  const StreamId id = pair.client->send_request(request_head("POST", "/"), false);
  const std::string body(kHttp2WindowBytes + 100'000, 'b');
  pair.run();  // the server's SETTINGS arrive: until then the window is 64 KiB
  pair.client->send_data(id, body, true);
  pair.run();
  EXPECT_EQ(pair.at_server.messages[id].body.size(), kHttp2WindowBytes);
  EXPECT_EQ(pair.client->unsent(id), 100'000U);
  EXPECT_FALSE(pair.at_server.messages[id].ended);
  // The connection's window is used up too: another stream waits as well.
  const StreamId other = pair.client->send_request(request_head("POST", "/"), false);
  pair.client->send_data(other, "x", true);
  pair.run();
  EXPECT_EQ(pair.at_server.messages[other].body, "");
  pair.server->consumed(id, kHttp2WindowBytes);
  pair.run();
  EXPECT_EQ(pair.at_server.messages[id].body.size(), body.size());
  EXPECT_TRUE(pair.at_server.messages[id].ended);
  EXPECT_EQ(pair.at_server.messages[other].body, "x");
}

TEST(Http2, ResetGivesTheWindowBack) {
  Pair pair(Protocol::http2);
  pair.at_server.consume = false;
  for (int i = 0; i < 5; ++i) {  // five times two thirds of the window: only possible if it comes back
    const StreamId id = pair.client->send_request(request_head("POST", "/"), false);
    pair.run();
    pair.client->send_data(id, std::string(kHttp2WindowBytes / 3 * 2, 'b'), i % 2 == 0);
    pair.run();
    ASSERT_EQ(pair.at_server.messages[id].body.size(), kHttp2WindowBytes / 3 * 2) << i;
    if (i % 2 == 0) {
      pair.server->reset(id, kInternalError);
    } else {
      pair.client->reset(id, kCancel);
    }
    pair.run();
  }
}

TEST(Http2, BytesHeldBeyondTheEndOfTheStreamAreStillGivenBack) {
  Pair pair(Protocol::http2);
  pair.at_server.consume = false;
  for (int i = 0; i < 5; ++i) {
    const StreamId id = pair.client->send_request(request_head("POST", "/"), false);
    pair.run();
    pair.client->send_data(id, std::string(kHttp2WindowBytes / 3 * 2, 'b'), true);
    pair.run();
    ASSERT_EQ(pair.at_server.messages[id].body.size(), kHttp2WindowBytes / 3 * 2) << i;
    pair.server->send_head(id, {200, {}}, true);
    pair.run();
    EXPECT_TRUE(pair.at_client.messages[id].ended);
    pair.server->consumed(id, kHttp2WindowBytes);
    pair.run();
  }
}

TEST(Http2, TakeOutputStopsNearTheLimit) {
  Pair pair(Protocol::http2);
  const StreamId id = pair.client->send_request(request_head("POST", "/"), false);
  pair.run();
  pair.client->send_data(id, std::string(1'000'000, 'b'), true);
  const std::string part = pair.client->take_output(100'000);
  EXPECT_GE(part.size(), 100'000U);
  EXPECT_LE(part.size(), 120'000U);
  std::vector<HttpEvent> events;
  pair.server->receive(part, events);
  pair.at_server.take(events, *pair.server);
  pair.run();
  EXPECT_EQ(pair.at_server.messages[id].body.size(), 1'000'000U);
}

TEST(Http2, GoawayLetsOpenStreamsFinishAndRefusesNewOnes) {
  Pair pair(Protocol::http2);
  const StreamId open = pair.client->send_request(request_head("POST", "/"), false);
  pair.run();
  pair.server->goaway();
  const StreamId crossed = pair.client->send_request(request_head("POST", "/"), false);
  ASSERT_GT(crossed, open);
  pair.run();
  ASSERT_EQ(pair.at_client.goaways.size(), 1U);
  EXPECT_EQ(pair.at_client.goaways[0].last_stream_id, open);
  EXPECT_EQ(pair.at_client.goaways[0].code, kNoError);
  EXPECT_EQ(pair.at_client.messages[crossed].resets, std::vector<std::uint32_t>{kRefusedStream});
  EXPECT_EQ(pair.at_server.order, std::vector<StreamId>{open});
  EXPECT_FALSE(pair.client->can_request());
  EXPECT_LT(pair.client->send_request(request_head("POST", "/"), true), 0);
  EXPECT_FALSE(pair.server->finished());
  EXPECT_FALSE(pair.client->finished());

  pair.client->send_data(open, "rest", true);
  pair.run();
  pair.server->send_head(open, {200, {}}, false);
  pair.server->send_data(open, "done", true);
  pair.run();
  EXPECT_EQ(pair.at_server.messages[open].body, "rest");
  EXPECT_EQ(pair.at_client.messages[open].body, "done");
  EXPECT_TRUE(pair.server->finished());
  EXPECT_TRUE(pair.client->finished());
}

TEST(Http2, ResetByTheServerCarriesItsCode) {
  Pair pair(Protocol::http2);
  const StreamId id = pair.client->send_request(request_head("POST", "/"), false);
  pair.client->send_data(id, "x", false);
  pair.run();
  pair.server->send_head(id, {200, {}}, false);
  pair.server->send_data(id, "never leaves", false);
  pair.server->reset(id, kInternalError);
  pair.run();
  EXPECT_EQ(pair.at_client.messages[id].resets, std::vector<std::uint32_t>{kInternalError});
  EXPECT_EQ(pair.at_client.messages[id].body, "");
  EXPECT_TRUE(pair.at_server.messages[id].resets.empty());
  EXPECT_TRUE(pair.client->can_request());
}

TEST(Http2, ResetInTheMiddleOfABodyStopsIt) {
  Pair pair(Protocol::http2);
  const StreamId id = pair.client->send_request(request_head("GET", "/"), true);
  pair.run();
  pair.server->send_head(id, {200, {}}, false);
  pair.server->send_data(id, std::string(1'000'000, 'b'), true);
  const std::string part = pair.server->take_output(100'000);
  pair.server->reset(id, kInternalError);
  std::vector<HttpEvent> events;
  pair.client->receive(part + pair.server->take_output(), events);
  pair.at_client.take(events, *pair.client);
  pair.run();
  EXPECT_EQ(pair.at_client.messages[id].resets, std::vector<std::uint32_t>{kInternalError});
  EXPECT_LT(pair.at_client.messages[id].body.size(), 140'000U);
  EXPECT_EQ(pair.server->unsent(id), 0U);
  EXPECT_TRUE(pair.at_client.errors.empty());
}

TEST(Http2, ResetWithoutErrorAfterTheResponseLetsItLeaveFirst) {
  Pair pair(Protocol::http2);
  const StreamId id = pair.client->send_request(request_head("POST", "/"), false);
  pair.client->send_data(id, "x", false);
  pair.run();
  pair.server->send_head(id, {401, {}}, false);
  pair.server->send_data(id, std::string(200'000, 'n'), true);
  pair.server->reset(id, kNoError);
  pair.run();
  EXPECT_EQ(pair.at_client.messages[id].body.size(), 200'000U);
  EXPECT_TRUE(pair.at_client.messages[id].ended);
  EXPECT_EQ(pair.at_client.messages[id].resets, std::vector<std::uint32_t>{kNoError});
}

TEST(Http2, PingIsAnswered) {
  Pair pair(Protocol::http2);
  pair.client->ping();
  pair.run();
  EXPECT_EQ(pair.at_client.ping_acks, 1);
  EXPECT_EQ(pair.at_server.ping_acks, 0);
}

TEST(Http2, ClientStopsAtThePeersLimitOfStreams) {
  Pair pair(Protocol::http2);
  int opened = 0;
  while (pair.client->can_request() && opened < 2000) {
    ASSERT_GT(pair.client->send_request(request_head("POST", "/"), false), 0);
    ++opened;
  }
  EXPECT_EQ(opened, 100);  // before the peer's SETTINGS
  pair.run();
  while (pair.client->can_request() && opened < 2000) {
    ASSERT_GT(pair.client->send_request(request_head("POST", "/"), false), 0);
    ++opened;
  }
  EXPECT_EQ(opened, 1000);
  EXPECT_LT(pair.client->send_request(request_head("POST", "/"), false), 0);
  pair.run();
  EXPECT_EQ(pair.at_server.order.size(), 1000U);
  pair.client->reset(pair.at_server.order.front(), kCancel);
  EXPECT_TRUE(pair.client->can_request());
}

TEST(Http2, ExpectContinueIsAnswered) {
  Pair pair(Protocol::http2);
  const StreamId id =
      pair.client->send_request(request_head("POST", "/", {{"expect", "100-continue"}}), false);
  pair.run();
  EXPECT_FALSE(pair.at_client.messages[id].begun);  // the interim response is passed over
  pair.server->send_head(id, {200, {{"x-a", "1"}}}, true);
  pair.run();
  EXPECT_EQ(pair.at_client.messages[id].response.status, 200);
  EXPECT_EQ(pair.at_client.messages[id].response.headers, (HttpHeaders{{"x-a", "1"}}));
}

TEST(Http2, TrailersAreNotTakenForHeaders) {
  Http2Peer server;
  server.feed(opening() + frame(kHeaders, kEndHeaders, 1, get_fields()) + frame(kData, 0, 1, "body") +
              frame(kHeaders, kEndHeaders | kEndStream, 1, field("x-trailer", "1")));
  EXPECT_EQ(server.in.messages[1].body, "body");
  EXPECT_TRUE(server.in.messages[1].request.headers.empty());
  EXPECT_TRUE(server.in.messages[1].ended);
}

TEST(Http2, HeadAboveTheLimitGets431AndTheConnectionGoesOn) {
  Http2Peer server;
  const std::string fields =
      get_fields() + field("x-a", std::string(40'000, 'a')) + field("x-b", std::string(40'000, 'b'));
  std::string bytes = opening() + frame(kHeaders, 0, 1, fields.substr(0, 16'000));
  std::size_t at = 16'000;
  for (; fields.size() - at > 16'000; at += 16'000)
    bytes += frame(kContinuation, 0, 1, fields.substr(at, 16'000));
  bytes += frame(kContinuation, kEndHeaders, 1, fields.substr(at));
  bytes += frame(kData, 0, 1, "body that nobody reads");
  bytes += frame(kHeaders, kEndHeaders | kEndStream, 3, get_fields());
  server.feed(bytes);
  EXPECT_EQ(server.in.order, std::vector<StreamId>{3});
  const std::vector<Frame> frames = frames_of(server.peer->take_output());
  bool answered = false;
  for (const Frame& f : frames)
    answered = answered || (f.type == kHeaders && f.id == 1 && (f.flags & kEndStream) != 0);
  EXPECT_TRUE(answered);
  EXPECT_EQ(count(frames, kRstStream), 1U);
  EXPECT_EQ(count(frames, kGoaway), 0U);
  EXPECT_TRUE(server.in.errors.empty());
}

TEST(Http2, BrokenRulesAreOneErrorAndAGoaway) {
  const std::string get = frame(kHeaders, kEndHeaders | kEndStream, 1, get_fields());
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"not the preface", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"no settings first", std::string(kHttp2Preface) + frame(kPing, 0, 0, "12345678")},
      {"data on an idle stream", opening() + frame(kData, 0, 1, "x")},
      {"frame too large", opening() + frame(kData, 0, 1, std::string(20'000, 'x'))},
      {"even stream id", opening() + frame(kHeaders, kEndHeaders, 2, get_fields())},
      {"bad compression", opening() + frame(kHeaders, kEndHeaders, 1, "\xff\xff\xff\xff\xff\xff\xff\xff")},
      {"window beyond 2^31", opening() + frame(kWindow, 0, 0, "\x7f\xff\xff\xff")},
      {"window of zero", opening() + frame(kWindow, 0, 0, std::string(4, '\0'))},
      {"settings of odd size", opening() + frame(kSettings, 0, 0, "12345")},
      {"continuation of nothing", opening() + frame(kContinuation, kEndHeaders, 1, "")},
      {"ping of odd size", opening() + get + frame(kPing, 0, 0, "1")},
  };
  for (const auto& [what, bytes] : cases) {
    for (const std::size_t step : {std::size_t{1}, kWhole}) {
      Http2Peer server;
      for (std::size_t at = 0; at < bytes.size(); at += std::min(step, bytes.size())) {
        server.feed(std::string_view(bytes).substr(at, step));
      }
      server.feed(frame(kHeaders, kEndHeaders | kEndStream, 7, get_fields()));
      std::vector<HttpEvent> events;
      server.peer->receive_eof(events);
      EXPECT_TRUE(events.empty()) << what;
      EXPECT_EQ(server.in.errors.size(), 1U) << what;
      EXPECT_EQ(count(frames_of(server.peer->take_output()), kGoaway), 1U) << what;
      EXPECT_TRUE(server.peer->finished()) << what;
      EXPECT_EQ(server.peer->take_output(), "") << what;
    }
  }
}

TEST(Http2, AMalformedRequestIsResetAndNeverSeen) {
  const std::vector<std::string> heads = {
      field(":method", "GET") + field(":scheme", "http") + field(":authority", "a"),  // no path
      get_fields() + field("X-Upper", "1"),
      get_fields() + field("connection", "close"),
      get_fields() + field("x-a", "1\r\nx: 2"),
      get_fields() + field("content-length", "1") + field("content-length", "2"),
      field("x-a", "1") + get_fields(),
  };
  for (const std::string& head : heads) {
    Http2Peer server;
    server.feed(opening() + frame(kHeaders, kEndHeaders | kEndStream, 1, head));
    EXPECT_TRUE(server.in.order.empty());
    EXPECT_TRUE(server.in.messages[1].resets.empty());
    const std::vector<Frame> frames = frames_of(server.peer->take_output());
    EXPECT_EQ(count(frames, kRstStream) + count(frames, kGoaway), 1U);
  }
  Http2Peer lying;  // more body than its content-length: seen, then reset
  lying.feed(opening() + frame(kHeaders, kEndHeaders, 1, get_fields() + field("content-length", "1")) +
             frame(kData, kEndStream, 1, "two"));
  EXPECT_EQ(lying.in.order, std::vector<StreamId>{1});
  EXPECT_FALSE(lying.in.messages[1].ended);
  EXPECT_EQ(lying.in.messages[1].resets, std::vector<std::uint32_t>{kHttpProtocolError});
}

TEST(Http2, FloodsEndTheConnection) {
  Http2Peer pings;  // nobody reads the acks
  for (int i = 0; i < 40'000 && pings.in.errors.empty(); ++i) {
    pings.feed((i == 0 ? opening() : "") + frame(kPing, 0, 0, "12345678"));
  }
  EXPECT_EQ(pings.in.errors.size(), 1U);

  Http2Peer resets;  // streams opened and reset at once
  StreamId id = 1;
  for (; id < 200'000 && resets.in.errors.empty(); id += 2) {
    resets.feed((id == 1 ? opening() : "") + frame(kHeaders, kEndHeaders, id, get_fields()) +
                frame(kRstStream, 0, id, std::string("\0\0\0\x8", 4)));
    resets.peer->take_output();
  }
  EXPECT_EQ(resets.in.errors.size(), 1U);

  Http2Peer provoked;  // each head makes us answer with a reset that nobody reads
  for (id = 1; id < 200'000 && provoked.in.errors.empty(); id += 2) {
    provoked.feed((id == 1 ? opening() : "") +
                  frame(kHeaders, kEndHeaders, id, field("x", "no pseudo headers")));
  }
  EXPECT_EQ(provoked.in.errors.size(), 1U);
  EXPECT_LT(provoked.peer->take_output(10'000'000).size(), 1'000'000U);

  Http2Peer endless;  // a head that never ends
  endless.feed(opening() + frame(kHeaders, 0, 1, get_fields()));
  for (int i = 0; i < 1000 && endless.in.errors.empty(); ++i)
    endless.feed(frame(kContinuation, 0, 1, field("x", "y")));
  EXPECT_EQ(endless.in.errors.size(), 1U);
}

TEST(Http2, ClientOfAServerThatSpeaksHttp1SeesOneError) {
  auto client = make_http2_client();
  ASSERT_GT(client->send_request(request_head("GET", "/"), true), 0);
  client->take_output();
  std::vector<HttpEvent> events;
  client->receive("HTTP/1.1 400 Bad Request\r\n\r\n", events);
  client->receive("HTTP/1.1 400 Bad Request\r\n\r\n", events);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<ProtocolError>(events[0]));
  EXPECT_FALSE(client->can_request());
}

TEST(Http2, ResponseHeadAboveTheLimitIsAReset) {
  Pair pair(Protocol::http2);
  const StreamId id = pair.client->send_request(request_head("GET", "/"), true);
  pair.run();
  pair.server->send_head(id, {200, {{"x-a", std::string(kMaxHeadBytes + 10, 'a')}}},
                         true);  // our server cannot
  pair.run();
  EXPECT_EQ(pair.at_client.messages[id].resets, std::vector<std::uint32_t>{kInternalError});
  pair.client->ping();  // what arose while sending is told with the next bytes
  pair.run();
  EXPECT_EQ(pair.at_server.messages[id].resets, std::vector<std::uint32_t>{kInternalError});

  auto client = make_http2_client();
  const StreamId asked = client->send_request(request_head("GET", "/"), true);
  const std::string fields = field(":status", "200") + field("x-a", std::string(40'000, 'a')) +
                             field("x-b", std::string(40'000, 'b'));
  std::string bytes = frame(kSettings, 0, 0, "") + frame(kHeaders, 0, asked, fields.substr(0, 16'000));
  std::size_t at = 16'000;
  for (; fields.size() - at > 16'000; at += 16'000)
    bytes += frame(kContinuation, 0, asked, fields.substr(at, 16'000));
  bytes += frame(kContinuation, kEndHeaders, asked, fields.substr(at));
  std::vector<HttpEvent> events;
  client->receive(bytes, events);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(std::get<StreamReset>(events[0]).id, asked);
}

}  // namespace
}  // namespace s2::wire
