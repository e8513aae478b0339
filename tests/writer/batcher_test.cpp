// The batcher against a model: limits, order, linger from the first record, flush.
#include "writer/batcher.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace s2::writer {
namespace {

using std::chrono::milliseconds;
using Time = Batcher::Time;

wire::AppendRecord record_of_size(std::size_t metered) {
  wire::AppendRecord record;
  record.body = std::string(metered - 8, 'x');
  return record;
}

TEST(Batcher, LingerCountsFromTheFirstRecordAndNoLaterOneResetsIt) {
  Batcher batcher(milliseconds(100), 50);
  const Time start{};
  EXPECT_FALSE(batcher.add(1, record_of_size(10), 10, start));
  EXPECT_FALSE(batcher.add(2, record_of_size(10), 10, start + milliseconds(99)));
  EXPECT_FALSE(batcher.take(start + milliseconds(99)));
  const auto batch = batcher.take(start + milliseconds(100));
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->seqs, (std::vector<std::uint64_t>{1, 2}));
}

TEST(Batcher, LingerZeroIsDueAtOnce) {
  Batcher batcher(milliseconds(0), 50);
  EXPECT_TRUE(batcher.add(1, record_of_size(10), 10, Time{}));
  EXPECT_TRUE(batcher.take(Time{}));
  EXPECT_TRUE(batcher.empty());
}

// While S2 is away, each flush of one event leaves a batch behind.
TEST(Batcher, ABatchOfOneRecordHasNoRoomForAThousand) {
  Batcher batcher(milliseconds(100), 1000);
  for (std::uint64_t seq = 1; seq <= 3; ++seq) {
    batcher.add(seq, record_of_size(10), 10, Time{});
    batcher.flush();
  }
  while (const auto batch = batcher.take(Time{})) EXPECT_LT(batch->input.records.capacity(), 10U);
}

TEST(Batcher, FlushMakesAPartialBatchDueAndLaterRecordsStartAnother) {
  Batcher batcher(milliseconds(100), 50);
  batcher.add(1, record_of_size(10), 10, Time{});
  batcher.flush();
  batcher.add(2, record_of_size(10), 10, Time{});
  ASSERT_EQ(batcher.due(), Time::min());
  EXPECT_EQ(batcher.take(Time{})->seqs, std::vector<std::uint64_t>{1});
  EXPECT_FALSE(batcher.take(Time{}));
}

TEST(Batcher, NoBatchIsOverOneMebibyteMeteredAndTheFullOneIsDue) {
  Batcher batcher(milliseconds(100), 1000);
  EXPECT_FALSE(batcher.add(1, record_of_size(wire::kMaxBatchMeteredBytes - 10),
                           wire::kMaxBatchMeteredBytes - 10, Time{}));
  EXPECT_FALSE(batcher.add(2, record_of_size(10), 10, Time{}));
  EXPECT_TRUE(batcher.add(3, record_of_size(9), 9, Time{}));
  const auto batch = batcher.take(Time{});
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->metered, wire::kMaxBatchMeteredBytes);
  EXPECT_EQ(batch->seqs.size(), 2U);
}

TEST(Batcher, AnySequenceOfCallsKeepsOrderLimitsAndLinger) {
  ASSERT_TRUE(rc::check([] {
    const auto linger = milliseconds(*rc::gen::inRange(0, 20));
    const auto max_records = static_cast<std::size_t>(*rc::gen::inRange(1, 12));
    Batcher batcher(linger, max_records);
    Time now{};
    std::uint64_t next_in = 1;
    std::uint64_t next_out = 1;
    std::vector<Time> added_at{Time{}};
    std::uint64_t flushed_through = 0;
    const auto take_all = [&] {
      while (auto batch = batcher.take(now)) {
        RC_ASSERT(!batch->seqs.empty());
        RC_ASSERT(batch->seqs.size() <= max_records);
        RC_ASSERT(batch->seqs.size() == batch->input.records.size());
        RC_ASSERT(batch->metered == wire::metered_bytes(batch->input.records));
        RC_ASSERT(batch->metered <= wire::kMaxBatchMeteredBytes);
        for (const auto seq : batch->seqs) RC_ASSERT(seq == next_out++);
      }
      // What stays has neither lingered out nor been flushed.
      if (next_out < next_in) {
        RC_ASSERT(now < added_at[next_out] + linger);
        RC_ASSERT(next_out > flushed_through);
        RC_ASSERT(next_in - next_out < max_records);
      }
    };
    for (const int step : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 10))) {
      if (step < 6) {
        const auto metered =
            static_cast<std::size_t>(step == 0 ? *rc::gen::inRange(300'000, 1'048'576) : 8 + step);
        batcher.add(next_in++, record_of_size(metered), metered, now);
        added_at.push_back(now);
      } else if (step == 6) {
        batcher.flush();
        flushed_through = next_in - 1;
      } else {
        now += milliseconds(step);
      }
      take_all();
    }
    batcher.flush();
    flushed_through = next_in - 1;
    take_all();
    RC_ASSERT(batcher.empty());
    RC_ASSERT(next_out == next_in);
  }));
}

}  // namespace
}  // namespace s2::writer
