// timeline.json: what is written is read back as it was, and what is wrong is said in one line.
#include "scenarios/ledger_json.h"

#include <gtest/gtest.h>

#include <string>

#include "scenarios/escape.h"
#include "tests/scenarios/story.h"

namespace s2::scenarios {
namespace {

TEST(LedgerJson, KeepsEveryValue) {
  ASSERT_TRUE(rc::check([] {
    Ledger ledger = honest_run(*any_plan());
    ledger.seed = *rc::gen::arbitrary<std::uint64_t>();
    ledger.fault = *rc::gen::string<std::string>();
    const std::string text = ledger_to_json(ledger);
    const auto again = ledger_from_json(text);
    RC_ASSERT(again.has_value());
    RC_ASSERT(again->fault == utf8(ledger.fault));
    RC_ASSERT(again->seed == ledger.seed);
    RC_ASSERT(again->publications.size() == ledger.publications.size());
    RC_ASSERT(again->appends.size() == ledger.appends.size());
    RC_ASSERT(ledger_to_json(*again) == text);
    RC_ASSERT(judge(*again).lost_events == judge(ledger).lost_events);
  }));
}

TEST(LedgerJson, SaysInOneLineWhereItIsWrong) {
  const auto error = [](const std::string& text) {
    const auto read = ledger_from_json(text);
    return read ? std::string("read") : read.error();
  };
  EXPECT_NE(error("{").find("cannot be read"), std::string::npos);
  EXPECT_NE(error("[]").find("an object was expected"), std::string::npos);
  EXPECT_NE(error(R"({"appends":[{"id":-1}]})").find("timeline/appends/0/id"), std::string::npos);
  EXPECT_NE(error(R"({"teardown":"fire"})").find("no class of teardown"), std::string::npos);
  EXPECT_NE(error(R"({"stored":3})").find("an array was expected"), std::string::npos);
  EXPECT_EQ(error("{}"), "read");
}

}  // namespace
}  // namespace s2::scenarios
