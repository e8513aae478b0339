// The producer against a scripted S2: whatever goes wrong, every record ends in exactly one of stored and
// acked, failed, unsaved; nothing twice, nothing out of order.
#include "writer/producer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <ostream>
#include <set>
#include <thread>

#include "tests/writer/heard.h"
#include "tests/writer/producer_rig.h"
#include "writer/epoch.h"

namespace s2::writer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::FakeS2;
using test::Heard;
using test::Hurt;
using test::kPatient;
using test::of_a_stranger;
using test::put;
using test::put_big;
using test::quick_options;
using test::record_of;
using test::seq_of;
using test::stored_seqs;
using Clock = std::chrono::steady_clock;

TEST(Producer, TakesTheStreamThenEveryAppendCarriesTokenAndPlace) {
  FakeS2 s2;
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  for (std::uint64_t seq = 1; seq <= 10; ++seq) ASSERT_EQ(put(*producers, seq), Submit::taken);
  EXPECT_EQ(producers->wait_acked(10, Clock::now() + kPatient), 0U);
  EXPECT_EQ(s2.token(), "mine-1.1");
  EXPECT_EQ(stored_seqs(s2), heard.acked_seqs);
  EXPECT_EQ(stored_seqs(s2).size(), 10U);
  EXPECT_TRUE(producers->close(Clock::now() + kPatient).empty());
}

TEST(Producer, FlushDoesNotWaitForTheLinger) {
  FakeS2 s2;
  Heard heard;
  auto options = quick_options();
  options.linger = std::chrono::hours(1);
  auto producers = make_producers(options, s2, heard);
  put(*producers, 1);
  EXPECT_EQ(producers->wait_acked(1, Clock::now() + kPatient), 0U);
  EXPECT_EQ(stored_seqs(s2), std::vector<std::uint64_t>{1});
}

TEST(Producer, ALostAckIsNeitherALossNorADuplicate) {
  FakeS2 s2;
  s2.plan = {Hurt::none, Hurt::cut_after_commit, Hurt::cut_after_commit, Hurt::cut_after_commit};
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  for (std::uint64_t seq = 1; seq <= 20; ++seq) put(*producers, seq);
  EXPECT_TRUE(producers->close(Clock::now() + kPatient).empty());
  EXPECT_EQ(stored_seqs(s2).size(), 20U);
  EXPECT_EQ(stored_seqs(s2), heard.acked_seqs);
}

// A stream that is as long as if the batch were stored may be so by a stranger's records: an operator's note,
// a command to trim.
TEST(Producer, AsManyRecordsOfAStrangerAreNotTakenForTheBatchThatHadNoAnswer) {
  for (const bool may_read : {true, false}) {
    FakeS2 s2;
    s2.plan = {Hurt::none, Hurt::none, Hurt::cut_before_commit};
    s2.may_read = may_read;
    int appends = 0;
    s2.before_each_append = [&](FakeS2& service) {
      if (++appends == 4)
        service.foreign_append(of_a_stranger());  // behind the fence, event 1 and event 2, which was lost
    };
    Heard heard;
    auto options = quick_options();
    options.max_batch_records = 1;
    auto producers = make_producers(options, s2, heard);
    for (std::uint64_t seq = 1; seq <= 3; ++seq) {
      put(*producers, seq);
      EXPECT_EQ(producers->wait_acked(seq, Clock::now() + kPatient), 0U);
    }
    EXPECT_TRUE(producers->close(Clock::now() + kPatient).empty());
    EXPECT_EQ(stored_seqs(s2), heard.acked_seqs);
    EXPECT_EQ(heard.failed_seqs.size(), may_read ? 0U : 1U);
    EXPECT_EQ(heard.acked_seqs.size(), may_read ? 3U : 2U);
  }
}

// The session in which the fence went through was given up with the connection of the reads that failed, and
// was waited for all the same.
TEST(Producer, ReadsThatFailForLongerThanTheRetryBudgetAreNoReasonToStop) {
  FakeS2 s2;
  s2.plan = {Hurt::none, Hurt::cut_before_commit, Hurt::none,
             Hurt::none};  // a fence, event 1, again, a fence
  s2.plan.insert(s2.plan.end(), 10, Hurt::read_fails);
  int appends = 0;
  s2.before_each_append = [&](FakeS2& service) {
    if (++appends == 3) service.foreign_append(of_a_stranger());
  };
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  put(*producers, 1);
  EXPECT_EQ(producers->wait_acked(1, Clock::now() + kPatient), 0U);
  EXPECT_EQ(stored_seqs(s2), std::vector<std::uint64_t>{1});
}

TEST(Producer, AnOutageLongerThanTheRetryBudgetLosesNothing) {
  FakeS2 s2;
  s2.plan.assign(40, Hurt::open_fails);
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  for (std::uint64_t seq = 1; seq <= 8; ++seq) put(*producers, seq);
  EXPECT_EQ(producers->wait_acked(8, Clock::now() + kPatient), 0U);
  EXPECT_EQ(stored_seqs(s2).size(), 8U);
}

TEST(Producer, ExactlyTheRefusedRecordsFail) {
  FakeS2 s2;
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  for (std::uint64_t seq = 1; seq <= 16; ++seq) put(*producers, seq, seq == 3 || seq == 8);
  EXPECT_TRUE(producers->close(Clock::now() + kPatient).empty());
  EXPECT_EQ(heard.failed_seqs,
            (std::map<std::uint64_t, FailureKind>{{3, FailureKind::refused}, {8, FailureKind::refused}}));
  EXPECT_EQ(stored_seqs(s2).size(), 14U);
}

TEST(Producer, SupersededItStoresNothingMoreAndSaysSo) {
  FakeS2 s2;
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  put(*producers, 1);
  ASSERT_EQ(producers->wait_acked(1, Clock::now() + kPatient), 0U);
  wire::AppendInput successor;
  successor.records.push_back(wire::fence_command("successor"));
  s2.foreign_append(successor);
  put(*producers, 2);
  EXPECT_EQ(producers->wait_acked(2, Clock::now() + kPatient), 0U);
  EXPECT_EQ(heard.failed_seqs.at(2), FailureKind::superseded);
  EXPECT_EQ(put(*producers, 3), Submit::superseded);
  EXPECT_EQ(stored_seqs(s2), std::vector<std::uint64_t>{1});
  EXPECT_EQ(s2.token(), "successor");
}

// A process that was paused before its first append comes back when its successor has the stream.
TEST(Producer, AnOlderProcessNeverTakesTheStreamFromALaterOneAndALaterOneTakesIt) {
  const std::string older = make_epoch_token("boot", 1000, 1'700'000'000'000, 1);
  const std::string later = make_epoch_token("boot", 2000, 1'700'000'001'000, 1);
  for (const bool resumed : {true, false}) {
    FakeS2 s2;
    Heard heard;
    wire::AppendInput fence;
    fence.records.push_back(wire::fence_command((resumed ? later : older) + "-1.1"));
    s2.foreign_append(fence);
    auto options = quick_options();
    options.epoch_token = resumed ? older : later;
    auto producers = make_producers(options, s2, heard);
    put(*producers, 1);
    ASSERT_EQ(producers->wait_acked(1, Clock::now() + kPatient), 0U);
    EXPECT_EQ(stored_seqs(s2).size(), resumed ? 0U : 1U);
    EXPECT_EQ(s2.token(), later + "-1.1");
    EXPECT_EQ(heard.failed_seqs.count(1), resumed ? 1U : 0U);
    EXPECT_EQ(put(*producers, 2), resumed ? Submit::superseded : Submit::taken);
  }
}

TEST(Producer, AFullWindowHoldsSubmitBackUntilStopIsRequested) {
  FakeS2 s2;
  s2.plan.assign(100'000, Hurt::open_fails);
  Heard heard;
  auto options = quick_options();
  options.max_in_flight_records = 5;
  auto producers = make_producers(options, s2, heard);
  for (std::uint64_t seq = 1; seq <= 5; ++seq) ASSERT_EQ(put(*producers, seq), Submit::taken);
  EXPECT_EQ(producers->submit("s", 6, record_of(6), std::stop_token(), Clock::now() + milliseconds(5)),
            Submit::timed_out);
  std::stop_source stop;
  std::jthread canceller([&] {
    stop.request_stop();
    producers->wake();
  });
  EXPECT_EQ(producers->submit("s", 6, record_of(6), stop.get_token(), Clock::now() + kPatient),
            Submit::stopped);
  canceller.join();
  const auto unsaved = producers->close(Clock::now() + milliseconds(20));
  ASSERT_EQ(unsaved.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(unsaved[i].seq, i + 1);
    EXPECT_FALSE(unsaved[i].unknown);
  }
  EXPECT_EQ(put(*producers, 7), Submit::closed);
}

TEST(Producer, ARecordOverOneMebibyteIsRefusedAtOnce) {
  FakeS2 s2;
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  wire::AppendRecord record;
  record.body = std::string(wire::kMaxBatchMeteredBytes - 7, 'x');
  EXPECT_EQ(producers->submit("s", 1, std::move(record), std::stop_token(), Clock::now() + kPatient),
            Submit::too_large);
}

std::vector<Submission> run_of(std::uint64_t from, std::uint64_t to) {
  std::vector<Submission> run;
  for (std::uint64_t seq = from; seq <= to; ++seq) run.push_back({seq, record_of(seq)});
  return run;
}

TEST(Producer, OfARunAsMuchIsTakenAsThereIsRoomForAndTheRestIsLeftWhole) {
  FakeS2 s2;
  s2.plan.assign(100'000, Hurt::open_fails);
  Heard heard;
  auto options = quick_options();
  options.max_in_flight_records = 5;
  auto producers = make_producers(options, s2, heard);
  auto run = run_of(1, 8);
  const Submitted submitted = producers->submit("s", run, std::stop_token(), Clock::now() + kPatient);
  EXPECT_EQ(submitted.answer, Submit::taken);
  EXPECT_EQ(submitted.taken, 5U);
  for (std::size_t i = 5; i < run.size(); ++i) EXPECT_EQ(seq_of(run[i].record), i + 1);
  EXPECT_EQ(producers->submit("s", std::span(run).subspan(5), std::stop_token(), Clock::now()).answer,
            Submit::timed_out);
  EXPECT_EQ(producers->close(Clock::now() + milliseconds(20)).size(), 5U);
}

TEST(Producer, ARunIsStoredInItsOrderAndEndsBeforeARecordThatIsTooLarge) {
  FakeS2 s2;
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  auto run = run_of(1, 9);
  run[6].record.body = std::string(wire::kMaxBatchMeteredBytes, 'x');
  const std::span all(run);
  EXPECT_EQ(producers->submit("s", all, std::stop_token(), Clock::now() + kPatient).taken, 6U);
  EXPECT_EQ(producers->submit("s", all.subspan(6), std::stop_token(), Clock::now() + kPatient).answer,
            Submit::too_large);
  EXPECT_EQ(producers->submit("s", all.subspan(7), std::stop_token(), Clock::now() + kPatient).taken, 2U);
  EXPECT_TRUE(producers->close(Clock::now() + kPatient).empty());
  EXPECT_EQ(stored_seqs(s2), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 8, 9}));
}

TEST(Producer, CloseInBackOffMakesItsLastAttemptAtOnce) {
  FakeS2 s2;
  s2.plan = {Hurt::open_fails};
  Heard heard;
  auto options = quick_options();
  options.backoff_base = options.backoff_cap = std::chrono::hours(1);
  auto producers = make_producers(options, s2, heard);
  put(*producers, 1);
  while (true) {
    const std::lock_guard lock(heard.mutex);
    if (!heard.notes.empty()) break;
  }
  EXPECT_TRUE(producers->close(Clock::now() + kPatient).empty());
  EXPECT_EQ(stored_seqs(s2), std::vector<std::uint64_t>{1});
}

// The time-out for acks is longer than any grace here: only the deadline of who waits can end the silence.
TEST(Producer, ASilentPeerDoesNotEatTheTimeOfWhoWaitsForAnswers) {
  FakeS2 s2;
  s2.plan = {Hurt::none, Hurt::silent};
  Heard heard;
  auto options = quick_options();
  options.ack_timeout = std::chrono::hours(1);
  auto producers = make_producers(options, s2, heard);
  put(*producers, 1);
  producers->flush(Clock::now());
  while (stored_seqs(s2).empty()) std::this_thread::yield();
  EXPECT_EQ(producers->wait_acked(1, Clock::now() + seconds(4)), 0U);
  EXPECT_EQ(stored_seqs(s2), std::vector<std::uint64_t>{1});
  EXPECT_EQ(heard.acked_seqs, stored_seqs(s2));
}

// Nobody waits here: a big batch's silence alone ends the append long before the slowest link would have
// taken it.
TEST(Producer, AHungAppendOfABigBatchIsTriedAgainWithinSeconds) {
  FakeS2 s2;
  s2.plan = {Hurt::none, Hurt::silent};
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  ASSERT_EQ(put_big(*producers, 1), Submit::taken);
  const auto by = Clock::now() + kPatient;
  while (heard.acked_so_far().empty() && Clock::now() < by) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(heard.acked_so_far(), std::vector<std::uint64_t>{1});
  EXPECT_TRUE(producers->close(Clock::now() + kPatient).empty());
}

// What a slow link may take for a big batch is no excuse either.
TEST(Producer, ASilentPeerWithABigBatchDoesNotEatTheTimeOfWhoWaitsForAnswers) {
  FakeS2 s2;
  s2.plan = {Hurt::none, Hurt::silent};
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  ASSERT_EQ(put_big(*producers, 1), Submit::taken);
  EXPECT_EQ(producers->wait_acked(1, Clock::now() + seconds(4)), 0U);
  EXPECT_EQ(heard.acked_seqs, std::vector<std::uint64_t>{1});
}

TEST(Producer, ALongPauseDoesNotEatTheTimeOfWhoWaitsForAnswers) {
  FakeS2 s2;
  s2.plan.assign(4, Hurt::open_fails);
  Heard heard;
  auto options = quick_options();
  options.backoff_base = options.backoff_cap = std::chrono::hours(1);
  auto producers = make_producers(options, s2, heard);
  put(*producers, 1);
  EXPECT_EQ(producers->wait_acked(1, Clock::now() + seconds(4)), 0U);
  EXPECT_EQ(stored_seqs(s2), std::vector<std::uint64_t>{1});
}

TEST(Producer, ADeadlineThatPassesLeavesALaterOneInForce) {
  FakeS2 s2;
  s2.plan = {Hurt::none, Hurt::silent};
  Heard heard;
  auto options = quick_options();
  options.ack_timeout = std::chrono::hours(1);
  auto producers = make_producers(options, s2, heard);
  put(*producers, 1);
  producers->flush(Clock::now());
  while (stored_seqs(s2).empty()) std::this_thread::yield();
  std::thread patient([&] { EXPECT_EQ(producers->wait_acked(1, Clock::now() + seconds(4)), 0U); });
  producers->wait_acked(1, Clock::now() + milliseconds(20));
  patient.join();
}

TEST(Producer, ATokenThatMayNotFenceGoesOnWithPlacesAndReadsBackWhatIsInDoubt) {
  FakeS2 s2;
  s2.may_fence = false;
  s2.plan = {Hurt::none, Hurt::none, Hurt::cut_after_commit, Hurt::cut_after_commit, Hurt::cut_before_commit};
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  for (std::uint64_t seq = 1; seq <= 20; ++seq) put(*producers, seq);
  EXPECT_TRUE(producers->close(Clock::now() + kPatient).empty());
  EXPECT_EQ(stored_seqs(s2).size(), 20U);
  EXPECT_EQ(stored_seqs(s2), heard.acked_seqs);
}

TEST(Producer, WithoutFenceAndReadALostAckIsReportedUnknownAndTheRestGoesOn) {
  FakeS2 s2;
  s2.may_fence = s2.may_read = false;
  s2.plan = {Hurt::none, Hurt::none, Hurt::cut_after_commit};
  Heard heard;
  auto options = quick_options();
  options.linger = std::chrono::hours(1);
  auto producers = make_producers(options, s2, heard);
  for (std::uint64_t seq = 1; seq <= 12; ++seq) put(*producers, seq);
  EXPECT_TRUE(producers->close(Clock::now() + kPatient).empty());
  EXPECT_EQ(heard.failed_seqs.size(), 4U);
  for (const auto& [seq, kind] : heard.failed_seqs) EXPECT_EQ(kind, FailureKind::unknown);
  EXPECT_EQ(stored_seqs(s2).size(), 12U);
}

TEST(Producer, RemoveFlushesClosesForgetsAndTheSameStreamMayComeAgain) {
  FakeS2 s2;
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  for (std::uint64_t seq = 1; seq <= 5; ++seq) {
    put(*producers, seq);
    EXPECT_TRUE(producers->remove("s", Clock::now() + kPatient));
    EXPECT_EQ(producers->streams(), 0U);
  }
  EXPECT_EQ(stored_seqs(s2), (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
}

TEST(Producer, ARemoveThatRunsOutOfTimeGoesOnAndLosesNothing) {
  FakeS2 s2;
  s2.plan.assign(60, Hurt::open_fails);
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  put(*producers, 1);
  EXPECT_FALSE(producers->remove("s", Clock::now()));
  EXPECT_EQ(producers->wait_acked(1, Clock::now() + kPatient), 0U);
  const auto give_up = Clock::now() + kPatient;
  while (producers->streams() > 0 && Clock::now() < give_up) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_EQ(producers->streams(), 0U);
  EXPECT_EQ(stored_seqs(s2), std::vector<std::uint64_t>{1});
}

// A session that began anew before its stop was answered: the stop waited for its deadline.
TEST(Producer, ARemoveIsOverWhenASubmitTakesTheProducerBack) {
  FakeS2 s2;
  s2.plan.assign(60, Hurt::open_fails);
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  put(*producers, 1);
  std::atomic<bool> over{false};
  std::thread remover([&] {
    producers->remove("s", Clock::now() + kPatient);
    over = true;
  });
  const auto give_up = Clock::now() + kPatient / 2;
  std::uint64_t seq = 1;
  while (!over && Clock::now() < give_up && seq < kMaxInFlightRecords) {
    put(*producers, ++seq);
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_TRUE(over);
  remover.join();
  EXPECT_EQ(producers->wait_acked(seq, Clock::now() + kPatient), 0U);
}

}  // namespace
}  // namespace s2::writer
