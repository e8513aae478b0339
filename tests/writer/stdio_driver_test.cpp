// The stdio driver on pipes, over fake producers: what a harness sees, in the contract's words.
#include "writer/stdio_driver.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/writer/stdio_pipe.h"
#include "writer/voice.h"

namespace s2::writer {
namespace {

using namespace test;
using nlohmann::json;

TEST(WriterDriver, PublishesFlushesAndStops) {
  DriverInProcess writer;
  writer.start("cap-1");
  writer.publish(1);
  EXPECT_EQ(writer.expect("published"), (json{{"published", 1}, {"seq", 1}}));
  writer.send({{"op", "flush"}, {"deadline_ms", 20000}});
  EXPECT_EQ(writer.expect("flushed")["flushed"]["through"], 1);
  writer.send({{"op", "stop"}});
  EXPECT_EQ(writer.expect("stopped"), (json{{"stopped", {{"through", 2}}}, {"session", "cap-1"}}));
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_EQ(writer.all("acked").back(), (json{{"acked", 2}, {"session", "cap-1"}}));
}

TEST(WriterDriver, EndOfInputMeansShutDownAndNothingIsLost) {
  DriverInProcess writer;
  writer.start("a");
  writer.publish_many(1, 500);
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_EQ(writer.accepted().size(), 500u);
  EXPECT_EQ(writer.all("acked").back()["acked"], 501);
}

TEST(WriterDriver, LastLineWithoutItsNewlineCounts) {
  DriverInProcess writer;
  writer.start("a");
  writer.send_raw(R"({"op":"publish","n":9,"event":{"type":"page_load"}})");
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_EQ(writer.accepted().size(), 1u);
}

TEST(WriterDriver, SessionsAndPublishersAreKeptApart) {
  DriverInProcess writer;
  writer.start("a");
  writer.start("b");
  writer.publish(1, 1, "a");
  EXPECT_EQ(writer.expect("published"), (json{{"published", 1}, {"seq", 1}, {"session", "a"}}));
  writer.publish(2);  // the last started
  writer.send({{"op", "stop"}, {"session", "a"}});
  EXPECT_EQ(writer.expect("stopped")["session"], "a");
  writer.publish(3, 1, "a");
  EXPECT_EQ(writer.expect("rejected")["rejected"], 3);
  writer.publish(4);
  writer.wait_for("published", [](const json& line) { return line["published"] == 4; });
  writer.start("a");  // the same id again
  writer.publish(5);
  writer.wait_for("published", [](const json& line) { return line["published"] == 5; });
  EXPECT_EQ(writer.finish(), 0);
}

TEST(WriterDriver, PublishesAreAnsweredWhileStorageHangsAndAFlushWaits) {
  DriverInProcess writer({.shutdown_budget = std::chrono::milliseconds(200)});
  writer.start("a");
  writer.s2->hang();
  writer.publish(1);
  writer.send({{"op", "flush"}, {"deadline_ms", 3'000'000}});
  writer.publish(2);
  writer.wait_for("published", [](const json& line) { return line["published"] == 2; });
  EXPECT_EQ(writer.finish(), 1);
  EXPECT_EQ(writer.all("flush_failed").size(), 1u);
  EXPECT_EQ(writer.gone(), (std::set<std::uint64_t>{1, 2, 3}));  // 3: the end marker
}

// Two sessions in turns: each event is a run of its own. Few lines say it, at the end or while it runs, and
// the steps behind the close keep their time.
TEST(WriterDriver, ManyShortRunsThatAreLostAreFewLinesWithinTheBudget) {
  constexpr std::uint64_t kEvents = 10'000;
  DriverInProcess writer(
      {.shutdown_budget = std::chrono::seconds(2), .writer = {.ring = {.events = kEvents + 10}}});
  writer.start("a");
  writer.start("b");
  writer.s2->hang();
  std::string lines;
  for (std::uint64_t n = 1; n <= kEvents; ++n)
    lines += fmt::format(R"({{"op":"publish","n":{},"session":"{}","event":{{"type":"console_log"}}}})", n,
                         n % 2 == 0 ? "a" : "b") +
             "\n";
  writer.send_raw(lines);
  writer.wait_for("published", [](const json& line) { return line["published"] == kEvents; });
  writer.term();
  EXPECT_EQ(writer.wait_end(), 1);
  EXPECT_EQ(writer.gone().size(), kEvents + 2);  // and the end markers
  EXPECT_LE(writer.all("lost").size(), kMaxRunsApart + 1);
  EXPECT_EQ(writer.all("lost").front()["session"], "b");
  EXPECT_FALSE(writer.all("lost").back().contains("session"));
  EXPECT_EQ(writer.log().find("close the files"), std::string::npos) << writer.log();
}

TEST(WriterDriver, FlushThatFailsNamesWhatIsDurableAndWhatPends) {
  DriverInProcess writer;
  writer.start("a");
  writer.publish(1);
  writer.wait_for("acked", [](const json& line) { return line["acked"] == 1; });
  writer.s2->hang();
  writer.publish_many(2, 3);
  writer.send({{"op", "flush"}, {"deadline_ms", 50}});
  EXPECT_EQ(writer.expect("flush_failed")["flush_failed"],
            (json{{"durable_through", 1}, {"pending", 2}, {"missing", json::array()}}));
  writer.s2->answer();
  EXPECT_EQ(writer.finish(), 0);
}

TEST(WriterDriver, FlushesThatEndTogetherNeverTakeBackWhatOneOfThemSaid) {
  for (int round = 0; round < 20; ++round) {
    DriverInProcess writer;
    writer.start("a");
    writer.s2->hang();
    constexpr std::uint64_t kFlushes = 16;
    for (std::uint64_t n = 1; n <= kFlushes; ++n) {
      writer.publish(n);
      writer.send({{"op", "flush"}, {"deadline_ms", 20'000}});
    }
    writer.wait_for("published", [](const json& line) { return line["published"] == kFlushes; });
    writer.s2->answer();
    EXPECT_EQ(writer.finish(), 0);
    std::uint64_t said = 0;
    for (const json& line : writer.all("flushed")) {
      EXPECT_GE(line["flushed"]["through"], said);
      said = line["flushed"]["through"];
    }
  }
}

TEST(WriterDriver, StopHasADeadlineAndSaysThatItFailed) {
  DriverInProcess writer;
  writer.start("a");
  writer.s2->hang();
  writer.publish(1);
  writer.send({{"op", "stop"}, {"deadline_ms", 50}});
  EXPECT_EQ(writer.expect("stopped")["stopped"], (json{{"through", 0}, {"pending", 2}}));
  writer.s2->answer();
  EXPECT_EQ(writer.finish(), 0);  // it went on trying
}

TEST(WriterDriver, StopWithoutASessionIsAnsweredAndPublishesNothing) {
  DriverInProcess writer;
  writer.send({{"op", "stop"}});
  EXPECT_EQ(writer.expect("stopped")["stopped"]["through"], 0);
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_NE(writer.log().find("no capture session is active"), std::string::npos);
}

TEST(WriterDriver, MoreWaitsThanItHasThreadsForAreAnsweredAtOnce) {
  DriverInProcess writer({.shutdown_budget = std::chrono::milliseconds(200)});
  writer.start("a");
  writer.s2->hang();
  writer.publish(1);
  for (std::size_t i = 0; i <= kMaxWaitingOps; ++i)
    writer.send({{"op", "flush"}, {"deadline_ms", 3'000'000}});
  writer.expect("flush_failed");
  writer.finish();
  EXPECT_EQ(writer.all("flush_failed").size(), kMaxWaitingOps + 1);
}

TEST(WriterDriver, StorageSwitchedOffStoresNothingOfThatTime) {
  DriverInProcess writer;
  writer.start("a");
  writer.publish(1);
  writer.send({{"op", "storage"}, {"on", false}});
  writer.publish(2);
  writer.send({{"op", "storage"}, {"on", true}});
  writer.publish(3);
  writer.send({{"op", "flush"}});
  EXPECT_EQ(writer.expect("flushed")["flushed"]["through"], 3);
  EXPECT_EQ(writer.s2->stored_seqs(), (std::vector<std::uint64_t>{1, 3}));
  EXPECT_EQ(writer.finish(), 0);
}

TEST(WriterDriver, GarbageIsOneLineOfAKindInTheLogAndNothingElse) {
  DriverInProcess writer;
  writer.send_raw("garbage\n\n\x1b[31mred\n{\"op\":\n");
  writer.start("a");
  writer.publish(1);
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_EQ(writer.accepted().size(), 1u);
  std::string log = writer.log();
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 2) << log;  // the first, and how many more
  EXPECT_NE(log.find("stdin: a line is left out: not a JSON object; 2 more"), std::string::npos) << log;
  EXPECT_EQ(log.find("red"), std::string::npos) << log;
}

TEST(WriterDriver, AHugeLineIsTakenAndTruncatedForEverySink) {
  DriverInProcess writer;
  writer.start("a");
  writer.publish(1, std::string(1'400'000, 'x'));
  writer.send({{"op", "flush"}});
  EXPECT_EQ(writer.expect("flushed")["flushed"]["through"], 1);
  EXPECT_LT(writer.s2->stored()[0].body.size(), 1000u);
  EXPECT_EQ(writer.finish(), 0);
}

TEST(WriterDriver, SignalShutsDownWithInputOpenAndASecondOneChangesNothing) {
  DriverInProcess writer;
  writer.start("a");
  writer.s2->linger();
  writer.publish_many(1, 50);
  writer.wait_for("published", [](const json& line) { return line["published"] == 50; });
  writer.term();
  writer.term();
  EXPECT_EQ(writer.wait_end(), 0);
  EXPECT_TRUE(writer.gone().empty());
}

TEST(WriterDriver, PublishDuringShutdownIsRejectedWithTheReason) {
  DriverInProcess writer({.shutdown_budget = std::chrono::milliseconds(2000)});
  writer.start("a");
  writer.s2->hang();
  writer.publish(1);
  writer.expect("published");
  writer.term();
  for (std::uint64_t n = 2; writer.all("rejected").empty(); ++n) {
    writer.publish(n);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_NE(writer.expect("rejected")["reason"].get<std::string>().find("shutting down"), std::string::npos);
  writer.s2->answer();
  EXPECT_EQ(writer.wait_end(), 0);
}

TEST(WriterDriver, DropsAreToldOnceAndExactly) {
  DriverInProcess writer({.writer = {.ring = {16}}});
  writer.start("a");
  writer.s2->hang();
  writer.s2->room(4);
  writer.publish_many(1, 200);
  writer.expect("dropped");
  writer.wait_for("published", [](const json& line) { return line["published"] == 200; });
  writer.s2->answer();
  writer.send({{"op", "flush"}});
  writer.expect("flushed");
  auto stored = writer.s2->stored_seqs();
  std::set<std::uint64_t> account = writer.gone();
  for (std::uint64_t seq : stored) EXPECT_TRUE(account.insert(seq).second);
  EXPECT_EQ(account, writer.accepted());
  EXPECT_EQ(writer.finish(), 1);
}

TEST(WriterDriver, ReaderThatIsSlowHoldsUpItsOwnInputAndNotStorage) {
  constexpr std::uint64_t kEvents =
      12'000;  // with a name of this length: more answers than pipe and queue hold
  const std::string session(kMaxSessionIdBytes, 's');
  DriverInProcess writer;
  writer.start(session);
  writer.read_on(false);
  std::jthread publisher([&] {
    for (std::uint64_t n = 1; n <= kEvents; ++n) writer.publish(n, 1, session);
  });
  ASSERT_TRUE(writer.s2->wait_stored(1000));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  writer.read_on(true);
  publisher.join();
  EXPECT_EQ(writer.finish(), writer.gone().empty() ? 0 : 1);
  EXPECT_EQ(writer.accepted().size(), kEvents);
}

TEST(WriterDriver, ReaderThatNeverReadsDoesNotHoldTheShutdown) {
  DriverInProcess writer({.shutdown_budget = std::chrono::milliseconds(300)});
  writer.start("a");
  writer.read_on(false);
  writer.publish_many(1, 5000);
  ASSERT_TRUE(writer.s2->wait_stored(1000));
  writer.term();
  writer.finish();
}

TEST(WriterDriver, WithoutDurableStorageEverythingElseIsUnchanged) {
  DriverInProcess writer({}, false);
  writer.start("a");
  writer.publish(1);
  writer.send({{"op", "flush"}});
  EXPECT_EQ(writer.expect("flushed")["flushed"]["through"], 0);
  EXPECT_EQ(writer.finish(), 0);
}

TEST(WriterDriver, ARingOfNothingCannotRun) {
  int in[2];
  ASSERT_EQ(::pipe(in), 0);
  StdioOptions options{
      .in_fd = in[0], .out_fd = in[1], .writer = {.ring = {0}}, .log = [](std::string_view) {}};
  EXPECT_EQ(run_stdio(options), 3);
  ::close(in[0]);
  ::close(in[1]);
}

}  // namespace
}  // namespace s2::writer
