// What a program says is heard whole; one that cannot be run, fails, floods or never ends is no answer.
#include "fuzz/run_output.h"

#include <gtest/gtest.h>

namespace s2::fuzz {
namespace {

TEST(RunOutput, IsWhatTheProgramSaidAndItsExitCode) {
  const RunOutput ran = output_of({"sh", "-c", "echo one; echo two; exit 3"});
  EXPECT_EQ(ran.output, "one\ntwo\n");
  EXPECT_EQ(ran.exit_code, 3);
}

TEST(RunOutput, OfWhatCannotBeRunIsNone) {
  const RunOutput ran = output_of({"/nowhere/at-all"});
  EXPECT_NE(ran.exit_code, 0);
  EXPECT_EQ(ran.output, "");
  EXPECT_EQ(output_of({}).exit_code, -1);
}

TEST(RunOutput, OfAProgramEndedByASignalIsNone) {
  EXPECT_EQ(output_of({"sh", "-c", "kill -9 $$"}).exit_code, -1);
}

TEST(RunOutput, EndsWhatFloodsAndWhatNeverEnds) {
  EXPECT_EQ(output_of({"yes"}, {.most_bytes = 100'000}).exit_code, -1);
  EXPECT_EQ(output_of({"sleep", "1000"}, {.most_time = std::chrono::milliseconds(50)}).exit_code, -1);
}

}  // namespace
}  // namespace s2::fuzz
