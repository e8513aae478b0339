// Bytes as orders: the same bytes are the same order, none are the usual one, and drawn bytes find what any
// strategy finds.
#include "fuzz/bytes_chooser.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "fuzz/schedule.h"
#include "tests/fuzz/canaries.h"

namespace s2::fuzz {
namespace {

sim::Execution run_bytes(std::string_view bytes, void (*program)()) {
  BytesChooser chooser(bytes);
  sim::WorldOptions options{.chooser = chooser};
  options.max_points = 100'000;
  return sim::run(options, program);
}

TEST(BytesChooser, NoBytesAreTheUsualOrderAndSoAreZeroes) {
  const std::string zeroes(1000, '\0');
  TapePlayer usual({}, 0, 0);
  const std::uint64_t hash = sim::run({.chooser = usual}, abba).trace_hash;
  EXPECT_EQ(run_bytes("", abba).trace_hash, hash);
  EXPECT_EQ(run_bytes(zeroes, abba).trace_hash, hash);
}

TEST(BytesChooser, DrawsTakeAsManyBytesAsTheyNeedAndZeroAfterTheEnd) {
  BytesChooser chooser(std::string_view("\x05\x01\x02\xff", 4));
  EXPECT_EQ(chooser.draw(1), 0u);
  EXPECT_EQ(chooser.taken(), 0u);  // nothing to draw
  EXPECT_EQ(chooser.draw(4), 1u);
  EXPECT_EQ(chooser.draw(1000), 258u);
  EXPECT_EQ(chooser.draw(256), 255u);
  EXPECT_EQ(chooser.taken(), 4u);
  EXPECT_EQ(chooser.draw(1'000'000), 0u);
}

TEST(BytesChooser, DrawnBytesFindACanaryAndRepeatIt) {
  std::mt19937 random(1);
  std::set<std::uint64_t> orders;
  int found = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(64, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % 4 == 0 ? random() : 0);
    const sim::Execution first = run_bytes(bytes, check_then_act);
    orders.insert(first.trace_hash);
    if (!sim::is_failure(first.ending)) continue;
    ++found;
    const sim::Execution again = run_bytes(bytes, check_then_act);
    ASSERT_EQ(again.trace_hash, first.trace_hash);
    ASSERT_EQ(again.why, first.why);
  }
  EXPECT_GT(found, 0);
  EXPECT_GT(orders.size(), 10u);
}

}  // namespace
}  // namespace s2::fuzz
