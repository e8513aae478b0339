// The S2 client and the producer over real sockets against the emulator with its faults, and over a scripted
// transport against peers that no emulator would be.
#include <gtest/gtest.h>

#include <thread>

#include "emulator/emulator.h"
#include "tests/writer/heard.h"
#include "tests/writer/scripted_transport.h"
#include "writer/endpoint.h"
#include "writer/producer.h"
#include "writer/s2_client.h"
#include "writer/tcp_transport.h"

namespace s2::writer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Heard;
using test::PeerScript;
using test::ScriptedTransport;
using Clock = std::chrono::steady_clock;

constexpr seconds kAtMost{20};  // a bound of liveness, not a measurement
constexpr const char* kBasin = "test-basin";

ProducerOptions client_test_options() {
  ProducerOptions options;
  options.linger = milliseconds(2);
  options.max_batch_records = 5;
  options.epoch_token = "epoch";
  options.backoff_base = milliseconds(2);
  options.backoff_cap = milliseconds(20);
  options.open_timeout = milliseconds(500);
  options.ack_timeout = milliseconds(500);
  return options;
}

S2ClientOptions client_options(const std::string& endpoint, HttpChoice http = HttpChoice::automatic) {
  S2ClientOptions options;
  options.basin = kBasin;
  options.basin_endpoint = endpoint;
  options.access_token = "secret-token";
  options.http = http;
  return options;
}

struct ClientRig {
  emulator::Emulator s2;
  std::unique_ptr<Transport> transport = make_tcp_transport();
  std::unique_ptr<AppendClient> client;
  Heard heard;
  std::unique_ptr<Producers> producers;
  std::uint64_t last = 0;

  explicit ClientRig(HttpChoice http = HttpChoice::automatic,
                     ProducerOptions options = client_test_options()) {
    s2.create_basin(kBasin);
    client = std::move(*make_s2_client(client_options(s2.endpoint(), http), *transport));
    producers = make_producers(options, *client, heard);
  }

  void publish(std::uint64_t count, std::size_t body_bytes = 0) {
    for (; count > 0; --count) {
      wire::AppendRecord record;
      record.body = std::to_string(++last) + ' ' + std::string(body_bytes, 'x');
      ASSERT_EQ(
          producers->submit("stream/1", last, std::move(record), std::stop_token(), Clock::now() + kAtMost),
          Submit::taken);
    }
  }

  std::vector<std::uint64_t> stored() {
    auto channel = client->make_channel("stream/1", [] {});
    const auto records = channel->read_back(0, 1'000'000, Clock::now() + kAtMost);
    std::vector<std::uint64_t> out;
    if (!records) return out;
    for (const auto& record : *records) {
      if (!wire::is_command(record.headers)) out.push_back(std::stoull(std::string(record.body)));
    }
    return out;
  }

  void expect_all_stored_once_in_order() {
    const auto unsaved = producers->close(Clock::now() + kAtMost);
    EXPECT_TRUE(unsaved.empty()) << unsaved.size() << ' ' << heard.all_notes();
    std::vector<std::uint64_t> all;
    for (std::uint64_t seq = 1; seq <= last; ++seq) all.push_back(seq);
    EXPECT_EQ(stored(), all) << heard.all_notes();
    EXPECT_EQ(heard.acked_seqs, all);
    EXPECT_TRUE(heard.failed_seqs.empty()) << heard.last_reason;
  }
};

std::string fault(const std::string& what, int times = 1, int after = 2,
                  const std::string& op = "append_session") {
  return R"([{"match":{"op":")" + op + R"(","after":)" + std::to_string(after) + R"(,"times":)" +
         std::to_string(times) + R"(},"fault":)" + what + "}]";
}

TEST(Client, AnAppendSessionCreatesTheStreamAndStoresAll) {
  ClientRig rig;
  rig.publish(500);
  rig.expect_all_stored_once_in_order();
  const auto give_up = Clock::now() + kAtMost;
  while (rig.s2.open_connections() > 0 && Clock::now() < give_up)
    std::this_thread::sleep_for(milliseconds(1));
  EXPECT_EQ(rig.s2.open_connections(), 0U);
}

TEST(Client, AProducerBeginsWithTheFirstAppendToItsStream) {
  ClientRig rig;
  EXPECT_EQ(rig.producers->streams(), 0U);
  EXPECT_EQ(rig.s2.open_connections(), 0U);
  EXPECT_TRUE(rig.s2.history_streams().empty());
  rig.publish(1);
  EXPECT_EQ(rig.producers->streams(), 1U);
  rig.publish(1);
  EXPECT_EQ(rig.producers->streams(), 1U);
  rig.expect_all_stored_once_in_order();
}

TEST(Client, TheUnaryWayOverHttp1StoresAllToo) {
  ClientRig rig(HttpChoice::http1);
  rig.publish(200);
  rig.expect_all_stored_once_in_order();
}

TEST(Client, CompressedFramesAreUnderstood) {
  ClientRig rig;
  auto options = client_options(rig.s2.endpoint());
  options.compression = WireCompression::zstd;
  auto client = std::move(*make_s2_client(options, *rig.transport));
  rig.producers = make_producers(client_test_options(), *client, rig.heard);
  rig.publish(50, 5000);
  rig.expect_all_stored_once_in_order();
}

TEST(Client, AMegabyteRecordPasses) {
  ClientRig rig;
  rig.publish(3, 1'000'000);
  rig.expect_all_stored_once_in_order();
}

struct FaultCase {
  const char* name;
  const char* fault;
  int times;
};

class UnderFault : public testing::TestWithParam<std::tuple<FaultCase, bool>> {};

TEST_P(UnderFault, EverythingIsStoredOnceInOrder) {
  const auto& [fault_case, unary] = GetParam();
  ClientRig rig(unary ? HttpChoice::http1 : HttpChoice::automatic);
  rig.s2.set_faults(fault(fault_case.fault, fault_case.times, 2, unary ? "append" : "append_session"));
  for (int i = 0; i < 10; ++i) {
    rig.publish(10);
    std::this_thread::sleep_for(milliseconds(3));
  }
  rig.expect_all_stored_once_in_order();
  EXPECT_EQ(rig.s2.faults().find("\"fired\":0"), std::string::npos) << rig.s2.faults();
}

INSTANTIATE_TEST_SUITE_P(
    Emulator, UnderFault,
    testing::Combine(
        testing::Values(
            FaultCase{"CutBefore", R"({"cut":"before_commit"})", 3},
            FaultCase{"LostAck", R"({"cut":"after_commit"})", 3},
            FaultCase{"CutMidResponse", R"({"cut":"mid_response"})", 2},
            FaultCase{"HangBefore", R"({"hang":"before_commit"})", 1},
            FaultCase{"HangAfter", R"({"hang":"after_commit"})", 2},
            FaultCase{"Goaway", R"({"goaway":true})", 3},
            FaultCase{"RateLimited", R"({"status":429,"code":"rate_limited","when":"before_commit"})", 20},
            FaultCase{"UnavailableAfter", R"({"status":503,"code":"unavailable","when":"after_commit"})", 3},
            FaultCase{"StorageError", R"({"status":500,"code":"storage","when":"before_commit"})", 3},
            FaultCase{"LateTwin", R"({"late_twin":"20ms"})", 3},
            FaultCase{"SlowLink", R"({"bandwidth":"4KiB"})", 1},
            FaultCase{"Truncated", R"({"truncate":3})", 2},
            FaultCase{"Delayed", R"({"delay":"50ms","when":"after_commit"})", 3}),
        testing::Bool()),
    [](const auto& parameters) {
      return std::string(std::get<0>(parameters.param).name) +
             (std::get<1>(parameters.param) ? "Unary" : "Session");
    });

TEST(Client, ARestartOfTheServerLosesNothing) {
  ClientRig rig;
  for (int i = 0; i < 3; ++i) {
    rig.publish(20);
    rig.s2.drain(milliseconds(50));
    rig.publish(20);
  }
  rig.expect_all_stored_once_in_order();
}

TEST(Client, ASilentNetworkThatHealsLosesNothing) {
  ClientRig rig;
  rig.publish(20);
  rig.s2.cut(emulator::CutKind::silent);
  rig.publish(20);
  std::this_thread::sleep_for(milliseconds(300));
  rig.s2.heal();
  rig.publish(20);
  rig.expect_all_stored_once_in_order();
}

TEST(Client, CloseReturnsByItsDeadlineFromASilentNetworkAndNamesWhatIsUnsaved) {
  ClientRig rig;
  rig.publish(5);
  ASSERT_EQ(rig.producers->wait_acked(5, Clock::now() + kAtMost), 0U);
  rig.s2.cut(emulator::CutKind::silent);
  rig.publish(20, 100'000);
  const auto begin = Clock::now();
  const auto unsaved = rig.producers->close(begin + milliseconds(200));
  EXPECT_LT(Clock::now() - begin, seconds(5));
  ASSERT_EQ(unsaved.size(), 20U);
  for (std::size_t i = 0; i < unsaved.size(); ++i) EXPECT_EQ(unsaved[i].seq, 6 + i);
}

TEST(Client, ManyStreamsAtOnceKeepToTheirOwn) {
  ClientRig rig;
  for (std::uint64_t seq = 1; seq <= 200; ++seq) {
    wire::AppendRecord record;
    record.body = std::to_string(seq);
    ASSERT_EQ(rig.producers->submit("s" + std::to_string(seq % 10), seq, std::move(record), std::stop_token(),
                                    Clock::now() + kAtMost),
              Submit::taken);
  }
  EXPECT_TRUE(rig.producers->close(Clock::now() + kAtMost).empty());
  for (std::uint64_t n = 0; n < 10; ++n) {
    auto channel = rig.client->make_channel("s" + std::to_string(n), [] {});
    const auto records = channel->read_back(0, 1000, Clock::now() + kAtMost);
    ASSERT_TRUE(records);
    EXPECT_EQ(records->size(), 21U);  // and the fence
    for (const auto& record : *records) {
      if (wire::is_command(record.headers)) continue;
      EXPECT_EQ(std::stoull(std::string(record.body)) % 10, n);
    }
  }
}

TEST(Client, ATokenThatIsRefusedFailsTheRecordsAndIsNeverShown) {
  emulator::Options options;
  options.auth = emulator::Auth::enforced;
  options.root_token = "root";
  emulator::Emulator s2(options);
  s2.create_basin(kBasin);
  auto transport = make_tcp_transport();
  auto client = std::move(*make_s2_client(client_options(s2.endpoint()), *transport));
  Heard heard;
  auto producers = make_producers(client_test_options(), *client, heard);
  wire::AppendRecord record;
  record.body = "1";
  ASSERT_EQ(producers->submit("s", 1, std::move(record), std::stop_token(), Clock::now() + kAtMost),
            Submit::taken);
  EXPECT_EQ(producers->wait_acked(1, Clock::now() + kAtMost), 0U);
  EXPECT_EQ(heard.failed_seqs.at(1), FailureKind::refused);
  EXPECT_EQ((heard.last_reason + heard.all_notes()).find("secret"), std::string::npos);
}

// --- peers that no emulator would be ---

struct ScriptedRig {
  ScriptedTransport transport;
  std::unique_ptr<AppendClient> client;
  Heard heard;
  std::unique_ptr<Producers> producers;

  explicit ScriptedRig(std::deque<PeerScript> peers) {
    transport.peers = std::move(peers);
    client = std::move(*make_s2_client(client_options("http://peer"), transport));
    auto options = client_test_options();
    options.ack_timeout = milliseconds(50);
    options.open_timeout = milliseconds(50);
    producers = make_producers(options, *client, heard);
  }
  void publish() {
    wire::AppendRecord record;
    record.body = "1";
    ASSERT_EQ(producers->submit("s", 1, std::move(record), std::stop_token(), Clock::now() + kAtMost),
              Submit::taken);
  }
  void wait_for_connections(std::size_t n) {
    const auto give_up = Clock::now() + kAtMost;
    while (transport.connections() < n && Clock::now() < give_up)
      std::this_thread::sleep_for(milliseconds(1));
    ASSERT_GE(transport.connections(), n);
  }
  void expect_unsaved_in_time() {
    const auto begin = Clock::now();
    EXPECT_EQ(producers->close(begin + milliseconds(100)).size(), 1U);
    EXPECT_LT(Clock::now() - begin, seconds(5));
    EXPECT_EQ(transport.alive(), 0U);
    EXPECT_TRUE(heard.failed_seqs.empty());
    EXPECT_TRUE(heard.acked_seqs.empty());
  }
};

TEST(Client, APeerThatOnlySpeaksHttp1IsAskedInHttp1) {
  ScriptedRig rig(
      {PeerScript{{"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"}, true}, PeerScript{}});
  rig.publish();
  rig.wait_for_connections(2);
  const auto give_up = Clock::now() + kAtMost;
  while (rig.transport.written()[1].empty() && Clock::now() < give_up)
    std::this_thread::sleep_for(milliseconds(1));
  const std::string request = rig.transport.written()[1];
  EXPECT_EQ(request.rfind("POST /v1/streams/s/records HTTP/1.1\r\n", 0), 0U) << request;
  EXPECT_NE(request.find("s2-basin: test-basin\r\n"), std::string::npos);
  rig.expect_unsaved_in_time();
}

TEST(Client, APeerThatHangsUpWithoutAWordIsAskedInHttp1Next) {
  ScriptedRig rig({PeerScript{{}, true}, PeerScript{}});
  rig.publish();
  rig.wait_for_connections(2);
  const auto give_up = Clock::now() + kAtMost;
  while (rig.transport.written()[1].empty() && Clock::now() < give_up)
    std::this_thread::sleep_for(milliseconds(1));
  EXPECT_EQ(rig.transport.written()[1].rfind("POST ", 0), 0U);
  rig.expect_unsaved_in_time();
}

TEST(Client, GarbageFromThePeerFailsNothingAndIsTriedAgain) {
  ScriptedRig rig({PeerScript{{"\xff\xff\xff\xff\xff\xff\xff garbage \x01\x02\x03"}}});
  rig.publish();
  rig.wait_for_connections(3);
  rig.expect_unsaved_in_time();
}

TEST(Client, ADeafPeerHoldsCloseNoLongerThanItsDeadline) {
  PeerScript deaf;
  deaf.deaf = true;
  ScriptedRig rig({deaf});
  rig.publish();
  rig.wait_for_connections(1);
  rig.expect_unsaved_in_time();
}

TEST(Client, AnUnreachablePeerHoldsCloseNoLongerThanItsDeadline) {
  PeerScript unreachable;
  unreachable.unreachable = true;
  ScriptedRig rig({unreachable});
  rig.publish();
  rig.wait_for_connections(2);
  rig.expect_unsaved_in_time();
}

TEST(Client, ASilentPeerIsLeftAfterTheAckTimeout) {
  ScriptedRig rig({PeerScript{}});
  rig.publish();
  rig.wait_for_connections(3);
  rig.expect_unsaved_in_time();
}

TEST(Client, AnHttp1AnswerThatIsNotS2sOwnFailsNothing) {
  ScriptedRig rig({PeerScript{{"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"}, true},
                   PeerScript{{"HTTP/1.1 403 Forbidden\r\ncontent-length: 6\r\n\r\n<html>"}, false}});
  rig.publish();
  rig.wait_for_connections(2);
  std::this_thread::sleep_for(milliseconds(20));
  rig.expect_unsaved_in_time();
}

// --- endpoints and credentials ---

TEST(Endpoint, WithoutOneTheCloudIsMeantAndTheBasinIsInTheHost) {
  const auto made = parse_basin_endpoint("", "my-basin");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->endpoint, (Endpoint{true, "my-basin.b.s2.dev", 443}));
  EXPECT_TRUE(made->basin_in_host);
}

TEST(Endpoint, PlaceholderPortSchemeAndIpv6) {
  EXPECT_EQ(parse_basin_endpoint("http://{basin}.local:81/", "my-basin")->endpoint,
            (Endpoint{false, "my-basin.local", 81}));
  EXPECT_EQ(parse_basin_endpoint("http://[::1]:81", "b")->endpoint, (Endpoint{false, "::1", 81}));
  EXPECT_EQ(parse_basin_endpoint("http://[::1]:81", "b")->endpoint.authority(), "[::1]:81");
  EXPECT_EQ(parse_basin_endpoint("localhost", "b")->endpoint, (Endpoint{true, "localhost", 443}));
  EXPECT_FALSE(parse_basin_endpoint("http://h", "b")->basin_in_host);
}

TEST(Endpoint, WhatIsNotOneIsOneClearLine) {
  for (const char* bad : {"ftp://h", "http://", "http://h:0", "http://h:99999", "http://h:", "http://h:x",
                          "http://h/p", "http://[::1", "http://a b", "http://h\r\nx: y"}) {
    const auto made = parse_basin_endpoint(bad, "b");
    ASSERT_FALSE(made) << bad;
    EXPECT_EQ(made.error().find_first_of("\r\n"), std::string::npos) << bad;
  }
}

TEST(Endpoint, StreamNamesAreOnePathSegment) {
  EXPECT_EQ(percent_encode("a/b c%\xc3\xa9"), "a%2Fb%20c%25%C3%A9");
  EXPECT_EQ(percent_encode(".."), "%2E%2E");
}

TEST(Client, ATokenThatWouldBreakAHeaderIsRefusedWithoutShowingIt) {
  auto transport = make_tcp_transport();
  auto options = client_options("http://h");
  options.access_token = "secret\r\nx: y";
  const auto made = make_s2_client(options, *transport);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().find("secret"), std::string::npos);
}

}  // namespace
}  // namespace s2::writer
