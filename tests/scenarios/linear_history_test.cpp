// Histories as they are read, and what a verdict says: every bad line has one clear error, every bad history
// the operation that fits nowhere.
#include "scenarios/linear_history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "scenarios/linear_check.h"

namespace s2::scenarios {
namespace {

std::string start(int op, const std::string& more, const std::string& hashes = "[7]") {
  const auto count = std::to_string(1 + std::count(hashes.begin(), hashes.end(), ','));
  return R"({"event":{"Start":{"Append":{"num_records":)" + count + R"(,"record_hashes":)" + hashes + more +
         R"(}}},"client_id":)" + std::to_string(op) + R"(,"op_id":)" + std::to_string(op) + "}\n";
}
std::string line(int op, const std::string& event, const std::string& beside = "") {
  return R"({"event":)" + event + R"(,"client_id":)" + std::to_string(op) + R"(,"op_id":)" +
         std::to_string(op) + beside + "}\n";
}
std::string tail(int op, const std::string& what, std::uint64_t at) {
  return line(op, R"({"Finish":{")" + what + R"(":{"tail":)" + std::to_string(at) + "}}}");
}
std::string error_of(const std::string& text) {
  const auto history = parse_history(text, "h.jsonl");
  return history ? "" : history.error();
}
std::string why(const std::string& text) {
  const auto history = parse_history(text, "h.jsonl");
  return history ? check_linearity(*history).why : history.error();
}

TEST(LinearHistory, ABadLineIsOneErrorWithFileLineAndWhatWasExpected) {
  const std::string good = start(1, "");
  EXPECT_EQ(error_of(good), "");
  EXPECT_EQ(error_of(""), "");
  EXPECT_EQ(error_of(good + "{"), "h.jsonl:2: JSON: the text ends too early at byte 1");
  EXPECT_EQ(error_of("[]"), "h.jsonl:1: JSON: expected an object at byte 0");
  EXPECT_EQ(error_of(good + "\n"), "h.jsonl:2: JSON: expected an object at byte 0");
  EXPECT_EQ(error_of(good + "\xff"), "h.jsonl:2: JSON: the text is not UTF-8");
  EXPECT_EQ(error_of(R"({"client_id":1,"op_id":1})"), "h.jsonl:1: `event` was expected");
  EXPECT_EQ(error_of(R"({"event":{"Start":"Read"},"op_id":1})"), "h.jsonl:1: `client_id` was expected");
  EXPECT_EQ(error_of(R"({"event":{"Start":"Read"},"client_id":1})"), "h.jsonl:1: `op_id` was expected");
  const auto has = [](const std::string& text, const std::string& part) {
    const std::string error = error_of(text);
    EXPECT_NE(error.find(part), std::string::npos) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos);
  };
  has(line(1, "{}"), "JSON event: expected `Start` or `Finish`");
  has(line(1, R"({"Start":"Read","Finish":"ReadFailure"})"),
      "JSON event.Finish: expected one of `Start` and `Finish`");
  has(line(1, R"({"Start":"Look"})"), "expected `Read` or `CheckTail`");
  has(line(1, R"({"Start":{"Apend":{}}})"), "JSON event.Start.Apend: expected `Append`");
  has(line(1, R"({"Start":{"Append":{}}})"), "expected `num_records` and `record_hashes`");
  has(line(1, R"({"Start":{"Append":{"num_records":0,"record_hashes":[]}}})"), "of at least 1");
  has(line(1, R"({"Start":{"Append":{"num_records":2,"record_hashes":[1]}}})"), "as many `record_hashes`");
  has(line(1, R"({"Start":{"Append":{"num_records":-1,"record_hashes":[1]}}})"), "num_records");
  has(line(1, R"({"Finish":"Done"})"), "expected an outcome");
  has(line(1, R"({"Finish":{"AppendSuccess":{}}})"), "expected `tail`");
  has(line(1, R"({"Finish":{"ReadSuccess":{"tail":1}}})"), "expected `stream_hash`");
  has(tail(1, "AppendSuccess", 1), "the start of op 1 was expected before its end");
  has(good + good, "h.jsonl:2: an `op_id` of its own was expected: 1 started at line 1");
  has(good + tail(1, "CheckTailSuccess", 1),
      "the end of an append was expected, this is the end of a check-tail");
  has(good + tail(1, "AppendSuccess", 1) + tail(1, "AppendSuccess", 1), "h.jsonl:3: one end of append op 1 ");
  has(good + line(1, R"({"Finish":"AppendDefiniteFailure"})", R"(,"kind":"seq_num_mismatch")"),
      "`tail` was expected");
  has(good + line(1, R"({"Finish":"AppendDefiniteFailure"})", R"(,"kind":"seq_num_mismatch","tail":1)"),
      "an append with a `match_seq_num` was expected");
}

TEST(LinearHistory, MembersThatNobodyKnowsAreLeftAsideAndIdsMayBeAnything) {
  EXPECT_EQ(error_of(line(9, R"({"Start":"Read"})", R"(,"t_ns":5,"seed":null,"kind":{"a":[1]})")), "");
  const std::string far =
      R"({"event":{"Start":"Read"},"client_id":18446744073709551615,"op_id":18446744073709551615})";
  EXPECT_EQ(error_of(far + "\n" + start(3, "")), "");
}

TEST(LinearVerdict, SaysWhichOperationFitsNowhereAndWhy) {
  const std::string two = start(1, "") + tail(1, "AppendSuccess", 1);
  EXPECT_EQ(why(two), "");
  EXPECT_EQ(
      why(two + start(2, "") + tail(2, "AppendSuccess", 1)),
      "append op 1 (client 1, line 1) and append op 2 (client 2, line 3) were acknowledged for places that "
      "overlap: 0 to 1 and 0 to 1");
  EXPECT_EQ(why(two + start(2, R"(,"match_seq_num":0)") + tail(2, "AppendSuccess", 2)),
            "append op 2 (client 2, line 3) was acknowledged at line 4 for places 1 to 2, but its "
            "match_seq_num is 0");
  EXPECT_EQ(why(two + start(2, R"(,"fencing_token":"a")") + tail(2, "AppendSuccess", 2)),
            "append op 2 (client 2, line 3) was acknowledged at line 4 for places 1 to 2, but its fencing "
            "token is `a` "
            "and the stream's was `` there");
  EXPECT_EQ(why(start(1, "") + tail(1, "AppendSuccess", 2) + start(2, "") + tail(2, "AppendSuccess", 1)),
            "append op 1 (client 1, line 1) was acknowledged at line 2 for places 1 to 2, but append op 2 "
            "(client 2, "
            "line 3), which stands before it, began only at line 3");
  EXPECT_EQ(why(two + start(2, R"(,"match_seq_num":1)") +
                line(2, R"({"Finish":"AppendDefiniteFailure"})", R"(,"kind":"seq_num_mismatch","tail":1)")),
            "append op 2 (client 2, line 3) was refused at line 4 because the tail was 1, and that is its "
            "match_seq_num");
  EXPECT_EQ(why(two + start(2, R"(,"fencing_token":"a")") +
                line(2, R"({"Finish":"AppendDefiniteFailure"})",
                     R"(,"kind":"fencing_token_mismatch","fencing_token":"b")")),
            "append op 2 (client 2, line 3) was refused at line 4 because the token was `b`, and it was so "
            "in no state "
            "that the stream had been in by then");
}

TEST(LinearVerdict, ALostAppendMayLandLateOrNeverButNotTwice) {
  const std::string lost = start(1, "", "[1,2]") + line(1, R"({"Finish":"AppendIndefiniteFailure"})");
  const auto read = [](std::uint64_t n, std::uint64_t hash, const std::string& listed) {
    return line(9, R"({"Start":"Read"})") + line(9,
                                                 R"({"Finish":{"ReadSuccess":{"tail":)" + std::to_string(n) +
                                                     R"(,"stream_hash":)" + std::to_string(hash) + "}}}",
                                                 listed.empty() ? "" : R"(,"record_hashes":)" + listed);
  };
  const std::uint64_t once = chain(chain(0, 1), 2);
  const std::uint64_t twice = chain(chain(once, 1), 2);
  EXPECT_EQ(why(lost + read(0, 0, "")), "");
  EXPECT_EQ(why(lost + read(2, once, "")), "");
  EXPECT_EQ(why(lost + read(2, once, "[1,2]")), "");
  EXPECT_EQ(why(lost + read(4, twice, "[1,2,1,2]")),
            "the records of append op 1 (client 1, line 1) are stored 2 times, the last at 2, and only 1 "
            "appends of "
            "unknown outcome can have stored them");
  EXPECT_NE(why(lost + read(4, twice, "")), "");
  EXPECT_NE(why(lost + read(2, once, "[2,1]")), "");
  EXPECT_NE(why(lost + read(1, chain(0, 1), "[1]")), "");         // half of it
  EXPECT_NE(why(read(2, once, "") + start(1, "", "[1,2]")), "");  // before it was sent
}

TEST(LinearHistory, AFileIsReadInBlocksAsTheTextIsAtOnce) {
  const std::string path = ::testing::TempDir() + "linear_history_blocks.jsonl";
  std::string text;
  std::uint64_t op_id = 0;
  const auto start = [&](std::size_t records) {
    text += R"({"client_id":1,"op_id":)" + std::to_string(++op_id) + R"(,"event":{"Start":{"Append":{)" +
            R"("num_records":)" + std::to_string(records) + R"(,"record_hashes":[)";
    for (std::size_t n = 0; n < records; ++n)
      text += (n ? ",1844674407370955" : "1844674407370955") + std::to_string(n % 10);
    text += "]}}}}\n";
  };
  while (text.size() < kHistoryBlockBytes - 500) start(1);
  start(kHistoryBlockBytes / 5);  // one line over several blocks
  for (int i = 0; i < 1000; ++i) start(3);
  text.pop_back();  // no newline at the end
  for (const bool is_good : {true, false}) {
    if (!is_good) text += "\n{";
    std::ofstream(path, std::ios::binary) << text;
    const auto whole = parse_history(text, path);
    const auto blocks = parse_history_file(path);
    ASSERT_EQ(whole.has_value(), is_good);
    ASSERT_EQ(blocks.has_value(), is_good);
    if (!is_good) {
      EXPECT_EQ(whole.error(), blocks.error());
      continue;
    }
    EXPECT_EQ(whole->ops.size(), op_id);
    EXPECT_EQ(blocks->ops.size(), op_id);
    EXPECT_EQ(whole->hashes, blocks->hashes);
    EXPECT_EQ(whole->ops.back().start_line, blocks->ops.back().start_line);
  }
  std::remove(path.c_str());
  const auto nothing = parse_history_file(path);
  ASSERT_FALSE(nothing.has_value());
  EXPECT_EQ(nothing.error(), "cannot read the history `" + path + "`");
}

}  // namespace
}  // namespace s2::scenarios
