// Append: what it refuses, what it assigns, what command records do. S2 spec "append".
#include "service_fixture.h"

namespace s2::emulator {
namespace {

wire::AppendRecord with_headers(std::vector<wire::Header> headers, std::string body = "") {
  return wire::AppendRecord{std::nullopt, std::move(headers), std::move(body)};
}

TEST_F(ServiceTest, AckTellsFirstPastLastAndTail) {
  ASSERT_TRUE(append("a"));
  now += 5;
  const auto ack = append({record("b"), record("c")});
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->start, (wire::StreamPosition{1, now}));
  EXPECT_EQ(ack->end, (wire::StreamPosition{3, now}));
  EXPECT_EQ(ack->tail, ack->end);
  EXPECT_EQ(*service.check_tail(kBasin, kStream, now), ack->tail);
  EXPECT_EQ(bodies_from(0), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(ServiceTest, TailOfANewStreamIsZero) {
  EXPECT_EQ(*service.check_tail(kBasin, kStream, now), (wire::StreamPosition{0, 0}));
}

TEST_F(ServiceTest, OneToAThousandRecords) {
  EXPECT_EQ(refusal(append(std::vector<wire::AppendRecord>{})), kInvalid);
  EXPECT_EQ(append(std::vector<wire::AppendRecord>(1000))->end.seq_num, 1000u);
  EXPECT_EQ(refusal(append(std::vector<wire::AppendRecord>(1001))), kInvalid);
  EXPECT_EQ(state().records, 1000u);
}

TEST_F(ServiceTest, OneMebibyteMeteredToTheByte) {
  EXPECT_TRUE(append(std::string(1024 * 1024 - 8, 'x')));
  EXPECT_EQ(refusal(append(std::string(1024 * 1024 - 7, 'x'))), kInvalid);
  // 8 + 2 a header + names and values + body.
  EXPECT_TRUE(append({with_headers({{"ab", "cde"}}, std::string(1024 * 1024 - 15, 'x'))}));
  EXPECT_EQ(refusal(append({with_headers({{"ab", "cde"}}, std::string(1024 * 1024 - 14, 'x'))})), kInvalid);
  EXPECT_EQ(state().metered_bytes, 2u * 1024 * 1024);
}

TEST_F(ServiceTest, HeaderNameMayBeEmptyOnlyInACommand) {
  EXPECT_TRUE(append({with_headers({{"name", ""}})}));
  EXPECT_EQ(refusal(append({with_headers({{"", "fence"}, {"a", "b"}})})), kInvalid);
  EXPECT_EQ(refusal(append({with_headers({{"a", "b"}, {"", "x"}})})), kInvalid);
  EXPECT_EQ(refusal(append({with_headers({{"", "FENCE"}})})), kInvalid);
  EXPECT_EQ(refusal(append({with_headers({{"", ""}})})), kInvalid);
}

TEST_F(ServiceTest, CommandBodiesAreChecked) {
  EXPECT_EQ(refusal(append({wire::fence_command(std::string(37, 't'))})), kInvalid);
  EXPECT_EQ(refusal(append({wire::fence_command("\xff")})), kInvalid);
  EXPECT_TRUE(append({wire::fence_command(std::string(36, 't'))}));
  EXPECT_EQ(refusal(append({with_headers({{"", "trim"}}, "1234567")})), kInvalid);
  EXPECT_EQ(refusal(append({with_headers({{"", "trim"}}, "123456789")})), kInvalid);
  EXPECT_TRUE(append({with_headers({{"", "trim"}}, std::string(8, '\0'))}));
}

TEST_F(ServiceTest, AppendIsAtomicWhenOneRecordIsBad) {
  EXPECT_EQ(refusal(append({record("good"), with_headers({{"", "x"}})})), kInvalid);
  EXPECT_EQ(service.counters().records, 0u);
}

TEST_F(ServiceTest, BadInputIsRefusedBeforeTheStreamIsCreated) {
  EXPECT_EQ(refusal(append(std::vector<wire::AppendRecord>{})), kInvalid);
  EXPECT_EQ(service.counters().streams, 0u);
}

TEST_F(ServiceTest, MatchSeqNumMismatchGivesTheOneThatWouldBeAssigned) {
  ASSERT_TRUE(append("a"));
  wire::AppendInput batch = input({record("b")});
  batch.match_seq_num = 0;
  const auto refused = append(batch);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 412);
  EXPECT_EQ(refused.error().code, "");
  EXPECT_EQ(refused.error().seq_num_mismatch, 1u);
  EXPECT_EQ(refused.error().fencing_token_mismatch, std::nullopt);
  batch.match_seq_num = 1;
  EXPECT_TRUE(append(batch));
}

TEST_F(ServiceTest, FencingTokenIsLookedAtBeforeMatchSeqNum) {
  ASSERT_TRUE(append({wire::fence_command("mine")}));
  wire::AppendInput batch = input({record("b")});
  batch.match_seq_num = 99;
  batch.fencing_token = "yours";
  const auto refused = append(batch);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 412);
  EXPECT_EQ(refused.error().fencing_token_mismatch, "mine");
  EXPECT_EQ(refused.error().seq_num_mismatch, std::nullopt);
  batch.fencing_token = "mine";
  EXPECT_EQ(append(batch).error().seq_num_mismatch, 1u);
}

TEST_F(ServiceTest, FencingIsCooperativeAndClearedByAnEmptyToken) {
  ASSERT_TRUE(append({wire::fence_command("mine")}));
  EXPECT_TRUE(append("without a token")) << "an append without a token is accepted";
  ASSERT_TRUE(append({wire::fence_command("")}));
  wire::AppendInput batch = input({record("b")});
  batch.fencing_token = "mine";
  EXPECT_EQ(append(batch).error().fencing_token_mismatch, "");
  batch.fencing_token = "";
  EXPECT_TRUE(append(batch));
}

TEST_F(ServiceTest, FenceTakesEffectAfterItsBatch) {
  wire::AppendInput batch = input({wire::fence_command("new"), record("same batch")});
  batch.fencing_token = "";
  EXPECT_TRUE(append(batch));
  EXPECT_EQ(state().fencing_token, "new");
  EXPECT_EQ(append(batch).error().fencing_token_mismatch, "new");
}

TEST_F(ServiceTest, FencingTokenOverItsLimitIsInvalid) {
  wire::AppendInput batch = input({record("b")});
  batch.fencing_token = std::string(37, 't');
  EXPECT_EQ(refusal(append(batch)), kInvalid);
}

TEST_F(ServiceTest, FenceStaysWhenItsRecordIsTrimmed) {
  ASSERT_TRUE(append({wire::fence_command("mine")}));
  ASSERT_TRUE(append({wire::trim_command(1)}));
  EXPECT_EQ(state().first_seq_num, 1u);
  EXPECT_EQ(state().fencing_token, "mine");
}

TEST_F(ServiceTest, TrimDropsWhatIsBelowItsPoint) {
  ASSERT_TRUE(append({record("a"), record("b"), record("c")}));
  ASSERT_TRUE(append({wire::trim_command(2)}));
  EXPECT_EQ(bodies_from(0).front(), "c");
  EXPECT_EQ(state().first_seq_num, 2u);
  ASSERT_TRUE(append({wire::trim_command(1)}));
  EXPECT_EQ(state().first_seq_num, 2u) << "a trim point never goes back";
}

TEST_F(ServiceTest, TrimIsCappedAtItsOwnSequenceNumberPlusOne) {
  const auto ack = append({record("a"), wire::trim_command(1'000'000), record("b")});
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->end.seq_num, 3u);
  EXPECT_EQ(bodies_from(0), std::vector<std::string>{"b"});
  EXPECT_EQ(append("c")->start.seq_num, 3u);
  EXPECT_EQ(bodies_from(0), (std::vector<std::string>{"b", "c"}));
}

TEST_F(ServiceTest, TrimMayEmptyTheStreamAndTheTailStays) {
  ASSERT_TRUE(append("a"));
  const auto ack = append({wire::trim_command(~0ULL)});
  ASSERT_TRUE(ack);
  EXPECT_EQ(state().records, 0u);
  EXPECT_EQ(state().metered_bytes, 0u);
  EXPECT_EQ(state().tail, ack->tail);
}

// --- timestamps: S2 spec "timestamps" ---

TEST_F(ServiceTest, ClientsTimestampIsPreferredAndCappedAtArrival) {
  ASSERT_TRUE(append({record("a", 7), record("b"), record("c", now + 1000)}));
  const auto held = records_from(0);
  EXPECT_EQ(held[0].timestamp, 7u);
  EXPECT_EQ(held[1].timestamp, now);
  EXPECT_EQ(held[2].timestamp, now);
}

TEST_F(ServiceTest, TimestampsNeverDecrease) {
  const auto ack = append({record("a", 500), record("b", 400), record("c", 600)});
  EXPECT_EQ(ack->start.timestamp, 500u);
  EXPECT_EQ(ack->end.timestamp, 600u);
  EXPECT_EQ(records_from(0)[1].timestamp, 500u);
  now -= 10;  // a clock that was set back
  ASSERT_TRUE(append({record("d")}));
  now = 100;
  EXPECT_EQ(append({record("e")})->end.timestamp, 999'990u);
}

TEST_F(ServiceTest, UncappedLetsAClientBeAhead) {
  StreamConfigLayer config;
  config.timestamping_uncapped = true;
  stream_with(config);
  EXPECT_EQ(append({record("a", now + 1000)})->end.timestamp, now + 1000);
  EXPECT_EQ(append({record("b")})->end.timestamp, now + 1000) << "raised to the previous one";
}

TEST_F(ServiceTest, ClientRequireRefusesAMissingTimestampWhole) {
  StreamConfigLayer config;
  config.timestamping_mode = TimestampingMode::client_require;
  stream_with(config);
  EXPECT_EQ(refusal(append({record("a", 5), record("b")})), kInvalid);
  EXPECT_EQ(state().tail.seq_num, 0u);
  EXPECT_TRUE(append({record("a", 5), record("b", 6)}));
}

TEST_F(ServiceTest, ConditionsAreLookedAtBeforeAMissingTimestamp) {
  StreamConfigLayer config;
  config.timestamping_mode = TimestampingMode::client_require;
  stream_with(config);
  wire::AppendInput batch = input({record("a")});
  batch.match_seq_num = 3;
  EXPECT_EQ(append(batch).error().status, 412);
}

TEST_F(ServiceTest, ArrivalModeIgnoresTheClientsTimestamp) {
  StreamConfigLayer config;
  config.timestamping_mode = TimestampingMode::arrival;
  config.timestamping_uncapped = true;
  stream_with(config);
  EXPECT_EQ(append({record("a", 5), record("b", now + 9)})->start.timestamp, now);
  EXPECT_EQ(records_from(0)[1].timestamp, now);
}

TEST_F(ServiceTest, ReconfigurationRulesTheNextAppend) {
  ASSERT_TRUE(append("a"));
  StreamReconfiguration change;
  change.timestamping_mode.emplace(TimestampingMode::client_require);
  ASSERT_TRUE(service.reconfigure_stream(kBasin, kStream, change, now));
  EXPECT_EQ(refusal(append("b")), kInvalid);
}

TEST_F(ServiceTest, RefusedInputIsLeftAsItWas) {
  ASSERT_TRUE(append("a"));
  wire::AppendInput batch = input({record("a body longer than any small-string buffer holds")});
  batch.match_seq_num = 0;
  const wire::AppendInput before = batch;
  ASSERT_FALSE(service.append(kBasin, kStream, std::move(batch), now));
  EXPECT_EQ(batch, before);
}

TEST_F(ServiceTest, CountersTellWhatWasDone) {
  ASSERT_TRUE(append({record("a"), record("bc")}));
  ASSERT_FALSE(append(std::vector<wire::AppendRecord>{}));
  EXPECT_EQ(records_from(1).size(), 1u);
  const Counters counters = service.counters();
  EXPECT_EQ(counters.basins, 1u);
  EXPECT_EQ(counters.streams, 1u);
  EXPECT_EQ(counters.records, 2u);
  EXPECT_EQ(counters.metered_bytes, 9u + 10u);
  EXPECT_EQ(counters.appends, 1u);
  EXPECT_EQ(counters.appends_refused, 1u);
  EXPECT_EQ(counters.records_appended, 2u);
  EXPECT_EQ(counters.records_read, 1u);
}

}  // namespace
}  // namespace s2::emulator
