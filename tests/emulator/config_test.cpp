// Configurations: layers, changes and their JSON. S2 spec "configuration".
#include "emulator/config.h"

#include <gtest/gtest.h>

namespace s2::emulator {
namespace {

template <class T>
std::pair<int, std::string> config_refusal(const Result<T>& result) {
  if (result) return {0, ""};
  return {result.error().status, result.error().code};
}

const std::pair<int, std::string> kBadJson{400, "bad_json"};
const std::pair<int, std::string> kInvalidConfig{422, "invalid"};

TEST(Config, DefaultsAreExpressOneWeekClientPreferCappedAndKept) {
  EXPECT_EQ(
      to_json(merge({}, {})),
      R"({"storage_class":"express","retention_policy":{"age":604800},)"
      R"("timestamping":{"mode":"client-prefer","uncapped":false},"delete_on_empty":{"min_age_secs":0}})");
}

TEST(Config, StreamGoesOverBasinDefaultFieldByField) {
  StreamConfigLayer basin;
  basin.storage_class = StorageClass::standard;
  basin.retention = Retention{60};
  basin.timestamping_mode = TimestampingMode::arrival;
  basin.delete_on_empty_min_age_secs = 5;
  StreamConfigLayer stream;
  stream.retention = Retention{std::nullopt};
  stream.timestamping_uncapped = true;
  stream.delete_on_empty_min_age_secs = 0;
  const StreamConfig merged = merge(stream, basin);
  EXPECT_EQ(merged.storage_class, StorageClass::standard);
  EXPECT_EQ(merged.retention, Retention{std::nullopt});
  EXPECT_EQ(merged.timestamping_mode, TimestampingMode::arrival);
  EXPECT_TRUE(merged.timestamping_uncapped);
  EXPECT_EQ(merged.delete_on_empty_min_age_secs, 0u) << "an explicit 0 is not \"not set\"";
}

TEST(Config, StreamConfigIsReadFromItsJson) {
  const auto layer = stream_config_from_json(
      R"({"storage_class":"standard","retention_policy":{"infinite":{}},)"
      R"("timestamping":{"mode":"client-require","uncapped":true},"delete_on_empty":{"min_age_secs":7},"later":1})");
  ASSERT_TRUE(layer) << layer.error().message;
  EXPECT_EQ(*layer, (StreamConfigLayer{StorageClass::standard, Retention{std::nullopt},
                                       TimestampingMode::client_require, true, 7}));
}

TEST(Config, NullAndAbsentFieldsAreNotSet) {
  const auto layer = stream_config_from_json(
      R"({"storage_class":null,"retention_policy":null,"timestamping":{"mode":null},"delete_on_empty":null})");
  ASSERT_TRUE(layer);
  EXPECT_EQ(*layer, StreamConfigLayer{});
}

TEST(Config, EmptyDeleteOnEmptySaysNever) {
  EXPECT_EQ(stream_config_from_json(R"({"delete_on_empty":{}})")->delete_on_empty_min_age_secs, 0u);
}

TEST(Config, WrongShapesAreBadJsonAndSayWhere) {
  for (const char* text :
       {"", "{", "[]", "null", "7", R"({"storage_class":"fast"})", R"({"storage_class":1})",
        R"({"retention_policy":"infinite"})", R"({"retention_policy":{}})",
        R"({"retention_policy":{"age":-1}})", R"({"retention_policy":{"age":1.5}})",
        R"({"retention_policy":{"age":null}})", R"({"retention_policy":{"infinite":null}})",
        R"({"retention_policy":{"age":1,"infinite":{}}})", R"({"timestamping":[]})",
        R"({"timestamping":{"uncapped":"yes"}})",
        R"({"delete_on_empty":{"min_age_secs":18446744073709551616}})", "{\"storage_class\":\"\xff\"}"}) {
    EXPECT_EQ(config_refusal(stream_config_from_json(text)), kBadJson) << text;
  }
  EXPECT_EQ(stream_config_from_json(R"({"timestamping":{"uncapped":7}})").error().message,
            "timestamping.uncapped: must be true or false");
  EXPECT_EQ(stream_config_from_json("{\n  \"a\": }").error().message, "not JSON: line 2, column 8");
}

TEST(Config, RetentionAgeZeroIsInvalid) {
  EXPECT_EQ(config_refusal(stream_config_from_json(R"({"retention_policy":{"age":0}})")), kInvalidConfig);
  EXPECT_EQ(
      config_refusal(basin_config_from_json(R"({"default_stream_config":{"retention_policy":{"age":0}}})")),
      kInvalidConfig);
  EXPECT_EQ(config_refusal(stream_reconfiguration_from_json(R"({"retention_policy":{"age":0}})")),
            kInvalidConfig);
}

TEST(Config, HeaderSaysBadHeaderWhereABodySaysBadJson) {
  EXPECT_EQ(config_refusal(stream_config_from_json("{", wire::DecodeErrorKind::bad_header)),
            (std::pair<int, std::string>{400, "bad_header"}));
}

TEST(Config, BasinConfigGoesToJsonAndBack) {
  const std::string text =
      R"({"default_stream_config":{"storage_class":null,"retention_policy":{"infinite":{}},)"
      R"("timestamping":{"mode":null,"uncapped":true},"delete_on_empty":null},)"
      R"("stream_cipher":"aes-256-gcm","create_stream_on_append":true,"create_stream_on_read":false})";
  const auto config = basin_config_from_json(text);
  ASSERT_TRUE(config);
  EXPECT_EQ(to_json(*config), text);
  EXPECT_EQ(to_json(BasinConfig{}), R"({"default_stream_config":null,"stream_cipher":null,)"
                                    R"("create_stream_on_append":false,"create_stream_on_read":false})");
}

TEST(Config, PatchKeepsWhatIsAbsentAndTakesNullForTheDefault) {
  const StreamConfigLayer before{StorageClass::standard, Retention{9}, TimestampingMode::arrival, true, 3};
  const auto change = stream_reconfiguration_from_json(
      R"({"storage_class":null,"retention_policy":{"age":10},"timestamping":{"mode":null}})");
  ASSERT_TRUE(change) << change.error().message;
  EXPECT_EQ(apply(before, *change), (StreamConfigLayer{std::nullopt, Retention{10}, std::nullopt, true, 3}));
}

TEST(Config, PatchWithNullClearsAGroupAsAWhole) {
  const StreamConfigLayer before{StorageClass::standard, Retention{9}, TimestampingMode::arrival, true, 3};
  const auto change = stream_reconfiguration_from_json(R"({"timestamping":null,"delete_on_empty":null})");
  EXPECT_EQ(apply(before, *change), (StreamConfigLayer{StorageClass::standard, Retention{9}, std::nullopt,
                                                       std::nullopt, std::nullopt}));
}

TEST(Config, PatchOfABasin) {
  BasinConfig before;
  before.default_stream_config = {StorageClass::standard, Retention{9}, std::nullopt, true, 3};
  before.stream_cipher = Cipher::aegis_256;
  before.create_stream_on_append = before.create_stream_on_read = true;
  const auto some = basin_reconfiguration_from_json(
      R"({"default_stream_config":{"storage_class":"express"},"create_stream_on_append":false})");
  BasinConfig expected = before;
  expected.default_stream_config.storage_class = StorageClass::express;
  expected.create_stream_on_append = false;
  EXPECT_EQ(apply(before, *some), expected);
  const auto all_null = basin_reconfiguration_from_json(
      R"({"default_stream_config":null,"stream_cipher":null,"create_stream_on_append":null,"create_stream_on_read":null})");
  EXPECT_EQ(apply(before, *all_null), BasinConfig{});
}

}  // namespace
}  // namespace s2::emulator
