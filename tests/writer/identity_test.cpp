// A writer in a branch of a snapshot: what the new identity keeps, what it leaves, and what it tells.
// docs/forks.md.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "tests/writer/rig.h"
#include "tests/writer/stdio_pipe.h"
#include "writer/telemetry_api.h"

namespace s2::writer {
namespace {

using namespace test;
using nlohmann::json;
using Range = Ledger::Range;
using Seqs = std::vector<std::uint64_t>;

Seqs stored_in(const Rig& rig, const std::string& stream) {
  Seqs seqs;
  for (const auto& record : rig.s2->stored()) {
    if (record.stream == stream) seqs.push_back(record.seq);
  }
  return seqs;
}

bool has_marker(const Rig& rig, const std::string& stream) {
  const auto stored = rig.s2->stored();
  return std::any_of(stored.begin(), stored.end(), [&](const auto& record) {
    return record.stream == stream && record.body.find("system_session_ended") != std::string::npos;
  });
}

// Where the source's events stand when the branch is told who it is.
enum class Pending { in_the_ring, in_the_batch, in_flight };

class IdentityWithPending : public testing::TestWithParam<Pending> {
 protected:
  // A session "source" with events 1 to 4, none of them stored.
  void SetUp() override {
    rig.start("source");
    if (GetParam() == Pending::in_the_batch) rig.s2->linger();
    if (GetParam() != Pending::in_the_batch) rig.s2->hang();
    if (GetParam() == Pending::in_the_ring) rig.s2->room(1);
    rig.publish(4);
    if (GetParam() == Pending::in_the_ring) {
      ASSERT_TRUE(rig.s2->wait_held_up());
    } else {
      ASSERT_TRUE(rig.s2->wait_taken(4));
    }
  }
  Rig rig;
};

TEST_P(IdentityWithPending, TheBranchThatInheritsStoresItInTheSourcesStreamAndSetsNoMarkerThere) {
  const auto identified = rig.writer->identify(branch("b", true));
  ASSERT_TRUE(identified) << identified.error();
  EXPECT_EQ(identified->after, 4U);
  EXPECT_EQ(identified->session->after, 4U);
  EXPECT_EQ(identified->left, 0U);
  rig.s2->answer();
  rig.s2->room(1'000'000);
  EXPECT_EQ(rig.publish(2), (Seqs{5, 6}));
  EXPECT_EQ(rig.shutdown().unsaved, 0U);
  EXPECT_EQ(stored_in(rig, "source"), (Seqs{1, 2, 3, 4}));
  EXPECT_EQ(stored_in(rig, "b"), (Seqs{5, 6, 7}));
  EXPECT_FALSE(has_marker(rig, "source"));
  EXPECT_TRUE(has_marker(rig, "b"));
  EXPECT_TRUE(rig.ledger.losses().empty());
}

TEST_P(IdentityWithPending, ABranchThatDoesNotTellsAllOfItAsLostAndSendsNothingMoreOfIt) {
  const auto identified = rig.writer->identify(branch("b", false));
  ASSERT_TRUE(identified) << identified.error();
  EXPECT_EQ(identified->session->after, 4U);
  rig.s2->answer();
  rig.s2->room(1'000'000);
  EXPECT_EQ(rig.publish(2), (Seqs{5, 6}));
  const ShutdownReport report = rig.shutdown();
  EXPECT_TRUE(stored_in(rig, "source").empty());
  EXPECT_EQ(stored_in(rig, "b"), (Seqs{5, 6, 7}));
  EXPECT_EQ(identified->left, 4U);
  EXPECT_EQ(report.unsaved, identified->left);
  rig.expect_exact_account({1, 2, 3, 4, 5, 6});
  for (const std::string& reason : rig.ledger.reasons())
    EXPECT_EQ(reason, "left to the branch that inherits");
  for (const Range& lost : rig.ledger.losses()) EXPECT_EQ(lost.session, "source");
}

INSTANTIATE_TEST_SUITE_P(Identity, IdentityWithPending,
                         testing::Values(Pending::in_the_ring, Pending::in_the_batch, Pending::in_flight));

TEST(Identity, WhatIsStoredBeforeIsNotToldAsLost) {
  Rig rig;
  rig.start("source");
  rig.publish(3);
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
  rig.s2->hang();
  rig.publish(2);
  ASSERT_TRUE(rig.writer->identify(branch("b", false)));
  EXPECT_EQ(rig.ledger.losses(), (std::vector<Range>{{"source", 4, 5}}));
  EXPECT_EQ(rig.s2->epochs().size(), 1U);
  EXPECT_EQ(rig.s2->epochs()[0].size(), kEpochTokenBytes);
}

TEST(Identity, AFlushBehindItCoversWhatTheBranchKeeps) {
  for (const bool inherit : {false, true}) {
    Rig rig;
    rig.start("source");
    rig.s2->hang();
    rig.publish(3);
    ASSERT_TRUE(rig.writer->identify(branch("b", inherit)));
    EXPECT_EQ(rig.writer->flush(in(kShort)).flushed, !inherit);
    rig.s2->answer();
    rig.publish(1);
    const FlushAnswer flushed = rig.writer->flush(in(kLong));
    EXPECT_TRUE(flushed.flushed);
    EXPECT_EQ(flushed.through, 4U);
    EXPECT_EQ(flushed.told.gone, 0U);  // what was left is the source's
    EXPECT_EQ(flushed.told.missing.named.size(), 0U);
  }
}

TEST(Identity, AFlushThatRacesWithItFailsOrCountsAllThatWasLeftOrIsTheBranchs) {
  Rig rig;
  rig.start("source");
  rig.s2->hang();
  rig.publish(3);
  FlushAnswer answer;
  std::jthread flush([&] { answer = rig.writer->flush(in(kLong)); });
  ASSERT_TRUE(rig.writer->identify(branch("b", false)));
  flush.join();
  // Whoever comes behind it asks the branch, which has lost nothing.
  EXPECT_TRUE(!answer.flushed || answer.told.gone == 3U || answer.told.gone == 0U) << answer.told.gone;
}

TEST(Identity, PublishersThatRaceWithItAreInTheOldSessionOrInTheNewOne) {
  for (const bool inherit : {false, true}) {
    Rig rig({.ring = {100'000}});
    rig.start("source");
    constexpr int kThreads = 4, kEach = 300;
    std::mutex mutex;
    Seqs accepted;
    std::atomic<int> under_way{0};
    std::vector<std::jthread> publishers;
    for (int t = 0; t < kThreads; ++t) {
      publishers.emplace_back([&] {
        for (int i = 0; i < kEach; ++i) {
          const auto published = rig.writer->publish("", event());
          ++under_way;
          const std::lock_guard lock(mutex);
          if (published) accepted.push_back(published->seq);
        }
      });
    }
    while (under_way < kThreads * kEach / 4) std::this_thread::yield();
    const auto identified = rig.writer->identify(branch("b", inherit));
    publishers.clear();
    ASSERT_TRUE(identified) << identified.error();
    rig.shutdown();
    EXPECT_EQ(accepted.size(), std::size_t{kThreads * kEach});  // held, and not rejected
    rig.expect_exact_account(accepted);
    for (const std::uint64_t seq : stored_in(rig, "source")) EXPECT_LE(seq, identified->after);
    const Seqs in_branch = stored_in(rig, "b");
    for (const std::uint64_t seq : accepted) {
      if (seq > identified->after) {
        EXPECT_TRUE(std::binary_search(in_branch.begin(), in_branch.end(), seq)) << seq;
      }
    }
    EXPECT_EQ(rig.ledger.gone().size(), identified->left);
  }
}

TEST(Identity, ASnapshotOfABranchIsABranchAgain) {
  Rig rig;
  rig.start("source");
  rig.s2->hang();
  rig.publish(2);
  ASSERT_TRUE(rig.writer->identify(branch("b", true)));
  rig.publish(2);
  const auto second = rig.writer->identify(branch("c", false));  // leaves what the first one inherited, too
  ASSERT_TRUE(second);
  EXPECT_EQ(second->left, 4U);
  EXPECT_EQ(rig.ledger.losses(), (std::vector<Range>{{"source", 1, 2}, {"b", 3, 4}}));
  rig.publish(1);
  ASSERT_TRUE(rig.writer->identify(branch("d", true)));
  rig.s2->answer();
  rig.publish(1);
  EXPECT_EQ(rig.shutdown().unsaved, 4U);
  EXPECT_EQ(stored_in(rig, "c"), (Seqs{5}));
  EXPECT_EQ(stored_in(rig, "d"), (Seqs{6, 7}));
  const auto epochs = rig.s2->epochs();
  EXPECT_EQ(std::set<std::string>(epochs.begin(), epochs.end()).size(), 3U);
}

TEST(Identity, AShutdownThatRacesWithItTellsEverythingOnce) {
  for (const bool inherit : {false, true}) {
    Rig rig;
    rig.start("source");
    rig.s2->hang();
    const Seqs accepted = rig.publish(20);
    std::jthread change([&] { rig.writer->identify(branch("b", inherit)); });
    const ShutdownReport report = rig.shutdown(std::chrono::milliseconds(200));
    change.join();
    rig.expect_exact_account(accepted);
    EXPECT_GE(report.unsaved, accepted.size());
    EXPECT_FALSE(rig.writer->identify(branch("c", inherit)));  // shutting down
  }
}

TEST(Identity, AnEndThatRacesWithItSetsItsMarkerBeforeOrNotAtAll) {
  for (int round = 0; round < 50; ++round) {
    Rig rig;
    rig.start("source");
    rig.publish(1);
    std::jthread stop([&] {
      if (auto end = rig.writer->end("source", in(kLong))) rig.writer->await_end(*end, in(kLong));
    });
    const auto identified = rig.writer->identify(branch("b", true));
    stop.join();
    ASSERT_TRUE(identified);
    rig.shutdown();
    for (const std::uint64_t seq : stored_in(rig, "source")) EXPECT_LE(seq, identified->after);
  }
}

TEST(Identity, WhatIsWrongIsSaidInOneLineAndChangesNothing) {
  Rig rig;
  rig.start("source");
  rig.start("other");
  rig.stop("other");
  for (const NewIdentity& wrong :
       {branch("", false), branch("source", false), branch("other", true), branch("b", false, "a-stream"),
        branch(std::string(kMaxSessionIdBytes + 1, 'x'), false)}) {
    const auto refused = rig.writer->identify(wrong);
    ASSERT_FALSE(refused) << wrong.session;
    EXPECT_EQ(refused.error().find('\n'), std::string::npos);
  }
  EXPECT_TRUE(rig.s2->epochs().empty());
  EXPECT_EQ(rig.publish(1, "source").size(), 1U);
}

TEST(Identity, WithAFixedStreamTheBranchNeedsOneOfItsOwn) {
  Rig rig({.fixed_stream = "vm-1"});
  rig.start("source");
  rig.publish(1);
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
  EXPECT_NE(rig.writer->identify(branch("b", false)).error().find("S2_STREAM"), std::string::npos);
  EXPECT_FALSE(rig.writer->identify(branch("b", false, "vm-1")));
  ASSERT_TRUE(rig.writer->identify(branch("b", false, "vm-2")));
  rig.publish(1);
  rig.start("c");
  rig.publish(1);
  rig.shutdown();
  EXPECT_EQ(stored_in(rig, "vm-1"), (Seqs{1}));
  EXPECT_EQ(stored_in(rig, "vm-2"), (Seqs{2, 3, 4, 5}));
}

TEST(Identity, AStreamThatWasLeftIsNotBegunAgain) {
  Rig rig;
  rig.start("ended");
  rig.stop("ended");
  rig.start("source");
  ASSERT_TRUE(rig.writer->identify(branch("b", false)));
  EXPECT_FALSE(rig.writer->start("source"));
  EXPECT_FALSE(rig.writer->start("ended"));
  EXPECT_FALSE(rig.writer->identify(branch("source", false)));
  EXPECT_TRUE(rig.writer->start("c"));
}

TEST(Identity, WithoutDurableStorageItIsAChangeOfSessionAndNothingMore) {
  Rig rig({}, /*durable=*/false);
  rig.start("source");
  rig.publish(2);
  const auto identified = rig.writer->identify(branch("b", false));
  ASSERT_TRUE(identified);
  EXPECT_EQ(identified->left, 0U);
  rig.publish(1, "b");
  EXPECT_EQ(rig.shutdown().unsaved, 0U);
}

// --- the drivers ---

TEST(IdentityOverStdio, IsAnsweredAndWhatIsPublishedBehindItIsTheBranchs) {
  DriverInProcess writer;
  writer.start("source");
  writer.s2->hang();
  writer.publish(1);
  writer.send({{"op", "identity"}, {"session", "b"}, {"inherit", false}});
  EXPECT_EQ(writer.expect("identified"),
            (json{{"identified", "b"}, {"after", 1}, {"pending", 0}, {"left", 1}}));
  EXPECT_EQ(writer.expect("lost")["session"], "source");
  writer.s2->answer();
  writer.publish(2);
  EXPECT_EQ(writer.expect("published")["seq"], 1);
  EXPECT_EQ(writer.expect("published")["seq"], 2);
  EXPECT_EQ(writer.finish(), 1);  // what it told as lost is not saved by this process
  EXPECT_EQ(writer.all("acked").back(), (json{{"acked", 3}, {"session", "b"}}));
}

TEST(IdentityOverStdio, OneThatCannotBeTakenIsOneClearLine) {
  DriverInProcess writer;
  writer.start("source");
  writer.send({{"op", "identity"}, {"session", "source"}});
  EXPECT_EQ(writer.expect("not_identified")["not_identified"], "source");
  writer.publish(1);
  writer.expect("published");
  EXPECT_EQ(writer.finish(), 0);
}

struct IdentityOverHttp : testing::Test {
  Rig rig;
  TelemetryApi api{*rig.writer, nullptr, std::chrono::milliseconds(500)};
  json body(const ApiAnswer& answer) { return json::parse(answer.body); }
};

TEST_F(IdentityOverHttp, KeepsWhatIsCapturedAndChangesTheSession) {
  api.put(R"({"browser":{"console":{"enabled":true}},"capture_session_id":"source"})");
  EXPECT_EQ(api.publish(R"({"type":"console_log"})").status, 200);
  const ApiAnswer identified = api.identify(R"({"session":"b","inherit":true})");
  EXPECT_EQ(identified.status, 200) << identified.body;
  EXPECT_EQ(body(identified)["after"], 1);
  EXPECT_EQ(body(api.state())["capture_session_id"], "b");
  EXPECT_EQ(body(api.state())["stream"], "b");
  EXPECT_TRUE(body(api.state())["config"]["browser"]["console"]["enabled"].get<bool>());
  EXPECT_EQ(body(api.publish(R"({"type":"console_log"})"))["capture_session_id"], "b");
}

TEST_F(IdentityOverHttp, WhileNothingIsCapturedItNamesTheNextSession) {
  EXPECT_EQ(api.identify(R"({"session":"b"})").status, 200);
  EXPECT_EQ(api.state().status, 404);
  EXPECT_EQ(rig.writer->last_seq(), 0U);
  EXPECT_EQ(body(api.put(R"({"browser":{"console":{"enabled":true}}})"))["capture_session_id"], "b");
}

TEST_F(IdentityOverHttp, ASessionThatWasLeftIsNotBegunAgain) {
  const char* kSource = R"({"browser":{"console":{"enabled":true}},"capture_session_id":"source"})";
  api.put(kSource);
  EXPECT_EQ(api.identify(R"({"session":"b"})").status, 200);
  api.put(R"({"browser":{"console":{"enabled":false}}})");
  EXPECT_EQ(api.put(kSource).status, 400);
  EXPECT_EQ(api.put(R"({"browser":{"console":{"enabled":true}}})").status, 201);
}

TEST_F(IdentityOverHttp, BadInputIs400AndAShutdown503) {
  api.put(R"({"browser":{"console":{"enabled":true}},"capture_session_id":"source"})");
  for (const char* wrong : {"", "[]", "x", "{}", R"({"session":7})", R"({"session":""})",
                            R"({"session":"source"})", R"({"session":"b","inherit":"yes"})",
                            R"({"session":"b","stream":"s"})", R"({"session":"b","stream":1})"}) {
    EXPECT_EQ(api.identify(wrong).status, 400) << wrong;
    EXPECT_FALSE(body(api.identify(wrong))["error"].get<std::string>().empty());
  }
  EXPECT_EQ(body(api.state())["stream"], "source");
  api.refuse();
  EXPECT_EQ(api.identify(R"({"session":"b"})").status, 503);
}

TEST_F(IdentityOverHttp, EventsThatArePostedMeanwhileAreAcceptedInOneOfTheTwo) {
  api.put(R"({"browser":{"console":{"enabled":true}},"capture_session_id":"source"})");
  std::atomic<int> posted{0};
  std::vector<std::jthread> publishers;
  for (int t = 0; t < 3; ++t) {
    publishers.emplace_back([&] {
      for (int i = 0; i < 200; ++i, ++posted) EXPECT_EQ(api.publish(R"({"type":"console_log"})").status, 200);
    });
  }
  while (posted < 100) std::this_thread::yield();
  EXPECT_EQ(api.identify(R"({"session":"b","inherit":true})").status, 200);
  publishers.clear();
  EXPECT_EQ(rig.writer->last_seq(), 600U);
}

}  // namespace
}  // namespace s2::writer
