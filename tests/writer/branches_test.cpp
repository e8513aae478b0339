// Branches of one source side by side: against one service, and with one journal. docs/forks.md.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "emulator/emulator.h"
#include "tests/writer/rig.h"
#include "writer/s2_client.h"
#include "writer/tcp_transport.h"

namespace s2::writer {
namespace {

using namespace test;
using nlohmann::json;
using Range = Ledger::Range;

// --- the journal ---

class BranchJournal : public testing::Test {
 protected:
  BranchJournal() { std::filesystem::remove_all(directory); }
  ~BranchJournal() override { std::filesystem::remove_all(directory); }
  // A branch of the process "old", which had one event pending, told who it is and gone without an end.
  void live(const std::string& session, bool inherit, bool answers) {
    Rig rig({.journal_dir = directory,
             .journal_wait = true,
             .journal_mark = {"old", 1, "basin-one", ""},
             .new_epoch = [session] { return "epoch-of-" + session; }});
    rig.start("source");
    rig.s2->hang();
    rig.publish(1);
    ASSERT_TRUE(rig.writer->identify(branch(session, inherit)));
    rig.publish(1);
    if (answers) rig.s2->answer();
    rig.shutdown(answers ? kLong : kShort);
  }
  // epoch -> its lines, as far as they are for a recovery to look at.
  std::map<std::string, std::size_t> to_recover() {
    std::map<std::string, std::size_t> lines;
    const auto scan = JournalScan::read(directory, "", "", [](std::string_view) {});
    EXPECT_TRUE(scan);
    for (const JournalPart& part : scan->parts()) lines[part.mark.epoch] += part.lines.size();
    return lines;
  }
  const std::string directory = testing::TempDir() + "/branch_journal";
};

TEST_F(BranchJournal, ABranchWritesFilesOfItsOwnUnderItsOwnEpoch) {
  live("b", true, false);
  EXPECT_TRUE(std::filesystem::exists(directory + "/console.epoch-of-b.jsonl"));
  EXPECT_EQ(to_recover(), (std::map<std::string, std::size_t>{{"old", 1}, {"epoch-of-b", 2}}));  // its marker
}

TEST_F(BranchJournal, WhatABranchHasLeftIsNoBusinessOfItsSuccessor) {
  live("b", false, false);
  EXPECT_EQ(to_recover(), (std::map<std::string, std::size_t>{{"epoch-of-b", 2}}));
}

TEST_F(BranchJournal, WhereBranchesShareADirectoryTheOneThatInheritsKeepsItForRecovery) {
  live("b", true, false);
  live("c", false, false);
  EXPECT_EQ(to_recover(),
            (std::map<std::string, std::size_t>{{"old", 1}, {"epoch-of-b", 2}, {"epoch-of-c", 2}}));
}

TEST_F(BranchJournal, ABranchThatStoredAllSettlesWhatItInherited) {
  live("b", true, true);
  EXPECT_TRUE(to_recover().empty());
}

// --- two branches of one source, against one service ---

class Branches : public testing::Test {
 protected:
  static constexpr int kPending = 7, kOwn = 5;

  // Before the branches connect.
  bool watch() {
    s2.create_basin("basin-one");
    s2.observe([this](const emulator::ProtocolEvent& seen) {
      if (seen.moment == emulator::Moment::connection_opened) ++open_connections;
      if (seen.moment == emulator::Moment::connection_closed) --open_connections;
      if (seen.moment == emulator::Moment::append_received && seen.stream == "source") ++to_source;
    });
    return true;
  }
  static bool until(const std::function<bool()>& holds) {
    for (const Deadline end = in(kLong); !holds(); std::this_thread::sleep_for(std::chrono::milliseconds(1)))
      if (std::chrono::steady_clock::now() > end) return false;
    return true;
  }

  // One of the two: the same epoch, session and pending batch as the other. The ring, the batch and the
  // producer's state are what a snapshot would hold.
  struct Branch {
    explicit Branch(const std::string& endpoint) {
      S2ClientOptions options;
      options.basin = "basin-one";
      options.basin_endpoint = endpoint;
      options.access_token = "t";
      client = std::move(*make_s2_client(options, *transport));
      ProducerOptions producer;
      producer.linger = std::chrono::minutes(1);
      producer.epoch_token = make_epoch_token("boot", 1000, 1000, 7);
      writer = std::move(*Writer::make(
          {}, [&](ProducerListener& listener) { return make_producers(producer, *client, listener); }, ledger,
          [](std::string_view) {}));
      EXPECT_TRUE(writer->start("source"));
      publish("", kPending);
    }
    void publish(const std::string& what, int count) {
      for (int i = 0; i < count; ++i)
        EXPECT_TRUE(writer->publish("", event("console_log", json(what + std::to_string(i)).dump())));
    }
    std::uint64_t end() {
      const auto report = writer->shutdown(kLong, [](Deadline) { return true; });
      writer.reset();
      return report.unsaved;
    }

    std::unique_ptr<Transport> transport = make_tcp_transport({});
    std::unique_ptr<AppendClient> client;
    Ledger ledger;
    std::unique_ptr<Writer> writer;
  };

  // The data of a stream's events, in order.
  std::vector<std::string> events_of(const std::string& stream) {
    std::vector<std::string> all;
    const auto records = first.client->make_channel(stream, [] {})->read_back(0, 1000, in(kLong));
    if (!records) return all;
    for (const wire::SequencedRecord& record : *records) {
      const json envelope = json::parse(record.body, nullptr, false);
      if (envelope.is_object() && envelope["event"]["type"] == "console_log")
        all.push_back(envelope["event"]["data"]);
    }
    return all;
  }
  static std::vector<std::string> expected(const std::string& what, int count) {
    std::vector<std::string> all;
    for (int i = 0; i < count; ++i) all.push_back(what + std::to_string(i));
    return all;
  }

  std::atomic<int> open_connections{0}, to_source{0};  // to_source: appends
  emulator::Emulator s2;
  const bool watching = watch();
  Branch first{s2.endpoint()}, second{s2.endpoint()};
};

TEST_F(Branches, EachStoresItsOwnAndTheSourcesPendingIsStoredOnce) {
  ASSERT_TRUE(first.writer->identify(branch("first", true)));
  ASSERT_TRUE(second.writer->identify(branch("second", false)));
  first.publish("first ", kOwn);
  second.publish("second ", kOwn);
  EXPECT_EQ(second.end(), std::uint64_t{kPending});
  EXPECT_EQ(first.end(), 0U);
  EXPECT_EQ(events_of("source"), expected("", kPending));
  EXPECT_EQ(events_of("first"), expected("first ", kOwn));
  EXPECT_EQ(events_of("second"), expected("second ", kOwn));
  EXPECT_EQ(second.ledger.losses(), (std::vector<Range>{{"source", 1, kPending}}));
}

TEST_F(Branches, ThatAreNotToldWhoTheyAreStoreThePendingTwiceAndMixTheirEvents) {
  first.publish("first ", kOwn);
  first.end();
  second.publish("second ", kOwn);
  second.end();
  const std::vector<std::string> mixed = events_of("source");
  EXPECT_GT(std::count(mixed.begin(), mixed.end(), "0"), 1);
}

TEST_F(Branches, WhatIsInFlightWhenItIsLeftIsOfUnknownOutcomeAndIsNeverSentAgain) {
  ASSERT_TRUE(first.writer->identify(branch("first", false)));
  first.end();
  ASSERT_TRUE(second.writer->flush(in(kLong)).flushed);
  s2.set_faults(R"([{"match":{"op":"append_session"},"fault":{"hang":"before_commit"}}])");
  const int before = to_source;
  second.publish("in flight ", kOwn);
  std::jthread flush([&] { second.writer->flush(in(kLong)); });
  ASSERT_TRUE(until([&] { return to_source > before; }));
  ASSERT_TRUE(second.writer->identify(branch("second", false)));
  ASSERT_TRUE(until([&] { return open_connections == 0; }));  // what was sent before has arrived
  const int sent = to_source;
  flush.join();
  s2.set_faults("[]");
  second.publish("second ", kOwn);
  EXPECT_EQ(second.end(), std::uint64_t{kOwn});
  EXPECT_EQ(to_source, sent);
  std::uint64_t from = kPending + 1;  // what was not in the first batch was not on its way
  for (const Range& each : second.ledger.losses()) {
    EXPECT_EQ(each.from, from);
    from = each.to + 1;
  }
  EXPECT_EQ(from, std::uint64_t{kPending + kOwn + 1});
  EXPECT_EQ(second.ledger.reasons().front(), "outcome unknown: left to the branch that inherits");
  EXPECT_EQ(events_of("source"), expected("", kPending));
  EXPECT_EQ(events_of("second"), expected("second ", kOwn));
}

}  // namespace
}  // namespace s2::writer
