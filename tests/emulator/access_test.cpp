// Access tokens over real sockets: who may issue, and what a scope allows where. S2 spec "access tokens".
#include "tests/emulator/test_client.h"

namespace s2::emulator::test {
namespace {

constexpr const char* kRoot = "root-secret";

class Access : public testing::TestWithParam<Http> {
 protected:
  Endpoint endpoint{{.auth = Auth::enforced, .root_token = kRoot}};
  Client client{endpoint.emulator, GetParam()};

  Answer as(const std::string& token, const std::string& method, const std::string& target,
            const std::string& body = "") {
    return client.request(method, target, body,
                          {{"authorization", "Bearer " + token}, {"content-type", "application/json"}});
  }
  std::string issue(const std::string& id, const std::string& scope) {
    const Answer answer =
        as(kRoot, "POST", "/v1/access-tokens", R"({"id":")" + id + R"(","scope":)" + scope + "}");
    EXPECT_EQ(answer.status, 201) << answer.body;
    return answer.json()["access_token"];
  }
  // The status, and the code of an error.
  static std::string told(const Answer& answer) {
    const auto json = answer.json();
    const bool error = answer.status >= 400 && json.is_object() && json.contains("code");
    return std::to_string(answer.status) + (error ? ' ' + json["code"].get<std::string>() : "");
  }
};
INSTANTIATE_TEST_SUITE_P(Http, Access, testing::Values(Http::one, Http::two), [](const auto& instance) {
  return instance.param == Http::one ? "http1" : "http2";
});

constexpr const char* kDenied = "403 permission_denied";
constexpr const char* kRecord = R"({"records":[{"body":"x"}]})";
constexpr const char* kFence = R"({"records":[{"headers":[["","fence"]],"body":"t"}]})";
constexpr const char* kBoth = R"({"records":[{"body":"x"},{"headers":[["","fence"]],"body":"t"}]})";

TEST_P(Access, ATokenMayDoWhatItsScopeSaysAndNothingElse) {
  const std::string writes = issue(
      "writes", R"({"basins":{"exact":"test-basin"},"streams":{"prefix":"session-"},"ops":["append"]})");
  EXPECT_EQ(told(as(writes, "POST", "/v1/streams/session-1/records", kRecord)), "200");  // and creates it
  EXPECT_EQ(told(as(writes, "POST", "/v1/streams/other-1/records", kRecord)), kDenied);
  EXPECT_EQ(told(as(writes, "POST", "/v1/streams/session-1/records", kFence)), kDenied);
  EXPECT_EQ(told(as(writes, "POST", "/v1/streams/session-1/records", kBoth)), kDenied);
  EXPECT_EQ(told(as(writes, "GET", "/v1/streams/session-1/records?seq_num=0")), kDenied);
  EXPECT_EQ(told(as(writes, "GET", "/v1/streams/session-1/records/tail")), kDenied);
  EXPECT_EQ(told(as(writes, "GET", "/v1/streams")), kDenied);
  EXPECT_EQ(told(as(writes, "PUT", "/v1/streams/session-2")), kDenied);
  EXPECT_EQ(told(as(writes, "DELETE", "/v1/streams/session-1")), kDenied);
  EXPECT_EQ(told(as(writes, "GET", "/v1/basins")), kDenied);
  EXPECT_EQ(told(as(writes, "GET", "/v1/access-tokens")), kDenied);
  // Nothing of what was refused took effect.
  EXPECT_EQ(as(kRoot, "GET", "/v1/streams/session-1/records/tail").json()["tail"]["seq_num"], 1);

  const std::string fences = issue(
      "fences", R"({"basins":{"prefix":""},"streams":{"exact":"session-1"},"ops":["fence","check-tail"]})");
  EXPECT_EQ(told(as(fences, "POST", "/v1/streams/session-1/records", kFence)), "200");
  EXPECT_EQ(told(as(fences, "POST", "/v1/streams/session-1/records", kRecord)), kDenied);
  EXPECT_EQ(told(as(fences, "GET", "/v1/streams/session-1/records/tail")), "200");
  EXPECT_EQ(told(as(fences, "GET", "/v1/streams/session-10/records/tail")), kDenied);

  const std::string nowhere =
      issue("nowhere", R"({"basins":{"exact":""},"streams":{"prefix":""},"ops":["append"]})");
  EXPECT_EQ(told(as(nowhere, "POST", "/v1/streams/session-1/records", kRecord)), kDenied);
}

TEST_P(Access, TokensAreListedAndRevokedByTheRootToken) {
  const std::string scope =
      R"({"basins":{"prefix":""},"streams":{"prefix":""},"ops":["read","list-streams"]})";
  const std::string secret = issue("a", scope);
  issue("b", scope);
  EXPECT_EQ(told(as(kRoot, "POST", "/v1/access-tokens", R"({"id":"a","scope":)" + scope + "}")),
            "409 resource_already_exists");
  const auto page = as(kRoot, "GET", "/v1/access-tokens?limit=1").json();
  EXPECT_TRUE(page["has_more"]);
  EXPECT_EQ(page["access_tokens"][0]["id"], "a");
  EXPECT_EQ(page["access_tokens"][0]["scope"]["ops"], (nlohmann::json{"list-streams", "read"}));
  EXPECT_EQ(page.dump().find(secret), std::string::npos);
  EXPECT_EQ(as(kRoot, "GET", "/v1/access-tokens?start_after=a").json()["access_tokens"][0]["id"], "b");

  EXPECT_EQ(told(as(secret, "GET", "/v1/streams")), "200");
  EXPECT_EQ(told(as(kRoot, "DELETE", "/v1/access-tokens/a")), "204");
  EXPECT_EQ(told(as(secret, "GET", "/v1/streams")), "401 authn");
  EXPECT_EQ(told(as(kRoot, "DELETE", "/v1/access-tokens/a")), "404 access_token_not_found");
}

TEST_P(Access, AScopeThatSaysWhatTheEmulatorDoesNotKnowIsRefused) {
  const auto answered = [&](const std::string& body) {
    return told(as(kRoot, "POST", "/v1/access-tokens", body));
  };
  const std::string all = R"("basins":{"prefix":""},"streams":{"prefix":""})";
  EXPECT_EQ(answered(R"({"id":"a"})"), "400 bad_json");
  EXPECT_EQ(answered(R"({"id":"a","scope":{"basins":{},"ops":["read"]}})"), "400 bad_json");
  EXPECT_EQ(answered(R"({"id":"a","scope":{)" + all + R"(,"ops":["reed"]}})"), "400 bad_json");
  EXPECT_EQ(answered(R"({"id":"a","scope":{)" + all + "}}"), "422 invalid");
  EXPECT_EQ(answered(R"({"id":"","scope":{)" + all + R"(,"ops":["read"]}})"), "422 invalid");
  EXPECT_EQ(answered(R"({"id":"a","scope":{)" + all + R"(,"op_groups":{"stream":{"read":true}}}})"),
            "501 not_implemented");
  EXPECT_EQ(answered(R"({"id":"a","auto_prefix_streams":true,"scope":{)" + all + R"(,"ops":["read"]}})"),
            "501 not_implemented");
  EXPECT_EQ(as(kRoot, "GET", "/v1/access-tokens").json()["access_tokens"].size(), 0u);
}

}  // namespace
}  // namespace s2::emulator::test
