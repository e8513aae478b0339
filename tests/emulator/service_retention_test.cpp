// Retention by age and delete-on-empty, as of the `now` of a call. S2 spec "configuration".
#include "service_fixture.h"

namespace s2::emulator {
namespace {

StreamConfigLayer retention(std::optional<std::uint64_t> age_secs, std::uint64_t delete_on_empty_secs = 0) {
  StreamConfigLayer config;
  config.retention = Retention{age_secs};
  config.delete_on_empty_min_age_secs = delete_on_empty_secs;
  return config;
}

TEST_F(ServiceTest, RecordsGoWhenTheyReachTheirAge) {
  stream_with(retention(10));
  ASSERT_TRUE(append("a"));
  now += 4000;
  ASSERT_TRUE(append("b"));
  now += 5999;
  EXPECT_EQ(bodies_from(0), (std::vector<std::string>{"a", "b"}));
  now += 1;
  EXPECT_EQ(bodies_from(0), std::vector<std::string>{"b"});
  now += 4000;
  EXPECT_EQ(bodies_from(0), std::vector<std::string>{});
  EXPECT_EQ(service.check_tail(kBasin, kStream, now)->seq_num, 2u) << "the tail stays";
}

TEST_F(ServiceTest, AgeCountsFromArrivalNotFromTheClientsTimestamp) {
  stream_with(retention(10));
  ASSERT_TRUE(append({record("old by its own word", 5)}));
  EXPECT_EQ(bodies_from(0).size(), 1u);
}

TEST_F(ServiceTest, InfiniteRetentionAndHugeAgesKeepAll) {
  for (const std::optional<std::uint64_t> age :
       {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(~0ULL)}) {
    ASSERT_TRUE(service.ensure_stream(kBasin, kStream, retention(age), now));
    ASSERT_TRUE(append("x"));
    now += 1ULL << 50;
    EXPECT_FALSE(bodies_from(0).empty());
  }
  EXPECT_EQ(state().records, 2u);
}

TEST_F(ServiceTest, ShorterRetentionAppliesToWhatIsThereAlready) {
  ASSERT_TRUE(append("x"));
  now += 60'000;
  StreamReconfiguration change;
  change.retention.emplace(Retention{30});
  ASSERT_TRUE(service.reconfigure_stream(kBasin, kStream, change, now));
  EXPECT_TRUE(bodies_from(0).empty());
}

TEST_F(ServiceTest, EmptyStreamIsDeletedAfterItsMinimumAge) {
  stream_with(retention(10, 5));
  now += 4999;
  EXPECT_TRUE(service.stream_config(kBasin, kStream, now));
  now += 1;
  EXPECT_EQ(refusal(service.stream_config(kBasin, kStream, now)).second, "stream_not_found");
  EXPECT_TRUE(service.list_streams(kBasin, {}, now)->values.empty());
}

TEST_F(ServiceTest, EmptinessBeginsWhenTheLastRecordExpired) {
  stream_with(retention(10, 5));
  ASSERT_TRUE(append("x"));
  now += 14'999;
  EXPECT_TRUE(service.stream_config(kBasin, kStream, now)) << "10 s of record, 4.999 s of emptiness";
  now += 1;
  EXPECT_FALSE(service.stream_config(kBasin, kStream, now));
}

TEST_F(ServiceTest, EmptinessBeginsAtTheTrimThatEmptied) {
  stream_with(retention(std::nullopt, 5));
  ASSERT_TRUE(append("x"));
  now += 60'000;
  ASSERT_TRUE(append({wire::trim_command(~0ULL)}));
  now += 4999;
  EXPECT_TRUE(service.stream_config(kBasin, kStream, now));
  now += 1;
  EXPECT_FALSE(service.stream_config(kBasin, kStream, now));
}

TEST_F(ServiceTest, StreamWithRecordsIsNeverDeletedByDeleteOnEmpty) {
  stream_with(retention(std::nullopt, 1));
  ASSERT_TRUE(append("x"));
  now += 1ULL << 40;
  EXPECT_TRUE(service.stream_config(kBasin, kStream, now));
}

TEST_F(ServiceTest, AppendAfterDeleteOnEmptyStartsAStreamAnew) {
  stream_with(retention(10, 5));
  ASSERT_TRUE(append("x"));
  now += 60'000;
  EXPECT_EQ(append("y")->start.seq_num, 0u);
}

TEST_F(ServiceTest, SweepTellsThoseWhoWaitOnAStreamThatNobodyLooksAt) {
  stream_with(retention(10, 5));
  auto cursor = service.open_read(kBasin, kStream, {}, now);
  int told = 0;
  const auto subscription = service.subscribe(*cursor, [&] { ++told; });
  now += 4999;
  service.sweep(now);
  EXPECT_EQ(told, 0);
  now += 1;
  service.sweep(now);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(service.counters().streams, 0u);
}

}  // namespace
}  // namespace s2::emulator
