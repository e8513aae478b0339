// What goes wrong behind a byte of the network in memory: which bytes arrive, what either end sees, and what
// becomes of new connections.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "scenarios/memory_net.h"

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;

constexpr auto kAlive = 20s;  // after which something hangs

// A server that takes every connection, keeps what comes, and says "hello" to each.
class ByteFaultTest : public testing::Test {
 protected:
  using Kind = ByteFault::Kind;
  using Time = std::chrono::steady_clock;

  struct Heard {
    std::unique_ptr<emulator::Socket> socket;
    std::string bytes;
    std::string end;  // "": none yet
  };

  void make(NetOptions options) {
    options.draw = [this](std::uint64_t below) { return random_() % below; };
    options.on_fault = [this](const ByteFault&) { ++faults_; };
    net_ = std::make_unique<MemoryNet>(std::move(options));
    net_->in_loop([this] {
      port_ = net_->make_listener();
      accept_next();
    });
  }
  void TearDown() override {
    client_ = nullptr;
    net_->in_loop([this] {
      for (const auto& heard : heard_) heard->socket = nullptr;
      port_ = nullptr;
    });
    net_ = nullptr;
  }

  void accept_next() {
    port_->when_connected([this] {
      if (port_ == nullptr) return;  // it was on its way when the test ended
      if (auto socket = port_->accept()) {
        heard_.push_back(std::make_shared<Heard>());
        heard_.back()->socket = std::move(socket);
        EXPECT_EQ(heard_.back()->socket->write_some("hello").bytes, 5U);
        read_on(heard_.back());
      }
      accept_next();
    });
  }
  // A callback that is on its way is called although its socket has gone: what it needs is its own.
  static void read_on(const std::shared_ptr<Heard>& heard) {
    while (heard->socket != nullptr) {
      char into[64];
      const auto outcome = heard->socket->read_some(into, sizeof into);
      if (outcome.io == emulator::Socket::Io::would_block)
        return heard->socket->when_readable([heard] { read_on(heard); });
      if (outcome.io != emulator::Socket::Io::moved) {
        heard->end = outcome.io == emulator::Socket::Io::ended ? "ended" : "reset";
        return;
      }
      heard->bytes.append(into, outcome.bytes);
    }
  }

  tl::expected<void, writer::IoError> connect(std::chrono::milliseconds patience = kAlive) {
    client_ = net_->transport().make_connection({});
    return client_->connect(Time::now() + patience);
  }
  void write(const std::string& bytes) { static_cast<void>(client_->write(bytes, Time::now() + kAlive)); }
  std::string read(std::size_t bytes) {
    std::string all(bytes, '.');
    for (std::size_t at = 0; at < bytes;) {
      const auto n = client_->read(all.data() + at, bytes - at);
      if (!n) return all.substr(0, at) + " and then " + n.error().message;
      at += *n;
    }
    return all;
  }
  // Of the last connection.
  std::string bytes() {
    std::string bytes;
    net_->in_loop([&] { bytes = heard_.empty() ? "" : heard_.back()->bytes; });
    return bytes;
  }
  std::string end() {
    std::string end;
    net_->in_loop([&] { end = heard_.empty() ? "" : heard_.back()->end; });
    return end;
  }
  template <class Holds>
  static bool soon(const Holds& holds) {
    const auto deadline = Time::now() + kAlive;
    while (!holds() && Time::now() < deadline) std::this_thread::sleep_for(1ms);
    return holds();
  }

  static std::string text(std::size_t bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>('a' + i % 26);
    return text;
  }

  std::mt19937_64 random_{1};
  std::atomic<int> faults_{0};
  std::unique_ptr<MemoryNet> net_;
  std::unique_ptr<emulator::Listener> port_;
  std::vector<std::shared_ptr<Heard>> heard_;
  std::unique_ptr<writer::Connection> client_;
};

TEST_F(ByteFaultTest, OfAResetTheBytesUpToItArriveAndBothEndsSeeIt) {
  for (const std::uint64_t byte : {1U, 37U, 100U}) {
    make({.draw = {}, .piece_max = 10, .faults = {{.kind = Kind::reset, .byte = byte}}});
    ASSERT_TRUE(connect());
    write(text(100));
    EXPECT_TRUE(soon([&] { return end() == "reset"; })) << byte;
    EXPECT_EQ(bytes(), text(100).substr(0, byte));
    EXPECT_EQ(read(6), "hello and then connection reset by peer");
    EXPECT_TRUE(connect()) << "a new connection works";
    write("more");
    EXPECT_TRUE(soon([&] { return bytes() == "more"; }));
    EXPECT_EQ(faults_, 1);
    faults_ = 0;
    if (byte < 100) TearDown();
  }
}

TEST_F(ByteFaultTest, BytesAreCountedOverAllConnections) {
  make({.draw = {}, .faults = {{.kind = Kind::reset, .byte = 150}, {.kind = Kind::reset, .byte = 120}}});
  for (const std::size_t arrives : {100U, 20U, 30U}) {
    ASSERT_TRUE(connect());
    write(text(100));
    EXPECT_TRUE(soon([&] { return bytes().size() == arrives; })) << arrives;
    if (arrives < 100) {
      EXPECT_TRUE(soon([&] { return end() == "reset"; }));
    }
  }
}

TEST_F(ByteFaultTest, HalfOpenTheOtherDirectionGoesOn) {
  make({.draw = {}, .faults = {{.kind = Kind::half_open, .byte = 37}}});
  ASSERT_TRUE(connect());
  write(text(100));
  EXPECT_TRUE(soon([&] { return bytes().size() == 37; }));
  net_->in_loop([&] { EXPECT_EQ(heard_.back()->socket->write_some("again").bytes, 5U); });
  EXPECT_EQ(read(10), "helloagain");
  client_->close();
  std::this_thread::sleep_for(5ms);
  EXPECT_EQ(bytes(), text(37));
  EXPECT_EQ(end(), "") << "the end of a connection is not heard, either";
  EXPECT_TRUE(connect());
}

TEST_F(ByteFaultTest, HalfOpenForAWhileWhatWasSentMeanwhileArrivesThen) {
  make({.draw = {}, .faults = {{.kind = Kind::half_open, .to_server = false, .byte = 3, .lasts = 50ms}}});
  const auto before = Time::now();
  ASSERT_TRUE(connect());
  write(text(10));
  EXPECT_TRUE(soon([&] { return bytes() == text(10); }));
  EXPECT_EQ(read(5), "hello");
  EXPECT_GE(Time::now() - before, 50ms);
}

TEST_F(ByteFaultTest, HalfOpenForEverStaysSoThoughAShorterSilenceOfItEnds) {
  make({.draw = {},
        .faults = {{.kind = Kind::half_open, .byte = 10, .lasts = 5ms},
                   {.kind = Kind::half_open, .byte = 20}}});
  ASSERT_TRUE(connect());
  write(text(30));
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(bytes(), text(10));
}

TEST_F(ByteFaultTest, InASilenceNothingArrivesAndNobodyConnectsUntilItEnds) {
  make({.draw = {}, .faults = {{.kind = Kind::silence, .byte = 1, .lasts = 200ms}}});
  ASSERT_TRUE(connect());
  EXPECT_EQ(read(5), "hello");
  const auto before = Time::now();
  write(text(100));
  const auto first = std::move(client_);
  const auto refused = connect(50ms);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, writer::IoError::Kind::timed_out);
  EXPECT_TRUE(connect());
  EXPECT_GE(Time::now() - before, 200ms);
  net_->in_loop([&] { EXPECT_EQ(heard_.front()->bytes, text(100)); });
}

TEST_F(ByteFaultTest, ForAWhileNewConnectionsAreRefusedOrNotAnswered) {
  for (const bool refuses : {true, false}) {
    make({.draw = {}, .faults = {{.kind = Kind::reset, .byte = 1, .closed = 200ms, .refuses = refuses}}});
    ASSERT_TRUE(connect());
    const auto before = Time::now();
    write("x");
    const auto refused = connect(50ms);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind,
              refuses ? writer::IoError::Kind::refused : writer::IoError::Kind::timed_out);
    EXPECT_TRUE(soon([&] { return connect(500ms).has_value(); }));
    EXPECT_GE(Time::now() - before, 200ms);
    if (refuses) TearDown();
  }
}

TEST_F(ByteFaultTest, SoManyAttemptsToConnectAreRefused) {
  make({.draw = {}, .refused_from = 2, .refused_opens = 2});
  EXPECT_TRUE(connect());
  EXPECT_FALSE(connect());
  EXPECT_FALSE(connect());
  EXPECT_TRUE(connect());
}

// The prefix is drawn: of many machines some lose all, some nothing, some tear it.
TEST_F(ByteFaultTest, OfAMachineThatIsGoneADrawnPrefixStillArrivesAndNothingMore) {
  std::size_t none = 0, torn = 0, all = 0;
  for (int machines = 0; machines < 40; ++machines) {
    if (net_) TearDown();
    make({.draw = {}, .latency_max = 5ms, .piece_max = 2, .faults = {{.kind = Kind::gone, .byte = 4}}});
    ASSERT_TRUE(connect());
    write(text(100));  // a zombie's
    EXPECT_FALSE(connect(1ms));
    std::string arrived;
    for (int turns = 0; turns < 4; ++turns) net_->in_loop([] {});
    arrived = bytes();
    std::this_thread::sleep_for(1ms);
    EXPECT_EQ(bytes(), arrived);
    EXPECT_EQ(arrived, text(4).substr(0, arrived.size()));
    EXPECT_EQ(end(), "");
    ++(arrived.empty() ? none : arrived.size() < 4 ? torn : all);
  }
  EXPECT_GT(none, 0U);
  EXPECT_GT(torn, 0U);
  EXPECT_GT(all, 0U);
}

}  // namespace
}  // namespace s2::scenarios
