// The fault plan as such: matching, counting, chance by seed, and what it refuses. Source: the contract,
// "Faults".
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "emulator/faults.h"

namespace s2::emulator {
namespace {

TEST(FaultPlan, AfterAndTimesCountMatchingOperations) {
  FaultPlan plan(0);
  plan.replace(R"([{"match":{"op":"append","stream":"s","after":1,"times":2},"fault":{"status":503}}])");
  std::string fired;
  for (int n = 0; n < 5; ++n) {
    fired += plan.next("append", "basin", "s") ? "x" : ".";
    EXPECT_FALSE(plan.next("append", "basin", "other"));
    EXPECT_FALSE(plan.next("read", "basin", "s"));
  }
  EXPECT_EQ(fired, ".xx..");
  const auto told = nlohmann::json::parse(plan.to_json());
  EXPECT_EQ(told[0]["fired"], 2);
  EXPECT_EQ(told[0]["matched"], 5);
  EXPECT_EQ(told[0]["fault"]["status"], 503);
}

TEST(FaultPlan, TheFirstRuleThatFiresDecides) {
  FaultPlan plan(0);
  plan.replace(
      R"([{"match":{"times":1},"fault":{"status":503}},{"match":{},"fault":{"cut":"after_commit"}}])");
  EXPECT_EQ(plan.next("append", "b", "s")->kind, FaultKind::status);
  EXPECT_EQ(plan.next("append", "b", "s")->kind, FaultKind::cut);
}

TEST(FaultPlan, ChanceComesFromTheSeedAlone) {
  const auto draw = [](std::uint64_t seed) {
    FaultPlan plan(seed);
    plan.replace(R"([{"match":{"probability":0.5},"fault":{"status":503}}])");
    std::string fired;
    for (int n = 0; n < 64; ++n) fired += plan.next("append", "b", "s") ? "x" : ".";
    return fired;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
  EXPECT_NE(draw(1).find('x'), std::string::npos);
  EXPECT_NE(draw(1).find('.'), std::string::npos);
}

TEST(FaultPlan, ABadPlanIsRefusedWithItsRuleAndTheOldOneStays) {
  FaultPlan plan(0);
  plan.replace(R"([{"fault":{"goaway":true}}])");
  for (const char* bad :
       {"", "{}", "[7]", "[{}]", R"([{"fault":{}}])", R"([{"fault":{"delay":"soon"}}])",
        R"([{"fault":{"delay":"1s","status":503}}])", R"([{"fault":{"status":200}}])",
        R"([{"fault":{"cut":"later"}}])", R"([{"fault":{"hang":"mid_response"}}])",
        R"([{"fault":{"goaway":false}}])", R"([{"fault":{"truncate":-1}}])",
        R"([{"fault":{"bandwidth":"fast"}}])", R"([{"fault":{"oops":1}}])",
        R"([{"fault":{"goaway":true},"match":{"op":"nap"}}])",
        R"([{"fault":{"goaway":true},"match":{"probability":2}}])",
        R"([{"fault":{"goaway":true},"match":{"when":1}}])",
        R"([{"fault":{"goaway":true,"when":"after_commit"}}])", R"([{"fault":{"goaway":true},"extra":1}])"}) {
    EXPECT_THROW(plan.replace(bad), std::invalid_argument) << bad;
  }
  try {
    plan.replace(R"([{"fault":{"goaway":true}},{"fault":{"oops":1}}])");
    ADD_FAILURE() << "taken";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "fault rule 1: `fault` has no member `oops`");
  }
  EXPECT_EQ(plan.next("append", "b", "s")->kind, FaultKind::goaway);
}

TEST(FaultPlan, GlobsMatchAsUsual) {
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("a*c?e", "abbcde"));
  EXPECT_TRUE(glob_matches("a*b*c", "a-b-b-c"));
  EXPECT_FALSE(glob_matches("a*c", "abd"));
  EXPECT_FALSE(glob_matches("a?", "a"));
  EXPECT_FALSE(glob_matches("", "a"));
}

}  // namespace
}  // namespace s2::emulator
