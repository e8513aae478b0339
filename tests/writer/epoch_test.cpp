// Which of two processes came later, by their tokens: only where both clocks of one boot agree.
#include "writer/epoch.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace s2::writer {
namespace {

TEST(Epoch, ALaterProcessIsKnownByBothClocksOfOneBoot) {
  const std::string ours = make_epoch_token("boot", 1000, 1'700'000'000'000, 1);
  EXPECT_EQ(ours.size(), kEpochTokenBytes);
  EXPECT_TRUE(
      is_of_later_process(make_epoch_token("boot", 1001, 1'700'000'000'001, 0) + "-7.12", ours + "-1.1"));
  EXPECT_FALSE(is_of_later_process(make_epoch_token("boot", 999, 1'600'000'000'000, 9), ours));
  EXPECT_FALSE(is_of_later_process(make_epoch_token("another boot", 2000, 1'700'000'009'000, 1), ours));
  EXPECT_FALSE(
      is_of_later_process(make_epoch_token("boot", 2000, 1'600'000'000'000, 1), ours));  // the clock was set
  EXPECT_FALSE(
      is_of_later_process(make_epoch_token("boot", 500, 1'700'000'009'000, 1), ours));  // a restored twin
  EXPECT_FALSE(is_of_later_process(ours, ours));
}

TEST(Epoch, WhatIsNoEpochIsOfNoLaterProcess) {
  const std::string ours = make_epoch_token("boot", 1000, 1'700'000'000'000, 1);
  ASSERT_TRUE(rc::check([&](const std::string& text) {
    RC_ASSERT(!(is_of_later_process(text, ours) && is_of_later_process(ours, text)));
    RC_ASSERT(!is_of_later_process("", text) && !is_of_later_process(text, "mine"));
  }));
}

TEST(Epoch, TokensMadeOneAfterTheOtherDiffer) {
  EXPECT_EQ(new_epoch_token().size(), kEpochTokenBytes);
  EXPECT_NE(new_epoch_token(), new_epoch_token());
  EXPECT_FALSE(is_of_later_process(new_epoch_token(), new_epoch_token() + "-1.1"));
}

}  // namespace
}  // namespace s2::writer
