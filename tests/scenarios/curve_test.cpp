// The curves: every point is a scenario that can be drawn, the advice says what the figures say, and what is
// shown is harmless.
#include "scenarios/curve.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "scenarios/scenario_text.h"

namespace s2::scenarios {
namespace {

Verdict run_that_lost(std::uint64_t lost, std::int64_t shutdown_ms,
                      Verdict::Outcome outcome = Verdict::Outcome::held) {
  Verdict v;
  v.outcome = outcome;
  v.published = 400;
  v.lost = lost;
  v.shutdown_ms = shutdown_ms;
  return v;
}

CurveResult at_grace(std::uint64_t grace_us, std::initializer_list<std::uint64_t> lost) {
  CurveResult result;
  result.point = {Sweep::grace, grace_us, 100'000, 50, 400, 20'000};
  for (const std::uint64_t each : lost) result.add(run_that_lost(each, 120));
  return result;
}

TEST(Curve, EveryPointIsAScenarioThatAFileCouldHold) {
  for (const CurvePoint& point : curve_points()) {
    const Scenario scenario = curve_scenario(point, 3);
    const auto parsed = parse_scenario(print_scenario(scenario), "curve.scenario");
    ASSERT_TRUE(parsed) << parsed.error();
    EXPECT_EQ(*parsed, scenario);
    EXPECT_EQ(scenario.combinations(), 1U);
    EXPECT_EQ(scenario.weight, 3U);
  }
}

TEST(Curve, TheSmallestGraceIsTheOneFromWhichOnNothingWasLost) {
  const std::vector<CurveResult> results = {at_grace(10'000, {40, 12}), at_grace(50'000, {0, 0}),
                                            at_grace(100'000, {0, 3}), at_grace(200'000, {0, 0}),
                                            at_grace(500'000, {0})};
  EXPECT_EQ(
      curve_advice(results),
      std::vector<std::string>{
          "With a backlog of 400 events and 20ms that S2 takes for each append, the smallest grace at which "
          "nothing was lost is 200ms: 3 runs from there on lost no event, and the slowest shutdown took 120 "
          "ms; at 100ms up to 3 events were lost."});
  EXPECT_EQ(curve_advice({at_grace(10'000, {1})})[0].find("No grace up to 10ms saved everything"), 0U);
  EXPECT_TRUE(curve_advice({}).empty());
}

TEST(Curve, InvalidRunsCountForNothingAndBrokenOnesAreCounted) {
  CurveResult result;
  result.add(run_that_lost(9, 9, Verdict::Outcome::invalid));
  EXPECT_EQ(result.runs, 0U);
  result.add(run_that_lost(7, -1, Verdict::Outcome::broken));
  result.add(run_that_lost(2, 30));
  EXPECT_EQ(result.runs, 2U);
  EXPECT_EQ(result.broken, 1U);
  EXPECT_EQ(result.lost, (std::vector<std::uint64_t>{2, 7}));
  EXPECT_EQ(result.most_lost(), 7U);
  EXPECT_DOUBLE_EQ(result.mean_lost(), 4.5);
  EXPECT_EQ(result.shutdown_ms, std::vector<std::int64_t>{30});
}

TEST(Curve, TheCsvHasARowAPointAndThePageRunsNothing) {
  const std::vector<CurveResult> results = {at_grace(0, {400}), at_grace(500'000, {0})};
  const std::string csv = curve_csv(results);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  EXPECT_NE(csv.find("\ngrace,0,100,50,400,20,1,0,400,400.00,400,120,120\n"), std::string::npos) << csv;
  const std::string page = curve_html(results, "python3 <script>alert(1)</script>");
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_NE(page.find("&lt;script"), std::string::npos);
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
}

}  // namespace
}  // namespace s2::scenarios
