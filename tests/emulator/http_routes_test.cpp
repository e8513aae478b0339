// The whole /v1 over real sockets, on HTTP/1.1 and on HTTP/2: status, body and headers as S2 answers them.
#include "tests/emulator/test_client.h"
#include "wire/compress.h"

namespace s2::emulator::test {
namespace {

class Routes : public testing::TestWithParam<Http> {
 protected:
  Endpoint endpoint;
  Client client{endpoint.emulator, GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Http, Routes, testing::Values(Http::one, Http::two), [](const auto& instance) {
  return instance.param == Http::one ? "http1" : "http2";
});

// S2 spec "basins"
TEST_P(Routes, BasinsAreCreatedEnsuredListedReconfiguredAndDeleted) {
  const Answer made = client.request("POST", "/v1/basins", R"({"basin":"other-basin"})");
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.header("s2-provision-result"), "created");
  EXPECT_EQ(made.json()["name"], "other-basin");
  EXPECT_EQ(client.request("POST", "/v1/basins", R"({"basin":"other-basin"})").json()["code"],
            "resource_already_exists");
  EXPECT_EQ(client.request("PUT", "/v1/basins/other-basin").header("s2-provision-result"), "noop");
  EXPECT_EQ(client.request("PUT", "/v1/basins/third-basin").status, 201);
  const auto page = client.request("GET", "/v1/basins?prefix=o").json();
  ASSERT_EQ(page["basins"].size(), 1u);
  EXPECT_FALSE(page["has_more"]);
  EXPECT_EQ(client.request("PATCH", "/v1/basins/other-basin", R"({"create_stream_on_read":true})").status,
            200);
  EXPECT_EQ(client.request("GET", "/v1/basins/other-basin").json()["create_stream_on_read"], true);
  const Answer gone = client.request("DELETE", "/v1/basins/other-basin");
  EXPECT_EQ(gone.status, 202);
  EXPECT_EQ(gone.body, "");
  EXPECT_EQ(client.request("GET", "/v1/basins/other-basin").json()["code"], "basin_not_found");
}

TEST_P(Routes, ARequestTokenMakesCreationRepeatable) {
  const wire::HttpHeaders headers{{"content-type", "application/json"}, {"s2-request-token", "one"}};
  EXPECT_EQ(client.request("POST", "/v1/basins", R"({"basin":"other-basin"})", headers).status, 201);
  const Answer again = client.request("POST", "/v1/basins", R"({"basin":"other-basin"})", headers);
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.header("s2-provision-result"), "noop");
}

// S2 spec "streams"
TEST_P(Routes, StreamsAreCreatedEnsuredListedReconfiguredAndDeleted) {
  EXPECT_EQ(client.request("POST", "/v1/streams", R"({"stream":"a/b c"})").status, 201);
  EXPECT_EQ(client.request("POST", "/v1/streams", R"({"stream":"a/b c"})").status, 409);
  EXPECT_EQ(client.request("PUT", "/v1/streams/two", R"({"retention_policy":{"age":10}})").status, 201);
  EXPECT_EQ(client.request("PUT", "/v1/streams/two", R"({"retention_policy":{"age":20}})")
                .header("s2-provision-result"),
            "updated");
  EXPECT_EQ(client.request("GET", "/v1/streams/a%2Fb%20c").json()["storage_class"], "express");
  EXPECT_EQ(client.request("PATCH", "/v1/streams/two", R"({"retention_policy":{"infinite":{}}})").status,
            200);
  const auto page = client.request("GET", "/v1/streams?limit=1").json();
  EXPECT_EQ(page["streams"][0]["name"], "a/b c");
  EXPECT_TRUE(page["has_more"]);
  EXPECT_EQ(client.request("GET", "/v1/streams?start_after=a%2Fb+c").json()["streams"][0]["name"], "two");
  EXPECT_EQ(client.request("DELETE", "/v1/streams/two").status, 202);
  EXPECT_EQ(client.request("GET", "/v1/streams/two").json()["code"], "stream_not_found");
}

TEST_P(Routes, AStreamNameOf512BytesIsWholeInThePath) {
  std::string name(512, 'n'), path;
  name[0] = '/';
  for (const unsigned char c : name) path += c == '/' ? "%2F" : std::string(1, static_cast<char>(c));
  EXPECT_EQ(client.append(path, {"x"}).status, 200);
  EXPECT_EQ(client.request("GET", "/v1/streams").json()["streams"][0]["name"], name);
  EXPECT_EQ(client.request("GET", "/v1/streams/n" + path).json()["code"], "bad_path");
}

// S2 spec "append"
TEST_P(Routes, AnAppendIsAcknowledgedWithStartEndAndTail) {
  const auto ack = client.append("s", {"a", "b"}).json();
  EXPECT_EQ(ack["start"]["seq_num"], 0);
  EXPECT_EQ(ack["end"]["seq_num"], 2);
  EXPECT_EQ(ack["tail"]["seq_num"], 2);
  EXPECT_EQ(client.tail("s"), 2u);
}

TEST_P(Routes, AppendAndReadSpeakProtobuf) {
  wire::AppendInput input;
  input.records.push_back({.timestamp = 7, .headers = {{"k", "v"}}, .body = std::string("\0\xff", 2)});
  const Answer ack =
      client.request("POST", "/v1/streams/s/records", wire::to_proto(input),
                     {{"content-type", "application/protobuf"}, {"accept", "application/x-protobuf"}});
  EXPECT_EQ(ack.header("content-type"), "application/protobuf");
  ASSERT_TRUE(wire::append_ack_from_proto(ack.body));
  const Answer read =
      client.request("GET", "/v1/streams/s/records?seq_num=0", "", {{"accept", "application/protobuf"}});
  const auto batch = wire::read_batch_from_proto(read.body);
  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->records.size(), 1u);
  EXPECT_EQ(batch->records[0].body, std::string("\0\xff", 2));
  EXPECT_EQ(batch->records[0].timestamp, 7u);
}

TEST_P(Routes, BodiesComeAndGoCompressed) {
  const std::string input = R"({"records":[{"body":")" + std::string(5000, 'x') + R"("}]})";
  for (const auto& [how, name] :
       {std::pair(wire::Compression::gzip, "gzip"), std::pair(wire::Compression::zstd, "zstd")}) {
    EXPECT_EQ(client
                  .request("POST", "/v1/streams/s/records", wire::compress(how, input),
                           {{"content-type", "application/json"}, {"content-encoding", name}})
                  .status,
              200);
    const Answer read =
        client.request("GET", "/v1/streams/s/records?seq_num=0&count=1", "", {{"accept-encoding", name}});
    EXPECT_EQ(read.header("content-encoding"), name);
    const auto plain = wire::decompress(how, read.body, 1 << 20, wire::DecodeErrorKind::bad_header);
    ASSERT_TRUE(plain);
    EXPECT_EQ(nlohmann::json::parse(*plain)["records"][0]["body"].get<std::string>().size(), 5000u);
  }
  EXPECT_EQ(client
                .request("POST", "/v1/streams/s/records", input,
                         {{"content-type", "application/json"}, {"content-encoding", "br"}})
                .status,
            415);
  EXPECT_EQ(client
                .request("POST", "/v1/streams/s/records", "no gzip",
                         {{"content-type", "application/json"}, {"content-encoding", "gzip"}})
                .json()["code"],
            "bad_json");
}

TEST_P(Routes, FailedConditionsSayWhatWouldHaveHeld) {
  client.append("s", {"a"});
  const Answer seq = client.append("s", {"b"}, {{"match_seq_num", 7}});
  EXPECT_EQ(seq.status, 412);
  EXPECT_EQ(seq.json(), (nlohmann::json{{"seq_num_mismatch", 1}}));
  const Answer token = client.append("s", {"b"}, {{"fencing_token", "t"}});
  EXPECT_EQ(token.status, 412);
  EXPECT_EQ(token.json(), (nlohmann::json{{"fencing_token_mismatch", ""}}));
}

// S2 spec "read"
TEST_P(Routes, AReadBeginsBySequenceNumberTimestampOrTailOffset) {
  client.request(
      "POST", "/v1/streams/s/records",
      R"({"records":[{"body":"a","timestamp":10},{"body":"b","timestamp":20},{"body":"c","timestamp":30}]})");
  const auto first = [&](const std::string& query) {
    return client.request("GET", "/v1/streams/s/records?" + query).json()["records"][0]["body"];
  };
  EXPECT_EQ(first("seq_num=1"), "b");
  EXPECT_EQ(first("timestamp=15"), "b");
  EXPECT_EQ(first("tail_offset=1"), "c");
  EXPECT_EQ(client.request("GET", "/v1/streams/s/records?seq_num=0&until=30").json()["records"].size(), 2u);
  EXPECT_EQ(client.request("GET", "/v1/streams/s/records?seq_num=0&bytes=18").json()["records"].size(), 2u);
  EXPECT_EQ(client.request("GET", "/v1/streams/s/records?seq_num=0&count=0").json()["records"].size(), 0u);
}

TEST_P(Routes, BeyondTheTailIs416WithTheTail) {
  client.append("s", {"a"});
  const Answer beyond = client.request("GET", "/v1/streams/s/records?seq_num=9");
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(beyond.json()["tail"]["seq_num"], 1);
  EXPECT_EQ(client.request("GET", "/v1/streams/s/records?seq_num=9&clamp=true").status, 416);
}

TEST_P(Routes, AUnaryReadWaitsForARecordAndNoLongerThanAsked) {
  client.append("s", {"a"});
  Client reader = endpoint.client(GetParam());
  const auto id = reader.open("GET", "/v1/streams/s/records?seq_num=1&wait=60", {}, true);
  EXPECT_FALSE(reader.wait_until([&] { return reader.answer(id).ended; }, std::chrono::milliseconds(50)));
  client.append("s", {"b"});
  EXPECT_EQ(reader.wait(id).json()["records"][0]["body"], "b");
  const auto empty = reader.open("GET", "/v1/streams/s/records?seq_num=2&wait=60", {}, true);
  EXPECT_FALSE(reader.wait_until([&] { return reader.answer(empty).ended; }, std::chrono::milliseconds(50)));
  endpoint.emulator.advance_clock(std::chrono::seconds(60));
  EXPECT_EQ(reader.wait(empty).json()["records"].size(), 0u);
}

// S2 spec "errors"
TEST_P(Routes, BadInputIsNamedByThePlaceWhereItStands) {
  struct Case {
    const char* method;
    const char* target;
    const char* body;
    wire::HttpHeaders headers;
    int status;
    const char* code;
  };
  const wire::HttpHeaders json{{"content-type", "application/json"}};
  const Case cases[] = {
      {"POST", "/v1/streams/s/records", "{no", json, 400, "bad_json"},
      {"POST", "/v1/streams/s/records", R"({"records":7})", json, 400, "bad_json"},
      {"POST", "/v1/streams/s/records", R"({"records":[]})", json, 422, "invalid"},
      {"POST",
       "/v1/streams/s/records",
       R"({"records":[{"body":"x"}]})",
       {{"content-type", "text/plain"}},
       400,
       "bad_json"},
      {"PUT",
       "/v1/basins/other-basin",
       R"({"config":{}})",
       {{"content-type", "application/x-www-form-urlencoded"}},
       400,
       "bad_json"},
      {"PUT", "/v1/streams/other", "{}", {{"content-type", "text/plain"}}, 400, "bad_json"},
      {"PUT", "/v1/basins/other-basin", "rubbish", json, 400, "bad_json"},
      {"POST",
       "/v1/streams/s/records",
       "garbage",
       {{"content-type", "application/protobuf"}},
       400,
       "bad_proto"},
      {"POST",
       "/v1/streams/s/records",
       R"({"records":[]})",
       {{"content-type", "application/json"}, {"s2-format", "zzz"}},
       400,
       "bad_header"},
      {"POST",
       "/v1/streams/s/records",
       R"({"records":[{"body":"x"}]})",
       {{"content-type", "application/json"}, {"s2-stream-config", "{"}},
       400,
       "bad_header"},
      {"GET", "/v1/streams/%FF/records/tail", "", {}, 400, "bad_path"},
      {"GET", "/v1/basins/X", "", {}, 400, "bad_path"},
      {"GET", "/v1/streams/s/records?seq_num=x", "", {}, 400, "bad_query"},
      {"GET", "/v1/streams/s/records?seq_num=1&seq_num=2", "", {}, 400, "bad_query"},
      {"GET", "/v1/streams/s/records?clamp=maybe", "", {}, 400, "bad_query"},
      {"GET", "/v1/streams/s/records?seq_num=1&tail_offset=1", "", {}, 422, "invalid"},
      {"GET", "/v1/streams/s/records?timestamp=5&until=5", "", {}, 422, "invalid"},
      {"GET",
       "/v1/streams/s/records?seq_num=0",
       "",
       {{"accept", "text/event-stream"}, {"last-event-id", "1,2"}},
       400,
       "bad_header"},
      {"GET", "/v1/metrics/test-basin/s", "", {}, 501, "not_implemented"},
      {"GET", "/v1/locations", "", {}, 501, "not_implemented"},
  };
  for (const Case& c : cases) {
    const Answer answer = client.request(c.method, c.target, c.body, c.headers);
    EXPECT_EQ(answer.status, c.status) << c.method << " " << c.target << " " << c.body;
    EXPECT_EQ(answer.json()["code"], c.code) << c.method << " " << c.target << " " << c.body;
  }
}

TEST_P(Routes, ABodyOverTheLimitIsRefusedAndTheConnectionGoesOn) {
  const std::string huge = R"({"records":[{"body":")" + std::string(3 * 1024 * 1024, 'x') + R"("}]})";
  EXPECT_EQ(client.request("POST", "/v1/streams/s/records", huge).json()["code"], "bad_json");
  EXPECT_EQ(client.append("s", {"small"}).status, 200);
}

TEST_P(Routes, UnknownPathsAre404AndOtherMethods405) {
  EXPECT_EQ(client.request("GET", "/nope").status, 404);
  EXPECT_EQ(client.request("GET", "/v1/streams/").status, 404);
  const Answer method = client.request("DELETE", "/v1/streams/s/records");
  EXPECT_EQ(method.status, 405);
  EXPECT_NE(method.header("allow").find("POST"), std::string::npos);
}

TEST_P(Routes, HealthMetricsAndConsoleAreThere) {
  client.append("s", {"a", "b"});
  EXPECT_EQ(client.request("GET", "/health").body, "OK");
  EXPECT_NE(client.request("GET", "/metrics").body.find("s2_emulator_records_appended_total 2\n"),
            std::string::npos);
  EXPECT_EQ(client.request("GET", "/").header("content-type"), "text/html; charset=utf-8");
  const Answer head = client.request("HEAD", "/health");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
}

TEST_P(Routes, PagesOfAnyOriginMayUseTheApi) {
  const Answer answer = client.request("GET", "/v1/basins", "", {{"origin", "http://x.y"}});
  EXPECT_EQ(answer.header("access-control-allow-origin"), "http://x.y");
  const Answer preflight = client.request("OPTIONS", "/v1/streams/s/records", "",
                                          {{"origin", "http://x.y"},
                                           {"access-control-request-method", "POST"},
                                           {"access-control-request-headers", "s2-basin"}});
  EXPECT_EQ(preflight.status, 200);
  EXPECT_EQ(preflight.header("access-control-allow-methods"), "POST");
  EXPECT_EQ(preflight.header("access-control-allow-headers"), "s2-basin");
}

TEST(RoutesOptions, WithoutCorsAndConsoleThereIsNeither) {
  Endpoint endpoint({.cors = false, .console = false});
  Client client = endpoint.client(Http::one);
  EXPECT_EQ(
      client.request("GET", "/health", "", {{"origin", "http://x.y"}}).header("access-control-allow-origin"),
      "");
  EXPECT_EQ(client.request("GET", "/").status, 404);
}

TEST(RoutesOptions, EnforcedAuthTakesOnlyTheRootToken) {
  Endpoint endpoint({.auth = Auth::enforced, .root_token = "secret"});
  Client client = endpoint.client();
  EXPECT_EQ(client.request("GET", "/v1/basins").status, 401);
  EXPECT_EQ(client.request("GET", "/v1/basins", "", {{"authorization", "Bearer wrong"}}).json()["code"],
            "authn");
  EXPECT_EQ(client.request("GET", "/v1/basins", "", {{"authorization", "Bearer secret"}}).status, 200);
  EXPECT_EQ(client.request("GET", "/health").status, 200);
}

TEST(RoutesOptions, TheBasinMayStandInTheHostName) {
  Endpoint endpoint;
  RawSocket socket(endpoint.emulator);
  socket.send("GET /v1/streams HTTP/1.1\r\nhost: test-basin.b.example.com:80\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(socket.receive_all().starts_with("HTTP/1.1 200"));
}

}  // namespace
}  // namespace s2::emulator::test
