// Flags and environment. Contract: "s2-writer", exit code 2; mutant sink-kills-server (bad credentials are
// one line).
#include "writer/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "writer/duration.h"

namespace s2::writer {
namespace {

using std::chrono::milliseconds;
using Variables = std::map<std::string, std::string>;

tl::expected<CommandLine, std::string> read(const Variables& variables,
                                            std::vector<std::string> arguments = {}) {
  return config_from(arguments, [&](const char* name) -> const char* {
    auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

std::string error(const Variables& variables, std::vector<std::string> arguments = {}) {
  auto line = read(variables, std::move(arguments));
  return line ? "no error" : line.error();
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Config, DefaultsAreThoseOfTheContract) {
  Config config = read({})->config;
  EXPECT_FALSE(config.stores());
  EXPECT_EQ(config.producer.linger, milliseconds(100));
  EXPECT_EQ(config.producer.max_batch_records, 50u);
  EXPECT_EQ(config.ring.events, 1024);
  EXPECT_EQ(config.ring.bytes, 64 * 1024 * 1024);
  EXPECT_EQ(config.shutdown.whole, milliseconds(10'000));
  EXPECT_EQ(config.driver, "stdio");
  EXPECT_EQ(config.keep_alive, milliseconds(15'000));
}

TEST(Config, TakesTheWholeEnvironment) {
  Config config = read({{"S2_BASIN", "basin-one"},
                        {"S2_ACCESS_TOKEN", "token"},
                        {"S2_STREAM", "vm"},
                        {"S2_ACCOUNT_ENDPOINT", "http://a"},
                        {"S2_BASIN_ENDPOINT", "http://b"},
                        {"S2_BATCHER_LINGER", "250ms"},
                        {"S2_BATCHER_MAX_RECORDS", "7"},
                        {"S2_WRITER_RING_CAPACITY", "9"},
                        {"S2_WRITER_RING_BYTES", "1MiB"},
                        {"S2_WRITER_SHUTDOWN_BUDGET", "5s"},
                        {"S2_WRITER_FENCING", "off"},
                        {"S2_WRITER_ACK_TIMEOUT", "2m"}})
                      ->config;
  EXPECT_TRUE(config.stores());
  EXPECT_EQ(config.stream, "vm");
  EXPECT_EQ(config.basin_endpoint, "http://b");
  EXPECT_EQ(config.producer.linger, milliseconds(250));
  EXPECT_EQ(config.producer.max_batch_records, 7u);
  EXPECT_EQ(config.ring.events, 9);
  EXPECT_EQ(config.ring.bytes, 1024 * 1024);
  EXPECT_EQ(config.shutdown.whole, milliseconds(5000));
  EXPECT_FALSE(config.producer.fencing);
  EXPECT_EQ(config.producer.ack_timeout, milliseconds(120'000));
}

// What is sent at once decides how often the drain waits for an answer; and how long one may take is a reason
// for the producer to wait, too.
TEST(Config, ThePlanKnowsHowMuchIsOnItsWayAtOnceAndTheProducerHowLongAnAnswerTakes) {
  Variables variables = {{"S2_WRITER_ACK_LATENCY", "1s"},
                         {"S2_WRITER_SHUTDOWN_BUDGET", "10s"},
                         {"S2_WRITER_IN_FLIGHT_RECORDS", "100"}};
  EXPECT_TRUE(has(error(variables), "1024 events / 50 a batch = 21 batches, 2 at once: 11 x 1s"));
  variables["S2_WRITER_IN_FLIGHT_RECORDS"] = "10";
  EXPECT_TRUE(has(error(variables), "1024 events / 10 a batch = 103 batches, 1 at once: 103 x 1s"));
  EXPECT_EQ(read({{"S2_WRITER_ACK_LATENCY", "700ms"}})->config.producer.ack_latency, milliseconds(700));
  EXPECT_TRUE(has(error({{"S2_WRITER_ACK_LATENCY", "700ms"}, {"S2_WRITER_ACK_TIMEOUT", "700ms"}}),
                  "S2_WRITER_ACK_LATENCY is not less than S2_WRITER_ACK_TIMEOUT"));
}

// The ring may be full of large events, of which only so many bytes are on their way at once; and a stream
// that nothing was stored in yet is fenced first.
TEST(Config, ThePlanCountsBytesAndTheFenceToo) {
  Variables variables = {{"S2_WRITER_ACK_LATENCY", "1s"}, {"S2_WRITER_SHUTDOWN_BUDGET", "5s"}};
  const std::string line = error(variables);
  EXPECT_TRUE(has(line,
                  "the fence: 1 x 1s, 1024 events / 50 a batch = 21 batches, 128 at once: 1 x 1s, "
                  "64MiB / 15MiB at once: 4 x 1s more"))
      << line;
  EXPECT_TRUE(has(line, "drain 6s")) << line;
  EXPECT_EQ(read({{"S2_WRITER_ACK_LATENCY", "1s"}})->config.shutdown.whole, milliseconds(10'000));
  variables["S2_WRITER_RING_BYTES"] = "8MiB";
  EXPECT_EQ(error(variables), "no error");
  variables["S2_WRITER_SHUTDOWN_BUDGET"] = "4s";
  EXPECT_TRUE(has(error(variables), "drain 2s (the fence: 1 x 1s, 1024 events"));
  variables["S2_WRITER_FENCING"] = "off";
  EXPECT_EQ(error(variables), "no error");
  variables["S2_WRITER_RING_BYTES"] = "8000GiB";
  EXPECT_TRUE(has(error(variables), "S2_WRITER_RING_BYTES: expected a size"));
}

TEST(Config, WhatLeavesNoTimeOrNeedsMoreThanADayIsAnErrorOfOneLine) {
  EXPECT_TRUE(has(error({{"S2_WRITER_GRACE", "1ms"}}), "a grace of 1ms is too short"));
  EXPECT_EQ(error({{"S2_WRITER_GRACE", "2ms"}}), "no error");
  EXPECT_EQ(error({{"S2_WRITER_SHUTDOWN_BUDGET", "1ms"}}), "no error");
  EXPECT_EQ(error({{"S2_WRITER_SHUTDOWN_BUDGET", "1440m"}, {"S2_WRITER_GRACE", "1440m"}}).find("\n"),
            std::string::npos);
  const std::string slow = error({{"S2_WRITER_ACK_TIMEOUT", "1440m"},
                                  {"S2_WRITER_ACK_LATENCY", "1439m"},
                                  {"S2_WRITER_RING_CAPACITY", "16777216"},
                                  {"S2_WRITER_RING_BYTES", "8796093022207MiB"},
                                  {"S2_WRITER_IN_FLIGHT_RECORDS", "1"}});
  EXPECT_TRUE(has(slow, "longer than a day")) << slow;
}

TEST(Config, HalfAConfigurationNamesWhatIsMissing) {
  EXPECT_TRUE(has(error({{"S2_BASIN", "basin-one"}}), "S2_ACCESS_TOKEN is missing"));
  EXPECT_TRUE(has(error({{"S2_ACCESS_TOKEN", "hush"}}), "S2_BASIN is missing"));
  EXPECT_FALSE(has(error({{"S2_ACCESS_TOKEN", "hush"}}), "hush"));
  EXPECT_TRUE(has(error({{"S2_BASIN", "basin-one"}, {"S2_ACCESS_TOKEN", ""}}), "S2_ACCESS_TOKEN is missing"));
}

TEST(Config, BadValuesNameTheVariableAndWhatWasExpected) {
  for (auto [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"S2_BATCHER_LINGER", "100"},
                                                        {"S2_BATCHER_LINGER", "-1ms"},
                                                        {"S2_BATCHER_MAX_RECORDS", "0"},
                                                        {"S2_BATCHER_MAX_RECORDS", "1001"},
                                                        {"S2_WRITER_RING_CAPACITY", "0"},
                                                        {"S2_WRITER_RING_CAPACITY", "-5"},
                                                        {"S2_WRITER_RING_CAPACITY", "12x"},
                                                        {"S2_WRITER_RING_BYTES", "0B"},
                                                        {"S2_WRITER_SHUTDOWN_BUDGET", "0ms"},
                                                        {"S2_WRITER_FENCING", "yes"},
                                                        {"S2_WRITER_HTTP", "3"}}) {
    std::string line = error({{name, value}});
    EXPECT_TRUE(has(line, name + ": ") && has(line, "expected")) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos);
  }
}

TEST(Config, TheHttpDriverListensWhereItIsTold) {
  const auto http = read({}, {"--driver", "http", "--listen", "[::1]:8080"});
  ASSERT_TRUE(http) << http.error();
  EXPECT_EQ(http->config.driver, "http");
  EXPECT_EQ(http->config.listen_host, "::1");
  EXPECT_EQ(http->config.listen_port, 8080);
  EXPECT_EQ(read({})->config.listen_host, "127.0.0.1");
  for (const char* wrong :
       {"8080", "localhost", "127.0.0.1:", ":80", "127.0.0.1:65536", "127.0.0.1:x", "::1:80"}) {
    EXPECT_TRUE(has(error({}, {"--listen", wrong}), "expected HOST:PORT")) << wrong;
  }
}

TEST(Config, OffLoopbackTheHttpDriverWantsItsToken) {
  const std::vector<std::string> open = {"--driver", "http", "--listen", "0.0.0.0:8080"};
  EXPECT_TRUE(has(error({}, open), "S2_WRITER_API_TOKEN must be set"));
  EXPECT_TRUE(read({{"S2_WRITER_API_TOKEN", "secret"}}, open));
  EXPECT_TRUE(read({}, {"--listen", "0.0.0.0:8080"}));  // driven over stdio, nobody listens
}

// A shutdown's cut-off ends every linger: it takes no share of the budget.
TEST(Config, ALingerHoweverLongNeedsNoBudget) {
  const Variables tight = {{"S2_WRITER_ACK_LATENCY", "20ms"}, {"S2_WRITER_SHUTDOWN_BUDGET", "1s"}};
  Variables lingers = tight;
  lingers["S2_BATCHER_LINGER"] = "5s";
  const auto without = read(tight), with = read(lingers);
  ASSERT_TRUE(without && with);
  EXPECT_EQ(plan_text(without->config.shutdown, without->config.budget),
            plan_text(with->config.shutdown, with->config.budget));
}

TEST(Config, AStreamHasANameThatS2Takes) {
  for (const char* dots : {".", ".."})
    EXPECT_TRUE(has(error({{"S2_STREAM", dots}}), "S2_STREAM: no stream can be named")) << dots;
}

TEST(Config, UnknownArgumentsAndMissingValuesAreErrors) {
  EXPECT_TRUE(has(error({}, {"--nope"}), "--nope"));
  EXPECT_TRUE(has(error({}, {"stray"}), "stray"));
  EXPECT_TRUE(has(error({}, {"--journal-dir"}), "needs a value"));
}

TEST(Config, FlagsWinOverTheEnvironment) {
  EXPECT_EQ(read({{"S2_WRITER_JOURNAL_DIR", "/env"}}, {"--journal-dir", "/flag"})->config.journal_dir,
            "/flag");
}

TEST(Config, EachSwitchTakesBothSidesAndNothingElse) {
  EXPECT_EQ(read({})->config.durable_errors, DurableErrors::event);
  EXPECT_EQ(read({{"S2_WRITER_DURABLE_ERROR", "counter"}})->config.durable_errors, DurableErrors::counter);
  EXPECT_TRUE(has(error({{"S2_WRITER_DURABLE_ERROR", "none"}}), "expected event or counter"));
  EXPECT_EQ(read({})->config.drop_style, DropStyle::gap);
  EXPECT_EQ(read({{"S2_WRITER_DROP", "marker"}})->config.drop_style, DropStyle::marker);
  EXPECT_TRUE(has(error({{"S2_WRITER_DROP", "on"}}), "expected gap or marker"));
  EXPECT_EQ(read({{"S2_WRITER_JOURNAL_BACKLOG", "0"}})->config.journal_backlog, 0u);
  EXPECT_TRUE(has(error({{"S2_WRITER_JOURNAL_BACKLOG", "-1"}}), "expected 0 to"));
  EXPECT_EQ(read({{"S2_WRITER_IN_FLIGHT_RECORDS", "7"}})->config.producer.max_in_flight_records, 7u);
  EXPECT_TRUE(has(error({{"S2_WRITER_IN_FLIGHT_RECORDS", "8193"}}), "expected 1 to 8192"));
}

TEST(Config, HelpNamesEveryVariableWithItsDefault) {
  EXPECT_EQ(read({}, {"--help"})->action, CommandLine::Action::help);
  EXPECT_EQ(read({}, {"--version"})->action, CommandLine::Action::version);
  for (const char* part :
       {"S2_BATCHER_LINGER", "(100ms)", "S2_WRITER_RING_CAPACITY", "(1024)", "--journal-dir"}) {
    EXPECT_TRUE(has(help_text(), part)) << part;
  }
}

TEST(Config, HelpAndVersionAreThereHoweverWrongTheRestIs) {
  const auto line = read({{"S2_BASIN", "half"}, {"S2_WRITER_RING_CAPACITY", "none"}}, {"--no-such", "-h"});
  ASSERT_TRUE(line) << line.error();
  EXPECT_EQ(line->action, CommandLine::Action::help);
  const auto version = read({{"S2_BASIN", "half"}}, {"--version"});
  ASSERT_TRUE(version) << version.error();
  EXPECT_EQ(version->action, CommandLine::Action::version);
}

TEST(Config, AMisspeltVariableIsNamedAndNoOther) {
  const char* const variables[] = {"PATH=/bin",
                                   "S2_WRITER_GRACE=5s",
                                   "S2_WRITER_GRAZE=5s",
                                   "S2_BATCHER_LINGER=",
                                   "S2_BATCHER_LINGR",
                                   "S2_BASIN=basin-one",
                                   "S2_WRITERS=2",
                                   "S2_WRITER_SERVICE_HOST=h",
                                   "S2_WRITER_PORT_80_TCP=tcp://h:80",
                                   "XS2_WRITER_Y=1",
                                   nullptr};
  EXPECT_EQ(unknown_variables(variables), (std::vector<std::string>{"S2_WRITER_GRAZE", "S2_BATCHER_LINGR"}));
}

TEST(Config, SecretsComeFromFilesAndStandInNoText) {
  std::string path = testing::TempDir() + "/token";
  std::ofstream(path) << "from-file\n";
  Config config = read({{"S2_BASIN", "basin-one"}, {"S2_ACCESS_TOKEN", "@" + path}})->config;
  EXPECT_EQ(config.access_token.reveal(), "from-file");
  std::ostringstream shown;
  shown << config.access_token;
  EXPECT_EQ(shown.str(), "(secret)");
  EXPECT_TRUE(has(error({{"S2_BASIN", "basin-one"}, {"S2_ACCESS_TOKEN", "@/no/such"}}),
                  "S2_ACCESS_TOKEN: the file /no/such"));
}

TEST(Duration, ReadsUnitsAndRefusesTheRest) {
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("5s"), milliseconds(5000));
  EXPECT_EQ(parse_duration("2m"), milliseconds(120'000));
  EXPECT_EQ(parse_duration("0"), milliseconds(0));
  for (const char* bad : {"", "5", "s", "-1s", "1h", "1.5s", "5s ", "99999999999999999999s", "999999m"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
  EXPECT_EQ(parse_size("64KiB"), 65536);
  EXPECT_FALSE(parse_size("64"));
  for (const char* bad : {"9999999999999999MiB", "-1B", "-9223372036854775807MiB"})
    EXPECT_FALSE(parse_size(bad)) << bad;
}

}  // namespace
}  // namespace s2::writer
