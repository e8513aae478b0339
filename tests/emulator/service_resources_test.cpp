// Basins and streams as resources: create, ensure, list, configure, delete. S2 spec "basins", "streams".
#include <fmt/format.h>

#include "service_fixture.h"

namespace s2::emulator {
namespace {

const Refusal kNoBasin{404, "basin_not_found"};
const Refusal kNoStream{404, "stream_not_found"};
const Refusal kExists{409, "resource_already_exists"};

TEST(ServiceBasins, CreateIsIdempotentByTokenAndConfigurationTogether) {
  Service service;
  BasinConfig config;
  config.create_stream_on_append = true;
  EXPECT_EQ(service.create_basin("my-basin", config, "t1", 5)->what, Provision::created);
  const auto again = service.create_basin("my-basin", config, "t1", 9);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->what, Provision::noop);
  EXPECT_EQ(again->info.created_at, 5u);
  EXPECT_EQ(refusal(service.create_basin("my-basin", config, "t2", 9)), kExists);
  EXPECT_EQ(refusal(service.create_basin("my-basin", {}, "t1", 9)), kExists);
  EXPECT_EQ(refusal(service.create_basin("my-basin", config, std::nullopt, 9)), kExists);
}

TEST(ServiceBasins, WithoutATokenNothingIsIdempotent) {
  Service service;
  ASSERT_TRUE(service.create_basin("my-basin", {}, std::nullopt, 1));
  EXPECT_EQ(refusal(service.create_basin("my-basin", {}, std::nullopt, 1)), kExists);
}

TEST(ServiceBasins, EnsureCreatesUpdatesOrDoesNothingAndKeepsTheToken) {
  Service service;
  BasinConfig config;
  EXPECT_EQ(service.ensure_basin("my-basin", config, 1)->what, Provision::created);
  EXPECT_EQ(service.ensure_basin("my-basin", config, 2)->what, Provision::noop);
  config.create_stream_on_read = true;
  EXPECT_EQ(service.ensure_basin("my-basin", config, 3)->what, Provision::updated);
  EXPECT_EQ(*service.basin_config("my-basin"), config);

  ASSERT_TRUE(service.create_basin("other-basin", {}, "token", 1));
  ASSERT_TRUE(service.ensure_basin("other-basin", config, 2));
  EXPECT_EQ(service.create_basin("other-basin", {}, "token", 3)->what, Provision::noop);
}

TEST(ServiceBasins, BadNameIsInvalidAndCreatesNothing) {
  Service service;
  EXPECT_EQ(refusal(service.create_basin("x", {}, std::nullopt, 1)), kInvalid);
  EXPECT_EQ(refusal(service.ensure_basin("-my-basin", {}, 1)), kInvalid);
  EXPECT_EQ(service.counters().basins, 0u);
}

TEST(ServiceBasins, EverythingOfAMissingBasinIsNotFound) {
  Service service;
  EXPECT_EQ(refusal(service.basin_config("my-basin")), kNoBasin);
  EXPECT_EQ(refusal(service.reconfigure_basin("my-basin", {})), kNoBasin);
  EXPECT_EQ(refusal(service.delete_basin("my-basin")), kNoBasin);
  EXPECT_EQ(refusal(service.create_stream("my-basin", "s", {}, std::nullopt, 1)), kNoBasin);
  EXPECT_EQ(refusal(service.ensure_stream("my-basin", "s", {}, 1)), kNoBasin);
  EXPECT_EQ(refusal(service.list_streams("my-basin", {}, 1)), kNoBasin);
  EXPECT_EQ(refusal(service.reconfigure_stream("my-basin", "s", {}, 1)), kNoBasin);
  EXPECT_EQ(refusal(service.append("my-basin", "s", input({record("x")}), 1)), kNoBasin);
  EXPECT_EQ(refusal(service.check_tail("my-basin", "s", 1)), kNoBasin);
  EXPECT_EQ(refusal(service.open_read("my-basin", "s", {}, 1)), kNoBasin);
  // As S2 answers: these two look at the stream alone.
  EXPECT_EQ(refusal(service.stream_config("my-basin", "s", 1)), kNoStream);
  EXPECT_EQ(refusal(service.delete_stream("my-basin", "s", 1)), kNoStream);
}

TEST(ServiceBasins, ListIsInOrderAndPagesByPrefixAndStartAfter) {
  Service service;
  for (const char* name : {"beta-basin", "alpha-2nd", "alpha-1st", "gamma-basin", "alpha-3rd"}) {
    ASSERT_TRUE(service.create_basin(name, {}, std::nullopt, 1));
  }
  const auto names = [&](const ListRequest& request) {
    const auto page = service.list_basins(request).value();
    std::string out;
    for (const BasinInfo& info : page.values) out += info.name + " ";
    return out + (page.has_more ? "more" : "end");
  };
  EXPECT_EQ(names({}), "alpha-1st alpha-2nd alpha-3rd beta-basin gamma-basin end");
  EXPECT_EQ(names({"alpha-", "", 2}), "alpha-1st alpha-2nd more");
  EXPECT_EQ(names({"alpha-", "alpha-2nd", 2}), "alpha-3rd end");
  EXPECT_EQ(names({"alpha-", "", 3}), "alpha-1st alpha-2nd alpha-3rd end")
      << "has_more counts only what matches";
  EXPECT_EQ(names({"", "beta", 1}), "beta-basin more");
  EXPECT_EQ(names({"alpha-", "beta", 0}), "end");
  EXPECT_EQ(names({"b", "a", 0}), "beta-basin end");
  EXPECT_EQ(refusal(service.list_basins({"A", "", 0})), (Refusal{400, "bad_query"}));
}

TEST_F(ServiceTest, ListLimitZeroOrOver1000MeansAThousand) {
  for (int i = 0; i < 1001; ++i) {
    ASSERT_TRUE(service.create_stream(kBasin, fmt::format("s{:04}", i), {}, std::nullopt, now));
  }
  for (const std::size_t limit : {std::size_t{0}, std::size_t{1001}, std::size_t{1000}}) {
    const auto page = service.list_streams(kBasin, {"", "", limit}, now);
    EXPECT_EQ(page->values.size(), 1000u);
    EXPECT_TRUE(page->has_more);
  }
  EXPECT_FALSE(service.list_streams(kBasin, {"", "s0000", 1000}, now)->has_more);
}

TEST_F(ServiceTest, StreamIsCreatedWithTheBasinsDefaultsUnderItsOwn) {
  BasinReconfiguration change;
  change.default_stream_config.storage_class.emplace(StorageClass::standard);
  change.default_stream_config.retention.emplace(Retention{60});
  change.stream_cipher.emplace(Cipher::aegis_256);
  ASSERT_TRUE(service.reconfigure_basin(kBasin, change));
  StreamConfigLayer own;
  own.retention = Retention{90};
  EXPECT_EQ(service.create_stream(kBasin, kStream, own, std::nullopt, now)->info.cipher, Cipher::aegis_256);
  const auto config = service.stream_config(kBasin, kStream, now);
  EXPECT_EQ(config->storage_class, StorageClass::standard);
  EXPECT_EQ(config->retention, Retention{90});
}

TEST_F(ServiceTest, StreamCreateIsIdempotentThoughTheBasinsDefaultsChanged) {
  ASSERT_TRUE(service.create_stream(kBasin, kStream, {}, "token", now));
  BasinReconfiguration change;
  change.default_stream_config.storage_class.emplace(StorageClass::standard);
  ASSERT_TRUE(service.reconfigure_basin(kBasin, change));
  EXPECT_EQ(service.create_stream(kBasin, kStream, {}, "token", now)->what, Provision::noop);
  EXPECT_EQ(refusal(service.create_stream(kBasin, kStream, {}, "other", now)), kExists);
  EXPECT_EQ(service.stream_config(kBasin, kStream, now)->storage_class, StorageClass::express);
}

TEST_F(ServiceTest, StreamEnsureComparesWhatTakesEffect) {
  EXPECT_EQ(service.ensure_stream(kBasin, kStream, {}, now)->what, Provision::created);
  StreamConfigLayer explicit_default;
  explicit_default.storage_class = StorageClass::express;
  EXPECT_EQ(service.ensure_stream(kBasin, kStream, explicit_default, now)->what, Provision::noop);
  explicit_default.storage_class = StorageClass::standard;
  EXPECT_EQ(service.ensure_stream(kBasin, kStream, explicit_default, now)->what, Provision::updated);
  EXPECT_EQ(service.ensure_stream(kBasin, kStream, {}, now)->what, Provision::updated)
      << "back to the defaults";
  EXPECT_EQ(refusal(service.ensure_stream(kBasin, "..", {}, now)), kInvalid);
}

TEST_F(ServiceTest, StreamReconfigureKeepsAndClearsToTheBasinsDefault) {
  BasinReconfiguration basin;
  basin.default_stream_config.retention.emplace(Retention{60});
  ASSERT_TRUE(service.reconfigure_basin(kBasin, basin));
  StreamConfigLayer own;
  own.retention = Retention{90};
  own.storage_class = StorageClass::standard;
  stream_with(own);
  StreamReconfiguration change;
  change.retention.emplace();
  const auto config = service.reconfigure_stream(kBasin, kStream, change, now);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->retention, Retention{60});
  EXPECT_EQ(config->storage_class, StorageClass::standard);
  EXPECT_EQ(refusal(service.reconfigure_stream(kBasin, "none", change, now)), kNoStream);
}

TEST_F(ServiceTest, DeletedStreamIsGoneAtOnceAndItsNameStartsAnew) {
  ASSERT_TRUE(append("old"));
  ASSERT_TRUE(service.delete_stream(kBasin, kStream, now));
  EXPECT_EQ(refusal(service.stream_config(kBasin, kStream, now)), kNoStream);
  EXPECT_EQ(refusal(service.delete_stream(kBasin, kStream, now)), kNoStream);
  EXPECT_EQ(append("new")->start.seq_num, 0u);
  EXPECT_EQ(bodies_from(0), std::vector<std::string>{"new"});
}

TEST_F(ServiceTest, DeletedBasinTakesItsStreamsAlong) {
  ASSERT_TRUE(append("x"));
  ASSERT_TRUE(service.delete_basin(kBasin));
  EXPECT_EQ(refusal(append("y")), kNoBasin);
  EXPECT_EQ(service.counters().records, 0u);
  ASSERT_TRUE(service.create_basin(kBasin, {}, std::nullopt, now));
  EXPECT_EQ(refusal(service.stream_config(kBasin, kStream, now)), kNoStream);
}

TEST_F(ServiceTest, AutoCreationFollowsTheBasinsFlagsAndTakesTheGivenConfiguration) {
  BasinConfig none;
  ASSERT_TRUE(service.create_basin("strict-basin", none, std::nullopt, now));
  EXPECT_EQ(refusal(service.append("strict-basin", "s", input({record("x")}), now)), kNoStream);
  EXPECT_EQ(refusal(service.open_for_append("strict-basin", "s", now)), kNoStream);
  EXPECT_EQ(refusal(service.check_tail("strict-basin", "s", now)), kNoStream);
  EXPECT_EQ(refusal(service.open_read("strict-basin", "s", {}, now)), kNoStream);

  StreamConfigLayer given;
  given.storage_class = StorageClass::standard;
  ASSERT_TRUE(service.append(kBasin, "a", input({record("x")}), now, given));
  ASSERT_TRUE(service.open_for_append(kBasin, "b", now, given));
  ASSERT_TRUE(service.check_tail(kBasin, "c", now, given));
  ASSERT_TRUE(service.open_read(kBasin, "d", {}, now, given));
  for (const char* name : {"a", "b", "c", "d"}) {
    EXPECT_EQ(service.stream_config(kBasin, name, now)->storage_class, StorageClass::standard) << name;
  }
  ASSERT_TRUE(service.append(kBasin, "a", input({record("x")}), now, {}));
  EXPECT_EQ(service.stream_config(kBasin, "a", now)->storage_class, StorageClass::standard)
      << "only when created";
  EXPECT_EQ(refusal(service.check_tail(kBasin, "..", now)), kInvalid);
}

TEST_F(ServiceTest, ResetForgetsAllAndTellsReaders) {
  ASSERT_TRUE(append("x"));
  auto cursor = service.open_read(kBasin, kStream, from_seq_num(0), now);
  int told = 0;
  const auto subscription = service.subscribe(*cursor, [&] { ++told; });
  ASSERT_TRUE(subscription);
  service.reset();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(refusal(service.step(*cursor, now)), kNoBasin);
  EXPECT_EQ(service.counters().basins, 0u);
}

}  // namespace
}  // namespace s2::emulator
