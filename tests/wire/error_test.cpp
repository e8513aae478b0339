// Refusals: their four bodies, what comes of bodies that are none of these, and what they promise.
#include "wire/error.h"

#include <gtest/gtest.h>

#include "tests/wire/damage.h"
#include "wire/json.h"

namespace s2::wire {
namespace {

ApiError coded(int status, std::string code, std::string message = "why") {
  ApiError error;
  error.status = status;
  error.code = std::move(code);
  error.message = std::move(message);
  return error;
}

ApiError bare(int status) {
  return coded(status, "", "");
}

TEST(Error, TheFourBodiesHaveTheseBytesAndComeBack) {
  ApiError seq_num = bare(412);
  seq_num.seq_num_mismatch = 18446744073709551615ULL;
  ApiError token = bare(412);
  token.fencing_token_mismatch = "it's \"mine\"";
  ApiError unwritten = bare(416);
  unwritten.tail = StreamPosition{5, 6};
  const std::pair<ApiError, const char*> cases[] = {
      {coded(404, "stream_not_found", "no \"s\""), R"({"code":"stream_not_found","message":"no \"s\""})"},
      {seq_num, R"({"seq_num_mismatch":18446744073709551615})"},
      {token, R"({"fencing_token_mismatch":"it's \"mine\""})"},
      {unwritten, R"({"tail":{"seq_num":5,"timestamp":6}})"},
  };
  for (const auto& [error, body] : cases) {
    EXPECT_EQ(to_json(error), body);
    EXPECT_EQ(api_error_from_json(error.status, body), error);
  }
}

TEST(Error, MembersThatWeDoNotKnowAreSkipped) {
  EXPECT_EQ(api_error_from_json(409, R"({"x":[{}],"message":"why","code":"transaction_conflict","y":1})"),
            coded(409, "transaction_conflict"));
}

TEST(Error, OtherBodiesBecomeTheMessage) {
  for (const char* body :
       {"", "<html>bad gateway</html>", "{", "{}", "[]", R"({"code":"other"})", R"({"code":1,"message":2})",
        R"({"code":"a","message":"b"} x)", R"({"seq_num_mismatch":-1})",
        R"({"seq_num_mismatch":1,"fencing_token_mismatch":"t"})", R"({"tail":{"seq_num":1}})"}) {
    for (const int status : {412, 416, 502})
      EXPECT_EQ(api_error_from_json(status, body), coded(status, "", body)) << body;
  }
  // Bodies of conditions belong to their status.
  EXPECT_EQ(api_error_from_json(500, R"({"seq_num_mismatch":3})").seq_num_mismatch, std::nullopt);
  EXPECT_EQ(api_error_from_json(412, R"({"tail":{"seq_num":1,"timestamp":1}})").tail, std::nullopt);
}

TEST(Error, ALongForeignBodyIsCutBetweenCharacters) {
  EXPECT_EQ(api_error_from_json(500, std::string(5000, 'x')).message, std::string(1024, 'x'));
  for (const std::string character : {"é", "日", "😀"}) {
    std::string body = "x";
    while (body.size() < 3000) body += character;
    const std::string message = api_error_from_json(500, body).message;
    EXPECT_LE(message.size(), 1024u);
    EXPECT_GT(message.size(), 1015u);
    EXPECT_TRUE(is_utf8(message));
  }
  EXPECT_LE(api_error_from_json(500, std::string(5000, '\xff')).message.size(), 1024u);
}

TEST(Error, AnyBodyIsAnError) {
  ASSERT_TRUE(rc::check([] {
    const int status = *rc::gen::element(400, 409, 412, 416, 500);
    const std::string good = *rc::gen::element<std::string>(
        R"({"code":"other","message":"m"})", R"({"seq_num_mismatch":12})",
        R"({"fencing_token_mismatch":"t"})", R"({"tail":{"seq_num":5,"timestamp":6}})");
    const generators::Exact body(generators::damaged(good));
    const ApiError error = api_error_from_json(status, body.view());
    RC_ASSERT(error.status == status);
    RC_ASSERT(is_utf8(error.message));
    RC_ASSERT(is_utf8(to_json(error)));
  }));
}

TEST(Error, CodesOfDecodeErrors) {
  EXPECT_EQ(code_of(DecodeErrorKind::bad_frame), "bad_frame");
  EXPECT_EQ(code_of(DecodeErrorKind::bad_header), "bad_header");
  EXPECT_EQ(code_of(DecodeErrorKind::bad_json), "bad_json");
  EXPECT_EQ(code_of(DecodeErrorKind::bad_path), "bad_path");
  EXPECT_EQ(code_of(DecodeErrorKind::bad_proto), "bad_proto");
  EXPECT_EQ(code_of(DecodeErrorKind::bad_query), "bad_query");
}

// S2 spec "errors".
TEST(Error, WhatMayBeTriedAgain) {
  for (const int status : {408, 429, 500, 502, 503, 504}) EXPECT_TRUE(is_retryable(bare(status))) << status;
  EXPECT_TRUE(is_retryable(coded(409, "transaction_conflict")));
  EXPECT_FALSE(is_retryable(coded(409, "resource_already_exists")));
  EXPECT_FALSE(is_retryable(bare(409)));
  for (const int status : {400, 401, 403, 404, 412, 416, 422, 499, 501})
    EXPECT_FALSE(is_retryable(bare(status))) << status;
}

TEST(Error, WhatSurelyHadNoEffect) {
  for (const char* code : {"access_token_not_found",
                           "authn",
                           "bad_frame",
                           "bad_header",
                           "bad_json",
                           "bad_path",
                           "bad_proto",
                           "bad_query",
                           "basin_deletion_pending",
                           "basin_not_found",
                           "decryption_failed",
                           "hot_server",
                           "invalid",
                           "not_implemented",
                           "permission_denied",
                           "quota_exhausted",
                           "rate_limited",
                           "resource_already_exists",
                           "server_draining",
                           "stream_deletion_pending",
                           "stream_not_found",
                           "transaction_conflict"})
    EXPECT_TRUE(is_surely_without_effect(coded(400, code))) << code;
  for (const char* code : {"client_hangup", "other", "request_timeout", "storage", "unavailable",
                           "upstream_timeout", "", "a_code_of_tomorrow"})
    EXPECT_FALSE(is_surely_without_effect(coded(500, code))) << code;
  ApiError condition = bare(412);
  EXPECT_FALSE(is_surely_without_effect(condition));  // its body was not understood
  condition.seq_num_mismatch = 0;
  EXPECT_TRUE(is_surely_without_effect(condition));
  ApiError fenced = bare(412);
  fenced.fencing_token_mismatch = "";
  EXPECT_TRUE(is_surely_without_effect(fenced));
}

}  // namespace
}  // namespace s2::wire
