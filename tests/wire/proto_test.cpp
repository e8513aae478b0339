// Protobuf: exact bytes written by hand from the field numbers, round trips, and messages that lie.
#include "wire/proto.h"

#include <gtest/gtest.h>

#include "tests/wire/damage.h"

namespace s2::wire {
namespace {

using namespace std::string_literals;
using generators::damaged;
using generators::Exact;
using generators::expect_kind;

TEST(Proto, AppendInputHasTheseBytes) {
  AppendInput input;
  input.records.push_back({300, {{"k", "v"}, {"", "fence"}, {"", ""}}, "body"});
  input.records.push_back({});
  input.records.push_back({0, {}, ""});
  input.match_seq_num = 0;
  input.fencing_token = "";
  EXPECT_EQ(to_proto(input),
            "\x0a\x1c"                    // 1 records
            "\x08\xac\x02"                //   1 timestamp 300
            "\x12\x06\x0a\x01k\x12\x01v"  //   2 headers {1 name, 2 value}
            "\x12\x07\x12\x05"s
            "fence"     //   2 headers {2 value}: an empty name is left out
            "\x12\x00"  //   2 headers {}
            "\x1a\x04"
            "body"              //   3 body
            "\x0a\x00"          // 1 records {}
            "\x0a\x02\x08\x00"  // 1 records {1 timestamp 0}: present though 0
            "\x10\x00"          // 2 match_seq_num 0: present
            "\x1a\x00"s);       // 3 fencing_token "": present
}

TEST(Proto, AckHasTheseBytes) {
  EXPECT_EQ(to_proto(AppendAck{{0, 0}, {2, 1}, {18446744073709551615ULL, 0}}),
            "\x0a\x00"                                                 // 1 start {}
            "\x12\x04\x08\x02\x10\x01"                                 // 2 end
            "\x1a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s);  // 3 tail
}

TEST(Proto, BatchHasTheseBytes) {
  ReadBatch batch;
  EXPECT_EQ(to_proto(batch), "");
  batch.records.push_back({0, 5, {{"a", "b"}}, "c"});
  batch.tail = StreamPosition{};
  EXPECT_EQ(to_proto(batch),
            "\x0a\x0d"  // 1 records
            "\x10\x05"  //   2 timestamp (1 seq_num is 0 and left out)
            "\x1a\x06\x0a\x01"
            "a\x12\x01"
            "b"  //   3 headers
            "\x22\x01"
            "c"            //   4 body
            "\x12\x00"s);  // 2 tail {}: present
}

TEST(Proto, RoundTripKeepsEverything) {
  ASSERT_TRUE(rc::check([](const AppendInput& input) {
    RC_ASSERT(append_input_from_proto(to_proto(input)).value() == input);
    std::string behind = "head";
    append_proto(behind, input);
    RC_ASSERT(behind == "head" + to_proto(input));
  }));
  ASSERT_TRUE(rc::check(
      [](const AppendAck& ack) { RC_ASSERT(append_ack_from_proto(to_proto(ack)).value() == ack); }));
  ASSERT_TRUE(rc::check(
      [](const ReadBatch& batch) { RC_ASSERT(read_batch_from_proto(to_proto(batch)).value() == batch); }));
}

TEST(Proto, AMillionBytesGoThrough) {
  AppendInput input;
  input.records.push_back({1, {{"k", std::string(70'000, 'h')}}, std::string(900'000, '\xff')});
  EXPECT_EQ(append_input_from_proto(to_proto(input)).value(), input);
}

TEST(Proto, MissingPositionsOfAnAckAreZero) {
  EXPECT_EQ(append_ack_from_proto("").value(), AppendAck{});
  EXPECT_EQ(append_ack_from_proto("\x12\x02\x08\x05").value(), (AppendAck{{}, {5, 0}, {}}));
}

TEST(Proto, UnknownFieldsOfEveryWireTypeAreSkipped) {
  const std::string unknown =
      "\x78\x96\x01"                          // 15 varint
      "\x79\x01\x02\x03\x04\x05\x06\x07\x08"  // 15 fixed64
      "\x7a\x03"
      "abc"                         // 15 bytes
      "\x7d\x01\x02\x03\x04"        // 15 fixed32
      "\xfa\xff\xff\xff\x0f\x00"s;  // 536870911 bytes
  const auto input = append_input_from_proto(unknown + "\x10\x07" + unknown);
  ASSERT_TRUE(input) << input.error().message;
  EXPECT_EQ(input->match_seq_num, 7u);
  const std::string record = unknown +
                             "\x1a\x01"
                             "b";
  const auto nested =
      append_input_from_proto("\x0a" + std::string(1, static_cast<char>(record.size())) + record);
  ASSERT_TRUE(nested) << nested.error().message;
  EXPECT_EQ(nested->records.at(0).body, "b");
}

TEST(Proto, TheLastScalarWinsAndMessagesMerge) {
  EXPECT_EQ(append_input_from_proto("\x10\x01\x10\x02").value().match_seq_num, 2u);
  const auto batch =
      read_batch_from_proto("\x12\x02\x08\x05\x12\x02\x10\x06");  // tail {seq_num 5}, tail {timestamp 6}
  EXPECT_EQ(batch.value().tail, (StreamPosition{5, 6}));
}

TEST(Proto, WhatLiesIsRefused) {
  const std::pair<std::string, const char*> cases[] = {
      {"\x0a"s, "a varint without end (field 1)"},
      {"\x0a\x05"s, "a length past the end (field 1)"},
      {"\x0a\x80"s, "a varint without end (field 1)"},
      {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s, "a length past the end (field 1)"},
      {"\x0a\x81\x80\x80\x80\x10\x08"s, "a length past the end (field 1)"},  // 2^32 + 1
      {"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"s, "a number over 64 bits (field 2)"},
      {"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s, "a varint without end (field 2)"},
      {"\x8a\x80\x80\x80\x10\x00"s, "an impossible field number"},  // tag 2^32 + 10
      {"\x00\x00"s, "an impossible field number"},
      {"\x02\x00"s, "an impossible field number"},
      {"\x08\x01"s, "expected a length and bytes (field 1)"},
      {"\x12\x01\x01"s, "expected a varint (field 2)"},
      {"\x11\x01\x02\x03\x04\x05\x06\x07\x08"s, "expected a varint (field 2)"},
      {"\x1a\x01\xff"s, "a string that is not UTF-8 (field 3)"},
      {"\x7b\x7c"s, "an unknown wire type (field 15)"},  // a group
      {"\x7e"s, "an unknown wire type (field 15)"},
      {"\x79\x01\x02"s, "a length past the end (field 15)"},
      {"\x7d\x01"s, "a length past the end (field 15)"},
      {"\x0a\x02\x1a\x01"s,
       "a length past the end (field 3) (field 1)"},  // the record's body, past the record
      {"\x0a\x04\x12\x02\x08\x01"s, "expected a length and bytes (field 1) (field 2) (field 1)"},
  };
  for (const auto& [bytes, why] : cases) {
    const Exact exact(bytes);
    const auto input = append_input_from_proto(exact.view());
    ASSERT_FALSE(input) << why;
    EXPECT_EQ(input.error().kind, DecodeErrorKind::bad_proto);
    EXPECT_EQ(input.error().message, "protobuf: "s + why);
  }
}

TEST(Proto, DamagedBytesAreRefusedOrMeanSomething) {
  ASSERT_TRUE(rc::check([](const AppendInput& input) {
    const Exact bytes(damaged(to_proto(input)));
    const auto read = append_input_from_proto(bytes.view());
    if (!read) return expect_kind(read.error(), DecodeErrorKind::bad_proto);
    RC_ASSERT(append_input_from_proto(to_proto(*read)).value() == *read);
  }));
  ASSERT_TRUE(rc::check([](const AppendAck& ack) {
    const Exact bytes(damaged(to_proto(ack)));
    const auto read = append_ack_from_proto(bytes.view());
    if (!read) return expect_kind(read.error(), DecodeErrorKind::bad_proto);
    RC_ASSERT(append_ack_from_proto(to_proto(*read)).value() == *read);
  }));
  ASSERT_TRUE(rc::check([](const ReadBatch& batch) {
    const Exact bytes(damaged(to_proto(batch)));
    const auto read = read_batch_from_proto(bytes.view());
    if (!read) return expect_kind(read.error(), DecodeErrorKind::bad_proto);
    RC_ASSERT(read_batch_from_proto(to_proto(*read)).value() == *read);
  }));
}

TEST(Proto, EveryPrefixIsAPartOrRefused) {
  const AppendInput input{{{300, {{"k", "v"}}, "body"}, {1, {}, "x"}}, 7, "token"};
  const std::string bytes = to_proto(input);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Exact prefix(std::string_view(bytes).substr(0, size));
    const auto read = append_input_from_proto(prefix.view());
    if (read) {
      EXPECT_EQ(to_proto(*read), prefix.view());
    } else {
      EXPECT_EQ(read.error().kind, DecodeErrorKind::bad_proto);
    }
  }
}

}  // namespace
}  // namespace s2::wire
