// Whatever comes in wrong is answered as the tables say, told in the log by one clear line without the
// event's content, and costs nothing of what was accepted. Half a configuration: config_test.cpp.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/writer/committed.h"
#include "tests/writer/http_program.h"
#include "tests/writer/system_clock.h"
#include "writer/tcp_transport.h"
#include "writer/telemetry_api.h"

namespace s2::writer {
namespace {

using namespace test;
using nlohmann::json;

constexpr const char* kSecretText = "what-nobody-else-may-read";

// How many lines of the log have this in them.
std::size_t lines_with(const std::string& log, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t begin = 0, end; (end = log.find('\n', begin)) != std::string::npos; begin = end + 1)
    found += log.substr(begin, end - begin).find(part) != std::string::npos ? 1 : 0;
  return found;
}

// Through the HTTP driver, beside the emulator: at the end all that was accepted is stored.
class BadRequest : public HttpProgram {
 protected:
  void expect_one_line(const std::string& part) {
    EXPECT_EQ(lines_with(writer->log(), part), 1U) << part << " in:\n" << writer->log();
    EXPECT_EQ(writer->log().find(kSecretText), std::string::npos);
  }
  void end_with_all_stored(std::size_t accepted) {
    EXPECT_EQ(client().Post("/telemetry/flush", R"({"deadline_ms":20000})", kJsonType)->status, 200);
    EXPECT_EQ(stored("stream=session-1").size(), accepted);
    writer->signal(SIGTERM);
    EXPECT_EQ(writer->wait_end(), 0);
    EXPECT_TRUE(writer->gone().empty());
  }
};

// Through the stdio driver.
class BadLine : public testing::Test {
 protected:
  void expect_one_line(const std::string& part) {
    EXPECT_EQ(lines_with(writer.log(), part), 1U) << part << " in:\n" << writer.log();
    EXPECT_EQ(writer.log().find(kSecretText), std::string::npos);
  }
  void send_event(const json& event, const char* answer = "published") {
    writer.send({{"op", "publish"}, {"n", ++n_}, {"event", event}});
    writer.wait_for(answer, [&](const json& line) { return line[answer] == n_; });
  }
  void end_with_all_stored(std::size_t accepted) {
    writer.send({{"op", "flush"}, {"deadline_ms", 20000}});
    writer.expect("flushed");
    EXPECT_EQ(writer.s2->stored().size(), accepted);
    EXPECT_EQ(writer.finish(), 0);
    EXPECT_TRUE(writer.gone().empty());
  }

  DriverInProcess writer;

 private:
  int n_ = 0;
};

TEST_F(BadRequest, AnUnknownCategoryIsRefusedAndToldOnce) {
  begin();
  put(kConsoleOn);
  EXPECT_EQ(publish(), 200);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(publish(R"({"type":"odd","category":"konsole","data":"what-nobody-else-may-read"})"), 400);
  expect_one_line("http: POST /telemetry/events: 400: the event's category is not one of those that exist");
  end_with_all_stored(1);
  EXPECT_EQ(lines_with(writer->log(), "that exist; 2 more"), 1U) << writer->log();
}

TEST_F(BadLine, AnUnknownCategoryIsRejectedAndToldOnce) {
  writer.start("a");
  send_event({{"type", "console_log"}});
  send_event({{"type", "odd"}, {"category", "konsole"}, {"data", kSecretText}}, "rejected");
  expect_one_line("stdin: a publish is rejected: the event's category is not one of those that exist");
  end_with_all_stored(1);
}

TEST_F(BadRequest, AnEventOverTheLimitIsStoredWithoutItsDataAndToldOnce) {
  begin();
  put(kConsoleOn);
  const auto answer = client().Post(
      "/telemetry/events",
      R"({"type":"console_log","data":")" + (kSecretText + std::string(1'000'000, 'x')) + "\"}", kJsonType);
  ASSERT_EQ(answer->status, 200);
  EXPECT_TRUE(json::parse(answer->body)["event"]["truncated"]);
  expect_one_line(
      "an event is over 1,000,000 bytes: it is accepted without its data, as truncated (event 1)");
  const std::string big = R"({"type":"console_log","url":")" + std::string(kMaxApiBodyBytes, 'x') + "\"}";
  EXPECT_EQ(publish(big), 413);
  expect_one_line("http: POST /telemetry/events: 413: the body is over 2097152 bytes");
  end_with_all_stored(1);
}

TEST_F(BadRequest, AnEventOverTheLimitEvenWithoutItsDataIsAcceptedAndToldAsLostAndTheNextIsStored) {
  begin();
  put(kConsoleOn);
  const std::string address(1'100'000, 'x');
  EXPECT_EQ(publish(R"({"type":"console_log","data":1,"url":")" + address + "\"}"), 200);
  EXPECT_EQ(publish(), 200);
  expect_one_line("an event is over 1,000,000 bytes even without its data: S2 may refuse it (event 1)");
  writer->signal(SIGTERM);
  EXPECT_EQ(writer->wait_end(), 1);
  EXPECT_EQ(writer->gone(), std::set<std::uint64_t>{1});
  begin();
  EXPECT_EQ(stored("stream=session-1").size(), 2U);  // the end marker, too
}

TEST_F(BadRequest, InvalidUtf8IsRefusedAndToldOnce) {
  begin();
  put(kConsoleOn);
  EXPECT_EQ(publish(), 200);
  EXPECT_EQ(publish("{\"type\":\"console_log\",\"data\":\"what-nobody-else-may-read\xff\"}"), 400);
  expect_one_line("http: POST /telemetry/events: 400: the body is not UTF-8, as JSON must be");
  end_with_all_stored(1);
}

TEST_F(BadLine, InvalidUtf8IsReadWithReplacementsAndToldOnce) {
  writer.start("a");
  for (int n = 1; n <= 2; ++n) {
    writer.send_raw("{\"op\":\"publish\",\"n\":" + std::to_string(n) +
                    ",\"event\":{\"type\":\"console_log\",\"data\":\"what-nobody-else-may-read\xff\"}}\n");
    writer.wait_for("published", [&](const json& line) { return line["published"] == n; });
  }
  expect_one_line("stdin: a line is not UTF-8: U+FFFD stands for each byte that cannot be read");
  end_with_all_stored(2);
}

TEST_F(BadLine, AClockThatGoesBackIsToldOnceAndTakesTimesBackButNoNumbers) {
  writer.start("a");
  send_event({{"type", "console_log"}});
  {
    const ClockBack back(std::chrono::hours(1));
    for (int i = 0; i < 3; ++i) send_event({{"type", "console_log"}});
    end_with_all_stored(4);
  }
  expect_one_line("the system's clock went back: times of events go back, their numbers go on (by 3");
}

// The real client and the emulator, whose streams keep record times in order.
TEST(BadClock, AClockThatGoesBackMakesNoAppendFail) {
  emulator::Emulator s2;
  s2.create_basin("basin-one");
  std::mutex mutex;
  std::vector<std::uint64_t> seqs;
  std::vector<std::int64_t> ts;
  s2.observe([&](const emulator::ProtocolEvent& moment) {
    const std::lock_guard lock(mutex);
    each_committed(moment, [&](const json& envelope) {
      seqs.push_back(envelope["seq"]);
      ts.push_back(envelope["event"]["ts"]);
    });
  });
  const auto transport = make_tcp_transport({});
  S2ClientOptions reached;
  reached.basin = "basin-one";
  reached.basin_endpoint = s2.endpoint();
  reached.access_token = "a-token";
  const auto client = std::move(*make_s2_client(reached, *transport));
  StdioOptions options;
  options.make_producers = [&](ProducerListener& listener) {
    ProducerOptions producer;
    producer.linger = std::chrono::milliseconds(1);
    producer.epoch_token = "epoch";
    return make_producers(producer, *client, listener);
  };
  DriverInProcess writer(options);
  writer.start("a");
  const auto flush = [&](std::uint64_t through) {
    writer.send({{"op", "flush"}, {"deadline_ms", 20000}});
    EXPECT_EQ(writer.expect("flushed")["flushed"]["through"], through);
  };
  writer.publish(1);
  flush(1);
  {
    const ClockBack back(std::chrono::hours(1));
    writer.publish(2);
    flush(2);
  }
  writer.publish(3);
  flush(3);
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_TRUE(writer.gone().empty());
  const std::lock_guard lock(mutex);
  EXPECT_EQ(seqs, (std::vector<std::uint64_t>{1, 2, 3, 4}));  // and the end marker
  EXPECT_LT(ts.at(1), ts.at(0));
  EXPECT_GT(ts.at(2), ts.at(1));
}

class BadJournal : public ::testing::Test {
 protected:
  ~BadJournal() override { std::filesystem::remove_all(directory); }
  // Publishes, flushes and ends; the log.
  std::string life_with(const std::string& journal_dir) {
    StdioOptions options;
    options.writer.journal_dir = journal_dir;
    DriverInProcess writer(options);
    writer.start("a");
    writer.publish_many(1, 3);
    writer.send({{"op", "flush"}, {"deadline_ms", 20000}});
    EXPECT_EQ(writer.expect("flushed")["flushed"]["through"], 3);
    EXPECT_EQ(writer.s2->stored().size(), 3U);
    EXPECT_EQ(writer.finish(), 0);
    EXPECT_TRUE(writer.gone().empty());
    return writer.log();
  }
  const std::string directory = testing::TempDir() + "/bad-journal-" + std::to_string(::getpid());
};

TEST_F(BadJournal, ADirectoryThatIsMissingIsMadeAndOneThatCannotBeMadeEndsTheStart) {
  EXPECT_EQ(life_with(directory + "/deep/er").find("journal"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(directory + "/deep/er/console.jsonl"));
  Program writer(std::map<std::string, std::string>{{"S2_WRITER_JOURNAL_DIR", "/dev/null/journal"}});
  EXPECT_EQ(writer.finish(), 3);
  EXPECT_EQ(lines_with(writer.log(), "the journal's directory /dev/null/journal cannot be made"), 1U)
      << writer.log();
}

// Nobody makes files there, root neither.
TEST_F(BadJournal, AReadOnlyOneCostsItsLinesAndIsToldWithWhatItLacks) {
  const std::string log = life_with("/sys/kernel");
  EXPECT_EQ(lines_with(log, "journal: /sys/kernel/console.jsonl cannot be written ("), 1U) << log;
  EXPECT_EQ(
      lines_with(log, "shutdown (end of input): the journal in /sys/kernel lacks 4 events (system.jsonl: "),
      1U)
      << log;
  EXPECT_EQ(log.find("was not done after"), std::string::npos) << log;
}

TEST_F(BadJournal, AFullOneCostsItsLinesAndIsToldWithWhatItLacks) {
  std::filesystem::create_directories(directory);
  std::filesystem::create_symlink("/dev/full", directory + "/console.jsonl");
  const std::string log = life_with(directory);
  EXPECT_EQ(lines_with(log, "console.jsonl cannot be written (No space left on device)"), 1U) << log;
  EXPECT_EQ(lines_with(log, "lacks 3 events (console.jsonl: No space left on device); what is stored in S2"),
            1U)
      << log;
}

TEST_F(BadRequest, AFlushWithoutASessionTwiceAndWithoutTimeIsAnsweredAndToldOnce) {
  begin();
  for (int i = 0; i < 2; ++i) {
    const auto none = client().Post("/telemetry/flush");
    EXPECT_EQ(none->status, 200);
    EXPECT_EQ(json::parse(none->body)["through"], 0);
  }
  expect_one_line("flush: no event had to be stored");
  put(kConsoleOn);
  EXPECT_EQ(publish(), 200);
  for (int i = 0; i < 2; ++i) {
    const auto flushed = client().Post("/telemetry/flush", R"({"deadline_ms":20000})", kJsonType);
    EXPECT_EQ(flushed->status, 200);
    EXPECT_EQ(json::parse(flushed->body)["through"], 1);
  }
  expect_one_line("flush: all is stored (through event 1)");
  s2.set_faults(R"([{"match":{"op":"append_session"},"fault":{"delay":"300ms","when":"before_commit"}}])");
  EXPECT_EQ(publish(), 200);
  const auto late = client().Post("/telemetry/flush", R"({"deadline_ms":0})", kJsonType);
  EXPECT_EQ(late->status, 504);
  EXPECT_EQ(json::parse(late->body)["pending"], 1);
  expect_one_line("flush: not all is stored by its deadline (through event 1, 1 pending)");
  end_with_all_stored(2);
}

TEST_F(BadLine, AFlushWithoutASessionTwiceAndWithoutTimeIsAnsweredAndToldOnce) {
  const auto flush = [&](int deadline_ms, const char* answer) {
    writer.send({{"op", "flush"}, {"deadline_ms", deadline_ms}});
    return writer.expect(answer)[answer];
  };
  for (int i = 0; i < 2; ++i) EXPECT_EQ(flush(20'000, "flushed")["through"], 0);
  expect_one_line("flush: no event had to be stored");
  writer.start("a");
  send_event({{"type", "console_log"}});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(flush(20'000, "flushed")["through"], 1);
  expect_one_line("flush: all is stored (through event 1)");
  writer.s2->hang();
  send_event({{"type", "console_log"}});
  EXPECT_EQ(flush(0, "flush_failed")["pending"], 1);
  expect_one_line("flush: not all is stored by its deadline (through event 1, 1 pending)");
  writer.s2->answer();
  end_with_all_stored(2);
}

TEST_F(BadRequest, APutWhileItStopsIsRefusedAndToldOnceAndNothingAcceptedIsLost) {
  auto variables = environment();
  variables["S2_BATCHER_LINGER"] = "1m";
  begin(variables);
  put(kConsoleOn);
  EXPECT_EQ(publish(), 200);
  s2.set_faults(R"([{"match":{"op":"append_session"},"fault":{"delay":"500ms","when":"before_commit"}}])");
  writer->signal(SIGTERM);
  int status = 200;
  for (int i = 0; i < 400 && status == 200; ++i) status = put(kConsoleOn);
  EXPECT_EQ(status, 503);
  EXPECT_EQ(publish(), 503);
  EXPECT_EQ(writer->wait_end(), 0);
  expect_one_line("http: PUT /telemetry: 503: the writer is shutting down");
  expect_one_line("http: POST /telemetry/events: 503: the writer is shutting down");
  EXPECT_TRUE(writer->gone().empty());
  begin();
  EXPECT_EQ(stored("stream=session-1").size(), 2U);  // and the end marker
}

TEST_F(BadRequest, APageAndAStrangerAreRefusedAndToldOnce) {
  begin();
  EXPECT_EQ(client().Get("/telemetry", {{"Origin", "http://evil.example"}})->status, 403);
  EXPECT_EQ(client().Get("/telemetry", {{"Host", "evil.example"}})->status, 421);
  expect_one_line("http: GET /telemetry: 403: requests of web pages");
  expect_one_line("http: GET /telemetry: 421: ");
  auto variables = environment();
  variables["S2_WRITER_API_TOKEN"] = kSecretText;
  begin(variables);
  EXPECT_EQ(client().Get("/telemetry")->status, 401);
  EXPECT_EQ(client().Get("/telemetry", {{"Authorization", std::string("Bearer x") + kSecretText}})->status,
            401);
  expect_one_line("http: GET /telemetry: 401: the API token is missing or wrong");
}

TEST(WriterProgram, SaysAtItsStartThatNothingIsDurableWhereStorageIsNotConfigured) {
  const auto said_at_start = [](const std::map<std::string, std::string>& variables) {
    Program writer(variables);
    writer.expect("ready");
    EXPECT_EQ(writer.finish(), 0);
    return lines_with(writer.log(), "nothing is durable: S2_BASIN and S2_ACCESS_TOKEN are not set");
  };
  EXPECT_EQ(said_at_start({}), 1U);
  EXPECT_EQ(said_at_start({{"S2_BASIN", "basin-one"}, {"S2_ACCESS_TOKEN", "a-token"}}), 0U);
}

}  // namespace
}  // namespace s2::writer
