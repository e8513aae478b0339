// The producer under any plan of faults, with strangers about: every record ends once, in order, and never
// twice.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/writer/heard.h"
#include "tests/writer/producer_rig.h"

namespace s2::writer {
namespace {

using std::chrono::milliseconds;
using test::FakeS2;
using test::Heard;
using test::Hurt;
using test::kPatient;
using test::of_a_stranger;
using test::put;
using test::quick_options;
using test::stored_seqs;

struct Draw {
  std::vector<Hurt> plan;
  std::set<std::uint64_t> bad;
  std::uint64_t records;
  bool fencing, may_fence, may_read, enough_time;
  std::uint64_t before;     // records of others that the stream begins with
  std::set<int> strangers;  // appends before which somebody else appends, without a token
  std::size_t acks_a_poll, late_by, max_batch_records;
  int linger_ms;
};

Draw draw() {
  Draw out;
  out.plan = *rc::gen::container<std::vector<Hurt>>(rc::gen::map(rc::gen::inRange(0, 16), [](int n) {
    return n > static_cast<int>(Hurt::read_fails) ? Hurt::none : static_cast<Hurt>(n);
  }));
  out.bad = *rc::gen::container<std::set<std::uint64_t>>(rc::gen::inRange<std::uint64_t>(1, 60));
  if (out.bad.size() > 5) out.bad.clear();
  out.records = *rc::gen::inRange<std::uint64_t>(1, 60);
  out.fencing = *rc::gen::inRange(0, 4) != 0;
  out.may_fence = *rc::gen::inRange(0, 4) != 0;
  out.may_read = *rc::gen::inRange(0, 3) != 0;
  out.enough_time = *rc::gen::inRange(0, 3) != 0;
  out.before = *rc::gen::inRange<std::uint64_t>(0, 9);
  out.strangers = *rc::gen::container<std::set<int>>(rc::gen::inRange(2, 20));
  if (out.strangers.size() > 3) out.strangers.clear();
  out.acks_a_poll = *rc::gen::inRange<std::size_t>(1, 5);
  out.late_by = *rc::gen::inRange<std::size_t>(0, 6);
  out.max_batch_records = *rc::gen::inRange<std::size_t>(1, 9);
  out.linger_ms = *rc::gen::inRange(0, 3);
  return out;
}

void check_plan(const Draw& drawn) {
  FakeS2 s2;
  if (drawn.before > 0) s2.foreign_append(of_a_stranger(drawn.before));
  s2.plan.assign(drawn.plan.begin(), drawn.plan.end());
  s2.may_fence = drawn.may_fence;
  s2.may_read = drawn.may_read;
  s2.acks_a_poll = drawn.acks_a_poll;
  s2.late_by = drawn.late_by;
  int appends = 0;
  s2.before_each_append = [&](FakeS2& service) {
    if (drawn.strangers.contains(++appends)) service.foreign_append(of_a_stranger(1 + drawn.before % 3));
  };
  auto options = quick_options();
  options.fencing = drawn.fencing;
  options.linger = milliseconds(drawn.linger_ms);
  options.max_batch_records = drawn.max_batch_records;
  options.jitter_seed = drawn.records;
  Heard heard;
  auto producers = make_producers(options, s2, heard);
  for (std::uint64_t seq = 1; seq <= drawn.records; ++seq) {
    RC_ASSERT(put(*producers, seq, drawn.bad.count(seq) > 0) == Submit::taken);
  }
  const auto unsaved = producers->close(std::chrono::steady_clock::now() +
                                        (drawn.enough_time ? milliseconds(kPatient) : milliseconds(3)));
  const auto stored = stored_seqs(s2);
  const std::set<std::uint64_t> stored_set(stored.begin(), stored.end());

  RC_ASSERT(stored_set.size() == stored.size());            // nothing twice
  RC_ASSERT(std::is_sorted(stored.begin(), stored.end()));  // in order
  std::map<std::uint64_t, int> ends;
  for (const auto seq : heard.acked_seqs) {
    ++ends[seq];
    RC_ASSERT(stored_set.count(seq) == 1);
  }
  for (const auto& [seq, kind] : heard.failed_seqs) {
    ++ends[seq];
    RC_LOG() << "failed " << seq << ": " << heard.last_reason << "\n";
    if (kind == FailureKind::refused) RC_ASSERT(stored_set.count(seq) == 0);
    RC_ASSERT(kind != FailureKind::superseded);
    // What nobody could find out: no reading, or no token to exclude others with, and a refusal in doubt or
    // others.
    const bool denied = std::count(drawn.plan.begin(), drawn.plan.end(), Hurt::denied_once) > 0;
    const bool others_may = !(drawn.fencing && drawn.may_fence);
    const bool excusable =
        kind == FailureKind::unknown &&
        (!drawn.may_read || (others_may && (!drawn.bad.empty() || !drawn.strangers.empty())));
    RC_ASSERT(drawn.bad.count(seq) > 0 || excusable || denied);
  }
  for (const Unsaved& one : unsaved) {
    ++ends[one.seq];
    if (!one.unknown) RC_ASSERT(stored_set.count(one.seq) == 0);
  }
  RC_ASSERT(ends.size() == drawn.records);
  for (const auto& [seq, times] : ends) RC_ASSERT(times == 1);
  if (drawn.enough_time) RC_ASSERT(unsaved.empty());
  for (const auto seq : drawn.bad) {
    if (seq <= drawn.records && drawn.enough_time) RC_ASSERT(heard.failed_seqs.count(seq) == 1);
  }
}

TEST(ProducerPlan, UnderAnyPlanOfFaultsEveryRecordEndsOnceInOrderAndNeverTwice) {
  ASSERT_TRUE(rc::check([] { check_plan(draw()); }));
}

// The corner where places alone must do: no token shuts a late attempt out, and a record that S2 refuses
// leaves a gap before those behind it. The sixth record's first two attempts wait for the place behind that
// gap.
TEST(ProducerPlan, WithoutATokenNoLateAttemptLandsBesideTheOneThatWasSentAfterIt) {
  ASSERT_TRUE(rc::check([] {
    Draw drawn = draw();
    drawn.plan.assign(12, Hurt::none);
    drawn.plan[5] = Hurt::cut_before_commit;
    drawn.plan[10] = drawn.plan[11] = Hurt::late_twin;
    drawn.bad = {5};
    drawn.records = *rc::gen::inRange<std::uint64_t>(6, 12);
    drawn.fencing = drawn.enough_time = true;
    drawn.may_fence = false;
    drawn.max_batch_records = 1;
    check_plan(drawn);
  }));
}

}  // namespace
}  // namespace s2::writer
