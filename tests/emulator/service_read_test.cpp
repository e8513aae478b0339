// Read: where it starts, where it ends, what it does at the tail. S2 spec "read".
#include "service_fixture.h"

namespace s2::emulator {
namespace {

// Ten records a..j with timestamps 100, 110, 120, 120, 120, 150 … 190; each 9 metered bytes.
class ReadTest : public ServiceTest {
 protected:
  ReadTest() {
    std::vector<wire::AppendRecord> records;
    for (std::uint64_t i = 0; i < 10; ++i) {
      const std::uint64_t timestamp = i == 3 || i == 4 ? 120 : 100 + 10 * i;
      records.push_back(record(std::string(1, static_cast<char>('a' + i)), timestamp));
    }
    EXPECT_TRUE(append(std::move(records)));
  }

  // The bodies of one unary read, or the refusal's status.
  std::string unary(ReadRequest request) {
    request.unary = true;
    const Result<ReadStep> step = read(request);
    if (!step) return std::to_string(step.error().status);
    std::string out;
    for (const wire::SequencedRecord& held : step->batch.records) out += held.body;
    return out;
  }

  const wire::StreamPosition kTail{10, 190};
};

ReadRequest with(ReadRequest request, auto change) {
  change(request);
  return request;
}

TEST_F(ReadTest, StartsBySeqNumTimestampOrTailOffset) {
  EXPECT_EQ(unary(from_seq_num(0)), "abcdefghij");
  EXPECT_EQ(unary(from_seq_num(9)), "j");
  EXPECT_EQ(unary(from_timestamp(120)), "cdefghij") << "the first of several with one timestamp";
  EXPECT_EQ(unary(from_timestamp(121)), "fghij");
  EXPECT_EQ(unary(from_timestamp(0)), "abcdefghij");
  EXPECT_EQ(unary(from_timestamp(190)), "j");
  EXPECT_EQ(unary(from_tail_offset(3)), "hij");
  EXPECT_EQ(unary(from_tail_offset(99)), "abcdefghij");
}

TEST_F(ReadTest, EndsByCountBytesOrUntilWhicheverIsFirst) {
  EXPECT_EQ(unary(with(from_seq_num(2), [](auto& r) { r.count = 3; })), "cde");
  EXPECT_EQ(unary(with(from_seq_num(0), [](auto& r) { r.bytes = 18; })), "ab");
  EXPECT_EQ(unary(with(from_seq_num(0), [](auto& r) { r.bytes = 26; })), "ab");
  EXPECT_EQ(unary(with(from_seq_num(0), [](auto& r) { r.until = 120; })), "ab");
  EXPECT_EQ(unary(with(from_seq_num(0), [](auto& r) { r.until = 121; })), "abcde");
  EXPECT_EQ(unary(with(from_seq_num(0), [](auto& r) { r.until = 1000, r.count = 2, r.bytes = 100; })), "ab");
  EXPECT_EQ(unary(with(from_seq_num(0), [](auto& r) { r.count = 5, r.bytes = 9; })), "a");
}

TEST_F(ReadTest, BoundThatDeniesTheFirstRecordGivesAnEmptyAnswer) {
  EXPECT_EQ(unary(with(from_seq_num(0), [](auto& r) { r.count = 0; })), "");
  EXPECT_EQ(unary(with(from_seq_num(0), [](auto& r) { r.bytes = 0; })), "");
  EXPECT_EQ(unary(with(from_seq_num(0), [](auto& r) { r.bytes = 8; })), "");
  EXPECT_EQ(unary(with(from_seq_num(0), [](auto& r) { r.until = 100; })), "");
}

TEST_F(ReadTest, TimestampNotBelowUntilIsInvalid) {
  const auto refused = read(with(from_timestamp(120), [](auto& r) { r.until = 120; }));
  EXPECT_EQ(refusal(refused), (std::pair<int, std::string>{422, "invalid"}));
  EXPECT_EQ(unary(with(from_timestamp(120), [](auto& r) { r.until = 121; })), "cde");
}

TEST_F(ReadTest, BeyondTheTailIs416WithTheTailEvenWithWait) {
  for (ReadRequest request : {from_seq_num(11), from_timestamp(191)}) {
    for (const bool unary_read : {false, true}) {
      request.unary = unary_read;
      request.wait_secs = 10;
      const auto refused = read(request);
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().status, 416);
      EXPECT_EQ(refused.error().tail, kTail);
    }
  }
}

TEST_F(ReadTest, AtTheTailIs416WhenItMayNotFollowEvenWithClamp) {
  for (ReadRequest request : {from_seq_num(10), from_seq_num(99), from_timestamp(999), from_tail_offset(0)}) {
    request.clamp = true;
    for (const bool unary_read : {false, true}) {
      request.unary = unary_read;
      request.count = 5;
      request.wait_secs = 0;
      const auto refused = read(request);
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().status, 416);
      EXPECT_EQ(refused.error().tail, kTail);
    }
  }
}

TEST_F(ServiceTest, EmptyStreamFromZeroIs416) {
  for (ReadRequest request : {from_seq_num(0), from_timestamp(0), from_tail_offset(0)}) {
    request.unary = true;
    const auto refused = read(request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().tail, (wire::StreamPosition{0, 0}));
  }
}

TEST_F(ReadTest, ClampAndFollowWaitAtTheTail) {
  for (ReadRequest request : {from_seq_num(99), from_timestamp(999)}) {
    request.clamp = true;
    const auto step = read(request);
    ASSERT_TRUE(step);
    EXPECT_EQ(step->kind, ReadStep::Kind::waiting);
    EXPECT_EQ(step->tail, kTail);
  }
  const auto unary_step = read(with(from_seq_num(10), [](auto& r) { r.unary = true, r.wait_secs = 1; }));
  ASSERT_TRUE(unary_step);
  EXPECT_EQ(unary_step->kind, ReadStep::Kind::waiting);
}

TEST(MayFollow, OnlyAnUnboundedSessionFollowsWithoutWait) {
  EXPECT_TRUE(may_follow(ReadRequest{}));
  const auto bounds = {+[](ReadRequest& r) { r.unary = true; }, +[](ReadRequest& r) { r.count = 1; },
                       +[](ReadRequest& r) { r.bytes = 1; }, +[](ReadRequest& r) { r.until = 1; }};
  for (const auto bound : bounds) {
    ReadRequest request;
    bound(request);
    EXPECT_FALSE(may_follow(request));
    request.wait_secs = 0;
    EXPECT_FALSE(may_follow(request));
    request.wait_secs = 1;
    EXPECT_TRUE(may_follow(request));
  }
}

TEST_F(ReadTest, LastBatchBeforeTheTailCarriesTheTail) {
  auto cursor = service.open_read(kBasin, kStream, with(from_seq_num(0), [](auto& r) { r.count = 4; }), now);
  EXPECT_EQ(service.step(*cursor, now)->batch.tail, std::nullopt);
  cursor = service.open_read(kBasin, kStream, from_seq_num(4), now);
  EXPECT_EQ(service.step(*cursor, now)->batch.tail, kTail);
}

TEST_F(ReadTest, BoundedSessionEndsAtItsBoundOrAtTheTail) {
  auto cursor = service.open_read(kBasin, kStream, with(from_seq_num(8), [](auto& r) { r.count = 2; }), now);
  EXPECT_EQ(service.step(*cursor, now)->batch.records.size(), 2u);
  EXPECT_EQ(service.step(*cursor, now)->kind, ReadStep::Kind::done);
  cursor = service.open_read(kBasin, kStream, with(from_seq_num(8), [](auto& r) { r.count = 5; }), now);
  EXPECT_EQ(service.step(*cursor, now)->batch.records.size(), 2u);
  EXPECT_EQ(service.step(*cursor, now)->kind, ReadStep::Kind::done) << "at the tail, may not follow";
}

TEST_F(ReadTest, BoundsCountOverAllBatchesOfASession) {
  ReadRequest request = from_seq_num(9);
  request.count = 3;
  request.bytes = 27;
  request.wait_secs = 5;
  auto cursor = service.open_read(kBasin, kStream, request, now);
  EXPECT_EQ(service.step(*cursor, now)->batch.records.size(), 1u);
  EXPECT_EQ(service.step(*cursor, now)->kind, ReadStep::Kind::waiting);
  ASSERT_TRUE(append({record("k"), record("l"), record("m")}));
  EXPECT_EQ(service.step(*cursor, now)->batch.records.size(), 2u);
  EXPECT_EQ(service.step(*cursor, now)->kind, ReadStep::Kind::done);
}

TEST_F(ServiceTest, BatchHoldsAtMostAThousandRecordsAndOneMebibyte) {
  ASSERT_TRUE(append(std::vector<wire::AppendRecord>(1000)));
  ASSERT_TRUE(append(std::vector<wire::AppendRecord>(1000)));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(std::string(512 * 1024 - 8, 'x')));
  auto cursor = service.open_read(kBasin, kStream, from_seq_num(500), now);
  EXPECT_EQ(service.step(*cursor, now)->batch.records.size(), 1000u);
  EXPECT_EQ(service.step(*cursor, now)->batch.records.size(), 501u)
      << "a second half MiB does not fit any more";
  EXPECT_EQ(service.step(*cursor, now)->batch.records.size(), 2u) << "two halves make 1 MiB to the byte";
  EXPECT_EQ(service.step(*cursor, now)->kind, ReadStep::Kind::waiting);
  ReadRequest unary_read = from_seq_num(0);
  unary_read.unary = true;
  unary_read.count = 5000;
  EXPECT_EQ(read(unary_read)->batch.records.size(), 1000u);
}

TEST_F(ReadTest, TrimmedRecordsArePassedOver) {
  auto cursor = service.open_read(kBasin, kStream, from_seq_num(1), now);
  ASSERT_TRUE(append({wire::trim_command(7)}));
  const auto step = service.step(*cursor, now);
  EXPECT_EQ(step->batch.records.front().seq_num, 7u);
  EXPECT_EQ(unary(from_seq_num(0)).substr(0, 3), "hij");
  EXPECT_EQ(unary(from_timestamp(0)).substr(0, 3), "hij");
}

TEST_F(ReadTest, AllTrimmedGivesAnEmptyAnswerBelowTheTail) {
  ASSERT_TRUE(append({wire::trim_command(~0ULL)}));
  EXPECT_EQ(unary(from_seq_num(3)), "");
  EXPECT_EQ(unary(from_seq_num(11)), "416");
  EXPECT_EQ(unary(from_timestamp(50)), "416") << "no record at or after it: that is the tail";
}

TEST_F(ReadTest, SubscriptionTellsOfEachAppendUntilItIsDropped) {
  auto cursor = service.open_read(kBasin, kStream, from_seq_num(10), now);
  int told = 0;
  {
    const auto subscription = service.subscribe(*cursor, [&] { ++told; });
    ASSERT_TRUE(subscription);
    EXPECT_EQ(state().subscriptions, 1u);
    ASSERT_TRUE(append("k"));
    ASSERT_FALSE(append(std::vector<wire::AppendRecord>{}));
    ASSERT_TRUE(service.append(kBasin, "another", input({record("x")}), now));
    EXPECT_EQ(told, 1) << "neither refused appends nor other streams";
  }
  EXPECT_EQ(state().subscriptions, 0u);
  ASSERT_TRUE(append("l"));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(service.step(*cursor, now)->batch.records.size(), 2u);
}

TEST_F(ReadTest, SubscriptionMayBeDroppedFromWithinItsCallback) {
  auto cursor = service.open_read(kBasin, kStream, from_seq_num(10), now);
  Subscription first;
  int told = 0;
  first = *service.subscribe(*cursor, [&] {
    ++told;
    first = Subscription();
  });
  const auto second = service.subscribe(*cursor, [&] { ++told; });
  ASSERT_TRUE(append("k"));
  ASSERT_TRUE(append("l"));
  EXPECT_EQ(told, 3);
}

TEST_F(ReadTest, ReaderOfADeletedStreamIsToldAndDoesNotSeeItsSuccessor) {
  auto cursor = service.open_read(kBasin, kStream, from_seq_num(10), now);
  int told = 0;
  const auto subscription = service.subscribe(*cursor, [&] { ++told; });
  ASSERT_TRUE(service.delete_stream(kBasin, kStream, now));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(refusal(service.step(*cursor, now)).second, "stream_not_found");
  ASSERT_TRUE(append(std::vector<wire::AppendRecord>(20)));
  EXPECT_EQ(refusal(service.step(*cursor, now)).second, "stream_not_found");
  EXPECT_EQ(refusal(service.subscribe(*cursor, [] {})).second, "stream_not_found");
  EXPECT_EQ(told, 1);
}

TEST(Subscription, MayOutliveTheService) {
  auto service = std::make_unique<Service>();
  BasinConfig config;
  config.create_stream_on_read = true;
  ASSERT_TRUE(service->create_basin(kBasin, config, std::nullopt, 1));
  const auto cursor = service->open_read(kBasin, kStream, {}, 1);
  const auto subscription = service->subscribe(*cursor, [] {});
  service.reset();
  EXPECT_TRUE(subscription);
}

}  // namespace
}  // namespace s2::emulator
