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

CurveResult that_lost_nothing(std::uint64_t grace_us, std::size_t runs, std::int64_t shutdown_ms = 120) {
  CurveResult result = at_grace(grace_us, {});
  for (std::size_t i = 0; i < runs; ++i) result.add(run_that_lost(0, shutdown_ms));
  return result;
}

TEST(Curve, TheAdviceIsOneSentenceWithAMarginTheRunsAndTheWorstCase) {
  const std::string advice =
      curve_advice({at_grace(10'000, {40, 12}), at_grace(50'000, {0, 0}), at_grace(100'000, {0, 3}),
                    that_lost_nothing(200'000, 20), that_lost_nothing(500'000, 10)});
  EXPECT_EQ(
      advice,
      "Give at least 500ms between SIGTERM and SIGKILL, 2 times what was enough: with a backlog of 400 "
      "events and 20ms that S2 takes for each append, 30 runs at 200ms and more lost nothing (so that "
      "fewer than 1 in 10 would, at 95 % confidence), and the slowest shutdown took 120 ms; at 100ms up "
      "to 3 events were lost, and 40 at the worst, at 10ms.");
  EXPECT_EQ(curve_advice({}), "");
}

TEST(Curve, TheAdviceLeavesRoomForTheSlowestShutdown) {
  const std::string advice = curve_advice({at_grace(0, {7}), that_lost_nothing(200'000, 40, 900)});
  EXPECT_EQ(advice.find("Give at least 2s between"), 0U) << advice;
}

TEST(Curve, TooFewRunsAreNoAdvice) {
  EXPECT_EQ(
      curve_advice({at_grace(100'000, {3}), that_lost_nothing(200'000, 6)}),
      "6 runs are too few for advice (30 are needed, see --runs): with a backlog of 400 events and 20ms "
      "that S2 takes for each append, 200ms and more lost nothing in them; at 100ms up to 3 events were "
      "lost.");
  EXPECT_EQ(curve_advice({at_grace(10'000, {1})}).find("Give more than 10ms: "), 0U);
}

TEST(Curve, TheReportOfASuiteHasTheCurvesOfItsDirectoryOnce) {
  const std::vector<CurveResult> results = {at_grace(0, {400}), that_lost_nothing(500'000, 40)};
  const std::string section = curve_section_of(curve_html(results, "s2-writer"));
  EXPECT_NE(section.find("Give at least 1s between"), std::string::npos) << section;
  const std::string report = "<body><p>held</p><footer>judged</footer></body>";
  const std::string joined = with_curve_section(report, section);
  EXPECT_EQ(joined, "<body><p>held</p>" + section + "<footer>judged</footer></body>");
  EXPECT_EQ(with_curve_section(joined, section), joined);
  EXPECT_EQ(with_curve_section(report, ""), report);
  EXPECT_EQ(curve_section_of(report), "");
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
