// In a ThreadSanitizer build the world finds a data race that is planted in the writer, though in no order of
// its points anything goes wrong; in the writer as it is it finds none.
#include <gtest/gtest.h>

#include "fuzz/explore.h"
#include "fuzz/writer_world.h"
#include "writer/planted_bugs.h"

namespace {

int reports = 0;

}  // namespace

// ThreadSanitizer asks it before it prints a report: true keeps the report back.
namespace __tsan {
class ReportDesc;
bool OnReport(const ReportDesc* report, bool suppressed);
__attribute__((no_sanitize("thread"))) bool OnReport(const ReportDesc*, bool suppressed) {
  if (!suppressed) ++reports;
  return true;
}
}  // namespace __tsan

namespace s2::fuzz {
namespace {

constexpr std::uint64_t kExecutions = 300;

// How many reports some hundred orders of the writer bring, and that no promise was broken in one.
int races_with(writer::PlantedBug bug) {
  writer::plant(bug);
  reports = 0;
  const auto strategy = make_random();
  const Exploration found =
      explore(*strategy, {.max_executions = kExecutions, .rerun_one_in = 0, .world = writer_world},
              [] { run_writer(WriterLimits{}); });
  EXPECT_FALSE(found.failure) << found.failure->why;
  EXPECT_EQ(found.executions, kExecutions);
  writer::plant(writer::PlantedBug::none);
  return reports;
}

TEST(WriterRaces, AnUnlockedMapOfTailsIsFoundAndTheWriterAsItIsHasNone) {
  EXPECT_EQ(races_with(writer::PlantedBug::none), 0);
  EXPECT_GT(races_with(writer::PlantedBug::unlocked_tails), 0);
}

}  // namespace
}  // namespace s2::fuzz
