// The ring and its readers, against a model and under many threads. System rule "Ring".
#include "writer/ring.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <atomic>
#include <map>
#include <thread>
#include <vector>

namespace s2::writer {
namespace {

using Clock = std::chrono::steady_clock;

Envelope envelope(std::uint64_t seq, std::size_t bytes = 10) {
  Envelope made;
  made.seq = seq;
  made.json.assign(bytes, 'x');
  return made;
}

std::unique_ptr<Ring> ring_of(std::int64_t events, std::int64_t bytes = kDefaultRingBytes) {
  return std::move(*Ring::make({events, bytes}));
}

void publish(Ring& ring, int count, std::size_t bytes = 10) {
  for (int i = 0; i < count; ++i) ring.publish([&](std::uint64_t seq) { return envelope(seq, bytes); });
}

RingItem try_one(RingReader& reader) {
  std::vector<EnvelopeRef> run;
  if (auto drop = reader.try_run(1, run)) return *drop;
  return run.empty() ? RingItem{} : RingItem{run.front()};
}
RingItem read_now(RingReader& reader) {
  return reader.next(Clock::now());
}

std::uint64_t seq_of(const RingItem& item) {
  const auto* found = std::get_if<EnvelopeRef>(&item);
  return found == nullptr ? 0 : (*found)->seq;
}

TEST(Ring, CapacityOfZeroOrLessIsAnError) {
  EXPECT_FALSE(Ring::make({0, 1}));
  EXPECT_FALSE(Ring::make({-1, 1}));
  EXPECT_FALSE(Ring::make({1, 0}));
  EXPECT_TRUE(Ring::make({1, 1}));
}

TEST(Ring, NumbersStartAtOneAndRiseByOne) {
  auto ring = ring_of(4);
  EXPECT_EQ(ring->last_seq(), 0u);
  EXPECT_EQ(ring->publish([](std::uint64_t seq) { return envelope(seq); }), 1u);
  EXPECT_EQ(ring->publish([](std::uint64_t seq) { return envelope(seq); }), 2u);
}

TEST(Ring, LappedReaderGetsOneDropThenTheOldestStillThere) {
  auto ring = ring_of(3);
  auto reader = ring->reader();
  publish(*ring, 1);
  EXPECT_EQ(seq_of(read_now(*reader)), 1u);
  publish(*ring, 7);  // 2 to 8; 6, 7, 8 are still there
  EXPECT_EQ(std::get<Drop>(read_now(*reader)), (Drop{4, 2, 5}));
  EXPECT_EQ(seq_of(read_now(*reader)), 6u);
  EXPECT_EQ(seq_of(read_now(*reader)), 7u);
  EXPECT_EQ(seq_of(read_now(*reader)), 8u);
  EXPECT_EQ(read_now(*reader).index(), 0u);
}

TEST(Ring, BytesBoundItAsWellWhicheverIsReachedFirst) {
  auto ring = ring_of(1000, 100);
  auto reader = ring->reader();
  publish(*ring, 5, 30);  // three fit
  EXPECT_EQ(std::get<Drop>(read_now(*reader)), (Drop{2, 1, 2}));
  EXPECT_EQ(seq_of(read_now(*reader)), 3u);
}

TEST(Ring, TheNewestIsKeptAlsoWhereItIsLargerThanTheRing) {
  auto ring = ring_of(10, 100);
  auto reader = ring->reader();
  publish(*ring, 2, 500);
  EXPECT_EQ(std::get<Drop>(read_now(*reader)), (Drop{1, 1, 1}));
  EXPECT_EQ(seq_of(read_now(*reader)), 2u);
}

TEST(Ring, OneReadersLagIsNotAnothers) {
  auto ring = ring_of(2);
  auto quick = ring->reader();
  auto slow = ring->reader();
  for (std::uint64_t seq = 1; seq <= 6; ++seq) {
    publish(*ring, 1);
    EXPECT_EQ(seq_of(read_now(*quick)), seq);
  }
  EXPECT_EQ(std::get<Drop>(read_now(*slow)), (Drop{4, 1, 4}));
}

TEST(Ring, ReaderFromANumberThatIsNotThereYetSkipsNothingInBetween) {
  auto ring = ring_of(8);
  publish(*ring, 3);
  auto reader = ring->reader(5);
  publish(*ring, 1);
  EXPECT_EQ(seq_of(read_now(*reader)), 4u);
}

TEST(Ring, CancelledReaderReturnsAtOnceAndConsumesNothing) {
  auto ring = ring_of(8);
  auto reader = ring->reader();
  publish(*ring, 3);
  reader->cancel();
  EXPECT_EQ(reader->next(Clock::time_point::max()).index(), 0u);
  EXPECT_EQ(reader->position(), 0u);
  reader->resume();
  EXPECT_EQ(seq_of(read_now(*reader)), 1u);
}

std::vector<std::uint64_t> run_of(RingReader& reader, std::size_t most) {
  std::vector<EnvelopeRef> run;
  EXPECT_FALSE(reader.try_run(most, run));
  std::vector<std::uint64_t> seqs;
  for (const EnvelopeRef& each : run) seqs.push_back(each->seq);
  return seqs;
}

TEST(Ring, ARunIsWhatFollowsAsFarAsItIsThereAndAsked) {
  auto ring = ring_of(8);
  auto reader = ring->reader();
  EXPECT_TRUE(run_of(*reader, 8).empty());
  publish(*ring, 5);
  EXPECT_EQ(run_of(*reader, 3), (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(reader->position(), 3u);
  EXPECT_EQ(run_of(*reader, 8), (std::vector<std::uint64_t>{4, 5}));
  EXPECT_TRUE(run_of(*reader, 8).empty());
}

TEST(Ring, ARunEndsWhereItHasTheBytesOfOne) {
  auto ring = ring_of(8);
  auto reader = ring->reader();
  publish(*ring, 4, kRunBytes / 2);
  EXPECT_EQ(run_of(*reader, 8), (std::vector<std::uint64_t>{1, 2}));
}

TEST(Ring, WhatWasMissedIsToldBeforeTheRunBehindIt) {
  auto ring = ring_of(2);
  auto reader = ring->reader();
  publish(*ring, 5);
  std::vector<EnvelopeRef> run;
  EXPECT_EQ(reader->try_run(8, run), (Drop{3, 1, 3}));
  EXPECT_TRUE(run.empty());
  EXPECT_EQ(run_of(*reader, 8), (std::vector<std::uint64_t>{4, 5}));
}

TEST(Ring, ACancelledReaderGetsNoRun) {
  auto ring = ring_of(8);
  auto reader = ring->reader();
  publish(*ring, 3);
  reader->cancel();
  EXPECT_TRUE(run_of(*reader, 8).empty());
  EXPECT_EQ(reader->position(), 0u);
}

TEST(Ring, CancelWakesAReaderThatWaits) {
  auto ring = ring_of(8);
  auto reader = ring->reader();
  std::jthread waiting([&] { EXPECT_EQ(reader->next(Clock::time_point::max()).index(), 0u); });
  reader->cancel();
}

TEST(Ring, PublishWakesAReaderThatWaits) {
  auto ring = ring_of(8);
  auto reader = ring->reader();
  std::jthread waiting([&] { EXPECT_EQ(seq_of(reader->next(Clock::time_point::max())), 1u); });
  publish(*ring, 1);
}

TEST(Ring, HeldUpReaderCanTellWhatItMissedWithoutReadingOn) {
  auto ring = ring_of(2);
  auto reader = ring->reader();
  publish(*ring, 2);
  EXPECT_FALSE(reader->take_drop());
  publish(*ring, 3);
  EXPECT_EQ(reader->take_drop(), (Drop{3, 1, 3}));
  EXPECT_FALSE(reader->take_drop());
  EXPECT_EQ(seq_of(read_now(*reader)), 4u);
}

// Any interleaving of publishes and reads: each reader sees every number once, in order, as an envelope or
// within a drop; and what is there of the newest `capacity` is never told as dropped.
TEST(Ring, EveryReaderAccountsForEveryNumberOnceInOrder) {
  ASSERT_TRUE(rc::check([] {
    const int capacity = *rc::gen::inRange(1, 9);
    const auto readers = *rc::gen::inRange<std::size_t>(1, 4);
    // 0: publish; i: reader i - 1 reads
    const auto steps =
        *rc::gen::container<std::vector<int>>(rc::gen::inRange(-2, static_cast<int>(readers) + 1));
    auto ring = ring_of(capacity);
    std::vector<std::unique_ptr<RingReader>> cursors;
    std::vector<std::uint64_t> expected(readers, 1);
    for (std::size_t i = 0; i < readers; ++i) cursors.push_back(ring->reader());
    std::uint64_t last = 0;
    for (int step : steps) {
      if (step <= 0) {
        publish(*ring, 1);
        ++last;
        continue;
      }
      std::uint64_t& next = expected[static_cast<std::size_t>(step) - 1];
      std::uint64_t oldest =
          last > static_cast<std::uint64_t>(capacity) ? last - static_cast<std::uint64_t>(capacity) + 1 : 1;
      RingReader& cursor = *cursors[static_cast<std::size_t>(step) - 1];
      RingItem item = last % 2 == 0 ? read_now(cursor) : try_one(cursor);
      if (next > last) {
        RC_ASSERT(item.index() == 0u);
      } else if (next < oldest) {
        RC_ASSERT(std::get<Drop>(item) == (Drop{oldest - next, next, oldest - 1}));
        next = oldest;
      } else {
        RC_ASSERT(seq_of(item) == next);
        ++next;
      }
    }
  }));
}

TEST(Ring, ManyPublishersAndReadersLoseNothingUntold) {
  constexpr int kPublishers = 4;
  constexpr int kEach = 3000;
  constexpr std::uint64_t kAll = kPublishers * kEach;
  auto ring = ring_of(64);
  std::vector<std::unique_ptr<RingReader>> cursors;
  for (int i = 0; i < 3; ++i) cursors.push_back(ring->reader());
  std::vector<std::jthread> threads;
  for (auto& cursor : cursors) {
    threads.emplace_back([&cursor, &cursors] {
      std::uint64_t next = 1;
      while (next <= kAll) {
        if (cursor == cursors.front()) {
          cursor->nap({Clock::now() + std::chrono::milliseconds(1), 4, 1000, nullptr}, 0);
        }
        RingItem item = cursor->next(Clock::time_point::max());
        if (const Drop* drop = std::get_if<Drop>(&item)) {
          ASSERT_EQ(drop->from, next);
          ASSERT_EQ(drop->count, drop->to - drop->from + 1);
          next = drop->to + 1;
        } else {
          ASSERT_EQ(seq_of(item), next);
          ++next;
        }
      }
    });
  }
  for (int i = 0; i < kPublishers; ++i) {
    threads.emplace_back([&] { publish(*ring, kEach); });
  }
  threads.clear();
  EXPECT_EQ(ring->last_seq(), kAll);
}

}  // namespace
}  // namespace s2::writer
