// The reference writer in one deterministic world: every promise holds in drawn shapes, over both networks;
// and the orders that broke one before.
#include "fuzz/writer_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "fuzz/explore.h"
#include "fuzz/happened.h"

namespace s2::fuzz {
namespace {

using std::chrono::milliseconds;

Exploration explore_writer(const Program& program, std::uint64_t executions, std::uint64_t seed = 1) {
  const auto strategy = make_portfolio();
  return explore(*strategy, {.seed = seed, .max_executions = executions, .world = writer_world}, program);
}

void expect_held(const Exploration& exploration, std::uint64_t executions) {
  if (exploration.failure) {
    ADD_FAILURE() << sim::name_of(exploration.failure->ending) << ": " << exploration.failure->why << "\n  "
                  << token_of(exploration.failure->schedule).value_or("(the schedule is long)");
  }
  EXPECT_EQ(exploration.executions, executions);
  EXPECT_EQ(exploration.differing, 0U);
}

TEST(WriterWorld, EveryPromiseHoldsInDrawnShapesWhateverTheOrder) {
  expect_held(explore_writer([] { run_writer(WriterLimits{}); }, 5000, 20), 5000);
  EXPECT_GT(writer_counts().branches, 5000U);
  EXPECT_GT(writer_counts().events, 5000U);
}

TEST(WriterWorld, EveryPromiseHoldsOverHttp2Bytes) {
  const WriterCounts before = writer_counts();
  expect_held(explore_writer([] { run_writer(WriterLimits{.way = WriterWay::http2}); }, 500), 500);
  EXPECT_GT(writer_counts().stored_before, before.stored_before) << "lost acknowledgements are drawn";
  EXPECT_GT(writer_counts().deaths, before.deaths);
}

// Answers that are cut off at each byte in turn: in some executions that leaves an append in doubt that is
// stored, and it is sent again.
TEST(WriterWorld, ABatchWhoseAcknowledgementIsLostOverBytesIsSentAgainAndStoredOnce) {
  const std::uint64_t before = writer_counts().stored_before;
  for (const auto kind : {scenarios::ByteFault::Kind::reset, scenarios::ByteFault::Kind::half_open}) {
    for (std::uint64_t byte = 1; byte < 600; byte += 7) {
      WriterShape shape;
      shape.publishers = 2;
      shape.batch_records = 1;
      shape.byte_faults.push_back({.kind = kind, .to_server = false, .byte = byte});
      expect_held(explore_writer([&] { run_writer(shape, WriterWay::http2); }, 2), 2);
    }
  }
  EXPECT_GT(writer_counts().stored_before, before + 20);
}

// Of what is under way any prefix may land when the machine is gone; nobody waits for it any more.
TEST(WriterWorld, WhatAMachineThatIsGoneHadUnderWayLandsAndBreaksNothing) {
  const WriterCounts before = writer_counts();
  for (std::uint64_t byte = 50; byte < 2000; byte += 50) {
    WriterShape shape;
    shape.publishers = 2;
    shape.events = 3;
    shape.batch_records = 2;
    shape.join_first = shape.settle = true;
    shape.byte_faults.push_back(
        {.kind = scenarios::ByteFault::Kind::gone, .to_server = byte % 100 == 0, .byte = byte});
    expect_held(explore_writer([&] { run_writer(shape, WriterWay::http2); }, 5), 5);
  }
  EXPECT_GT(writer_counts().deaths, before.deaths + 100);
  EXPECT_EQ(writer_counts().branches - before.branches, writer_counts().deaths - before.deaths);
}

TEST(WriterWorld, AMinuteOf429WithTheDefaultBackOffLosesNothing) {
  constexpr std::uint64_t kAttempts = 100;  // with pauses of 50 ms to 2 s
  WriterShape shape;
  shape.events = 3;
  shape.join_first = shape.settle = true;
  for (std::uint64_t append = 2; append < 2 + kAttempts; ++append)
    shape.faults.push_back({scenarios::DirectFault::busy, append});
  const Exploration all = explore_writer([&] { run_writer(shape, WriterWay::direct); }, 50);
  expect_held(all, 50);
  EXPECT_GT(all.virtual_time / 50, std::chrono::seconds(60));
}

// A service that took more than half of what was left was given up on, again and again, though it would have
// answered in time. Half-way from here on is known to be too early for the fifth of six answers.
TEST(WriterWorld, AServiceThatTakesMostOfTheBudgetIsWaitedFor) {
  WriterShape shape;
  shape.events = 4;
  shape.batch_records = shape.in_flight_records = 1;
  shape.join_first = true;
  shape.budget = milliseconds(6000);
  shape.latency = milliseconds(520);  // a fence, four events and the end marker; the drain has 2.7 s
  shape.one_piece = true;
  for (const auto way : {WriterWay::direct, WriterWay::http2}) {
    const auto slow = [&] {
      const auto began = sim::now();
      run_writer(shape, way);
      if (sim::now() - began < 6 * shape.latency) sim::fail("the service was not slow");
    };
    expect_held(explore_writer(slow, 100), 100);
  }
}

// The drain's deadline ended the handing over although the acks that make room came, in time that was the
// acks' own: ten of 0.35 s, and the drain has 2.7 s.
TEST(WriterWorld, WhatHadNoRoomByTheDrainsDeadlineIsHandedOverAsTheAcksCome) {
  WriterShape shape;
  shape.events = 8;
  shape.batch_records = shape.in_flight_records = 1;
  shape.join_first = true;
  shape.budget = milliseconds(6000);
  shape.latency = milliseconds(350);
  expect_held(explore_writer([&] { run_writer(shape, WriterWay::direct); }, 100), 100);
}

// With room for fewer records than a batch may have, each batch lingered in vain: 100 ms each, in a shutdown
// too.
TEST(WriterWorld, ABatchThatTakesAllTheRoomDoesNotLinger) {
  WriterShape shape;
  shape.events = 4;
  shape.in_flight_records = 1;
  shape.linger = milliseconds(100);
  shape.join_first = true;
  shape.budget = milliseconds(400);
  shape.latency = milliseconds(20);  // 120 ms are needed, and the drain has 180
  expect_held(explore_writer([&] { run_writer(shape, WriterWay::direct); }, 100), 100);
}

// A write that nobody took any more, begun before the shutdown, had its own time-out of 5 s and ate the whole
// grace; so did an opening that nobody answered.
TEST(WriterWorld, ACallThatTheSilentPeerLetsWaitTakesAPartOfTheGraceOnly) {
  WriterShape shape;
  shape.big_event = true;
  shape.budget = milliseconds(400);
  shape.acts = {Act::pause};
  shape.byte_faults.push_back({.kind = scenarios::ByteFault::Kind::half_open, .byte = 3000});
  expect_held(explore_writer([&] { run_writer(shape, WriterWay::http2); }, 100), 100);

  shape.big_event = false;
  shape.byte_faults = {
      {.kind = scenarios::ByteFault::Kind::reset, .byte = 100, .closed = milliseconds(5000)}};
  expect_held(explore_writer([&] { run_writer(shape, WriterWay::http2); }, 100), 100);
}

TEST(WriterWorld, TheFaultsOfBytesAreDrawnAndToldInPlainWords) {
  std::map<std::string, int> seen;
  for (std::uint64_t seed = 1; seed < 400; ++seed) {
    const auto strategy = make_random();
    explore(*strategy, {.seed = seed, .max_executions = 1, .rerun_one_in = 0, .warm_up = false}, [&] {
      for (const auto way : {WriterWay::http2, WriterWay::direct}) {
        const WriterShape shape = draw_shape({.way = way});
        EXPECT_TRUE(shape.byte_faults.empty() || way == WriterWay::http2);
        for (const auto& fault : shape.byte_faults) {
          EXPECT_NE(describe(shape).find(describe(fault)), std::string::npos);
          ++seen[describe(fault).substr(0, describe(fault).find(" behind"))];
          if (fault.closed.count() > 0) ++seen[fault.refuses ? "refuses" : "does not answer"];
          if (fault.lasts.count() > 0) ++seen["for a while"];
        }
      }
    });
  }
  for (const char* each : {"connection reset", "half-open", "silence", "the machine is gone", "refuses",
                           "does not answer", "for a while"})
    EXPECT_GT(seen[each], 0) << each;
}

// A linger that ended between two looks of the producer was slept over: the batch stayed where it was until
// the next event came. (Each look read the clock twice.)
TEST(WriterWorld, ALingerThatEndsBetweenTwoLooksOfTheProducerIsNotSleptOver) {
  WriterShape shape;
  shape.publishers = 2;
  shape.events = 3;
  shape.sessions = 2;
  shape.batch_records = 3;
  shape.in_flight_records = 1;
  shape.linger = milliseconds(1);
  shape.budget = milliseconds(600'000);
  shape.join_first = shape.settle = true;
  shape.teardown = Teardown::stop_then_shutdown;
  expect_held(explore_writer([&] { run_writer(shape, WriterWay::direct); }, 3000), 3000);
}

// A storage writer that was held up at the end of its sleep missed the batch that had lingered: what came
// meanwhile lingered once more.
TEST(WriterWorld, NothingLingersTwiceWhereTheStorageWriterOversleeps) {
  WriterShape shape;
  shape.publishers = 2;
  shape.events = 3;
  shape.batch_records = kRoomyRing;
  shape.linger = milliseconds(100);
  shape.between = milliseconds(60);
  shape.join_first = shape.settle = true;
  expect_held(explore_writer([&] { run_writer(shape, WriterWay::direct); }, 5'000), 5'000);
}

// A Run that did not return in time was telling what the ring had dropped, while the end of the shutdown told
// the same events as lost.
TEST(WriterWorld, WhatIsGoneIsToldOnceThoughTheShutdownIsInAHurry) {
  WriterShape shape;
  shape.publishers = 3;
  shape.events = 4;
  shape.ring_events = 1;
  shape.batch_records = 4;
  shape.linger = milliseconds(1);
  shape.budget = milliseconds(400);
  expect_held(explore_writer([&] { run_writer(shape, WriterWay::direct); }, 3000), 3000);
}

// Another strategy's choices, and the class of each execution.
class Classified final : public sim::Chooser {
 public:
  explicit Classified(Strategy& strategy) : strategy_(strategy) {}
  void begin() {
    strategy_.begin(1);
    happened_.begin();
  }
  std::size_t choose(const sim::Choices& choices) override {
    const bool in_a_step = choices.purpose() == sim::Choices::Purpose::wake;
    if (!in_a_step) happened_.arrive(choices);
    const std::size_t index = choices.size() == 1 ? 0 : strategy_.choose(choices);
    if (in_a_step)
      happened_.wakes(choices[index].standing);
    else
      happened_.leave(choices[index]);
    return index;
  }
  std::uint64_t draw(std::uint64_t below) override {
    happened_.touches(sim::kTouchesEverything);
    return strategy_.draw(below);
  }
  bool wants_every_point() const override { return true; }
  unsigned spurious_wakeups(unsigned most) override { return strategy_.spurious_wakeups(most); }
  void touches(std::uint32_t object) override { happened_.touches(object); }
  std::uint64_t steps() const { return happened_.steps(); }

 private:
  Strategy& strategy_;
  Happened happened_;
};

// What the ledger heard, in whatever order, and how long it took.
using Outcome = std::tuple<std::uint64_t, std::chrono::nanoseconds, std::vector<std::string>>;

struct SmallWorld {
  WriterWay way = WriterWay::direct;
  sim::WorldOptions (*world)(sim::Chooser&) = writer_world;
  unsigned preemptions = 0;  // up to which it is exhausted
};

// Outcomes by class, of every order with at most so many preemptions, or of the first ones.
std::map<std::uint64_t, Outcome> outcomes_of(const WriterShape& shape, const SmallWorld& small,
                                             unsigned preemptions, std::uint64_t most) {
  std::map<std::uint64_t, Outcome> outcomes;
  const auto dfs = make_dfs({.preemptions = preemptions});
  Classified classified(*dfs);
  sim::WorldOptions world = small.world(classified);
  world.keep_trace = true;
  bool more = true;
  for (std::uint64_t i = 0; more && i < most; ++i) {
    classified.begin();
    const sim::Execution execution = sim::run(world, [&] { run_writer(shape, small.way); });
    more = dfs->end(execution);
    EXPECT_EQ(execution.ending, sim::Ending::finished) << execution.why;
    Outcome outcome{execution.points, execution.virtual_time, {}};
    for (const sim::TraceNote& note : execution.notes) std::get<2>(outcome).push_back(note.text);
    std::sort(std::get<2>(outcome).begin(), std::get<2>(outcome).end());
    const auto [known, is_new] = outcomes.try_emplace(classified.steps(), outcome);
    EXPECT_EQ(known->second, outcome) << "two orders of one class ended differently";
  }
  return outcomes;
}

// What the reduced search leaves out is of a class that it has seen: that is worth something only if the
// orders of a class are one to the ledger, too.
TEST(WriterWorld, OrdersOfOneClassEndInOneOutcomeAndTheReducedSearchVisitsEveryClass) {
  for (const SmallWorld& small : {SmallWorld{}, SmallWorld{WriterWay::direct, still_world, 0},
                                  SmallWorld{WriterWay::none, still_world, 1}}) {
    for (const std::size_t publishers : {1U, 2U}) {
      for (const bool faulty : {false, true}) {
        // As many orders as take a second.
        if (publishers > 1 && (faulty || small.way == WriterWay::none || small.world == writer_world))
          continue;
        if (faulty && small.way == WriterWay::none) continue;
        WriterShape shape;
        shape.publishers = publishers;
        if (faulty) shape.faults.push_back({scenarios::DirectFault::cut_after_commit, 2});
        const auto outcomes = outcomes_of(shape, small, small.preemptions, 20'000);
        const auto dfs = make_dfs({.preemptions = small.preemptions, .reduced = true});
        const Exploration reduced =
            explore(*dfs, {.rerun_one_in = 0, .world = small.world}, [&] { run_writer(shape, small.way); });
        EXPECT_TRUE(reduced.exhausted);
        EXPECT_EQ(dfs->classes(), outcomes.size()) << publishers << " publishers, " << shape.faults.size();
        EXPECT_GT(outcomes.size(), 3U);
        outcomes_of(shape, small, 2, 400);
      }
    }
  }
}

}  // namespace
}  // namespace s2::fuzz
