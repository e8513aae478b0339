// Bodies of create and ensure, infos and pages. S2 spec "basins", "streams".
#include "emulator/resource_json.h"

#include <gtest/gtest.h>

namespace s2::emulator {
namespace {

TEST(ResourceJson, CreateBasinTakesNameAndConfig) {
  const auto request = create_basin_from_json(
      R"({"basin":"my-basin","config":{"create_stream_on_append":true},"location":null})");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->basin, "my-basin");
  EXPECT_TRUE(request->config.create_stream_on_append);
  EXPECT_EQ(request->location, std::nullopt);
}

TEST(ResourceJson, BadBodiesSayWhatAndWhere) {
  EXPECT_EQ(create_basin_from_json("{}").error().message, "basin: is missing");
  EXPECT_EQ(create_basin_from_json(R"({"basin":"x"})").error().code, "bad_json");
  EXPECT_EQ(
      create_basin_from_json(R"({"basin":"my-basin","config":{"create_stream_on_read":1}})").error().message,
      "config.create_stream_on_read: must be true or false");
  EXPECT_EQ(
      create_stream_from_json(R"({"stream":"s","config":{"retention_policy":{"age":0}}})").error().status,
      422);
  EXPECT_EQ(create_stream_from_json(R"({"stream":""})").error().code, "bad_json");
}

TEST(ResourceJson, EnsureTakesAnEmptyBodyForAllDefaults) {
  for (const char* text : {"", " \n", "null", " null ", "{}", R"({"config":null})"}) {
    const auto config = ensure_basin_from_json(text);
    ASSERT_TRUE(config) << text;
    EXPECT_EQ(*config, BasinConfig{});
  }
  EXPECT_EQ(*ensure_stream_from_json(""), StreamConfigLayer{});
  EXPECT_EQ(ensure_stream_from_json(R"({"storage_class":"standard"})")->storage_class,
            StorageClass::standard);
  EXPECT_EQ(ensure_basin_from_json("x").error().code, "bad_json");
}

TEST(ResourceJson, InfosAndPagesAsS2WritesThem) {
  Page<BasinInfo> basins;
  basins.values = {{"my-basin", 1'700'000'000'000}};
  basins.has_more = true;
  EXPECT_EQ(to_json(basins),
            R"({"basins":[{"name":"my-basin","location":null,"created_at":"2023-11-14T22:13:20Z",)"
            R"("deleted_at":null,"state":"active"}],"has_more":true})");
  Page<StreamInfo> streams;
  streams.values = {{"a\"b", 1'700'000'000'007, Cipher::aegis_256}};
  EXPECT_EQ(to_json(streams),
            R"({"streams":[{"name":"a\"b","created_at":"2023-11-14T22:13:20.007Z","deleted_at":null,)"
            R"("cipher":"aegis-256"}],"has_more":false})");
}

TEST(ResourceJson, TimesBeyondFourDigitYearsStayReadable) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(~0ULL), "9999-12-31T23:59:59.999Z");
}

}  // namespace
}  // namespace s2::emulator
