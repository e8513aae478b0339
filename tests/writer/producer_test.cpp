// The producer against a scripted S2: whatever goes wrong, every record ends in exactly one of stored and
// acked, failed, unsaved; nothing twice, nothing out of order.
#include "writer/producer.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <ostream>
#include <set>
#include <thread>

#include "tests/writer/fake_s2.h"
#include "tests/writer/heard.h"
#include "writer/epoch.h"

namespace s2::writer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::FakeS2;
using test::Heard;
using test::Hurt;
using Clock = std::chrono::steady_clock;

constexpr seconds kLong{20};  // a bound of liveness, not a measurement

ProducerOptions quick_options() {
  ProducerOptions options;
  options.linger = milliseconds(1);
  options.max_batch_records = 4;
  options.epoch_token = "mine";
  options.backoff_base = milliseconds(1);
  options.backoff_cap = milliseconds(4);
  options.ack_timeout = milliseconds(30);
  options.attempts_per_budget = 3;
  return options;
}

wire::AppendRecord record_of(std::uint64_t seq, bool bad = false) {
  wire::AppendRecord record;
  record.body = (bad ? "bad" : "seq") + std::to_string(seq);
  return record;
}

std::uint64_t seq_of(const wire::AppendRecord& record) {
  return std::stoull(std::string(record.body.view().substr(3)));
}

Submit put(Producers& producers, std::uint64_t seq, bool bad = false, const std::string& stream = "s") {
  return producers.submit(stream, seq, record_of(seq, bad), std::stop_token(), Clock::now() + kLong);
}

std::vector<std::uint64_t> stored_seqs(const FakeS2& s2) {
  std::vector<std::uint64_t> out;
  for (const auto& record : s2.stored()) {
    if (!record.body.view().starts_with("other")) out.push_back(seq_of(record));
  }
  return out;
}

TEST(Producer, TakesTheStreamThenEveryAppendCarriesTokenAndPlace) {
  FakeS2 s2;
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  for (std::uint64_t seq = 1; seq <= 10; ++seq) ASSERT_EQ(put(*producers, seq), Submit::taken);
  EXPECT_EQ(producers->wait_acked(10, Clock::now() + kLong), 0U);
  EXPECT_EQ(s2.token(), "mine-1.1");
  EXPECT_EQ(stored_seqs(s2), heard.acked_seqs);
  EXPECT_EQ(stored_seqs(s2).size(), 10U);
  EXPECT_TRUE(producers->close(Clock::now() + kLong).empty());
}

TEST(Producer, FlushDoesNotWaitForTheLinger) {
  FakeS2 s2;
  Heard heard;
  auto options = quick_options();
  options.linger = std::chrono::hours(1);
  auto producers = make_producers(options, s2, heard);
  put(*producers, 1);
  EXPECT_EQ(producers->wait_acked(1, Clock::now() + kLong), 0U);
  EXPECT_EQ(stored_seqs(s2), std::vector<std::uint64_t>{1});
}

TEST(Producer, ALostAckIsNeitherALossNorADuplicate) {
  FakeS2 s2;
  s2.plan = {Hurt::none, Hurt::cut_after_commit, Hurt::cut_after_commit, Hurt::cut_after_commit};
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  for (std::uint64_t seq = 1; seq <= 20; ++seq) put(*producers, seq);
  EXPECT_TRUE(producers->close(Clock::now() + kLong).empty());
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
      wire::AppendInput note;
      note.records.push_back({std::nullopt, {}, "other"});
      if (++appends == 4)
        service.foreign_append(note);  // behind the fence, event 1 and event 2, which was lost
    };
    Heard heard;
    auto options = quick_options();
    options.max_batch_records = 1;
    auto producers = make_producers(options, s2, heard);
    for (std::uint64_t seq = 1; seq <= 3; ++seq) {
      put(*producers, seq);
      EXPECT_EQ(producers->wait_acked(seq, Clock::now() + kLong), 0U);
    }
    EXPECT_TRUE(producers->close(Clock::now() + kLong).empty());
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
    wire::AppendInput note;
    note.records.push_back({std::nullopt, {}, "other"});
    if (++appends == 3) service.foreign_append(note);
  };
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  put(*producers, 1);
  EXPECT_EQ(producers->wait_acked(1, Clock::now() + kLong), 0U);
  EXPECT_EQ(stored_seqs(s2), std::vector<std::uint64_t>{1});
}

TEST(Producer, AnOutageLongerThanTheRetryBudgetLosesNothing) {
  FakeS2 s2;
  s2.plan.assign(40, Hurt::open_fails);
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  for (std::uint64_t seq = 1; seq <= 8; ++seq) put(*producers, seq);
  EXPECT_EQ(producers->wait_acked(8, Clock::now() + kLong), 0U);
  EXPECT_EQ(stored_seqs(s2).size(), 8U);
}

TEST(Producer, ExactlyTheRefusedRecordsFail) {
  FakeS2 s2;
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  for (std::uint64_t seq = 1; seq <= 16; ++seq) put(*producers, seq, seq == 3 || seq == 8);
  EXPECT_TRUE(producers->close(Clock::now() + kLong).empty());
  EXPECT_EQ(heard.failed_seqs,
            (std::map<std::uint64_t, FailureKind>{{3, FailureKind::refused}, {8, FailureKind::refused}}));
  EXPECT_EQ(stored_seqs(s2).size(), 14U);
}

TEST(Producer, SupersededItStoresNothingMoreAndSaysSo) {
  FakeS2 s2;
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  put(*producers, 1);
  ASSERT_EQ(producers->wait_acked(1, Clock::now() + kLong), 0U);
  wire::AppendInput successor;
  successor.records.push_back(wire::fence_command("successor"));
  s2.foreign_append(successor);
  put(*producers, 2);
  EXPECT_EQ(producers->wait_acked(2, Clock::now() + kLong), 0U);
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
    ASSERT_EQ(producers->wait_acked(1, Clock::now() + kLong), 0U);
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
  EXPECT_EQ(producers->submit("s", 6, record_of(6), stop.get_token(), Clock::now() + kLong), Submit::stopped);
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
  EXPECT_EQ(producers->submit("s", 1, std::move(record), std::stop_token(), Clock::now() + kLong),
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
  const Submitted submitted = producers->submit("s", run, std::stop_token(), Clock::now() + kLong);
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
  EXPECT_EQ(producers->submit("s", all, std::stop_token(), Clock::now() + kLong).taken, 6U);
  EXPECT_EQ(producers->submit("s", all.subspan(6), std::stop_token(), Clock::now() + kLong).answer,
            Submit::too_large);
  EXPECT_EQ(producers->submit("s", all.subspan(7), std::stop_token(), Clock::now() + kLong).taken, 2U);
  EXPECT_TRUE(producers->close(Clock::now() + kLong).empty());
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
  EXPECT_TRUE(producers->close(Clock::now() + kLong).empty());
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

// What a slow link may take for a big batch (half a minute here) is no excuse either.
TEST(Producer, ASilentPeerWithABigBatchDoesNotEatTheTimeOfWhoWaitsForAnswers) {
  FakeS2 s2;
  s2.plan = {Hurt::none, Hurt::silent};
  Heard heard;
  auto producers = make_producers(quick_options(), s2, heard);
  wire::AppendRecord big;
  big.body = "seq1" + std::string(900 * 1024, ' ');
  ASSERT_EQ(producers->submit("s", 1, std::move(big), std::stop_token(), Clock::now() + kLong),
            Submit::taken);
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
  EXPECT_TRUE(producers->close(Clock::now() + kLong).empty());
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
  EXPECT_TRUE(producers->close(Clock::now() + kLong).empty());
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
    EXPECT_TRUE(producers->remove("s", Clock::now() + kLong));
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
  EXPECT_EQ(producers->wait_acked(1, Clock::now() + kLong), 0U);
  const auto give_up = Clock::now() + kLong;
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
    producers->remove("s", Clock::now() + kLong);
    over = true;
  });
  const auto give_up = Clock::now() + kLong / 2;
  std::uint64_t seq = 1;
  while (!over && Clock::now() < give_up && seq < kMaxInFlightRecords) {
    put(*producers, ++seq);
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_TRUE(over);
  remover.join();
  EXPECT_EQ(producers->wait_acked(seq, Clock::now() + kLong), 0U);
}

// --- any plan of faults ---

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
  wire::AppendInput others;
  for (std::uint64_t n = 0; n < drawn.before; ++n) others.records.push_back({std::nullopt, {}, "other"});
  if (drawn.before > 0) s2.foreign_append(others);
  s2.plan.assign(drawn.plan.begin(), drawn.plan.end());
  s2.may_fence = drawn.may_fence;
  s2.may_read = drawn.may_read;
  s2.acks_a_poll = drawn.acks_a_poll;
  s2.late_by = drawn.late_by;
  int appends = 0;
  s2.before_each_append = [&](FakeS2& service) {
    if (!drawn.strangers.contains(++appends)) return;
    wire::AppendInput strangers;
    for (std::uint64_t n = 0; n < 1 + drawn.before % 3; ++n)
      strangers.records.push_back({std::nullopt, {}, "other"});
    service.foreign_append(strangers);
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
  const auto unsaved =
      producers->close(Clock::now() + (drawn.enough_time ? milliseconds(kLong) : milliseconds(3)));
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

TEST(Producer, UnderAnyPlanOfFaultsEveryRecordEndsOnceInOrderAndNeverTwice) {
  ASSERT_TRUE(rc::check([] { check_plan(draw()); }));
}

// The corner where places alone must do: no token shuts a late attempt out, and a record that S2 refuses
// leaves a gap before those behind it. The sixth record's first two attempts wait for the place behind that
// gap.
TEST(Producer, WithoutATokenNoLateAttemptLandsBesideTheOneThatWasSentAfterIt) {
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
