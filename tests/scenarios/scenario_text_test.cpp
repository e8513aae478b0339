// Scenario files: what is printed is read back, and what is wrong is said with its place.
#include "scenarios/scenario_text.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>

#include "scenarios/catalogue.h"
#include "scenarios/kill_instants.h"
#include "scenarios/promises.h"

namespace s2::scenarios {
namespace {

Range some_range(std::uint64_t lowest, std::uint64_t highest) {
  const auto lo = *rc::gen::inRange<std::uint64_t>(lowest, highest);
  return {lo, *rc::gen::inRange<std::uint64_t>(lo, highest)};
}

template <class Enum>
Enum some(int count) {
  return static_cast<Enum>(*rc::gen::inRange(0, count));
}

Scenario some_scenario() {
  Scenario s;
  s.name = "n" + std::to_string(*rc::gen::inRange(0, 1000));
  s.purpose = *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
  s.promise =
      *rc::gen::elementOf(std::vector<std::string>{"", "quote \" backslash \\ newline \n tab \t", "Grüße"});
  s.quick = *rc::gen::arbitrary<bool>();
  s.in_long = !s.quick || *rc::gen::arbitrary<bool>();
  s.weight = *rc::gen::inRange(1U, 50U);
  s.faults_together = *rc::gen::arbitrary<bool>();
  s.heal_bound = some_range(0, 90'000'000);
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
    s.workloads.push_back({some<WorkloadKind>(13), some_range(1, 1000), some_range(1, 9), some_range(0, 5000),
                           some_range(0, 3'000'000)});
  }
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
    s.faults.push_back({some<FaultKind>(13), some_range(0, 9), some_range(1, 9), some_range(0, 300'000)});
  }
  s.teardown.kind = some<Teardown>(10);
  s.teardown.at = some_range(0, 100);
  s.teardown.instants = {some<InstantKind>(6), some<InstantKind>(6)};
  s.teardown.ordinal = some_range(1, 40);
  s.teardown.bytes = some_range(1, 1 << 20);
  s.teardown.wall = some_range(0, 500'000);
  s.teardown.grace = some_range(0, 9'000'000);
  s.teardown.lasts = some_range(0, 900'000);
  s.teardown.cuts = {some<CutHow>(2)};
  if (*rc::gen::arbitrary<bool>()) s.teardown.ends = {some<EndBy>(4), some<EndBy>(4)};
  const bool at_a_step = s.teardown.kind == Teardown::stop || s.teardown.kind == Teardown::term ||
                         s.teardown.kind == Teardown::term_short;
  s.teardown.once_faulted = at_a_step && *rc::gen::arbitrary<bool>();
  if (*rc::gen::arbitrary<bool>()) s.config.ring_capacity = some_range(1, 2000);
  if (*rc::gen::arbitrary<bool>()) s.config.linger = some_range(0, 20'000);
  if (*rc::gen::arbitrary<bool>()) s.config.max_records = some_range(1, 1000);
  if (*rc::gen::arbitrary<bool>()) s.config.shutdown_budget = some_range(0, 9'000'000);
  s.config.fixed_stream_percent = *rc::gen::inRange(0U, 101U);
  s.config.journal = *rc::gen::arbitrary<bool>();
  if (*rc::gen::arbitrary<bool>()) s.config.environment["S2_WRITER_X"] = "a \"b\" \\c";
  return s;
}

TEST(ScenarioText, WhatIsPrintedIsReadBack) {
  ASSERT_TRUE(rc::check([] {
    const Scenario scenario = some_scenario();
    const std::string text = print_scenario(scenario);
    const auto parsed = parse_scenario(text, "printed");
    if (!parsed) RC_FAIL(parsed.error() + "\n" + text);
    RC_ASSERT(*parsed == scenario);
  }));
}

TEST(ScenarioText, AnyBytesAreAScenarioOrAnErrorWithItsPlace) {
  ASSERT_TRUE(rc::check([](const std::string& text) {
    const auto parsed = parse_scenario(text, "f");
    RC_ASSERT(parsed || parsed.error().rfind("f:", 0) == 0);
  }));
}

std::string error_in(const std::string& text) {
  const auto parsed = parse_scenario(text, "some.scenario");
  return parsed ? "" : parsed.error();
}

const std::string kGood =
    "name = \"x\"\npurpose = \"p\"\n[[workload]]\nkind = \"steady\"\n[teardown]\nclass = \"stop\"\n";

TEST(ScenarioText, ErrorsNameFileLineColumnAndWhatWasExpected) {
  EXPECT_EQ(error_in(kGood), "");
  EXPECT_EQ(
      error_in(kGood + "grace = \"soon\"\n"),
      "some.scenario:7:9: `teardown.grace` is a duration such as \"5ms\" or a range such as \"5ms..2s\"");
  EXPECT_EQ(error_in("name = \"x\"\npurpose = \"p\"\n[[workload]]\nkind = \"steddy\"\n").substr(0, 74),
            "some.scenario:4:8: `workload.kind`: there is no workload `steddy`, expecte");
  EXPECT_EQ(error_in(kGood + "gracious = 1\n").substr(0, 71),
            "some.scenario:7:12: there is no member `gracious` in `teardown`, expect");
  EXPECT_EQ(error_in("name = \"x\"\npurpose = \"p\"\n[teardown]\nclass = \"stop\"\n"),
            "some.scenario:1:1: `workload` is missing: expected at least one [[workload]]");
  EXPECT_NE(error_in("name = \n").find("some.scenario:1:"), std::string::npos);
  EXPECT_EQ(error_in(kGood + "once_faulted = true\n"), "");
  EXPECT_NE(
      error_in(
          "name = \"x\"\npurpose = \"p\"\n[[workload]]\nkind = \"steady\"\n[teardown]\nclass = \"pause\"\n"
          "once_faulted = true\n")
          .find("some.scenario:7:16: class `pause` knows no `once_faulted`: stop, term and term-short do"),
      std::string::npos);
  EXPECT_NE(error_in(kGood + "at = \"90..20\"\n").find("the range ends before it begins"), std::string::npos);
}

// Found by fuzz/targets/scenario_file.cpp.
TEST(ScenarioText, AnErrorIsOneLineWhateverTheFileHolds) {
  for (const char* text : {"weight = t\n\n[[workload]]\n", "\"a\\nb\" = 1\n",
                           "name = \"x\"\npurpose = \"p\"\n\"\\u001b\" = 1\n"}) {
    const auto parsed = parse_scenario(text, "f.scenario");
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().find_first_of("\n\x1b"), std::string::npos) << parsed.error();
  }
}

TEST(Catalogue, EveryFileIsAScenarioAndTheQuickSuiteHasEveryClassFaultAndWorkloadWithoutABrowser) {
  const auto catalogue = load_catalogue();
  ASSERT_TRUE(catalogue) << catalogue.error();
  std::set<Teardown> classes;
  std::set<FaultKind> faults;
  std::set<WorkloadKind> workloads;
  std::set<std::string> names;
  for (const Scenario& scenario : *catalogue) {
    EXPECT_TRUE(names.insert(scenario.name).second) << scenario.name;
    EXPECT_FALSE(scenario.purpose.empty());
    EXPECT_FALSE(scenario.promise.empty());
    if (!scenario.quick) continue;
    classes.insert(scenario.teardown.kind);
    for (const Fault& fault : scenario.faults) faults.insert(fault.kind);
    for (const Workload& workload : scenario.workloads) workloads.insert(workload.kind);
  }
  EXPECT_EQ(classes.size(), kTeardowns.size() - 1);
  EXPECT_EQ(faults.size(), 14U);
  EXPECT_EQ(workloads.size(), 16U);
}

TEST(Catalogue, ARoundOfTheBrowsersScenariosMeetsEachKillInstantThatTheProtocolShows) {
  const auto catalogue = load_catalogue();
  ASSERT_TRUE(catalogue);
  std::set<int> met;
  for (const Scenario& scenario : *catalogue) {
    if (scenario.teardown.kind != Teardown::browser_delete) continue;
    EXPECT_GE(scenario.weight, scenario.teardown.instants.size()) << scenario.name;
    for (const InstantKind each : scenario.teardown.instants) met.insert(kill_instant_number(each));
  }
  int number = 0;
  for (const KillInstant& each : kill_instants()) {
    EXPECT_EQ(each.number, ++number);
    EXPECT_EQ(met.contains(each.number), each.shown_by.has_value()) << each.words;
    EXPECT_FALSE(each.note.empty()) << each.words;
  }
  EXPECT_EQ(number, 21);
}

TEST(ScenarioText, ABrowserAndItsClassGoTogetherAndHaveInstantsOfTheirOwn) {
  const std::string head = "name = \"x\"\npurpose = \"p\"\n[[workload]]\nkind = ";
  const std::string browser = "\"browser\"\n", steady = "\"steady\"\n";
  const auto with = [](const std::string& kind, const std::string& instant) {
    return "[teardown]\nclass = \"" + kind + "\"\ninstants = [\"" + instant + "\"]\n";
  };
  EXPECT_TRUE(parse_scenario(head + browser + with("browser-delete", "mid_close"), "f"));
  EXPECT_NE(error_in(head + steady + with("browser-delete", "mid_close")).find("go together"),
            std::string::npos);
  EXPECT_NE(error_in(head + browser + with("kill", "byte")).find("go together"), std::string::npos);
  EXPECT_NE(
      error_in(head + steady + with("kill", "mid_close")).find("class `kill` has no instant `mid_close`"),
      std::string::npos);
  EXPECT_NE(error_in(head + browser + with("browser-delete", "wall")).find("no instant `wall`"),
            std::string::npos);
}

TEST(ScenarioText, AForkSaysWhatItCannotHave) {
  const std::string head = "name = \"x\"\npurpose = \"p\"\n[[workload]]\nkind = ";
  const std::string fork = "[teardown]\nclass = \"fork\"\n";
  EXPECT_TRUE(parse_scenario(head + "\"steady\"\n" + fork + "ends = [\"term\"]\n", "f"));
  EXPECT_NE(error_in(head + "\"storage-off\"\n" + fork).find("no workload `storage-off`"), std::string::npos);
  EXPECT_NE(error_in(head + "\"steady\"\n" + fork + "ends = [\"kill\"]\n").find("ends by stop"),
            std::string::npos);
  EXPECT_NE(error_in(head + "\"steady\"\n" + fork + "[config]\nhttp = true\n").find("on one port"),
            std::string::npos);
  EXPECT_NE(error_in(head + "\"steady\"\n" + fork + "[config]\njournal = true\n").find("to one disk"),
            std::string::npos);
}

TEST(Scenario, DrawingClosesEverythingAndTheSameSeedDrawsTheSame) {
  ASSERT_TRUE(rc::check([](std::uint64_t seed) {
    const Scenario scenario = some_scenario();
    const std::size_t index = *rc::gen::inRange<std::size_t>(0, scenario.combinations());
    const Scenario drawn = draw(scenario, index, seed);
    RC_ASSERT(drawn == draw(scenario, index, seed));
    RC_ASSERT(drawn == draw(drawn, 0, seed + 1));  // nothing is left open
    RC_ASSERT(drawn.combinations() == 1U);
    RC_ASSERT(instant_of(drawn).has_value());
  }));
}

}  // namespace
}  // namespace s2::scenarios
