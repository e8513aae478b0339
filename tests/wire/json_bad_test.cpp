// JSON that is wrong: every kind of wrong is bad_json with a place, and nothing reads too far or too deep.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/wire/damage.h"
#include "wire/json.h"
#include "wire/json_reader.h"

namespace s2::wire {
namespace {

using generators::damaged;
using generators::Exact;
using generators::expect_kind;

std::string refusal(std::string_view text, Format format = Format::raw) {
  const Exact exact(text);
  const auto input = append_input_from_json(exact.view(), format);
  if (input) return "accepted";
  EXPECT_EQ(input.error().kind, DecodeErrorKind::bad_json);
  return input.error().message;
}

std::string record_refusal(const std::string& members) {
  return refusal("{\"records\":[{" + members + "}]}");
}

TEST(JsonBad, EachErrorSaysWhatAndWhere) {
  EXPECT_EQ(refusal(""), "JSON: expected an object at byte 0");
  EXPECT_EQ(refusal("not json"), "JSON: expected an object at byte 0");
  EXPECT_EQ(refusal("{}"), "JSON: expected records at byte 2");
  EXPECT_EQ(refusal("{\"records\":[]} x"), "JSON: something follows the value at byte 15");
  EXPECT_EQ(refusal("{\"records\":\"nope\"}"), "JSON records: expected an array at byte 11");
  EXPECT_EQ(refusal("{\"records\":null}"), "JSON records: expected an array at byte 11");
  EXPECT_EQ(refusal("{\"records\":[{},{\"body\":123}]}"),
            "JSON records[1].body: expected a string at byte 23");
  EXPECT_EQ(record_refusal("\"body\":null"), "JSON records[0].body: expected a string at byte 20");
  EXPECT_EQ(record_refusal("\"headers\":null"), "JSON records[0].headers: expected an array at byte 23");
  EXPECT_EQ(record_refusal("\"headers\":[[\"a\"]]"),
            "JSON records[0].headers[0]: expected a name and a value at byte 29");
  EXPECT_EQ(record_refusal("\"headers\":[[\"a\",\"b\",\"c\"]]"),
            "JSON records[0].headers[0][2]: expected a name and a value, no more at byte 33");
  EXPECT_EQ(record_refusal("\"body\":\"a\",\"body\":\"b\""),
            "JSON records[0].body: the member stands twice at byte 31");
  EXPECT_EQ(refusal("{\"records\":[],\"fencing_token\":7}"),
            "JSON fencing_token: expected a string at byte 30");
  EXPECT_EQ(refusal("{\"records\":[],\"fencing_token\":\"" + std::string(36, 't') + "\"}"), "accepted");
  EXPECT_EQ(refusal("{\"records\":[],\"fencing_token\":\"" + std::string(37, 't') + "\"}"),
            "JSON fencing_token: expected at most 36 bytes at byte 69");
  EXPECT_EQ(refusal("{\"records\":[{\"body\":\"a b\"}]}", Format::base64),
            "JSON records[0].body: expected base64 (standard alphabet, padded) at byte 25");
}

TEST(JsonBad, OnlyWholeNumbersOf64BitsAreNumbers) {
  for (const char* number : {"-1",
                             "-0",
                             "1.0",
                             "1e3",
                             "1E3",
                             "18446744073709551616",
                             "99999999999999999999999",
                             "01",
                             "00",
                             "+1",
                             ".5",
                             "1.",
                             "0x10",
                             "\"1\"",
                             "true",
                             "[]",
                             "{}",
                             "NaN",
                             "Infinity",
                             "nul"}) {
    EXPECT_NE(refusal("{\"records\":[],\"match_seq_num\":" + std::string(number) + "}"), "accepted")
        << number;
    EXPECT_NE(record_refusal("\"timestamp\":" + std::string(number)), "accepted") << number;
  }
  EXPECT_EQ(refusal("{\"records\":[],\"match_seq_num\":18446744073709551615}"), "accepted");
}

TEST(JsonBad, StringsMustBeStrict) {
  for (const char* text :
       {"\\ud800", "\\udc00", "\\ud800\\ud800", "\\ud800x", "\\u12g4", "\\u12", "\\x41", "\\", "\n", "\t",
        "\x1f", "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"})
    EXPECT_NE(record_refusal("\"body\":\"" + std::string(text) + "\""), "accepted") << text;
  EXPECT_NE(record_refusal(std::string("\"body\":\"\0\"", 10)), "accepted");
}

TEST(JsonBad, PunctuationMustBeStrict) {
  for (const char* text : {"{\"records\":[],}",
                           "{\"records\":[,]}",
                           "{\"records\":[{},]}",
                           "{,\"records\":[]}",
                           "{\"records\" []}",
                           "{\"records\":[]",
                           "{\"records\":[}",
                           "{\"records\":[]]",
                           "{records:[]}",
                           "{'records':[]}",
                           "{\"records\":[]}}",
                           "{\"records\":[]}{}",
                           "\xEF\xBB\xBF{\"records\":[]}",
                           "{\"records\":[] /*c*/}",
                           "[]",
                           "null",
                           "{\"records\":[]}\f",
                           "{\"a\":tru,\"records\":[]}",
                           "{\"a\":-,\"records\":[]}",
                           "{\"a\":1e,\"records\":[]}",
                           "{\"a\":[1 2],\"records\":[]}",
                           "{\"a\":{\"b\"},\"records\":[]}",
                           "{\"a\":{1:2},\"records\":[]}",
                           "{\"a\":[},\"records\":[]}"})
    EXPECT_NE(refusal(text), "accepted") << text;
}

TEST(JsonBad, AcksAndBatchesAndTailsNeedTheirMembers) {
  for (const char* text :
       {R"({})", R"({"start":{"seq_num":1,"timestamp":1},"end":{"seq_num":1,"timestamp":1}})",
        R"({"start":1,"end":2,"tail":3})",
        R"({"start":{"seq_num":1},"end":{"seq_num":1},"tail":{"seq_num":1}})"})
    EXPECT_FALSE(append_ack_from_json(text)) << text;
  for (const char* text : {R"({})", R"({"records":[{"seq_num":1}]})", R"({"records":[{"timestamp":1}]})",
                           R"({"records":[],"tail":{}})", R"({"records":[],"tail":5})"})
    EXPECT_FALSE(read_batch_from_json(text, Format::raw)) << text;
  for (const char* text :
       {R"({})", R"({"tail":null})", R"({"tail":{"seq_num":1}})", R"({"seq_num":1,"timestamp":2})"})
    EXPECT_FALSE(tail_from_json(text)) << text;
}

TEST(JsonBad, EveryPrefixOfAGoodTextIsRefused) {
  const std::string good =
      R"({"x":[{"y":-1.5e2},null],"records":[{"timestamp":12,"headers":[["a","\u00e9"]],"body":"b"}],"match_seq_num":3})";
  ASSERT_EQ(refusal(good), "accepted");
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_NE(refusal(good.substr(0, size)), "accepted") << good.substr(0, size);
}

TEST(JsonBad, DeepNestingIsRefusedNotRecursedInto) {
  constexpr std::size_t kLevels = 2'000'000;
  for (const std::string open : {"[", "{\"a\":"}) {
    std::string bomb = "{\"x\":";
    for (std::size_t i = 0; i < kLevels; ++i) bomb += open;
    EXPECT_NE(refusal(bomb).find("more than 128 levels"), std::string::npos);
  }
  EXPECT_NE(refusal(std::string(kLevels, '[')), "accepted");
  const auto nested = [](std::size_t levels) {
    return "{\"x\":" + std::string(levels, '[') + std::string(levels, ']') + ",\"records\":[]}";
  };
  EXPECT_EQ(refusal(nested(kMaxJsonDepth)), "accepted");
  EXPECT_NE(refusal(nested(kMaxJsonDepth + 1)), "accepted");
}

TEST(JsonBad, HostileMemberNamesStayOutOfTheErrorLine) {
  const std::string in_long_name = refusal("{\"" + std::string(100'000, 'n') + "\":}");
  EXPECT_EQ(in_long_name.substr(0, 15), "JSON (member): ");
  EXPECT_EQ(refusal("{\"\x1b[2J\\n\":}").find('\x1b'), std::string::npos);
  EXPECT_EQ(refusal("{\"\\u001b[2J\\n\":}").find('\x1b'), std::string::npos);
}

TEST(JsonBad, DamagedTextIsRefusedOrMeansSomething) {
  ASSERT_TRUE(rc::check([](const AppendInput& input) {
    const Format format = *rc::gen::element(Format::raw, Format::base64);
    const Exact text(damaged(to_json(input, format)));
    const auto read = append_input_from_json(text.view(), format);
    if (!read) return expect_kind(read.error(), DecodeErrorKind::bad_json);
    RC_ASSERT(append_input_from_json(to_json(*read, format), format).value() == *read);
  }));
  ASSERT_TRUE(rc::check([](const ReadBatch& batch) {
    const Format format = *rc::gen::element(Format::raw, Format::base64);
    const Exact text(damaged(to_json(batch, format)));
    const auto read = read_batch_from_json(text.view(), format);
    if (!read) return expect_kind(read.error(), DecodeErrorKind::bad_json);
    RC_ASSERT(read_batch_from_json(to_json(*read, format), format).value() == *read);
  }));
  ASSERT_TRUE(rc::check([](const AppendAck& ack) {
    const Exact text(damaged(to_json(ack)));
    const auto read = append_ack_from_json(text.view());
    if (!read) return expect_kind(read.error(), DecodeErrorKind::bad_json);
    RC_ASSERT(append_ack_from_json(to_json(*read)).value() == *read);
  }));
}

TEST(JsonBad, OurGrammarIsTheGrammarOfAnotherParser) {
  const std::vector<std::string> tokens = {"{",
                                           "}",
                                           "[",
                                           "]",
                                           ",",
                                           ":",
                                           "\"a\"",
                                           "1",
                                           "0",
                                           "-",
                                           "0.5",
                                           "1E-2",
                                           "true",
                                           "false",
                                           "null",
                                           " ",
                                           "\n",
                                           "\t",
                                           "\"",
                                           "\\",
                                           "\\n",
                                           "\\u00e9",
                                           "\\ud83d",
                                           "\\ude00",
                                           "\xc3",
                                           "\xa9",
                                           "\"b\":",
                                           "[]",
                                           "{}",
                                           "x",
                                           "\"\xf0\x9f\x98\x80\""};
  int accepted = 0;
  ASSERT_TRUE(rc::check([&] {
    std::string text;
    for (const std::string& token :
         *rc::gen::scale(0.2, rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(tokens))))
      text += token;
    const Exact exact(text);
    JsonReader reader(exact.view());
    const bool ours = reader.skip() && reader.end();
    RC_ASSERT(ours == nlohmann::json::accept(text));
    accepted += ours;
  }));
  EXPECT_GT(accepted, 0);
  // Whole trees, and then one wound each.
  ASSERT_TRUE(rc::check([] {
    const std::string word = *generators::text();
    const nlohmann::json tree = {{word, {1, -2.5, nullptr, true, {{"k", word}}}},
                                 {"e", nlohmann::json::array()}};
    std::string text = tree.dump(*rc::gen::inRange(-1, 3));
    if (*rc::gen::arbitrary<bool>())
      text[*rc::gen::inRange<std::size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
    JsonReader reader(text);
    RC_ASSERT((reader.skip() && reader.end()) == nlohmann::json::accept(text));
  }));
}

}  // namespace
}  // namespace s2::wire
