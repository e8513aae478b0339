// HTTP/1.1 by its bytes: known answers, requests sent ahead, what must be refused, how connections end.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/wire/http_pair.h"
#include "wire/http.h"

namespace s2::wire {
namespace {

struct Http1Peer {
  void feed(std::string_view bytes) {
    std::vector<HttpEvent> events;
    peer->receive(bytes, events);
    in.take(events, *peer);
  }
  std::unique_ptr<HttpServer> peer = make_http1_server();
  Inbox in;
};

TEST(Http1Server, KnownAnswerWithLength) {
  Http1Peer server;
  server.feed(
      "GET /v1/streams?prefix=a HTTP/1.1\r\nHost: example\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n");
  ASSERT_EQ(server.in.order, std::vector<StreamId>{1});
  EXPECT_EQ(server.in.messages[1].request.target, "/v1/streams?prefix=a");
  EXPECT_EQ(server.in.messages[1].request.headers, (HttpHeaders{{"accept", "*/*"}}));
  EXPECT_TRUE(server.in.messages[1].ended);
  server.peer->send_head(1, {200, {{"Content-Type", "application/json"}, {"content-length", "2"}}}, false);
  server.peer->send_data(1, "{}", true);
  EXPECT_EQ(server.peer->take_output(),
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
  EXPECT_FALSE(server.peer->finished());
}

TEST(Http1Server, KnownAnswerInChunksAndWithoutBody) {
  Http1Peer server;
  server.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  server.peer->send_head(1, {200, {}}, false);
  server.peer->send_data(1, "0123456789abcdef", false);
  server.peer->send_data(1, "", false);
  server.peer->send_data(1, "x", true);
  EXPECT_EQ(
      server.peer->take_output(),
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\n0123456789abcdef\r\n1\r\nx\r\n0\r\n\r\n");
  server.feed("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n");
  server.peer->send_head(2, {202, {}}, true);
  EXPECT_EQ(server.peer->take_output(), "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
  server.feed("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n");
  server.peer->send_head(3, {204, {{"content-length", "7"}}}, false);
  server.peer->send_data(3, "dropped", true);
  EXPECT_EQ(server.peer->take_output(), "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(Http1Server, ExpectContinueIsAnsweredBeforeTheBody) {
  Http1Peer server;
  server.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
  EXPECT_EQ(server.peer->take_output(), "HTTP/1.1 100 Continue\r\n\r\n");
  server.feed("hi");
  EXPECT_EQ(server.in.messages[1].body, "hi");
  EXPECT_TRUE(server.in.messages[1].ended);
}

TEST(Http1Server, PipelinedRequestsAreAnsweredInTheirOrder) {
  const std::string bytes =
      "\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
      "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n0\r\nTrailer: "
      "1\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const std::size_t step : {std::size_t{1}, kWhole}) {
    Http1Peer server;
    for (std::size_t at = 0; at < bytes.size(); at += std::min(step, bytes.size())) {
      server.feed(std::string_view(bytes).substr(at, step));
    }
    ASSERT_EQ(server.in.order, (std::vector<StreamId>{1, 2, 3}));
    EXPECT_EQ(server.in.messages[2].body, "abc");
    EXPECT_EQ(server.in.messages[2].request.headers, HttpHeaders{});
    server.peer->send_head(3, {203, {}}, true);
    server.peer->send_head(2, {202, {}}, false);
    server.peer->send_data(2, "b", true);
    EXPECT_EQ(server.peer->take_output(), "");
    server.peer->send_head(1, {201, {}}, true);
    const std::string out = server.peer->take_output();
    const std::size_t first = out.find("201");
    const std::size_t second = out.find("202");
    const std::size_t third = out.find("203");
    EXPECT_TRUE(first < second && second < third && third != std::string::npos) << out;
  }
}

TEST(Http1Server, TooManyPipelinedRequestsAreCutOff) {
  Http1Peer server;
  for (int i = 0; i < 1000; ++i) server.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(server.in.errors.size(), 1U);
  EXPECT_EQ(server.in.order.size(), 256U);
  EXPECT_TRUE(server.peer->finished());
}

TEST(Http1Server, ConnectionCloseAndHttp10EndTheConnection) {
  for (const std::string head :
       {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"}) {
    Http1Peer server;
    server.feed(head + "GET /ignored HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(server.in.order, std::vector<StreamId>{1});
    EXPECT_FALSE(server.peer->finished());
    server.peer->send_head(1, {200, {}}, false);
    server.peer->send_data(1, "body", true);
    const std::string out = server.peer->take_output();
    EXPECT_NE(out.find("connection: close\r\n"), std::string::npos) << out;
    EXPECT_EQ(out.find("chunked") == std::string::npos, head.find("HTTP/1.0") != std::string::npos) << out;
    EXPECT_TRUE(server.peer->finished());
  }
}

TEST(Http1Server, GoawayClosesAfterTheRequestInFlight) {
  Http1Peer server;
  server.peer->goaway();
  EXPECT_TRUE(server.peer->finished());

  Http1Peer busy;
  busy.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  busy.peer->goaway();
  EXPECT_FALSE(busy.peer->finished());
  busy.peer->send_head(1, {200, {}}, true);
  EXPECT_EQ(busy.peer->take_output(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(busy.peer->finished());
  busy.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(busy.in.order.size(), 1U);
}

TEST(Http1Server, WhatCouldBeReadInTwoWaysIsRefused) {
  const std::string line = "POST / HTTP/1.1\r\n";
  const std::vector<std::string> heads = {
      line + "Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
      line + "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
      line + "Host: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
      line + "Host: a\r\nContent-Length: 4, 5\r\n\r\n",
      line + "Host: a\r\nContent-Length : 4\r\n\r\n",
      line + "Host: a\r\nContent-Length: +4\r\n\r\n",
      line + "Host: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
      line + "Host: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
      line + "Host: a\r\nTransfer-Encoding: gzip\r\n\r\n",
      line + "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      line + "Host: a\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n",
      line + "Host: a\r\nHost: b\r\n\r\n",
      line + "\r\n",
      line + "Host: a\r\nX: a\rb\r\n\r\n",
      line + "Host: a\nX: b\n\n\r\n\r\n",
      line + std::string("Host: a\r\nX: a\0b\r\n\r\n", 18),
      line + " Host: a\r\n\r\n",
      "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
      "POST / HTTP/1.2\r\nHost: a\r\n\r\n",
      "PO(ST / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
      "\x16\x03\x01\x02\x00\r\n\r\n",
  };
  for (const std::string& head : heads) {
    Http1Peer server;
    server.feed(head + "0\r\n\r\n");
    server.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(server.in.errors.size(), 1U) << head;
    EXPECT_TRUE(server.in.order.empty()) << head;
    EXPECT_EQ(server.peer->take_output(),
              "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        << head;
    EXPECT_TRUE(server.peer->finished());
  }
}

TEST(Http1Server, BadChunksAreRefusedWhileTheResponseIsNotBegun) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string chunk :
       {"xyz\r\n", "5\r\nabcdefg\r\n", "fffffffffffffffff\r\n", "-1\r\n", "1\nabc\r\n"}) {
    Http1Peer server;
    server.feed(head + chunk + "0\r\n\r\n");
    ASSERT_EQ(server.in.errors.size(), 1U) << chunk;
    EXPECT_EQ(server.peer->take_output().substr(0, 13), "HTTP/1.1 400 ") << chunk;
  }
  Http1Peer answering;
  answering.feed(head);
  answering.peer->send_head(1, {200, {}}, false);
  answering.feed("xyz\r\n");
  ASSERT_EQ(answering.in.errors.size(), 1U);
  answering.peer->send_data(1, "ignored", true);
  EXPECT_EQ(answering.peer->take_output(), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
  EXPECT_TRUE(answering.peer->finished());
}

TEST(Http1Server, AnErrorDoesNotAnswerForAnEarlierRequest) {
  Http1Peer server;
  server.feed("GET /slow HTTP/1.1\r\nHost: a\r\n\r\nbroken\r\n\r\n");
  EXPECT_EQ(server.in.errors.size(), 1U);
  EXPECT_EQ(server.peer->take_output(), "");
  EXPECT_TRUE(server.peer->finished());
  Http1Peer answered;
  answered.feed("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n");
  answered.peer->send_head(1, {200, {}}, true);
  answered.feed("broken\r\n\r\n");
  const std::string out = answered.peer->take_output();
  EXPECT_TRUE(out.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_NE(out.find("HTTP/1.1 400 Bad Request\r\n"), std::string::npos);
}

TEST(Http1Server, EndlessChunkHeaderIsBounded) {
  Http1Peer server;
  server.feed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;");
  for (int i = 0; i < 200; ++i) server.feed(std::string(1000, 'x'));
  ASSERT_EQ(server.in.errors.size(), 1U);
  EXPECT_EQ(server.peer->take_output().substr(0, 13), "HTTP/1.1 431 ");
}

TEST(Http1Server, AbsoluteTargetGivesPathAndAuthority) {
  Http1Peer server;
  server.feed(
      "GET http://b.example:80/x?y HTTP/1.1\r\nHost: a\r\n\r\nGET http://c?q HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(server.in.messages[1].request.target, "/x?y");
  EXPECT_EQ(server.in.messages[1].request.authority, "b.example:80");
  EXPECT_EQ(server.in.messages[2].request.target, "/?q");
  EXPECT_EQ(server.in.messages[2].request.authority, "c");
}

TEST(Http1Server, RequestThatWasCompleteIsStillAnsweredAfterTheClientsEnd) {
  Http1Peer server;
  server.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /torn");
  std::vector<HttpEvent> events;
  server.peer->receive_eof(events);
  EXPECT_TRUE(events.empty());
  EXPECT_FALSE(server.peer->finished());
  server.peer->send_head(1, {200, {}}, true);
  EXPECT_EQ(server.peer->take_output(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(server.peer->finished());
}

TEST(Http1Server, ResetWithoutErrorAfterTheResponseLetsItLeave) {
  Http1Peer server;
  server.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nxxx");
  server.peer->send_head(1, {413, {}}, true);
  server.peer->reset(1, kNoError);
  EXPECT_TRUE(server.peer->finished());
  EXPECT_TRUE(server.peer->take_output().starts_with("HTTP/1.1 413 "));
  Http1Peer hard;
  hard.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nxxx");
  hard.peer->send_head(1, {200, {}}, false);
  hard.peer->reset(1, kInternalError);
  EXPECT_TRUE(hard.peer->finished());
  EXPECT_EQ(hard.peer->take_output(), "");
}

TEST(Http1Server, ShortBodyEndsTheConnectionInsteadOfLying) {
  Http1Peer server;
  server.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  server.peer->send_head(1, {200, {{"content-length", "10"}}}, false);
  server.peer->send_data(1, "four", true);
  EXPECT_TRUE(server.peer->take_output().ends_with("\r\n\r\nfour"));
  EXPECT_TRUE(server.peer->finished());
}

struct Client {
  void feed(std::string_view bytes) {
    std::vector<HttpEvent> events;
    peer->receive(bytes, events);
    in.take(events, *peer);
  }
  void eof() {
    std::vector<HttpEvent> events;
    peer->receive_eof(events);
    in.take(events, *peer);
  }
  std::unique_ptr<HttpClient> peer = make_http1_client();
  Inbox in;
};

TEST(Http1Client, KnownRequests) {
  Client client;
  client.peer->send_request(request_head("GET", "/a", {{"Accept", "text/event-stream"}}), true);
  EXPECT_EQ(client.peer->take_output(),
            "GET /a HTTP/1.1\r\nhost: localhost:1\r\naccept: text/event-stream\r\n\r\n");
  EXPECT_LT(client.peer->send_request(request_head("GET", "/b"), true), 0);
  client.feed("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  client.peer->send_request(request_head("POST", "/a"), true);
  EXPECT_EQ(client.peer->take_output(), "POST /a HTTP/1.1\r\nhost: localhost:1\r\ncontent-length: 0\r\n\r\n");
  client.feed("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  const StreamId third = client.peer->send_request(request_head("POST", "/a"), false);
  EXPECT_EQ(third, 3);
  client.peer->send_data(third, "abc", true);
  EXPECT_EQ(
      client.peer->take_output(),
      "POST /a HTTP/1.1\r\nhost: localhost:1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
}

TEST(Http1Client, InterimResponsesArePassedOver) {
  Client client;
  const StreamId id = client.peer->send_request(request_head("POST", "/"), false);
  client.feed(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No "
      "Content\r\n\r\n");
  EXPECT_EQ(client.in.messages[id].response.status, 204);
  EXPECT_TRUE(client.in.messages[id].ended);
  EXPECT_FALSE(client.peer->can_request());  // its own half is open
  client.peer->send_data(id, "", true);
  EXPECT_FALSE(client.peer->take_output().empty());
  EXPECT_TRUE(client.peer->can_request());
}

TEST(Http1Client, BodyUntilTheConnectionEnds) {
  Client client;
  const StreamId id = client.peer->send_request(request_head("GET", "/"), true);
  client.peer->take_output();
  client.feed("HTTP/1.0 200 OK\r\n\r\nall of ");
  client.feed("it");
  EXPECT_FALSE(client.in.messages[id].ended);
  client.eof();
  EXPECT_EQ(client.in.messages[id].body, "all of it");
  EXPECT_TRUE(client.in.messages[id].ended);
  EXPECT_TRUE(client.in.messages[id].resets.empty());
  EXPECT_TRUE(client.peer->finished());
}

TEST(Http1Client, TornResponsesAreResets) {
  for (const std::string torn : {"", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc",
                                 "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"}) {
    Client client;
    const StreamId id = client.peer->send_request(request_head("GET", "/"), true);
    client.peer->take_output();
    client.feed(torn);
    client.eof();
    EXPECT_EQ(client.in.messages[id].resets, std::vector<std::uint32_t>{kConnectionLost}) << torn;
    EXPECT_FALSE(client.in.messages[id].ended) << torn;
  }
}

TEST(Http1Client, CloseAfterAnEarlyResponseStopsTheRequest) {
  Client client;
  const StreamId id = client.peer->send_request(request_head("POST", "/"), false);
  client.feed("HTTP/1.1 503 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
  EXPECT_TRUE(client.in.messages[id].ended);
  EXPECT_EQ(client.in.messages[id].resets, std::vector<std::uint32_t>{kNoError});
  EXPECT_TRUE(client.peer->finished());
  EXPECT_FALSE(client.peer->can_request());
}

TEST(Http1Client, NonsenseIsOneError) {
  for (const std::string bytes :
       {"HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"}) {
    Client client;
    client.peer->send_request(request_head("GET", "/"), true);
    client.feed(std::string(bytes) + "\r\n\r\n");
    client.feed("more");
    client.eof();
    EXPECT_EQ(client.in.errors.size(), 1U) << bytes;
    EXPECT_TRUE(client.peer->finished());
  }
  Client unasked;
  unasked.feed("HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(unasked.in.errors.size(), 1U);
}

}  // namespace
}  // namespace s2::wire
