// The in-process class: observers see every moment exactly, cuts cut, drains drain, many live side by side.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <thread>

#include "tests/emulator/test_client.h"

namespace s2::emulator::test {
namespace {

using namespace std::chrono_literals;

std::string name(Moment moment) {
  static const char* const kNames[] = {"opened", "bytes",   "received", "committed",
                                       "acked",  "refused", "closed",   "fault"};
  return kNames[static_cast<std::size_t>(moment)];
}

struct Seen {
  std::mutex mutex;
  std::vector<ProtocolEvent> events;
  std::vector<std::string> bodies;
  Observer observer() {
    return [this](const ProtocolEvent& event) {
      const std::lock_guard lock(mutex);
      events.push_back(event);
      bodies.emplace_back(event.input && !event.input->records.empty() ? event.input->records[0].body.view()
                                                                       : "");
    };
  }
  std::string moments() {
    const std::lock_guard lock(mutex);
    std::string out;
    for (const ProtocolEvent& event : events) {
      if (event.moment != Moment::bytes_received) out += (out.empty() ? "" : " ") + name(event.moment);
    }
    return out;
  }
};

TEST(Observer, SeesAnAppendInItsOrderWithItsInputAndPlace) {
  Endpoint endpoint;
  Seen seen;
  endpoint.emulator.observe(seen.observer());
  {
    Client client = endpoint.client();
    client.append("s", {"a"});
    client.append("s", {"b"}, {{"match_seq_num", 9}});
    client.tail("s");
  }
  while (endpoint.emulator.open_connections() > 0) std::this_thread::yield();
  endpoint.emulator.observe(nullptr);
  EXPECT_EQ(seen.moments(), "opened received committed acked received refused closed");
  std::vector<std::uint64_t> ids;
  for (std::size_t i = 0; i < seen.events.size(); ++i) {
    const ProtocolEvent& event = seen.events[i];
    if (event.append_id == 0) continue;
    ids.push_back(event.append_id);
    EXPECT_EQ(event.basin, kBasin);
    EXPECT_EQ(event.stream, "s");
    EXPECT_EQ(seen.bodies[i], event.append_id == 1 ? "a" : "b") << name(event.moment);
    if (event.moment == Moment::committed) {
      EXPECT_EQ(event.end->seq_num, 1u);
    }
    if (event.moment == Moment::append_refused) {
      EXPECT_EQ(event.detail, R"({"seq_num_mismatch":1})");
    }
  }
  EXPECT_EQ(ids, (std::vector<std::uint64_t>{1, 1, 1, 2, 2}));
}

TEST(Observer, NothingIsSentOrCommittedWhileItRuns) {
  for (const Moment at : {Moment::append_received, Moment::committed}) {
    Endpoint endpoint;
    std::atomic<bool> inside{false}, release{false};
    endpoint.emulator.observe([&](const ProtocolEvent& event) {
      if (event.moment != at || event.ordinal != 2) return;
      inside = true;
      while (!release) std::this_thread::yield();
    });
    Client client = endpoint.client();
    Session session = Session::append(client, "s");
    for (int n = 0; n < 5; ++n) session.submit({"x"});
    while (!inside) std::this_thread::yield();
    client.wait_until([] { return false; }, 50ms);
    session.decode();
    const std::size_t acked = session.frames(0).size();
    EXPECT_LE(acked, 1u);  // the second is not acknowledged, whatever was in the same piece of bytes
    release = true;
    EXPECT_EQ(session.frames(5).size(), 5u);
    endpoint.emulator.observe(nullptr);
  }
}

TEST(Observer, AClientThatDiesInsideIsNeverAcknowledged) {
  Endpoint endpoint;
  Client client = endpoint.client();
  Session session = Session::append(client, "s");
  while (endpoint.emulator.open_connections() == 0) std::this_thread::yield();
  Seen seen;
  endpoint.emulator.observe([&](const ProtocolEvent& event) {
    seen.observer()(event);
    if (event.moment == Moment::committed) client.socket().abort();
  });
  session.submit({"x"});
  while (endpoint.emulator.open_connections() > 0) std::this_thread::yield();
  endpoint.emulator.observe(nullptr);
  EXPECT_EQ(seen.moments(), "received committed closed");
  EXPECT_EQ(endpoint.client().tail("s"), 1u);
}

TEST(Observer, ReadingStopsAtTheAskedByteAndGoesOn) {
  Endpoint endpoint;
  Client client = endpoint.client();
  client.append("s", {"first"});
  Seen seen;
  endpoint.emulator.observe(seen.observer());
  endpoint.emulator.stop_reading_at(37);
  EXPECT_EQ(client.append("s", {std::string(200, 'x')}).status, 200);
  endpoint.emulator.observe(nullptr);
  bool exact = false;
  for (const ProtocolEvent& event : seen.events) {
    if (event.moment == Moment::append_received) {
      EXPECT_TRUE(exact) << "whole before byte 37";
    }
    exact |= event.moment == Moment::bytes_received && event.bytes == 37;
  }
  EXPECT_TRUE(exact);
}

TEST(Observer, CountsAnewWhenReplaced) {
  Endpoint endpoint;
  Client client = endpoint.client();
  client.append("s", {"a"});
  Seen seen;
  endpoint.emulator.observe(seen.observer());
  client.append("s", {"b"});
  endpoint.emulator.observe(nullptr);
  EXPECT_EQ(seen.events.at(0).moment, Moment::bytes_received);
  EXPECT_EQ(seen.events[0].ordinal, 1u);
  for (const ProtocolEvent& event : seen.events) {
    if (event.moment == Moment::committed) {
      EXPECT_EQ(event.ordinal, 1u);
    }
  }
}

TEST(Cut, ResetEndsConnectionsAndRefusesNewOnesUntilHealed) {
  Endpoint endpoint;
  Client client = endpoint.client();
  client.append("s", {"a"});
  endpoint.emulator.cut(CutKind::reset);
  client.wait_until([] { return false; });
  EXPECT_EQ(client.socket().end(), RawSocket::End::reset);
  Client refused = endpoint.client();
  EXPECT_TRUE(refused.append("s", {"b"}).broken);
  endpoint.emulator.heal();
  EXPECT_EQ(endpoint.client().tail("s"), 1u);
}

TEST(Cut, SilenceNeitherAnswersNorEndsAndGoesOnWhenHealed) {
  Endpoint endpoint;
  Client client = endpoint.client();
  client.append("s", {"a"});
  endpoint.emulator.cut(CutKind::silent);
  const auto id = client.open("POST", "/v1/streams/s/records", {{"content-type", "application/json"}}, false);
  client.send(id, R"({"records":[{"body":"b"}]})", true);
  Client late = endpoint.client();
  const auto late_id = late.open("GET", "/v1/streams/s/records/tail", {}, true);
  EXPECT_FALSE(client.wait_until([&] { return client.answer(id).status != 0; }, 100ms));
  EXPECT_EQ(client.socket().end(), RawSocket::End::none);
  endpoint.emulator.heal();
  EXPECT_EQ(client.wait(id).status, 200);  // what was on its way lands after the silence
  EXPECT_EQ(late.wait(late_id).status, 200);
}

TEST(Drain, TellsSessionsRefusesForAWhileAndServesTheSamePortAgain) {
  Endpoint endpoint;
  const std::string before = endpoint.emulator.endpoint();
  Client client = endpoint.client();
  Session writer = Session::append(client, "s");
  writer.submit({"a"});
  writer.frames(1);
  Session reader(client, "GET", "/v1/streams/s/records?seq_num=0");
  reader.frames(2);
  endpoint.emulator.drain(300ms);
  EXPECT_FALSE(endpoint.client().connected());
  for (Session* session : {&writer, &reader}) {
    const auto& frames = session->frames(99);
    EXPECT_TRUE(frames.back().terminal);
    EXPECT_TRUE(frames.back().reconnect_advised);
    EXPECT_EQ(frames.back().status, 503);
    EXPECT_EQ(nlohmann::json::parse(frames.back().body)["code"], "server_draining");
  }
  EXPECT_TRUE(client.saw_goaway());
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!endpoint.client().connected() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(10ms);
  EXPECT_EQ(endpoint.emulator.endpoint(), before);
  EXPECT_EQ(endpoint.client().tail("s"), 1u);
}

// Harnesses start processes all the time: between fork and exec a child holds every socket of its parent.
TEST(Drain, RefusesAndKeepsThePortAlsoWhileAChildHoldsTheSocket) {
  Endpoint endpoint;
  const std::string url = endpoint.emulator.endpoint();
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  ASSERT_GT(child, 0);
  endpoint.emulator.drain(300ms);
  EXPECT_FALSE(endpoint.client().connected());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(endpoint.client().connected());
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int stranger = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_NE(::bind(stranger, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0)
      << "the port was free for a stranger";
  ::close(stranger);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!endpoint.client().connected() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(10ms);
  EXPECT_EQ(endpoint.client().tail("s"), 0u);
}

TEST(Drain, PromisesNothingOfAFrameThatIsUnderWay) {
  Endpoint endpoint;
  endpoint.emulator.set_faults(
      R"([{"match":{"op":"append_session"},"fault":{"delay":"1h","when":"after_commit"}}])");
  Client client = endpoint.client();
  Session writer = Session::append(client, "s");
  writer.submit({"a"});
  while (nlohmann::json::parse(endpoint.emulator.faults())[0]["fired"] == 0) std::this_thread::yield();
  endpoint.emulator.drain(1ms);
  const auto& frames = writer.frames(1);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(nlohmann::json::parse(frames[0].body)["code"], "unavailable");
}

TEST(Reset, ForgetsDataFaultsAndHistory) {
  Endpoint endpoint;
  endpoint.client().append("s", {"a"});
  endpoint.emulator.set_faults(R"([{"fault":{"status":503}}])");
  endpoint.emulator.reset();
  EXPECT_EQ(endpoint.emulator.faults(), "[]");
  EXPECT_EQ(endpoint.emulator.history(kBasin, "s"), "");
  EXPECT_EQ(endpoint.client().request("GET", "/v1/basins").json()["basins"].size(), 0u);
}

TEST(Clock, RetentionSeesTheAdvance) {
  Endpoint endpoint;
  Client client = endpoint.client();
  client.request("PUT", "/v1/streams/s", R"({"retention_policy":{"age":10}})");
  client.append("s", {"a"});
  EXPECT_EQ(client.request("GET", "/v1/streams/s/records?seq_num=0").json()["records"].size(), 1u);
  endpoint.emulator.advance_clock(11s);
  EXPECT_EQ(client.request("GET", "/v1/streams/s/records?seq_num=0").json()["records"].size(), 0u);
  EXPECT_EQ(client.tail("s"), 1u);
}

TEST(Emulator, AHundredLiveSideBySide) {
  std::vector<std::unique_ptr<Endpoint>> all;
  for (int n = 0; n < 100; ++n) all.push_back(std::make_unique<Endpoint>());
  for (auto& endpoint : all) EXPECT_EQ(endpoint->client().append("s", {"x"}).status, 200);
  for (auto& endpoint : all) EXPECT_EQ(endpoint->client(Http::one).tail("s"), 1u);
}

TEST(Emulator, APortThatIsTakenIsASystemError) {
  Endpoint endpoint;
  const std::string url = endpoint.emulator.endpoint();
  Options options;
  options.port = static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  EXPECT_THROW(Emulator{options}, std::system_error);
}

TEST(Emulator, BadOptionsAreInvalidArguments) {
  EXPECT_THROW(Emulator({.host = "0.0.0.0"}), std::invalid_argument);
  EXPECT_THROW(Emulator({.host = "nowhere"}), std::invalid_argument);
  EXPECT_THROW(Emulator({.auth = Auth::enforced}), std::invalid_argument);
  EXPECT_THROW(Emulator({.faults_json = "no"}), std::invalid_argument);
  EXPECT_THROW(Emulator({.init_json = "no"}), std::invalid_argument);
  Emulator emulator;
  EXPECT_THROW(emulator.create_basin("X"), std::invalid_argument);
  EXPECT_THROW(emulator.set_faults("{}"), std::invalid_argument);
}

TEST(Emulator, EndsWithOpenSessionsAndDelayedAppends) {
  auto endpoint = std::make_unique<Endpoint>();
  endpoint->emulator.set_faults(R"([{"match":{"op":"append"},"fault":{"delay":"1h"}}])");
  Client client = endpoint->client();
  Session reader(client, "GET", "/v1/streams/s/records?seq_num=0");
  reader.frames(1);
  client.open("GET", "/v1/streams/s/records?seq_num=0&wait=60", {}, true);
  const auto id = client.open("POST", "/v1/streams/s/records", {{"content-type", "application/json"}}, false);
  client.send(id, R"({"records":[{"body":"a"}]})", true);
  while (nlohmann::json::parse(endpoint->emulator.faults())[0]["fired"] == 0) std::this_thread::yield();
  endpoint.reset();
  client.wait(id);
  EXPECT_TRUE(client.answer(id).broken);
}

TEST(InitFile, MakesBasinsAndStreamsAsTheFileSays) {
  Emulator emulator({.init_json = R"({"basins":[{"name":"init-basin","config":{"create_stream_on_append":true,
      "default_stream_config":{"retention_policy":"7days"}},
      "streams":[{"name":"one","config":{"retention_policy":"1h 30m","delete_on_empty":{"min_age":"2m"}}},
                 {"name":"two","config":{"retention_policy":"infinite"}}]}]})"});
  RawSocket socket(emulator);
  socket.send("GET /v1/streams/one HTTP/1.1\r\nhost: x\r\ns2-basin: init-basin\r\nconnection: close\r\n\r\n");
  const std::string one = socket.receive_all();
  EXPECT_NE(one.find(R"("age":5400)"), std::string::npos) << one;
  EXPECT_NE(one.find(R"("min_age_secs":120)"), std::string::npos) << one;
  for (const char* bad :
       {R"({"basins":[{"name":"X"}]})", R"({"basins":[{"name":"init-basin","oops":1}]})",
        R"({"basins":[{"name":"init-basin","streams":[{"name":"s","config":{"retention_policy":"soon"}}]}]})",
        R"([])"}) {
    EXPECT_THROW(Emulator({.init_json = bad}), std::invalid_argument) << bad;
  }
}

}  // namespace
}  // namespace s2::emulator::test
