// Pages of the stored stream: what is asked of S2 for them, what a page leaves out, and what it says where S2
// stops answering in its midst. Over a client that is asked and never a network.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/writer/rig.h"
#include "writer/telemetry_api.h"

namespace s2::writer {
namespace {

using nlohmann::json;
using namespace test;

// Reads a stream that is there; nothing else is asked of it.
struct StoredStream : AppendClient {
  std::vector<wire::SequencedRecord> records;
  std::vector<ReadFrom> reads;     // so far
  std::size_t silent_after = ~0U;  // reads: from then on S2 says nothing

  std::unique_ptr<AppendChannel> make_channel(const std::string&, std::function<void()>) override {
    return std::make_unique<Channel>(*this);
  }
  void store(const std::string& body, std::uint64_t at_ms) {
    records.push_back({records.size(), at_ms, {}, body});
  }
  void store(std::size_t count, std::uint64_t first_ms) {
    for (std::size_t n = 0; n < count; ++n) {
      const json envelope = {
          {"capture_session_id", "old"}, {"seq", n + 1}, {"event", {{"type", "console_log"}}}};
      store(envelope.dump(), first_ms + n);
    }
  }

 private:
  struct Channel : AppendChannel {
    explicit Channel(StoredStream& stream) : s2(stream) {}
    StoredStream& s2;
    using Records = tl::expected<std::vector<wire::SequencedRecord>, ReadError>;

    Records read_page(const ReadFrom& from, std::size_t count, Time) override {
      if (s2.reads.size() >= s2.silent_after)
        return tl::unexpected(ReadError{false, {}, "reading back: no answer in time"});
      s2.reads.push_back(from);
      std::vector<wire::SequencedRecord> out;
      for (const wire::SequencedRecord& each : s2.records) {
        const bool behind = from.timestamp ? each.timestamp >= *from.timestamp : each.seq_num >= from.seq_num;
        if (behind && out.size() < count) out.push_back(each);
      }
      return out;
    }
    Records read_back(std::uint64_t from, std::size_t count, Time deadline) override {
      return read_page({from, std::nullopt}, count, deadline);
    }
    tl::expected<void, std::string> open(Time) override { return {}; }
    tl::expected<void, std::string> send(const wire::AppendInput&, Time) override { return {}; }
    void poll(std::vector<AppendEvent>&, Time) override {}
    bool can_send() const override { return false; }
    void ping(Time) override {}
    Time last_heard() const override { return Time::min(); }
    Time last_progress() const override { return Time::min(); }
    bool can_ping() const override { return false; }
    void drop() override {}
    void abort() override {}
  };
};

struct StoredPages : testing::Test {
  Rig rig;
  StoredStream s2;
  TelemetryApi api{*rig.writer, &s2, std::chrono::milliseconds(500)};
  std::map<std::string, std::string> headers;

  json page(const std::string& limit, const std::string& since = "", const std::string& until = "",
            const std::string& offset = "") {
    s2.reads.clear();
    const ApiAnswer answer = api.stored({"old", offset, limit, since, until});
    EXPECT_EQ(answer.status, 200) << answer.body;
    headers = {answer.headers.begin(), answer.headers.end()};
    return json::parse(answer.body);
  }
};

TEST_F(StoredPages, ASmallPageOfALongStreamLooksThroughItInFewReads) {
  s2.store(60'000, 1000);
  EXPECT_EQ(page("1", "", "5").size(), 0U);
  EXPECT_EQ(s2.reads.size(), 1U);  // times never go back: what follows is later still
  EXPECT_EQ(headers["X-Has-More"], "false");
  EXPECT_EQ(page("1", "60999", "", "1").size(), 1U);
  EXPECT_LE(s2.reads.size(), 60'000U / 500 + 1);
  EXPECT_EQ(page("1", "99999999999999", "", "1").size(), 0U);
  EXPECT_LE(s2.reads.size(), 60'000U / 500 + 1);
}

TEST_F(StoredPages, ATimeIsWhereAPageBeginsAndNotWhatItLooksFor) {
  s2.store(60'000, 1000);
  const json found = page("2", "51000", "51003");
  EXPECT_EQ(found.at(0)["seq"], 50'001);
  EXPECT_EQ(found.at(1)["seq"], 50'002);
  EXPECT_EQ(s2.reads.size(), 1U);
  EXPECT_EQ(headers["X-Has-More"], "true");
  EXPECT_EQ(page("2", "51000", "51003", headers["X-Next-Offset"]).at(0)["seq"], 50'003);
  EXPECT_EQ(headers["X-Has-More"], "false");
  EXPECT_EQ(page("1", "99999999999999").size(), 0U);
  EXPECT_LE(s2.reads.size(), 1U);
}

TEST_F(StoredPages, PagesHaveAllOfAStreamOnceAndKnowItsEnd) {
  s2.store(1234, 1000);
  for (const std::size_t limit : {1UL, 7UL, 617UL, 1000UL}) {
    std::size_t seen = 0;
    std::string offset;
    do {
      for (const json& envelope : page(std::to_string(limit), "", "", offset))
        EXPECT_EQ(envelope["seq"], ++seen);
      offset = headers["X-Next-Offset"];
    } while (headers["X-Has-More"] == "true" && seen < 1234);
    EXPECT_EQ(seen, 1234U) << limit;
    EXPECT_EQ(headers["X-Has-More"], "false") << limit;
  }
}

TEST_F(StoredPages, WhereS2StopsAnsweringThePageIsWhatWasLookedThrough) {
  s2.store(2000, 1000);
  s2.silent_after = 2;
  EXPECT_EQ(page("1000").size(), 1000U);
  EXPECT_EQ(headers["X-Has-More"], "true");  // nobody could say
  EXPECT_EQ(page("1", "2900", "", "1").size(), 0U);
  EXPECT_EQ(headers["X-Has-More"], "true");
  EXPECT_EQ(headers["X-Next-Offset"], "1001");
  s2.silent_after = 0;
  s2.reads.clear();
  EXPECT_EQ(api.stored({"old", "", "", "", ""}).status, 502);
}

TEST_F(StoredPages, WhatIsNoEnvelopeIsLeftOutAndCounted) {
  s2.store(1, 1000);
  const std::vector<std::string> foreign = {"hello",
                                            "",
                                            "[1]",
                                            "null",
                                            "{}",
                                            R"({"capture_session_id":"old","seq":1})",
                                            R"({"capture_session_id":"old","seq":"1","event":{}})",
                                            R"({"capture_session_id":7,"seq":1,"event":{}})",
                                            R"({"capture_session_id":"old","seq":1,"event":[]})",
                                            R"({"capture_session_id":"old","seq":1,"event":{}},{})",
                                            R"({"capture_session_id":"old","seq":1,"event":{"data":[}})",
                                            "{\"capture_session_id\":\"\xff\",\"seq\":1,\"event\":{}}",
                                            std::string(100'000, '[')};
  for (const std::string& body : foreign) s2.store(body, 2000);
  s2.store(R"({"capture_session_id":"old","seq":2,"event":{"data":)" + std::string(300, '[') +
               std::string(300, ']') + "}}",
           3000);
  const json both = page("2");
  EXPECT_EQ(both.size(), 2U);
  EXPECT_EQ(both.at(1)["seq"], 2);
  EXPECT_EQ(headers["X-Foreign-Records"], std::to_string(foreign.size()));
  EXPECT_EQ(page("2", "2500").size(), 1U);
  EXPECT_EQ(headers["X-Foreign-Records"], "0");
}

TEST_F(StoredPages, APageOfManyThatAreNoEnvelopesIsFoundInFewReads) {
  for (int n = 0; n < 5000; ++n) s2.store("hello", 1000);
  EXPECT_EQ(page("1").size(), 0U);
  EXPECT_LE(s2.reads.size(), 5000U / 500 + 2);
  EXPECT_EQ(headers["X-Has-More"], "false");
}

}  // namespace
}  // namespace s2::writer
