// Workloads: events are JSON with their probe in two places, sessions come back, sizes reach the limits.
#include "scenarios/workload.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <nlohmann/json.hpp>
#include <set>

#include "scenarios/recording.h"

namespace s2::scenarios {
namespace {

const std::string kProbeRun = "0123456789abcdef";

Workload of(WorkloadKind kind, std::uint64_t events, std::uint64_t publishers = 1) {
  return {kind, exactly(events), exactly(publishers), exactly(1000), exactly(10'000)};
}

std::vector<Step> publishes(const std::vector<Step>& steps) {
  std::vector<Step> all;
  for (const Step& step : steps) {
    if (step.kind == Step::Kind::publish) all.push_back(step);
  }
  return all;
}

TEST(Workload, EveryEventIsJsonWithItsProbeInDataAndMetadata) {
  for (int kind = 0; kind < 17; ++kind) {
    if (static_cast<WorkloadKind>(kind) == WorkloadKind::browser) continue;  // it scripts nothing
    std::uint64_t n = 0;
    for (const Step& step : publishes(make_steps(of(static_cast<WorkloadKind>(kind), 20), kProbeRun, 7))) {
      const std::string text = step.shape.text(kProbeRun, ++n);
      EXPECT_EQ(text.find('\n'), std::string::npos);
      EXPECT_EQ(find_probes(text, kProbeRun), std::vector<std::uint64_t>{n});
      const auto event = nlohmann::json::parse(text, nullptr, false);
      if (text.find("\\ud800") != std::string::npos) continue;  // beyond what this parser takes
      ASSERT_TRUE(event.is_object()) << text.substr(0, 300);
      EXPECT_EQ(event["data"]["probe"], probe_text(kProbeRun, n));
      EXPECT_EQ(event["source"]["metadata"]["probe"], probe_text(kProbeRun, n));
      EXPECT_EQ(event["type"], step.shape.type);
      EXPECT_TRUE(event["category"].is_string());
    }
    EXPECT_GT(n, 0U);
  }
}

TEST(Workload, EarlyPublishersAreThereBeforeTheirSessionAndNobodyWaitsForIt) {
  int unborn = 0, right_behind = 0, stopped_twice = 0;
  std::set<std::string> started;
  Step before;
  for (const Step& step : make_steps(of(WorkloadKind::early, 20), kProbeRun, 3)) {
    if (step.kind == Step::Kind::publish) {
      if (!started.contains(step.session)) ++unborn;
      if (before.kind == Step::Kind::start && !before.waits) ++right_behind;
    }
    if (step.kind == Step::Kind::start) started.insert(step.session);
    if (step.kind == Step::Kind::stop_again) {
      EXPECT_EQ(before.kind, Step::Kind::stop);
      ++stopped_twice;
    }
    before = step;
  }
  EXPECT_GE(unborn, 2);
  EXPECT_EQ(right_behind, 2);
  EXPECT_EQ(stopped_twice, 1);
}

TEST(Workload, StorageOffSwitchesOffAndOnAndSometimesEndsOff) {
  int ended_off = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    bool on = true;
    int while_off = 0, while_on = 0;
    for (const Step& step : make_steps(of(WorkloadKind::storage_off, 25), kProbeRun, seed)) {
      if (step.kind == Step::Kind::storage) {
        EXPECT_NE(step.on, on);
        on = step.on;
      }
      if (step.kind == Step::Kind::publish) ++(on ? while_on : while_off);
    }
    EXPECT_GT(while_off, 0);
    EXPECT_GT(while_on, 0);
    ended_off += !on;
  }
  EXPECT_GT(ended_off, 0);
  EXPECT_LT(ended_off, 40);
}

TEST(Workload, OverlapPublishesInAnOldSessionAfterANewOneBeganAndRestartsOneRightBehindItsStop) {
  int restarts = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<Step> steps = make_steps(of(WorkloadKind::overlap, 40), kProbeRun, seed);
    std::string newest, stopped;
    bool old_goes_on = false;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (steps[i].kind == Step::Kind::start) newest = steps[i].session;
      if (steps[i].kind == Step::Kind::stop) {
        EXPECT_FALSE(steps[i].waits);
        stopped = steps[i].session;
      }
      if (steps[i].kind != Step::Kind::publish) continue;
      old_goes_on = old_goes_on || steps[i].session != newest;
      EXPECT_TRUE(newest == stopped || steps[i].session != stopped);
    }
    EXPECT_TRUE(old_goes_on);
    restarts += newest == stopped;
  }
  EXPECT_GT(restarts, 0);
  EXPECT_LT(restarts, 20);
}

TEST(Workload, SizesHoldsOneEventThatNoTruncationSaves) {
  int over = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<Step> all = publishes(make_steps(of(WorkloadKind::sizes, 4), kProbeRun, seed));
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].shape.kept_bytes <= 1024 * 1024) continue;  // the few that claim it are looked into
      const auto event = nlohmann::json::parse(all[i].shape.text(kProbeRun, 1), nullptr, false);
      EXPECT_GT(event["source"].dump().size(), 1024U * 1024);
      ++over;
      EXPECT_LT(i + 1, all.size());  // another follows: that one must not be lost with it
    }
  }
  EXPECT_GT(over, 0);
  EXPECT_LT(over, 20);  // and sometimes none
}

TEST(Workload, TheSameSeedGivesTheSameStepsAndAnotherGivesOthers) {
  const auto text = [](std::uint64_t seed) {
    std::string all;
    for (const Step& step : make_steps(of(WorkloadKind::steady, 30, 3), kProbeRun, seed)) {
      all += step.session + std::to_string(step.publisher) + step.shape.text(kProbeRun, 1);
    }
    return all;
  };
  EXPECT_EQ(text(5), text(5));
  EXPECT_NE(text(5), text(6));
}

TEST(Workload, SessionsFollowOneAnotherAndTheFirstIdComesBack) {
  std::vector<std::string> started;
  for (const Step& step : make_steps(of(WorkloadKind::sessions, 20), kProbeRun, 1)) {
    if (step.kind == Step::Kind::start) started.push_back(step.session);
  }
  EXPECT_EQ(started, (std::vector<std::string>{kProbeRun + "-1", kProbeRun + "-2", kProbeRun + "-3",
                                               kProbeRun + "-1"}));
}

TEST(Workload, SizesReachBeyondTheEnvelopeAndTheRecordLimit) {
  std::size_t largest = 0, at_limit = 0;
  for (const Step& step : publishes(make_steps(of(WorkloadKind::sizes, 200), kProbeRun, 3))) {
    largest = std::max(largest, step.shape.bytes());
    at_limit += step.shape.bytes() > 998'000 && step.shape.bytes() < 1'002'000;
  }
  EXPECT_GT(largest, 1024U * 1024U);
  EXPECT_GT(at_limit, 0U);
}

TEST(Workload, SeveralPublishersAllPublish) {
  std::set<int> seen;
  for (const Step& step : publishes(make_steps(of(WorkloadKind::burst, 100, 4), kProbeRun, 3)))
    seen.insert(step.publisher);
  EXPECT_EQ(seen.size(), 4U);
}

TEST(Recording, HoldsARealBrowsersEventsInOrderOfTime) {
  const auto& events = browser_recording();
  EXPECT_GT(events.size(), 2000U);
  std::size_t largest = 0;
  for (std::size_t i = 1; i < events.size(); ++i) {
    EXPECT_LE(events[i - 1].t_us, events[i].t_us);
    largest = std::max(largest, events[i].shape.bytes());
  }
  EXPECT_GT(largest, 1'300'000U);
}

// Truncation leaves the probe in data, and takes the rest.
TEST(Recording, WhatStaysOfAnEventIsAllButTheMembersOfItsData) {
  const std::string around = R"({"source":{"kind":"x"},"type":"t")";
  for (const auto& [data, inside] : std::vector<std::pair<std::string, std::string>>{
           {"", ""},
           {R"(,"data":null)", ""},
           {R"(,"data":{})", ""},
           {R"(,"data":{"probe":"mine"})", ""},
           {R"(,"data":5)", R"("value":5)"},
           {R"(,"data":[1,2])", R"("value":[1,2])"},
           {R"(,"data":{"a":"text","b":{}})", R"("a":"text","b":{})"},
           {R"(,"data":{"a":1,"probe":"mine","z":2})", R"("a":1,"z":2)"}}) {
    const auto shape = shape_of_json(nlohmann::json::parse(around + data + "}"));
    ASSERT_TRUE(shape) << data;
    const auto event = nlohmann::json::parse(shape->text(kProbeRun, 7));
    EXPECT_EQ(event["data"]["probe"], probe_text(kProbeRun, 7)) << data;
    EXPECT_EQ(event["source"]["metadata"]["probe"], probe_text(kProbeRun, 7)) << data;
    EXPECT_EQ(shape->bytes() - shape->kept_bytes, inside.size() + 2) << data;  // as it was, in its brackets
  }
  for (const char* no_event : {"5", "[]", "{}", R"({"type":5})"})
    EXPECT_FALSE(shape_of_json(nlohmann::json::parse(no_event))) << no_event;
}

TEST(Recording, ABadLineIsNamed) {
  EXPECT_EQ(parse_recording("{\"version\":1}\n{\"t_us\":1,\"event\":{\"type\":\"a\"}}\nnot\n").error(),
            "line 3: expected a JSON object");
  for (const char* header : {"{\"version\":2}\n", "{\"version\":\"1\"}\n"})
    EXPECT_EQ(parse_recording(header).error().substr(0, 6), "line 1");
  EXPECT_EQ(
      parse_recording("{\"version\":1}\n{\"t_us\":-1,\"event\":{\"type\":\"a\"}}\n").error().substr(0, 6),
      "line 2");
}

TEST(Probes, AreFoundWhereverTheyStandAndOnlyOfThisRun) {
  EXPECT_EQ(
      find_probes("a probe:" + kProbeRun + ":17; b probe:" + kProbeRun + ":3;probe:" + kProbeRun + ":17;",
                  kProbeRun),
      (std::vector<std::uint64_t>{17, 3}));
  EXPECT_TRUE(
      find_probes("probe:fedcba9876543210:1; probe:" + kProbeRun + ":1 probe:" + kProbeRun + ":;", kProbeRun)
          .empty());
  ASSERT_TRUE(rc::check([](const std::string& before, const std::string& after, std::uint32_t n) {
    RC_ASSERT(find_probes(before + probe_text(kProbeRun, n) + after, kProbeRun) ==
              std::vector<std::uint64_t>{n});
  }));
}

}  // namespace
}  // namespace s2::scenarios
