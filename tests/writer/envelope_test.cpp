// Envelopes: their form, the limit, and text that is not UTF-8. System rules "Envelope", "Categories",
// "Limit".
#include "writer/envelope.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <nlohmann/json.hpp>

#include "writer/category.h"

namespace s2::writer {
namespace {

using nlohmann::json;

SessionRef session(std::string id = "cap-1") {
  return std::make_shared<const SessionIdentity>(SessionIdentity{1, id, id});
}

Event console_event(std::string data_json) {
  Event event;
  event.type = "console_error";
  event.data_json = std::move(data_json);
  event.source = {"cdp", "Runtime.exceptionThrown", R"({"probe":"probe:0123456789abcdef:7;"})"};
  event.url = "https://example.test/";
  event.detail_level = "standard";
  return event;
}

Envelope sealed(const Event& event, std::uint64_t seq = 1) {
  auto prepared = PreparedEvent::make(session()->id, event, 1'700'000'000'000'123);
  EXPECT_TRUE(prepared) << (prepared ? "" : prepared.error());
  return std::move(*prepared).seal(session(), seq, true);
}

TEST(Envelope, HasTheMembersOfTheContractInOneObject) {
  Envelope envelope = sealed(console_event(R"({"text":"boom"})"), 18);
  EXPECT_EQ(json::parse(envelope.json), json::parse(R"({"capture_session_id":"cap-1","seq":18,"event":{
    "ts":1700000000000123,"type":"console_error","category":"console","source":{"kind":"cdp",
    "event":"Runtime.exceptionThrown","metadata":{"probe":"probe:0123456789abcdef:7;"}},"detail_level":"standard",
    "url":"https://example.test/","data":{"text":"boom"},"truncated":false}})"));
}

TEST(Envelope, KeepsATimeThatThePublisherGave) {
  Event event = console_event("1");
  event.ts_us = 42;
  EXPECT_EQ(json::parse(sealed(event).json)["event"]["ts"], 42);
}

TEST(Envelope, OverTheLimitLosesItsDataAndKeepsTheProbeInItsMetadata) {
  Envelope envelope = sealed(console_event('"' + std::string(kMaxEnvelopeBytes, 'a') + '"'));
  json parsed = json::parse(envelope.json);
  EXPECT_TRUE(envelope.truncated);
  EXPECT_TRUE(parsed["event"]["data"].is_null());
  EXPECT_EQ(parsed["event"]["truncated"], true);
  EXPECT_EQ(parsed["event"]["source"]["metadata"]["probe"], "probe:0123456789abcdef:7;");
}

TEST(Envelope, IsCutAtExactlyOneByteOverTheLimitWhateverTheWidthOfItsNumber) {
  for (std::uint64_t seq :
       {std::uint64_t{9}, std::uint64_t{10}, std::uint64_t{1234567890}, ~std::uint64_t{0}}) {
    std::size_t frame = sealed(console_event(R"("")"), seq).json.size();
    std::string fits(kMaxEnvelopeBytes - frame, 'a');
    Envelope whole = sealed(console_event('"' + fits + '"'), seq);
    EXPECT_EQ(whole.json.size(), kMaxEnvelopeBytes);
    EXPECT_FALSE(whole.truncated);
    EXPECT_TRUE(sealed(console_event('"' + fits + "a\""), seq).truncated);
  }
}

TEST(Envelope, StillOverTheLimitWithoutDataIsPassedOn) {
  Event event = console_event("1");
  event.url.assign(kMaxEnvelopeBytes, 'u');
  EXPECT_GT(sealed(event).json.size(), kMaxEnvelopeBytes);
}

TEST(Envelope, AnyBytesInItsTextBecomeValidJson) {
  ASSERT_TRUE(rc::check([](const std::string& any) {
    Event event = console_event("null");
    event.url = event.detail_level = event.source.kind = event.source.event = any;
    auto prepared = PreparedEvent::make(any, event, 1);
    RC_ASSERT(prepared.has_value());
    RC_ASSERT(json::accept(std::move(*prepared).seal(session(any), 1, true).json));
  }));
}

TEST(Envelope, InvalidUtf8IsReplacedNotThrown) {
  Event event = console_event("null");
  event.url =
      "a\xff\xfe"
      "b";
  EXPECT_EQ(json::parse(sealed(event).json)["event"]["url"],
            "a\xEF\xBF\xBD\xEF\xBF\xBD"
            "b");
}

// It is one in the journal and in the live stream.
TEST(Envelope, IsALineThoughItsDataAndMetadataStandOnSeveral) {
  Event event = console_event("{\n  \"a\": [1,\r\n 2]\n}");
  event.source.metadata_json = "{\r\n}";
  const std::string text = sealed(event).json;
  EXPECT_EQ(text.find_first_of("\r\n"), std::string::npos) << text;
  EXPECT_EQ(json::parse(text)["event"]["data"], json::parse(event.data_json));
}

TEST(Envelope, DataThatIsNotJsonOrNestsTooDeepIsAnError) {
  EXPECT_FALSE(PreparedEvent::make("cap-1", console_event("{\"a\":"), 1));
  EXPECT_FALSE(PreparedEvent::make("cap-1", console_event("\"\xff\""), 1));
  EXPECT_FALSE(PreparedEvent::make("cap-1", console_event(std::string(1'000'000, '[')), 1));
  EXPECT_TRUE(PreparedEvent::make("cap-1", console_event(std::string(200, '[') + std::string(200, ']')), 1));
}

// Text that is nearly JSON, or just so.
TEST(Envelope, TakesAsDataExactlyWhatAParserOfJsonTakes) {
  const auto agrees = [](const std::string& text) {
    return PreparedEvent::make("cap-1", console_event(text), 1).has_value() == json::accept(text);
  };
  const std::string digits(400, '1');
  for (const std::string text :
       {R"({"a":[1,-2.5,true,null,"\u00e9\n"],"":{}})", "1e9", "1e999", "-0", "01", "1.", "-", "[1,]", "{,}",
        "nul", R"("\ud800")", R"("\ud83d\ude00")", R"("\x")", "\"\xC3\xA9\"",
        "\xEF\xBB\xBF"
        "1",
        "1 2", " 1\t\r\n"}) {
    EXPECT_TRUE(agrees(text)) << text;
  }
  EXPECT_TRUE(agrees(digits));
  EXPECT_TRUE(agrees("0." + digits));
  for (const std::string& text : {std::string("1\0", 2), std::string("{}\0}", 4)})
    EXPECT_FALSE(PreparedEvent::make("cap-1", console_event(text), 1)) << "a NUL is no end";
  ASSERT_TRUE(rc::check([&] {
    const auto part = rc::gen::element<std::string>("{", "}", "[", "]", ",", ":", R"("a":)", R"("a")", "\"",
                                                    "1", "0", "-", ".", "e5", "true", "null", " ", R"(\n)",
                                                    R"(\u12)", "\x01", "\xC3\xA9", "\xFF");
    std::string text;
    for (const std::string& each : *rc::gen::container<std::vector<std::string>>(part)) text += each;
    RC_ASSERT(text.empty() || agrees(text));
    RC_ASSERT(agrees("[" + text + "]"));
    RC_ASSERT(agrees("\"" + text + "\""));
  }));
}

TEST(Category, OfAKnownTypeIsSetHereWhateverIsGiven) {
  EXPECT_EQ(category_of("network_request", "console"), "network");
  EXPECT_EQ(category_of("system_oom_kill", ""), "system");
}

TEST(Category, EachHasTheTypesThatBeginWithItsName) {
  for (const std::string each : {"console", "network", "page", "interaction", "liveview", "captcha", "system",
                                 "control", "platform", "connection", "screenshot", "monitor"}) {
    EXPECT_EQ(category_of(each + "_x", each == "page" ? "console" : "page"), each);
    EXPECT_EQ(category_of("custom", each), each);
    EXPECT_FALSE(category_of(each, "")) << "a name alone is no type of its own";
  }
}

TEST(Category, OfAnUnknownTypeMustBeGiven) {
  EXPECT_FALSE(category_of("custom", ""));
  EXPECT_FALSE(category_of("networking", ""));
  EXPECT_FALSE(category_of("custom", "no-such"));
  EXPECT_FALSE(category_of("", "page"));
  EXPECT_EQ(category_of("custom", "page"), "page");
}

}  // namespace
}  // namespace s2::writer
