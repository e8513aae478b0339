// The account of accepted events: what may be claimed, and what is told as gone. System rules I1, I6, I7.
#include "writer/durability.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "tests/writer/ledger.h"

namespace s2::writer {
namespace {

using test::Ledger;
using Range = Ledger::Range;
using Clock = std::chrono::steady_clock;

SessionRef session(std::uint64_t ordinal, std::string id) {
  return std::make_shared<const SessionIdentity>(SessionIdentity{ordinal, id, id});
}

std::set<std::uint64_t> numbers_in(const SeqRanges& ranges) {
  std::set<std::uint64_t> numbers;
  for (const auto& [from, to] : ranges.named) {
    for (std::uint64_t seq = from; seq <= to; ++seq) numbers.insert(seq);
  }
  return numbers;
}

class DurabilityTest : public testing::Test {
 protected:
  void accept(std::initializer_list<std::uint64_t> seqs, const SessionRef& of, bool store = true) {
    for (std::uint64_t seq : seqs) durability.accepted(seq, of, store);
  }
  void ack(std::vector<std::uint64_t> seqs) { durability.acked(seqs); }
  void lose(std::vector<std::uint64_t> seqs) { durability.lost(seqs, "why"); }

  Ledger ledger;
  Durability durability{ledger};
  SessionRef a = session(1, "a");
  SessionRef b = session(2, "b");
};

TEST_F(DurabilityTest, ClaimsOnlyWhatHasNothingPendingBeforeIt) {
  accept({1, 2, 3}, a);
  ack({2, 3});
  EXPECT_TRUE(ledger.acks().empty());
  ack({1});
  EXPECT_EQ(ledger.acks(), (std::vector<Range>{{"a", 3, 3}}));
}

TEST_F(DurabilityTest, ClaimsOfOneSessionDoNotWaitForAnother) {
  accept({1}, a);
  accept({2}, b);
  ack({2});
  EXPECT_EQ(ledger.acks(), (std::vector<Range>{{"b", 2, 2}}));
  EXPECT_EQ(durability.standing(nullptr, 2).durable_through, 0u);
  EXPECT_EQ(durability.standing(b, 2).durable_through, 2u);
}

TEST_F(DurabilityTest, DroppedNumbersAreNeverClaimedThemselves) {
  accept({1, 2, 3}, a);
  ack({1});
  durability.dropped({2, 2, 3});
  EXPECT_EQ(ledger.drops(), (std::vector<Range>{{"a", 2, 3}}));
  EXPECT_EQ(durability.standing(a, 3).durable_through, 1u);
  EXPECT_TRUE(durability.standing(a, 3).settled);
}

TEST_F(DurabilityTest, ADropIsToldInRunsOfOneSessionAndWithoutWhatNeededNoStoring) {
  accept({1, 2}, a);
  accept({3}, b);
  accept({4}, b, false);
  accept({5}, b);
  durability.dropped({5, 1, 5});
  EXPECT_EQ(ledger.drops(), (std::vector<Range>{{"a", 1, 2}, {"b", 3, 3}, {"b", 5, 5}}));
}

TEST_F(DurabilityTest, NothingIsToldTwice) {
  accept({1, 2}, a);
  lose({1});
  lose({1, 2});
  durability.dropped({2, 1, 2});
  EXPECT_EQ(ledger.losses(), (std::vector<Range>{{"a", 1, 1}, {"a", 2, 2}}));
  EXPECT_TRUE(ledger.drops().empty());
  EXPECT_EQ(durability.gone(), 2u);
}

TEST_F(DurabilityTest, PassesOverWhatNeededNoStoring) {
  accept({1}, a);
  accept({2, 3}, a, false);
  ack({1});
  EXPECT_EQ(ledger.acks(), (std::vector<Range>{{"a", 1, 1}}));
  EXPECT_EQ(durability.standing(a, 3).durable_through, 3u);
}

TEST_F(DurabilityTest, WhatNeededNoStoringBehindALossIsNoProofOfStorage) {
  accept({1, 2}, a);
  accept({3}, a, false);  // the error event
  ack({1});
  const std::uint64_t gone[] = {2};
  durability.lost(gone, "superseded");
  EXPECT_EQ(durability.standing(a, 3).acked_through, 1u);
  EXPECT_TRUE(durability.standing(a, 3).settled);
}

TEST_F(DurabilityTest, ASessionOfWhichNothingWasStoredClaimsNothing) {
  accept({1, 2}, a, false);
  EXPECT_EQ(durability.standing(a, 2).durable_through, 0u);
  EXPECT_TRUE(durability.standing(a, 2).settled);
}

TEST_F(DurabilityTest, WaitEndsAtItsDeadlineAndCountsWhatIsPending) {
  accept({1, 2, 3}, a);
  ack({1});
  Standing standing = durability.wait_settled(nullptr, 2, Clock::now());
  EXPECT_FALSE(standing.settled);
  EXPECT_EQ(standing.pending, 1u);
  EXPECT_EQ(standing.durable_through, 1u);
}

TEST_F(DurabilityTest, EndOfWaitsLeavesNoWaiter) {
  accept({1}, a);
  std::jthread waiting(
      [&] { EXPECT_EQ(durability.wait_settled(a, 1, Clock::time_point::max()).pending, 1u); });
  durability.end_waits();
  waiting.join();
  EXPECT_EQ(durability.lose_pending("over"), 1u);
  EXPECT_EQ(ledger.losses(), (std::vector<Range>{{"a", 1, 1}}));
}

TEST_F(DurabilityTest, ASessionIsForgottenOnlyWhenNothingOfItIsPending) {
  accept({1}, a);
  EXPECT_FALSE(durability.forget(a));
  ack({1});
  EXPECT_TRUE(durability.forget(a));
}

// Any order of fates over any sessions: every event is told exactly as it went, and no claim covers a pending
// one.
// A long outage: the first is on its way for hours, and the ring drops nearly all that comes behind it.
TEST_F(DurabilityTest, ClaimsAreExactBehindALongRunOfDrops) {
  constexpr std::uint64_t kLast = 20'000;
  accept({1}, a);
  for (std::uint64_t seq = 2; seq <= kLast; ++seq) {
    durability.accepted(seq, seq % 3 == 0 ? b : a, true);
    if (seq > 12 && seq % 1000 != 10) durability.dropped({1, seq - 10, seq - 10});
  }
  EXPECT_EQ(durability.standing(nullptr, kLast).pending, 1u + 1 + 19 + 10);
  EXPECT_EQ(durability.session_of(9000), b);
  EXPECT_EQ(durability.session_of(9006), nullptr);
  ack({1, 2});
  EXPECT_EQ(durability.standing(a, kLast).durable_through, 2u);
  for (std::uint64_t seq = 1000; seq < kLast; seq += 1000) {
    ack({seq});
    EXPECT_EQ(durability.standing(nullptr, seq).pending, 0u);
    EXPECT_EQ(durability.standing(nullptr, kLast).durable_through, seq);
  }
  for (std::uint64_t seq = kLast; seq > kLast - 10; --seq) ack({seq});
  EXPECT_EQ(durability.standing(nullptr, kLast).durable_through, kLast);
  EXPECT_TRUE(durability.forget(a) && durability.forget(b));
}

TEST_F(DurabilityTest, WhatIsSettledBehindOneThatPendsForHoursIsNotKept) {
  constexpr std::uint64_t kLast = 100'000;
  accept({1}, a);
  std::size_t most = 0;
  for (std::uint64_t seq = 2; seq <= kLast; ++seq) {
    const bool store = seq > kLast / 2 && seq % 2 == 0;  // first storing is off, then another stream goes on
    durability.accepted(seq, seq % 4 < 2 ? a : b, store);
    if (store) ack({seq});
    most = std::max(most, durability.remembered());
  }
  EXPECT_LE(most, 4 * kLeastForgotten);
  EXPECT_EQ(durability.standing(nullptr, kLast).durable_through, 0u);
  EXPECT_EQ(durability.standing(b, kLast).durable_through, kLast - 1);  // not stored, behind its last
  ack({1});
  EXPECT_EQ(durability.standing(nullptr, kLast).durable_through, kLast);
  EXPECT_EQ(durability.standing(a, kLast).acked_through, kLast);
  EXPECT_EQ(durability.remembered(), 0u);
}

TEST(Durability, ClaimsAndTellingsAreExactWhateverTheOrder) {
  ASSERT_TRUE(rc::check([] {
    struct Fate {
      int session;
      int what;  // 0: not to be stored, 1: acked, 2: dropped, 3: lost, 4: pending to the end
      int turn;
    };
    auto fates = *rc::gen::container<std::vector<Fate>>(rc::gen::map(
        rc::gen::tuple(rc::gen::inRange(0, 3), rc::gen::inRange(0, 5), rc::gen::inRange(0, 1000)),
        [](const auto& t) { return Fate{std::get<0>(t), std::get<1>(t), std::get<2>(t)}; }));
    Ledger ledger;
    Durability durability(ledger);
    std::vector<SessionRef> sessions = {session(1, "0"), session(2, "1"), session(3, "2")};
    std::multimap<int, std::uint64_t> turns;
    for (std::size_t i = 0; i < fates.size(); ++i) {
      durability.accepted(i + 1, sessions[static_cast<std::size_t>(fates[i].session)], fates[i].what != 0);
      turns.emplace(fates[i].turn, i + 1);
    }
    std::set<std::uint64_t> settled, gone;
    for (auto [turn, seq] : turns) {
      int what = fates[seq - 1].what;
      if (what == 1) durability.acked({&seq, 1});
      if (what == 2) durability.dropped({1, seq, seq});
      if (what == 3) durability.lost({&seq, 1}, "x");
      if (what != 4) settled.insert(seq);
      if (what == 2 || what == 3) gone.insert(seq);
      // Of one session, or of all: what is acked up to the first that is not settled, and what needs no
      // storing behind it.
      const auto claim = [&](std::optional<int> only) {
        std::uint64_t durable = 0;
        for (std::uint64_t n = 1; n <= fates.size(); ++n) {
          const Fate& fate = fates[n - 1];
          if (only && fate.session != *only) continue;
          if (fate.what != 0 && !settled.contains(n)) break;
          if (fate.what == 1 || (fate.what == 0 && durable != 0)) durable = n;
        }
        return durable;
      };
      RC_ASSERT(durability.standing(nullptr, fates.size()).durable_through == claim(std::nullopt));
      for (std::size_t s = 0; s < sessions.size(); ++s) {
        std::uint64_t through = durability.standing(sessions[s], fates.size()).durable_through;
        RC_ASSERT(through == claim(static_cast<int>(s)));
        for (std::uint64_t n = 1; n <= through; ++n) {
          if (fates[n - 1].session == static_cast<int>(s) && fates[n - 1].what != 0)
            RC_ASSERT(settled.contains(n));
        }
      }
    }
    bool twice = false;
    RC_ASSERT(ledger.gone(&twice) == gone);
    durability.end_waits();
    durability.lose_pending("end");
    for (std::size_t i = 0; i < fates.size(); ++i) {
      if (fates[i].what == 4) gone.insert(i + 1);
    }
    RC_ASSERT(ledger.gone(&twice) == gone);
    RC_ASSERT(!twice);
    RC_ASSERT(durability.gone() == gone.size());
    std::set<std::uint64_t> unstored;
    for (std::size_t i = 0; i < fates.size(); ++i) {
      if (fates[i].what == 0) unstored.insert(i + 1);
    }
    const Told told = durability.told(durability.branches());
    RC_ASSERT(told.gone == gone.size());
    RC_ASSERT(numbers_in(told.missing) == gone);
    RC_ASSERT(numbers_in(told.unstored) == unstored);
  }));
}

TEST(Durability, ThePartOfAFlushsAnswerThatCanGrowIsBounded) {
  ASSERT_TRUE(rc::check([](std::vector<std::uint8_t> seqs) {
    constexpr std::size_t kMost = 4;
    SeqRanges ranges;
    std::set<std::uint64_t> added;
    for (const std::uint8_t seq : seqs) {
      if (!added.insert(seq).second) continue;
      ranges.add(seq, kMost);
    }
    const std::set<std::uint64_t> named = numbers_in(ranges);
    RC_ASSERT(ranges.named.size() <= kMost);
    RC_ASSERT(std::includes(added.begin(), added.end(), named.begin(), named.end()));
    RC_ASSERT(named.size() + ranges.more == added.size());
    RC_ASSERT(ranges.count() == added.size());
    for (std::size_t i = 1; i < ranges.named.size(); ++i)
      RC_ASSERT(ranges.named[i - 1].to + 1 < ranges.named[i].from);
  }));
}

TEST(Durability, WhatWasGoneBeforeAForkIsTheSources) {
  Ledger ledger;
  Durability durability(ledger);
  for (std::uint64_t seq = 1; seq <= 6; ++seq) durability.accepted(seq, session(1, "a"), true);
  const unsigned before = durability.branches();
  durability.dropped({4, 2, 5});
  durability.branch(4);  // 5 was published behind the cut-off, and dropped before all was settled
  EXPECT_EQ(numbers_in(durability.told(before).missing), (std::set<std::uint64_t>{2, 3, 4, 5}));
  EXPECT_EQ(durability.told(before).gone, 4u);
  EXPECT_EQ(numbers_in(durability.told(durability.branches()).missing), (std::set<std::uint64_t>{5}));
  EXPECT_EQ(durability.told(durability.branches()).gone, 1u);
}

// A listener that takes its time over the first drop that it hears.
class SlowEar final : public DurabilityListener {
 public:
  explicit SlowEar(std::function<void()> meanwhile) : meanwhile_(std::move(meanwhile)) {}
  void acked(const SessionIdentity&, std::uint64_t) override {}
  void dropped(const SessionIdentity&, std::uint64_t from, std::uint64_t to) override {
    told += to - from + 1;
    meanwhile_();
  }
  void lost(const SessionIdentity&, std::uint64_t from, std::uint64_t to, const std::string&) override {
    told += to - from + 1;
  }
  std::atomic<std::uint64_t> told{0};

 private:
  const std::function<void()> meanwhile_;
};

TEST(Durability, WhatIsGoneIsToldOnceThoughTwoWouldTellIt) {
  std::thread other;
  Durability* account = nullptr;
  SlowEar ear([&] {
    other = std::thread([&] { account->lose_pending("the end"); });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  });
  Durability durability(ear);
  account = &durability;
  for (std::uint64_t seq = 1; seq <= 3; ++seq) durability.accepted(seq, session(1, "a"), true);
  durability.dropped({3, 1, 3});
  other.join();
  EXPECT_EQ(ear.told, 3u);
  EXPECT_EQ(durability.gone(), 3u);
}

}  // namespace
}  // namespace s2::writer
