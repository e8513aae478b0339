// JSON of appends, acks and batches: exact bytes, round trips, and a second parser's opinion.
#include "wire/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/wire/generators.h"

namespace s2::wire {
namespace {

TEST(Json, AppendInputHasTheseBytesInRaw) {
  AppendInput input;
  input.records.push_back({1700000000000, {{"kind", "log"}, {"n", ""}}, "h\u00e9llo \"x\"\n\x01"});
  input.records.push_back({std::nullopt, {}, ""});
  input.records.push_back({std::nullopt, {{"", "fence"}}, "tok"});
  input.records.push_back({0, {}, "z"});
  input.match_seq_num = 18446744073709551615ULL;
  input.fencing_token = "a\\b";
  EXPECT_EQ(to_json(input, Format::raw),
            R"({"records":[{"timestamp":1700000000000,"headers":[["kind","log"],["n",""]],)"
            "\"body\":\"h\u00e9llo \\\"x\\\"\\n\\u0001\"},{},"
            R"({"headers":[["","fence"]],"body":"tok"},{"timestamp":0,"body":"z"}],)"
            R"("match_seq_num":18446744073709551615,"fencing_token":"a\\b"})");
}

TEST(Json, AppendInputHasTheseBytesInBase64) {
  AppendInput input;
  input.records.push_back({7, {{"k", std::string("\xff\x00", 2)}}, "\xfb\xef\xbe"});
  EXPECT_EQ(to_json(input, Format::base64),
            R"({"records":[{"timestamp":7,"headers":[["aw==","/wA="]],"body":"++++"}]})");
}

TEST(Json, AckHasTheseBytes) {
  const AppendAck ack{{3, 10}, {5, 11}, {9, 12}};
  EXPECT_EQ(to_json(ack), R"({"start":{"seq_num":3,"timestamp":10},"end":{"seq_num":5,"timestamp":11},)"
                          R"("tail":{"seq_num":9,"timestamp":12}})");
}

TEST(Json, BatchHasTheseBytes) {
  ReadBatch batch;
  EXPECT_EQ(to_json(batch, Format::raw), R"({"records":[]})");
  batch.records.push_back({0, 4, {}, ""});
  batch.records.push_back({1, 5, {{"a", "b"}}, "c"});
  batch.tail = StreamPosition{2, 5};
  EXPECT_EQ(
      to_json(batch, Format::raw),
      R"({"records":[{"seq_num":0,"timestamp":4},{"seq_num":1,"timestamp":5,"headers":[["a","b"]],"body":"c"}],)"
      R"("tail":{"seq_num":2,"timestamp":5}})");
}

TEST(Json, TailHasTheseBytesAndComesBack) {
  EXPECT_EQ(tail_to_json({8, 9}), R"({"tail":{"seq_num":8,"timestamp":9}})");
  EXPECT_EQ(tail_from_json(tail_to_json({8, 9})).value(), (StreamPosition{8, 9}));
}

TEST(Json, RawReplacesWhatIsNotUtf8) {
  ReadBatch batch;
  batch.records.push_back({7, 11, {{"kind", "a\xffz"}}, "\xf0\x28\x8c\xbc"});
  EXPECT_EQ(to_json(batch, Format::raw),
            "{\"records\":[{\"seq_num\":7,\"timestamp\":11,\"headers\":[[\"kind\",\"a\uFFFDz\"]],"
            "\"body\":\"\uFFFD(\uFFFD\uFFFD\"}]}");
}

TEST(Json, WhatMayBeLeftOutMayAlsoBeNull) {
  const auto input = append_input_from_json(
      R"( {"fencing_token":null, "records":[{"timestamp":null},{"body":"","headers":[]}], "match_seq_num":null} )",
      Format::raw);
  ASSERT_TRUE(input) << input.error().message;
  EXPECT_EQ(*input, (AppendInput{{AppendRecord{}, AppendRecord{}}, std::nullopt, std::nullopt}));
  const auto batch = read_batch_from_json(R"({"records":[],"tail":null})", Format::raw);
  ASSERT_TRUE(batch) << batch.error().message;
  EXPECT_FALSE(batch->tail);
}

TEST(Json, UnknownMembersAreSkippedWhateverTheyHold) {
  const auto input = append_input_from_json(
      R"({"x":[1,-2.5e+3,{"y":[[],{}],"z":"\u00e9\"]"}],"records":[{"q":true,"body":"b","w":false}],"v":null,"u":"s"})",
      Format::raw);
  ASSERT_TRUE(input) << input.error().message;
  EXPECT_EQ(input->records, (std::vector<AppendRecord>{{std::nullopt, {}, "b"}}));
}

TEST(Json, EscapesMeanTheirCharacters) {
  const auto input = append_input_from_json(
      R"({"records":[{"bo\u0064y":"\"\\\/\b\f\n\r\t\u0000\u00E9\u20ac\ud83d\uDE00"}]})", Format::raw);
  ASSERT_TRUE(input) << input.error().message;
  EXPECT_EQ(input->records[0].body, std::string("\"\\/\b\f\n\r\t\0\u00e9\u20ac\U0001F600", 18));
}

TEST(Json, Base64RoundTripKeepsAllBytes) {
  ASSERT_TRUE(rc::check([](const AppendInput& input) {
    const auto again = append_input_from_json(to_json(input, Format::base64), Format::base64);
    RC_ASSERT(again.has_value());
    RC_ASSERT(*again == input);
  }));
  ASSERT_TRUE(rc::check([](const ReadBatch& batch) {
    const auto again = read_batch_from_json(to_json(batch, Format::base64), Format::base64);
    RC_ASSERT(again.has_value());
    RC_ASSERT(*again == batch);
  }));
}

TEST(Json, RawRoundTripKeepsAllText) {
  ASSERT_TRUE(rc::check([] {
    const AppendInput input = *generators::append_input(generators::text());
    const auto again = append_input_from_json(to_json(input, Format::raw), Format::raw);
    RC_ASSERT(again.has_value());
    RC_ASSERT(*again == input);
  }));
  ASSERT_TRUE(rc::check([] {
    const ReadBatch batch = *generators::read_batch(generators::text());
    const auto again = read_batch_from_json(to_json(batch, Format::raw), Format::raw);
    RC_ASSERT(again.has_value());
    RC_ASSERT(*again == batch);
  }));
}

TEST(Json, AckRoundTrip) {
  ASSERT_TRUE(rc::check([](const AppendAck& ack) {
    const auto again = append_ack_from_json(to_json(ack));
    RC_ASSERT(again.has_value());
    RC_ASSERT(*again == ack);
  }));
}

TEST(Json, AnotherParserReadsTheSameFromRaw) {
  ASSERT_TRUE(rc::check([](const ReadBatch& batch) {
    const auto json = nlohmann::json::parse(to_json(batch, Format::raw));
    RC_ASSERT(json["records"].size() == batch.records.size());
    for (std::size_t i = 0; i < batch.records.size(); ++i) {
      const SequencedRecord& record = batch.records[i];
      RC_ASSERT(json["records"][i]["seq_num"] == record.seq_num);
      RC_ASSERT(json["records"][i].value("body", "") == utf8_lossy(record.body));
      auto headers = nlohmann::json::array();
      for (const Header& header : record.headers)
        headers.push_back({utf8_lossy(header.name), utf8_lossy(header.value)});
      RC_ASSERT(json["records"][i].value("headers", nlohmann::json::array()) == headers);
    }
    RC_ASSERT(json.contains("tail") == batch.tail.has_value());
  }));
}

TEST(Json, WeReadWhatAnotherWriterWrites) {
  ASSERT_TRUE(rc::check([] {
    const std::string body = *generators::text();
    const bool ascii_only = *rc::gen::arbitrary<bool>();  // then all else stands as \u escapes
    nlohmann::json record = {{"body", body}};
    record["headers"] = nlohmann::json::array({nlohmann::json::array({"k", body})});
    nlohmann::json json = {{"extra", {{"x", body}, {"y", 1.5}}}};
    json["records"] = nlohmann::json::array({record});
    const auto input =
        append_input_from_json(json.dump(*rc::gen::inRange(-1, 4), ' ', ascii_only), Format::raw);
    RC_ASSERT(input.has_value());
    RC_ASSERT(input->records == std::vector<AppendRecord>({{std::nullopt, {{"k", body}}, body}}));
  }));
}

TEST(Json, FormatHeaderTakesItsNamesOnly) {
  EXPECT_EQ(format_from_header("raw").value(), Format::raw);
  EXPECT_EQ(format_from_header("base64").value(), Format::base64);
  EXPECT_EQ(format_from_header("json").value(), Format::raw);
  EXPECT_EQ(format_from_header("json-binsafe").value(), Format::base64);
  for (const char* value : {"", "RAW", "base65", "raw,base64"}) {
    ASSERT_FALSE(format_from_header(value)) << value;
    EXPECT_EQ(format_from_header(value).error().kind, DecodeErrorKind::bad_header);
  }
}

}  // namespace
}  // namespace s2::wire
