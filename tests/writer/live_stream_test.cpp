// The live stream: from where a viewer begins, what it is told when it was lapped, and how it ends.
#include "writer/live_stream.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/writer/rig.h"

namespace s2::writer {
namespace {

using namespace test;

struct Live : testing::Test {
  explicit Live(std::int64_t ring = 1024) : rig({.ring = {.events = ring}}) { rig.start("cap"); }

  // What the viewer gets until it has had `items` of them.
  static std::string take(LiveStream::Viewer& viewer, int items) {
    std::string text;
    for (int got = 0; got < items;) {
      const bool on = viewer.serve([&](std::string_view bytes) { return text += bytes, ++got, true; },
                                   [] { return true; });
      if (!on) break;
    }
    return text;
  }
  static std::string ids_of(const std::string& text) {
    std::string out;
    for (std::size_t at = 0; (at = text.find("id: ", at)) != std::string::npos; ++at)
      out += text.substr(at + 4, text.find('\n', at) - at - 4) + " ";
    return out;
  }

  Rig rig;
  LiveStream live{*rig.writer};
};
struct LappedLive : Live {
  LappedLive() : Live(4) {}
};

TEST_F(Live, BeginsNowOrBehindTheLastIdOrWithTheOldest) {
  rig.publish(5);
  const auto now = live.join(0, false), none = live.join(0, false), behind = live.join(3, false),
             oldest = live.join(0, true);
  rig.publish(1);
  EXPECT_EQ(ids_of(take(*now, 1)), "6 ");
  EXPECT_EQ(ids_of(take(*none, 1)), "6 ");
  EXPECT_EQ(ids_of(take(*behind, 3)), "4 5 6 ");
  EXPECT_EQ(ids_of(take(*oldest, 6)), "1 2 3 4 5 6 ");
}

TEST(LastEventId, IsANumberOrNothing) {
  EXPECT_EQ(event_id(""), 0U);
  EXPECT_EQ(event_id("17"), 17U);
  EXPECT_EQ(event_id("99999999999999999999"), ~std::uint64_t{0});  // not given yet, whatever it is
  for (const char* wrong : {"abc", "3x", "-1", "1.5", " 7"})
    EXPECT_EQ(event_id(wrong), std::nullopt) << wrong;
}

TEST_F(Live, SaysTheEnvelopeOnOneLine) {
  const auto viewer = live.join(0, false);
  ASSERT_TRUE(rig.writer->publish("cap", event("console_log", R"("two\nlines")")));
  const std::string text = take(*viewer, 1);
  EXPECT_EQ(text.rfind("id: 1\ndata: {\"capture_session_id\":\"cap\",\"seq\":1,", 0), 0U) << text;
  EXPECT_EQ(text.find("\n\n"), text.size() - 2);
}

TEST_F(LappedLive, AViewerThatWasLappedIsToldWhatItMissed) {
  rig.publish(1);
  const auto viewer = live.join(0, false);
  rig.publish(9);
  EXPECT_EQ(
      take(*viewer, 2).rfind("id: 6\nevent: drop\ndata: {\"count\":5,\"from\":2,\"to\":6}\n\nid: 7\n", 0),
      0U);
  // Who asks for all that there is has missed nothing; who comes back with an id has.
  EXPECT_EQ(ids_of(take(*live.join(0, true), 4)), "7 8 9 10 ");
  EXPECT_EQ(ids_of(take(*live.join(2, true), 5)), "6 7 8 9 10 ");
}

// Such as the last one of a writer that died.
TEST_F(LappedLive, AnIdThatIsNotGivenYetIsFollowedByAllThatThereIs) {
  rig.publish(3);
  const auto beyond = live.join(999, false);
  rig.publish(1);
  EXPECT_EQ(ids_of(take(*beyond, 1)), "1 ");
  rig.publish(6);
  const auto newest = live.join(10, false), next = live.join(11, false);
  rig.publish(1);
  EXPECT_EQ(ids_of(take(*newest, 1)), "11 ");  // nothing is missed
  EXPECT_EQ(take(*next, 1), "id: 7\nevent: drop\ndata: {\"count\":7,\"from\":1,\"to\":7}\n\n");
}

TEST_F(Live, TakesSoManyViewersAndNoMoreUntilOneLeaves) {
  std::vector<std::unique_ptr<LiveStream::Viewer>> viewers;
  for (std::size_t i = 0; i < kMaxViewers; ++i) viewers.push_back(live.join(0, false));
  EXPECT_NE(viewers.back(), nullptr);
  EXPECT_EQ(live.join(0, false), nullptr);
  viewers.pop_back();
  EXPECT_NE(live.join(0, false), nullptr);
  EXPECT_EQ(live.viewers(), kMaxViewers - 1);
}

TEST_F(Live, AnEndEndsEveryViewerThatWaits) {
  const auto waiting = live.join(0, false), late = live.join(0, false);
  std::thread serving([&] {
    while (waiting->serve([](std::string_view) { return true; }, [] { return true; })) {
    }
  });
  live.end();
  serving.join();
  rig.publish(1);
  EXPECT_EQ(take(*late, 1), "");
  EXPECT_EQ(live.join(0, false), nullptr);
}

TEST_F(Live, AViewerThatIsGoneIsLeft) {
  const auto gone = live.join(0, false);
  EXPECT_FALSE(gone->serve([](std::string_view) { return true; }, [] { return false; }));
  rig.publish(1);
  EXPECT_FALSE(gone->serve([](std::string_view) { return false; }, [] { return true; }));
}

}  // namespace
}  // namespace s2::writer
