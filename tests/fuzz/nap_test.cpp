// A reader that naps, and the storage writer that naps while a batch lingers: what ends the nap, and when, in
// virtual time.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <thread>

#include "fuzz/explore.h"
#include "tests/writer/rig.h"

namespace s2::fuzz {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// What `program` found, run once in a world: each thread goes on until it waits.
template <class Found>
Found in_virtual_time(const std::function<void(Found&)>& program) {
  Found found{};
  const auto execution = replay({}, plain_world, [&] { program(found); });
  EXPECT_EQ(execution.ending, sim::Ending::finished) << execution.why;
  return found;
}

std::int64_t ms_since(Clock::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - begin).count();
}

struct Woke {
  std::int64_t at_ms;
  std::uint64_t last;  // event that was published by then
  bool operator==(const Woke&) const = default;
};

constexpr std::size_t kManyBytes = 1'000'000;

// When a reader wakes that naps for at most 100 ms, `events` and `bytes`, while every 10 ms an event of 10
// bytes comes; with `also` called at 35 ms.
Woke woken_from(std::size_t events, std::size_t bytes = kManyBytes, std::int64_t ring_events = 1024,
                const std::function<void(writer::RingReader&)>& also = {},
                writer::SessionRef fifth_events_session = nullptr) {
  return in_virtual_time<Woke>([&](Woke& woke) {
    const auto ring = std::move(*writer::Ring::make({ring_events}));
    const auto reader = ring->reader();
    const auto begin = Clock::now();
    std::thread napping([&] {
      reader->nap({begin + milliseconds(100), events, bytes, nullptr}, 0);
      woke = {ms_since(begin), ring->last_seq()};
    });
    for (int i = 1; i <= 12; ++i) {
      std::this_thread::sleep_until(begin + milliseconds(10 * i));
      ring->publish([&](std::uint64_t seq) {
        writer::Envelope envelope;
        envelope.seq = seq;
        if (seq == 5) envelope.session = fifth_events_session;
        envelope.json.assign(10, 'x');
        return envelope;
      });
      if (i == 3 && also) {
        std::this_thread::sleep_for(milliseconds(5));
        also(*reader);
      }
    }
    napping.join();
  });
}

TEST(Nap, EndsWithTheEventThatFillsIt) {
  EXPECT_EQ(woken_from(7), (Woke{70, 7}));
}

TEST(Nap, EndsWithTheBytesThatFillIt) {
  EXPECT_EQ(woken_from(1000, 55), (Woke{60, 6}));
}

TEST(Nap, EndsAtItsTime) {
  EXPECT_EQ(woken_from(1000).at_ms, 100);
}

TEST(Nap, EndsWithAnEventOfAnotherSession) {
  EXPECT_EQ(woken_from(1000, kManyBytes, 1024, {}, std::make_shared<const writer::SessionIdentity>()),
            (Woke{50, 5}));
}

TEST(Nap, LetsNoMoreThanAPartOfTheRingFillUp) {
  EXPECT_EQ(woken_from(1000, kManyBytes, 4 * writer::kNapShare), (Woke{40, 4}));
  EXPECT_EQ(woken_from(1000, kManyBytes, writer::kNapShare).at_ms, 0);  // not worth while
}

TEST(Nap, EndsWhereSomebodyAsks) {
  EXPECT_EQ(woken_from(1000, kManyBytes, 1024, [](auto& reader) { reader.rouse(); }), (Woke{35, 3}));
  EXPECT_EQ(woken_from(1000, kManyBytes, 1024, [](auto& reader) { reader.cancel(); }), (Woke{35, 3}));
}

TEST(Nap, DoesNotBeginWhereSomethingIsThereOrSomebodyAskedMeanwhile) {
  const auto at_once = in_virtual_time<bool>([](bool& found) {
    const auto ring = std::move(*writer::Ring::make({1024}));
    const auto reader = ring->reader();
    const auto begin = Clock::now();
    const writer::Nap nap{begin + milliseconds(100), 10, kManyBytes, nullptr};
    const std::uint64_t rouses = reader->rouses();
    reader->rouse();
    reader->nap(nap, rouses);
    ring->publish([](std::uint64_t) { return writer::Envelope(); });
    reader->nap(nap, reader->rouses());
    found = ms_since(begin) == 0;
  });
  EXPECT_TRUE(at_once);
}

// When events are taken by the producers: one is published every 10 ms from 10 ms on, and a batch lingers
// until 110 ms that has room for `records` more.
using Taken = std::map<std::uint64_t, std::int64_t>;  // ms, by number
Taken taken_at(std::optional<std::size_t> records, const std::function<void(writer::Writer&)>& at_35_ms) {
  struct Watch final : writer::ProducerListener {
    Clock::time_point begin = Clock::now();
    Taken at;
    void acked(const std::string&, std::span<const std::uint64_t> seqs, std::uint64_t) override {
      at[seqs.front()] = ms_since(begin);
    }
    void failed(const std::string&, std::span<const std::uint64_t>, const writer::AppendFailure&) override {}
    void note(const std::string&, const std::string&) override {}
  };
  return in_virtual_time<Taken>([&](Taken& found) {
    Watch watch;
    {
      writer::test::Ledger ledger;
      const auto writer = std::move(*writer::Writer::make(
          {},
          [&](writer::ProducerListener&) {
            auto fake = std::make_unique<writer::test::FakeProducers>(watch);
            if (records)
              fake->batch(writer::Lingering{watch.begin + milliseconds(110), *records, kManyBytes});
            return fake;
          },
          ledger, [](std::string_view) {}));
      ASSERT_TRUE(writer->start("a"));
      for (int i = 1; i <= 12; ++i) {
        std::this_thread::sleep_until(watch.begin + milliseconds(10 * i));
        if (!writer->publish("a", writer::test::event())) break;
        if (i == 3) {
          std::this_thread::sleep_for(milliseconds(5));
          at_35_ms(*writer);
        }
      }
    }
    found = watch.at;
  });
}

TEST(StorageWriterNap, WithoutALingeringBatchEachEventIsTakenAtOnce) {
  const Taken taken = taken_at(std::nullopt, [](auto&) {});
  for (std::uint64_t seq = 1; seq <= 12; ++seq) EXPECT_EQ(taken.at(seq), 10 * static_cast<std::int64_t>(seq));
}

TEST(StorageWriterNap, WhatComesWhileTheBatchLingersIsTakenTogetherBeforeItIsDue) {
  const Taken taken = taken_at(1000, [](auto&) {});
  EXPECT_EQ(taken.at(1), 10);  // the one that the linger counts from
  for (std::uint64_t seq = 2; seq <= 9; ++seq) EXPECT_EQ(taken.at(seq), 97);
  for (std::uint64_t seq = 2; seq <= 10; ++seq) EXPECT_LT(taken.at(seq), 110);
  EXPECT_EQ(taken.at(11), 110);
  EXPECT_EQ(taken.at(12), 120);  // the batch is gone
}

TEST(StorageWriterNap, ABatchThatIsFullIsNotSleptOver) {
  const Taken taken = taken_at(4, [](auto&) {});
  for (std::uint64_t seq = 2; seq <= 5; ++seq) EXPECT_EQ(taken.at(seq), 50);
}

TEST(StorageWriterNap, AFlushTakesWhatIsThereAtOnce) {
  const Taken taken = taken_at(1000, [](writer::Writer& writer) {
    EXPECT_TRUE(writer.flush(Clock::now() + milliseconds(1)).through == 0);  // nobody acknowledges here
  });
  EXPECT_EQ(taken.at(2), 35);
  EXPECT_EQ(taken.at(3), 35);
}

TEST(StorageWriterNap, AnotherSessionsEventIsTakenAtOnce) {
  const Taken taken = taken_at(1000, [](writer::Writer& writer) {
    EXPECT_TRUE(writer.start("b"));
    EXPECT_TRUE(writer.publish("b", writer::test::event()));  // 4
  });
  for (std::uint64_t seq = 2; seq <= 4; ++seq) EXPECT_EQ(taken.at(seq), 35);
}

TEST(StorageWriterNap, AShutdownEndsIt) {
  const Taken taken = taken_at(
      1000, [](writer::Writer& writer) { writer.shutdown(milliseconds(10'000), [](auto) { return true; }); });
  for (std::uint64_t seq = 2; seq <= 4; ++seq) EXPECT_EQ(taken.at(seq), 35);  // 4: the end marker
}

}  // namespace
}  // namespace s2::fuzz
