// The resource file of `--init-file`. S2 resource spec.
#include "emulator/resources.h"

#include <gtest/gtest.h>

#include "emulator/service.h"

namespace s2::emulator {
namespace {

constexpr std::uint64_t kDay = 86400;

TEST(Resources, WholeFileIsReadAndApplied) {
  const auto resources = resources_from_json(R"({
    "basins": [{
      "name": "my-basin",
      "config": {
        "create_stream_on_append": true, "create_stream_on_read": false,
        "default_stream_config": {
          "storage_class": "express", "retention_policy": "7days",
          "timestamping": {"mode": "client-prefer", "uncapped": false},
          "delete_on_empty": {"min_age": "1day"}}},
      "streams": [{"name": "events", "config": {"storage_class": "standard", "retention_policy": "Infinite"}},
                  {"name": "logs"}]}],
    "comment": "unknown fields are fine at the top"})");
  ASSERT_TRUE(resources) << resources.error();
  Service service;
  ASSERT_TRUE(apply(*resources, service, 1));
  const auto basin = service.basin_config("my-basin");
  ASSERT_TRUE(basin);
  EXPECT_TRUE(basin->create_stream_on_append);
  EXPECT_FALSE(basin->create_stream_on_read);
  const auto events = service.stream_config("my-basin", "events", 1);
  ASSERT_TRUE(events);
  EXPECT_EQ(events->storage_class, StorageClass::standard);
  EXPECT_EQ(events->retention, Retention{std::nullopt});
  EXPECT_EQ(events->delete_on_empty_min_age_secs, kDay);
  EXPECT_EQ(service.stream_config("my-basin", "logs", 1)->retention, Retention{7 * kDay});
}

TEST(Resources, ApplyingTwiceChangesNothing) {
  const auto resources = resources_from_json(R"({"basins":[{"name":"my-basin","streams":[{"name":"s"}]}]})");
  Service service;
  ASSERT_TRUE(apply(*resources, service, 1));
  ASSERT_TRUE(apply(*resources, service, 2));
  EXPECT_EQ(service.counters().streams, 1u);
}

TEST(Resources, AnEmptyFileObjectIsFine) {
  EXPECT_TRUE(resources_from_json("{}")->basins.empty());
}

TEST(Resources, EachMistakeIsOneLineThatSaysWhere) {
  const std::pair<const char*, const char*> cases[] = {
      {"{\"basins\": [\n{]}", "not JSON: line 2, column 2"},
      {"[]", R"(must be an object like {"basins": […]})"},
      {R"({"basins":{}})", "basins: must be an array"},
      {R"({"basins":[7]})", "basins[0]: must be an object"},
      {R"({"basins":[null]})", "basins[0]: is missing"},
      {R"({"basins":[{}]})", "basins[0].name: is missing"},
      {R"({"basins":[{"name":"BAD"}]})", "basins[0].name: basin name has 3 bytes, at least 8 are needed"},
      {R"({"basins":[{"name":"my-basin","stream":[]}]})",
       R"(basins[0]: unknown field "stream"; known are name, config, streams)"},
      {R"({"basins":[{"name":"my-basin"},{"name":"my-basin"}]})",
       R"(basins[1].name: "my-basin" stands there twice)"},
      {R"({"basins":[{"name":"my-basin","streams":[{"name":"a"},{"name":"a"}]}]})",
       R"(basins[0].streams[1].name: "a" stands there twice)"},
      {R"({"basins":[{"name":"my-basin","config":{"default_stream_config":{"retention_policy":"0s"}}}]})",
       "basins[0].config.default_stream_config.retention_policy: must be over 0 seconds"},
      {R"({"basins":[{"name":"my-basin","streams":[{"name":"a","config":{"retention_policy":"soon"}}]}]})",
       R"(basins[0].streams[0].config.retention_policy: is neither "infinite" nor a duration like "7days")"},
      {R"({"basins":[{"name":"my-basin","config":{"stream_cipher":"rot13"}}]})",
       "basins[0].config.stream_cipher: must be one of aegis-256, aes-256-gcm"},
  };
  for (const auto& [text, error] : cases) {
    const auto resources = resources_from_json(text);
    ASSERT_FALSE(resources) << text;
    EXPECT_EQ(resources.error(), error);
  }
}

TEST(Resources, DurationsAreReadAsPeopleWriteThem) {
  EXPECT_EQ(seconds_from_text("7days"), 7 * kDay);
  EXPECT_EQ(seconds_from_text("1week"), 7 * kDay);
  EXPECT_EQ(seconds_from_text("2h 30m"), 9000u);
  EXPECT_EQ(seconds_from_text("2h30m5s"), 9005u);
  EXPECT_EQ(seconds_from_text(" 90 secs "), 90u);
  EXPECT_EQ(seconds_from_text("1M"), 2630016u);
  EXPECT_EQ(seconds_from_text("0s"), 0u);
  EXPECT_EQ(seconds_from_text("500ms"), 1u) << "a part of a second counts as a whole one";
  EXPECT_EQ(seconds_from_text("700ms 300ms"), 1u);
  for (const char* bad : {"", " ", "7", "days", "7 fortnights", "-1s", "1.5h", "1s,", "99999999999999999999s",
                          "18446744073709551615y"}) {
    EXPECT_EQ(seconds_from_text(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace s2::emulator
