// Tokens, command words, plans and property cases: written out and read back, and drawn from the seed alone.
#include "scenarios/token.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>

#include "scenarios/catalogue.h"
#include "scenarios/fault_plan.h"
#include "scenarios/property.h"
#include "scenarios/quantity.h"
#include "scenarios/selection.h"
#include "scenarios/shell_words.h"

namespace s2::scenarios {
namespace {

SuitePlan plan_of(std::uint64_t seed) {
  auto catalogue = *load_catalogue();
  std::vector<std::string> sources;
  for (const Scenario& scenario : catalogue) sources.push_back(scenario.name);
  return SuitePlan(std::move(catalogue), std::move(sources), seed, 20);
}

// Each scenario's first, and every fourth of two rounds.
TEST(Token, ARunOfASuiteIsMadeAgainFromItsTokenOfAtMost200Bytes) {
  const SuitePlan plan = plan_of(11);
  std::set<std::string> sources;
  for (std::size_t i = 0; i < 2 * plan.round(); ++i) {
    const PlannedRun planned = plan.run(i, static_cast<unsigned>(i % 3));
    if (!sources.insert(planned.identity.source).second && i % 4 != 0) continue;
    const std::string token = print_token(planned.identity);
    ASSERT_LE(token.size(), kMaxTokenBytes);
    const auto parsed = parse_token(token);
    ASSERT_TRUE(parsed) << parsed.error();
    ASSERT_EQ(*parsed, planned.identity);
    const auto again = find_run(*parsed);
    ASSERT_TRUE(again) << again.error();
    ASSERT_EQ(again->drawn, planned.drawn) << token;
  }
}

TEST(Token, AnyTextIsATokenOrOneClearLine) {
  ASSERT_TRUE(rc::check([](const std::string& text) {
    const auto parsed = parse_token(text);
    RC_ASSERT(parsed || !parsed.error().empty());
  }));
  EXPECT_NE(parse_token("1:stop:0:xyz").error().find("not hexadecimal"), std::string::npos);
  // Found by fuzz/targets/tokens.cpp: what is taken can also be printed, within the limit of a token.
  EXPECT_NE(parse_token("1:st\xff op:0:1").error().find("no name"), std::string::npos);
  EXPECT_NE(parse_token("1:" + std::string(180, 'a') + ":0:1").error().find("no name"), std::string::npos);
  EXPECT_NE(parse_token("2:stop:0:1").error().find("another version"), std::string::npos);
  EXPECT_NE(parse_token("1:kill:0:1:noon-3").error().find("its instant"), std::string::npos);
  EXPECT_NE(find_run(*parse_token("1:no-such:0:1")).error().find("not in this catalogue"), std::string::npos);
  EXPECT_NE(find_run(*parse_token("1:stop:999:1")).error().find("combinations"), std::string::npos);
}

TEST(SuitePlan, TheSameSeedPlansTheSameRunsAndAnotherSeedOthers) {
  const SuitePlan one = plan_of(1), same = plan_of(1), other = plan_of(2);
  std::size_t different = 0;
  for (std::size_t i = 0; i < one.round(); ++i) {
    EXPECT_EQ(one.run(i).identity, same.run(i).identity);
    different += !(one.run(i).identity == other.run(i).identity);
  }
  EXPECT_GT(different, one.round() / 2);
}

TEST(SuitePlan, ARoundHasEveryCombinationOfEveryScenario) {
  const SuitePlan plan = plan_of(3);
  std::set<std::pair<std::string, std::size_t>> seen;
  for (std::size_t i = 0; i < plan.round(); ++i) {
    const RunIdentity identity = plan.run(i).identity;
    seen.insert({identity.source, identity.combination});
  }
  std::size_t expected = 1;  // the property cases
  const auto catalogue = *load_catalogue();
  for (const Scenario& scenario : catalogue) expected += scenario.combinations();
  EXPECT_EQ(seen.size(), expected);
}

TEST(SuitePlan, ASweepMeetsEveryKindAndEveryOrdinal) {
  Scenario scenario;
  scenario.teardown.instants = {InstantKind::append_received, InstantKind::committed, InstantKind::ack_sent};
  scenario.teardown.ordinal = {1, 5};
  std::set<std::pair<InstantKind, std::uint64_t>> seen;
  Prng prng(1);
  for (std::uint64_t k = 0; k < 15; ++k) {
    const Instant instant = sweep_instant(scenario, k, prng);
    seen.insert({instant.kind, instant.value});
  }
  EXPECT_EQ(seen.size(), 15U);
}

TEST(PropertyCase, IsReadBackAndIsAScenarioThatItsFileGivesBack) {
  ASSERT_TRUE(rc::check([](std::uint64_t seed) {
    const PropertyCase drawn = draw_property_case(seed, seed % 100);
    RC_ASSERT(drawn == draw_property_case(seed, seed % 100));
    RC_ASSERT(parse_property_case(print(drawn)) == drawn);
    const Scenario scenario = to_scenario(drawn, seed);
    RC_ASSERT(scenario == draw(scenario, 0, seed + 1));
    const RunIdentity identity{kPropertySource, print(drawn), 0, seed, std::nullopt};
    RC_ASSERT(print_token(identity).size() <= kMaxTokenBytes);
    RC_ASSERT(*parse_token(print_token(identity)) == identity);
  }));
  EXPECT_FALSE(parse_property_case("1.2.3"));
  EXPECT_FALSE(parse_property_case(print(draw_property_case(1, 1)) + ".0"));
}

TEST(PropertyCase, ShrinksToTheSmallestThatStillFails) {
  PropertyCase failing = draw_property_case(99, 90);
  failing.choices[1] = 80;  // events
  const auto fails = [](const PropertyCase& c) { return c.choices[1] >= 37; };
  const Shrunk shrunk =
      shrink_property_case(failing, fails, 1000, std::chrono::steady_clock::now() + std::chrono::seconds(20));
  PropertyCase smallest;
  smallest.choices.assign(failing.choices.size(), 0);
  smallest.choices[1] = 37;
  EXPECT_EQ(shrunk.smallest, smallest);
}

TEST(FaultPlan, EachFaultIsARuleForEitherWayToAppendAndItsFiringsAreCounted) {
  const std::vector<Fault> faults = {{FaultKind::lost_ack, exactly(2), exactly(1), exactly(0)},
                                     {FaultKind::delay, exactly(0), exactly(3), exactly(20'000)}};
  EXPECT_EQ(
      fault_plan_json(faults),
      R"([{"fault":{"cut":"after_commit"},"match":{"after":2,"op":"append","times":1}},)"
      R"({"fault":{"cut":"after_commit"},"match":{"after":2,"op":"append_session","times":1}},)"
      R"({"fault":{"delay":"20ms","when":"after_commit"},"match":{"after":0,"op":"append","times":3}},)"
      R"({"fault":{"delay":"20ms","when":"after_commit"},"match":{"after":0,"op":"append_session","times":3}}])");
  const auto fired = fired_faults(faults, R"([{"fired":0},{"fired":1},{"fired":2},{"fired":0}])");
  EXPECT_EQ(fired.missing, "");
  EXPECT_FALSE(fired.exhausted);
  EXPECT_EQ(fired_faults(faults, R"([{"fired":0},{"fired":1},{"fired":0},{"fired":0}])").missing, "delay");
}

TEST(ShellWords, AreSplitAsAShellWould) {
  EXPECT_EQ(*split_shell_words(R"(python3 'my writer.py' --x="a b" c\ d "" "q\"q" 'it'\''s')"),
            (std::vector<std::string>{"python3", "my writer.py", "--x=a b", "c d", "", "q\"q", "it's"}));
  EXPECT_EQ(split_shell_words("  ").error(), "there is no command");
  EXPECT_EQ(split_shell_words("a 'b").error(), "a quote is not closed");
  EXPECT_EQ(split_shell_words("a \\").error(), "a backslash at the end quotes nothing");
}

TEST(Duration, IsReadBack) {
  ASSERT_TRUE(rc::check([](std::uint32_t us) {
    const std::chrono::microseconds value(us);
    RC_ASSERT(parse_duration(print_duration(value)) == value);
  }));
  for (const char* bad : {"", "5", "ms", "-5ms", "5 ms", "1.5s", "99999999999m"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

}  // namespace
}  // namespace s2::scenarios
