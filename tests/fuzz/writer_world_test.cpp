// The reference writer in one deterministic world: every promise holds in drawn shapes, over both networks;
// and the orders that broke one before.
#include "fuzz/writer_world.h"

#include <gtest/gtest.h>

#include "fuzz/explore.h"

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
  expect_held(explore_writer([] { run_writer(WriterLimits{.way = WriterWay::http2}); }, 500), 500);
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

}  // namespace
}  // namespace s2::fuzz
