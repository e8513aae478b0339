// A kill at an instant of protocol time comes at that instant, and at no other.
#include "scenarios/service_ledger.h"

#include <gtest/gtest.h>

#include "emulator/moments.h"
#include "scenarios/event_text.h"

namespace s2::scenarios {
namespace {

const std::string kTheRun = "0123456789abcdef";

class AnArmedKill : public testing::Test {
 protected:
  void arm(InstantKind kind, std::uint64_t value) {
    ledger.arm({kind, value}, [this] { return ++kills == 1; });
  }
  // An append with these events comes, whole; it is not committed.
  void receive(const std::vector<std::uint64_t>& events) {
    wire::AppendInput input;
    for (const std::uint64_t n : events)
      input.records.emplace_back().body = "{" + probe_text(kTheRun, n) + "}";
    emulator::ProtocolEvent event = emulator::event_of(emulator::Moment::append_received);
    event.ordinal = event.append_id = ++appends;
    event.input = &input;
    ledger.observe(event);
  }
  ServiceLedger ledger{kTheRun};
  std::uint64_t appends = 0;
  int kills = 0;
};

TEST_F(AnArmedKill, MidCloseComesWithTheLastOfWhatWasAcceptedHoweverManyAppendsItTakes) {
  arm(InstantKind::mid_close, 5);
  receive({1, 2});
  receive({2, 3});  // 2 is sent again
  receive({});
  receive({4});
  EXPECT_FALSE(ledger.fired());
  receive({5});
  EXPECT_TRUE(ledger.fired());
  receive({6});
  EXPECT_EQ(kills, 1);
}

TEST_F(AnArmedKill, MidCloseCountsWhatCameBeforeItWasArmed) {
  receive({1, 2});
  arm(InstantKind::mid_close, 3);
  EXPECT_FALSE(ledger.fired());
  receive({3});
  EXPECT_TRUE(ledger.fired());
}

// What came before may be committed by now.
TEST_F(AnArmedKill, MidCloseDoesNotComeWithAnAppendThatBringsNothingNew) {
  receive({1, 2});
  arm(InstantKind::mid_close, 2);
  receive({});
  receive({2});
  EXPECT_FALSE(ledger.fired());
}

TEST_F(AnArmedKill, MidDrainComesWithTheFirstAppend) {
  receive({1});
  arm(InstantKind::mid_drain, 1);
  receive({2});
  EXPECT_TRUE(ledger.fired());
}

TEST_F(AnArmedKill, AnOrdinalIsItsOwn) {
  arm(InstantKind::append_received, 2);
  receive({1});
  EXPECT_FALSE(ledger.fired());
  receive({2});
  EXPECT_TRUE(ledger.fired());
}

}  // namespace
}  // namespace s2::scenarios
