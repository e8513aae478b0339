// The log of what comes at any rate: the first line of a kind is there at once, and none goes uncounted.
#include "writer/log.h"

#include <gtest/gtest.h>

#include <numeric>
#include <regex>
#include <thread>
#include <vector>

namespace s2::writer {
namespace {

struct LimitedLogTest : testing::Test {
  // How many lines of the kind the log speaks of, written or left out.
  std::size_t told_of(const std::string& kind) const {
    static const std::regex left_out("; ([0-9]+) more");
    std::size_t all = 0;
    for (const std::string& line : lines) {
      if (!line.starts_with(kind)) continue;
      std::smatch found;
      const bool counts = std::regex_search(line, found, left_out);
      if (counts) all += std::stoul(found[1]);
      all += counts && line.find("before it") == std::string::npos ? 0 : 1;  // the rest is no line of its own
    }
    return all;
  }

  std::vector<std::string> lines;
  LimitedLog log{[this](std::string_view line) { lines.emplace_back(line); }};
};

TEST_F(LimitedLogTest, TheFirstLineOfEachKindIsThereAtOnceAndThoseBehindItAreCounted) {
  const auto begun = std::chrono::steady_clock::now();
  log("one kind", " (first)");
  log("another kind");
  for (int i = 0; i < 1000; ++i) log("one kind", " (later)");
  const auto took = std::chrono::steady_clock::now() - begun;
  ASSERT_GE(lines.size(), 2U);
  EXPECT_EQ(lines[0], "one kind (first)");
  EXPECT_EQ(lines[1], "another kind");
  EXPECT_LE(lines.size(), 2U + static_cast<std::size_t>(took / kSameLineEvery));
  log.close();
  EXPECT_EQ(told_of("one kind"), 1001U);
  EXPECT_EQ(told_of("another kind"), 1U);
  const std::size_t told = lines.size();
  log.close();
  EXPECT_EQ(lines.size(), told);
}

TEST_F(LimitedLogTest, ALineBehindASilenceSaysHowManyCameBeforeIt) {
  for (int i = 0; i < 4; ++i) log("a kind");
  std::this_thread::sleep_for(kSameLineEvery);
  log("a kind", " (again)");
  EXPECT_EQ(lines.back().substr(0, 15), "a kind (again);");
  log.close();
  EXPECT_EQ(told_of("a kind"), 5U);
}

TEST_F(LimitedLogTest, ManyKindsAreBoundedAndNoneIsForgotten) {
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 5000; ++i) log("kind " + std::to_string(i % 500));
  const auto at_most =
      1 + static_cast<std::size_t>((std::chrono::steady_clock::now() - begun) / kSameLineEvery);
  EXPECT_LE(lines.size(), 2 * (kMaxLineKinds + 1) * at_most);
  log.close();
  EXPECT_EQ(told_of("kind "), 5000U);
}

}  // namespace
}  // namespace s2::writer
