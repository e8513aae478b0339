// The network in memory carries what the sockets of this machine carry: the writer's own client against the
// emulator's own server, whole, torn, cut, silent and healed.
#include "scenarios/memory_net.h"

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <random>
#include <set>

#include "emulator/host.h"
#include "wire/types.h"
#include "writer/producer.h"
#include "writer/s2_client.h"

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;

class SeqLedger final : public writer::ProducerListener {
 public:
  void acked(const std::string&, std::span<const std::uint64_t> seqs, std::uint64_t) override {
    const std::lock_guard lock(mutex_);
    acked_.insert(seqs.begin(), seqs.end());
  }
  void failed(const std::string&, std::span<const std::uint64_t>, const writer::AppendFailure& why) override {
    ADD_FAILURE() << why.reason;
  }
  void note(const std::string&, const std::string&) override {}
  std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return acked_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::uint64_t> acked_;
};

// The emulator behind the net, and producers before it.
class MemoryNetTest : public testing::TestWithParam<std::uint64_t> {
 protected:
  void SetUp() override {
    random_.seed(GetParam());
    net_ = std::make_unique<MemoryNet>(
        NetOptions{.draw = [this](std::uint64_t below) { return below < 2 ? 0 : random_() % below; },
                   .latency_max = 300us,
                   .piece_max = GetParam() % 2 == 0 ? 7U : 4096U,
                   .capacity = 2048});
    net_->in_loop([this] {
      host_ = std::make_unique<emulator::Host>(net_->loop(), emulator::Options{});
      host_->create_basin("test-basin", R"({"create_stream_on_append":true})");
      host_->serve(net_->make_listener());
    });
    writer::S2ClientOptions s2;
    s2.basin = "test-basin";
    s2.basin_endpoint = "http://memory:80";
    s2.access_token = "t";
    auto client = writer::make_s2_client(s2, net_->transport());
    ASSERT_TRUE(client) << client.error();
    client_ = std::move(*client);
    writer::ProducerOptions options;
    options.linger = 1ms;
    options.max_batch_records = 3;
    options.epoch_token = "epoch";
    options.backoff_base = 1ms;
    options.backoff_cap = 5ms;
    options.open_timeout = options.ack_timeout = 200ms;
    producers_ = writer::make_producers(options, *client_, ledger_);
  }

  void TearDown() override {
    producers_.reset();
    client_.reset();
    net_->in_loop([this] { host_->end(); });
    net_->in_loop([this] { host_.reset(); });
    net_.reset();
  }

  void put(std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t seq = from; seq <= to; ++seq) {
      wire::AppendRecord record;
      record.body = "seq" + std::to_string(seq) + std::string(seq % 700, '.');
      ASSERT_EQ(producers_->submit("s", seq, std::move(record), {}, std::chrono::steady_clock::now() + 20s),
                writer::Submit::taken);
    }
  }

  void expect_all_stored(std::uint64_t through) {
    EXPECT_EQ(producers_->wait_acked(through, std::chrono::steady_clock::now() + 20s), 0U);
    EXPECT_EQ(ledger_.count(), through);
    std::uint64_t records = 0;
    net_->in_loop([&] { records = host_->world().service.stream_state("test-basin", "s")->tail.seq_num; });
    // The fence commands of each taking stand between.
    EXPECT_GE(records, through + 1);
    EXPECT_LE(records, through + 1 + net_->connections());
  }

  std::mt19937_64 random_;
  SeqLedger ledger_;
  std::unique_ptr<MemoryNet> net_;
  std::unique_ptr<emulator::Host> host_;
  std::unique_ptr<writer::AppendClient> client_;
  std::unique_ptr<writer::Producers> producers_;
};

TEST_P(MemoryNetTest, TornBytesAreWholeAppends) {
  put(1, 60);
  expect_all_stored(60);
  EXPECT_EQ(net_->connections(), 1U);
}

TEST_P(MemoryNetTest, ResetsLoseNothing) {
  for (std::uint64_t round = 0; round < 4; ++round) {
    put(1 + round * 20, 20 + round * 20);
    net_->reset_connections();
  }
  expect_all_stored(80);
}

TEST_P(MemoryNetTest, ALostDirectionThatIsHeardAgainLosesNothing) {
  put(1, 10);
  net_->silence(GetParam() % 3 == 0, true);
  put(11, 30);
  std::this_thread::sleep_for(20ms);
  net_->silence(false, false);
  put(31, 40);
  expect_all_stored(40);
}

TEST_P(MemoryNetTest, CloseReturnsFromASilentNetworkByItsDeadline) {
  net_->silence(true, true);
  put(1, 5);
  EXPECT_EQ(producers_->close(std::chrono::steady_clock::now() + 100ms).size(), 5U);
  net_->silence(false, false);
}

INSTANTIATE_TEST_SUITE_P(Seeds, MemoryNetTest, testing::Range<std::uint64_t>(1, 7));

}  // namespace
}  // namespace s2::scenarios
