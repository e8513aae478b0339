// The whole writer over real sockets through outages longer than every budget of its own: once they end, all
// is delivered; a shutdown in their midst makes its last attempt, keeps to its budget, and says exactly what
// it could not save. System rules "Producer", "Shutdown"; I4, I7, I8, I10.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "emulator/emulator.h"
#include "tests/writer/committed.h"
#include "tests/writer/ledger.h"
#include "writer/s2_client.h"
#include "writer/tcp_transport.h"
#include "writer/writer.h"

namespace s2::writer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Ledger;
using SteadyClock = std::chrono::steady_clock;

constexpr seconds kAlive{30};  // a bound of liveness, not a measurement
// With the default back-off (2 s at most) a minute is some forty attempts.
constexpr int kAttemptsOfAMinute = 40;
constexpr std::size_t kInFlight = 8;  // records

enum class Trouble { refused, silent, half_open, rate_limited, unavailable, slow, flapping, lost_acks };

std::string always(const std::string& fault) {
  return R"([{"match":{"op":"append_session","times":1000000},"fault":)" + fault + "}]";
}

class OutageRig {
 public:
  explicit OutageRig(milliseconds backoff_base = milliseconds(2),
                     milliseconds backoff_cap = milliseconds(20)) {
    std::filesystem::remove_all(directory_);
    s2.create_basin("basin-one");
    s2.observe([this](const emulator::ProtocolEvent& event) { observe(event); });
    S2ClientOptions client;
    client.basin = "basin-one";
    client.basin_endpoint = s2.endpoint();
    client.access_token = "a-token";
    client_ = std::move(*make_s2_client(client, *transport_));
    ProducerOptions producer;
    producer.linger = milliseconds(2);
    producer.max_batch_records = 4;
    producer.max_in_flight_records = kInFlight;
    producer.epoch_token = "epoch";
    producer.backoff_base = backoff_base;
    producer.backoff_cap = backoff_cap;
    producer.open_timeout = producer.ack_timeout = milliseconds(150);
    auto made = Writer::make(
        {.ring = {16}, .journal_dir = directory_, .journal_wait = true},
        [&](ProducerListener& listener) { return make_producers(producer, *client_, listener); }, ledger,
        [](std::string_view) {});
    EXPECT_TRUE(made);
    writer = std::move(*made);
    EXPECT_TRUE(writer->start("a"));
  }
  ~OutageRig() {
    flapping_ = {};
    writer.reset();
    std::filesystem::remove_all(directory_);
  }

  void begin(Trouble trouble) {
    switch (trouble) {
      case Trouble::refused:
        return s2.cut(emulator::CutKind::reset);
      case Trouble::silent:
        return s2.cut(emulator::CutKind::silent);
      case Trouble::half_open:
        return s2.set_faults(always(R"({"hang":"before_commit"})"));
      case Trouble::rate_limited:
        return s2.set_faults(always(R"({"status":429,"code":"rate_limited","when":"before_commit"})"));
      case Trouble::unavailable:
        return s2.set_faults(always(R"({"status":503,"code":"unavailable","when":"before_commit"})"));
      case Trouble::slow:
        return s2.set_faults(always(R"({"delay":"60ms","when":"before_commit"})"));
      case Trouble::lost_acks:
        return s2.set_faults(always(R"({"hang":"after_commit"})"));
      case Trouble::flapping:
        flapping_ = std::jthread([this](const std::stop_token& stop) {
          for (bool silent = false; !stop.stop_requested(); silent = !silent) {
            s2.cut(silent ? emulator::CutKind::silent : emulator::CutKind::reset);
            std::this_thread::sleep_for(milliseconds(25));
            s2.heal();
            std::this_thread::sleep_for(milliseconds(5));
          }
        });
    }
  }
  void end() {
    flapping_ = {};
    s2.set_faults("[]");
    s2.heal();
  }

  void publish(int count) {
    Event event;
    event.type = "console_log";
    event.data_json = "1";
    for (; count > 0; --count) {
      ASSERT_TRUE(writer->publish("a", event));
      ++accepted;
    }
  }
  std::vector<std::uint64_t> stored() {
    const std::lock_guard lock(mutex_);
    return stored_;
  }
  // What was accepted is stored or told as gone. Both is only what was on the wire at the last deadline and
  // is told as that: it may land behind the writer's back.
  void expect_exact_account() {
    const std::set<std::uint64_t> gone = ledger.gone(), unknown = outcome_unknown();
    std::set<std::uint64_t> account = gone;
    for (const std::uint64_t seq : stored()) {
      EXPECT_TRUE(!gone.contains(seq) || unknown.contains(seq)) << seq;
      account.insert(seq);
    }
    EXPECT_EQ(account.size(), accepted);
    EXPECT_LE(unknown.size(), kInFlight);
  }
  std::set<std::uint64_t> outcome_unknown() const {
    std::set<std::uint64_t> seqs;
    const auto losses = ledger.losses();
    const auto reasons = ledger.reasons();
    for (std::size_t i = 0; i < losses.size(); ++i) {
      if (!reasons[i].starts_with("outcome unknown")) continue;
      for (auto seq = losses[i].from; seq <= losses[i].to; ++seq) seqs.insert(seq);
    }
    return seqs;
  }
  bool wait_attempts(int count) const {
    const auto give_up = SteadyClock::now() + kAlive;
    while (attempts < count && SteadyClock::now() < give_up) std::this_thread::sleep_for(milliseconds(1));
    return attempts >= count;
  }

  Ledger ledger;
  std::atomic<int> attempts{0};  // appends that came to the service
  std::uint64_t accepted = 0;

 private:
  void observe(const emulator::ProtocolEvent& event) {
    if (event.moment == emulator::Moment::append_received) ++attempts;
    const std::lock_guard lock(mutex_);
    each_committed(event, [&](const nlohmann::json& envelope) { stored_.push_back(envelope["seq"]); });
  }

  const std::string directory_ = testing::TempDir() + "/outage_" + std::to_string(::getpid());
  std::mutex mutex_;
  std::vector<std::uint64_t> stored_;
  std::jthread flapping_;

 public:
  emulator::Emulator s2;  // goes before what its observer uses

 private:
  std::unique_ptr<Transport> transport_ = make_tcp_transport();
  std::unique_ptr<AppendClient> client_;

 public:
  std::unique_ptr<Writer> writer;
};

std::vector<std::uint64_t> first_numbers(std::uint64_t to) {
  std::vector<std::uint64_t> all;
  for (std::uint64_t n = 1; n <= to; ++n) all.push_back(n);
  return all;
}

class Outage : public testing::TestWithParam<std::pair<const char*, Trouble>> {};

TEST_P(Outage, OnceItEndsAllThatRingAndJournalHeldIsStoredOnceInOrder) {
  OutageRig rig;
  rig.publish(10);
  ASSERT_TRUE(rig.writer->flush(SteadyClock::now() + kAlive).flushed);
  rig.begin(GetParam().second);
  rig.publish(300);
  std::this_thread::sleep_for(milliseconds(400));  // some budgets of attempts, and of silence
  rig.publish(20);
  rig.end();
  EXPECT_TRUE(rig.writer->flush(SteadyClock::now() + kAlive).flushed);
  EXPECT_EQ(rig.stored(), first_numbers(330));
  EXPECT_TRUE(rig.ledger.gone().empty());
}

TEST_P(Outage, AShutdownInItsMidstKeepsItsBudgetAndSaysExactlyWhatItCouldNotSave) {
  OutageRig rig;
  rig.publish(10);
  ASSERT_TRUE(rig.writer->flush(SteadyClock::now() + kAlive).flushed);
  rig.begin(GetParam().second);
  rig.publish(300);
  std::this_thread::sleep_for(milliseconds(200));
  const auto began = SteadyClock::now();
  const ShutdownReport report = rig.writer->shutdown(milliseconds(600), [](Deadline) { return true; });
  EXPECT_LT(SteadyClock::now() - began, seconds(10));
  ++rig.accepted;  // the end marker
  rig.end();
  rig.expect_exact_account();
  EXPECT_EQ(report.unsaved, rig.ledger.gone().size());
  if (GetParam().second != Trouble::flapping && GetParam().second != Trouble::slow) {
    EXPECT_EQ(report.unsaved, 301u);
  }
}

// Sent, and no answer by the last deadline: nobody can know. It is told as that, in exact ranges.
TEST(OutageAtTheEnd, WhatIsOnTheWireAtTheLastDeadlineIsToldAsUnknownAndTheRestAsNotSent) {
  OutageRig rig;
  rig.publish(10);
  ASSERT_TRUE(rig.writer->flush(SteadyClock::now() + kAlive).flushed);
  rig.begin(Trouble::lost_acks);
  rig.publish(100);
  rig.writer->shutdown(milliseconds(400), [](Deadline) { return true; });
  ++rig.accepted;
  rig.expect_exact_account();
  const auto unknown = rig.outcome_unknown();
  ASSERT_FALSE(unknown.empty());
  EXPECT_EQ(*unknown.begin(), 11u);
  EXPECT_EQ(*unknown.rbegin(), 10 + unknown.size());
  EXPECT_EQ(rig.ledger.gone().size(), 101u);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Outage,
                         testing::Values(std::pair{"Refused", Trouble::refused},
                                         std::pair{"Silent", Trouble::silent},
                                         std::pair{"HalfOpen", Trouble::half_open},
                                         std::pair{"RateLimited", Trouble::rate_limited},
                                         std::pair{"Unavailable", Trouble::unavailable},
                                         std::pair{"Slow", Trouble::slow},
                                         std::pair{"Flapping", Trouble::flapping}),
                         [](const auto& parameters) { return std::string(parameters.param.first); });

TEST(OutageOfAMinute, RefusedWith429AllTheWhileNothingIsLost) {
  OutageRig rig;
  rig.begin(Trouble::rate_limited);
  rig.publish(200);
  ASSERT_TRUE(rig.wait_attempts(kAttemptsOfAMinute));
  rig.end();
  EXPECT_TRUE(rig.writer->flush(SteadyClock::now() + kAlive).flushed);
  EXPECT_EQ(rig.stored(), first_numbers(200));
}

// A pause of minutes was earned; the outage is over, but nobody knows.
TEST(OutageOfAMinute, AShutdownInALongBackOffTriesAtOnceAndSavesAll) {  // backoff-eats-grace
  OutageRig rig(seconds(200), seconds(400));
  rig.begin(Trouble::rate_limited);
  rig.publish(100);
  ASSERT_TRUE(rig.wait_attempts(1));
  std::this_thread::sleep_for(milliseconds(50));  // the refusal arrives
  rig.end();
  const ShutdownReport report = rig.writer->shutdown(seconds(10), [](Deadline) { return true; });
  EXPECT_EQ(report.unsaved, 0u);
  EXPECT_EQ(rig.stored(), first_numbers(101));
}

// It is not over: there is one more attempt all the same, refused like the others.
TEST(OutageOfAMinute, AShutdownInALongBackOffMakesItsLastAttemptAlsoInVain) {
  OutageRig rig(seconds(200), seconds(400));
  rig.begin(Trouble::rate_limited);
  rig.publish(100);
  ASSERT_TRUE(rig.wait_attempts(1));
  std::this_thread::sleep_for(milliseconds(50));
  const int before = rig.attempts;
  rig.writer->shutdown(milliseconds(600), [](Deadline) { return true; });
  EXPECT_GT(rig.attempts, before);
  ++rig.accepted;
  rig.expect_exact_account();
}

}  // namespace
}  // namespace s2::writer
