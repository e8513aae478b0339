// Names of basins and streams: S2 spec "basins", "streams".
#include "emulator/names.h"

#include <gtest/gtest.h>

namespace s2::emulator {
namespace {

TEST(Names, BasinIsEightTo48LowerCaseLettersDigitsAndHyphens) {
  for (const std::string& good :
       {std::string("abcdefgh"), std::string("1bcdefg2"), std::string("ab-cd--ef"), std::string(48, 'a')}) {
    EXPECT_EQ(basin_name_problem(good), std::nullopt) << good;
  }
  for (const std::string& bad : {std::string(), std::string("abcdefg"), std::string(49, 'a'),
                                 std::string("Abcdefgh"), std::string("abcd_efg"), std::string("abcd.efg"),
                                 std::string("abcdéfgh"), std::string("abcdefg\0", 8)}) {
    EXPECT_NE(basin_name_problem(bad), std::nullopt) << bad;
  }
}

TEST(Names, BasinHasNoHyphenFirstOrLast) {
  EXPECT_NE(basin_name_problem("-abcdefgh"), std::nullopt);
  EXPECT_NE(basin_name_problem("abcdefgh-"), std::nullopt);
}

TEST(Names, BasinFilterMayBeShortEmptyOrEndInAHyphen) {
  for (const char* good : {"", "a", "ab-", "abcdefgh-"})
    EXPECT_EQ(basin_filter_problem(good), std::nullopt) << good;
  for (const std::string& bad :
       {std::string("-a"), std::string("A"), std::string("a_b"), std::string(49, 'a')}) {
    EXPECT_NE(basin_filter_problem(bad), std::nullopt) << bad;
  }
}

TEST(Names, StreamIsOneTo512BytesOfUtf8) {
  for (const std::string& good :
       {std::string("a"), std::string("a/b c%"), std::string("…"), std::string(512, 'x')}) {
    EXPECT_EQ(stream_name_problem(good), std::nullopt) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string(513, 'x'), std::string("\xff")}) {
    EXPECT_NE(stream_name_problem(bad), std::nullopt) << bad;
  }
}

TEST(Names, StreamFilterMayBeEmptyOrADot) {
  for (const std::string& good : {std::string(), std::string("."), std::string(512, 'x')}) {
    EXPECT_EQ(stream_filter_problem(good), std::nullopt) << good;
  }
  EXPECT_NE(stream_filter_problem(std::string(513, 'x')), std::nullopt);
}

}  // namespace
}  // namespace s2::emulator
