// A call that a silent peer lets wait, begun before anybody waited for it: whoever waits ends it after a part
// of the time, and the next attempt stores. That call never ends by itself here.
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

#include "tests/writer/fake_s2.h"
#include "tests/writer/heard.h"
#include "tests/writer/ledger.h"
#include "writer/producer.h"
#include "writer/writer.h"

namespace s2::writer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kGrace{4};  // half of it is enough for any machine

// Everything reaches S2, but the first append of stream "silent" sits in its call, and stream "down" has no
// connection.
class SilentClient final : public AppendClient {
 public:
  explicit SilentClient(test::FakeS2& s2) : s2_(s2) {}
  std::unique_ptr<AppendChannel> make_channel(const std::string& stream,
                                              std::function<void()> wake) override {
    return std::make_unique<Channel>(*this, stream, s2_.make_channel(stream, std::move(wake)));
  }
  void wait_until_it_sits() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return sits_; });
  }

 private:
  class Channel final : public AppendChannel {
   public:
    Channel(SilentClient& client, std::string stream, std::unique_ptr<AppendChannel> inner)
        : client_(client), stream_(std::move(stream)), inner_(std::move(inner)) {}
    tl::expected<void, std::string> open(Time deadline) override {
      if (stream_ == "down") return tl::unexpected(std::string("connection refused"));
      return inner_->open(deadline);
    }
    tl::expected<void, std::string> send(const wire::AppendInput& input, Time deadline) override {
      std::unique_lock lock(client_.mutex_);
      if (stream_ != "silent" || std::exchange(client_.sits_, true)) return inner_->send(input, deadline);
      client_.changed_.notify_all();
      client_.changed_.wait(lock, [&] { return cut_; });
      return tl::unexpected(std::string("cut"));
    }
    void poll(std::vector<AppendEvent>& out, Time deadline) override { inner_->poll(out, deadline); }
    bool can_send() const override { return inner_->can_send(); }
    bool can_ping() const override { return false; }
    void ping(Time) override {}
    Time last_heard() const override { return inner_->last_heard(); }
    Time last_progress() const override { return inner_->last_progress(); }
    void drop() override { inner_->drop(); }
    tl::expected<std::vector<wire::SequencedRecord>, ReadError> read_back(std::uint64_t from,
                                                                          std::size_t count,
                                                                          Time deadline) override {
      return inner_->read_back(from, count, deadline);
    }
    void cut() override {
      const std::lock_guard lock(client_.mutex_);
      cut_ = true;
      client_.changed_.notify_all();
    }
    void abort() override { cut(); }

   private:
    SilentClient& client_;
    const std::string stream_;
    std::unique_ptr<AppendChannel> inner_;
    bool cut_ = false;
  };

  test::FakeS2& s2_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool sits_ = false;
};

ProducerOptions options() {
  ProducerOptions options;
  options.linger = milliseconds(0);
  options.epoch_token = "mine";
  options.backoff_base = milliseconds(1);
  options.backoff_cap = milliseconds(4);
  options.ack_timeout = std::chrono::hours(1);
  return options;
}

void put(Producers& producers, const std::string& stream, std::uint64_t seq) {
  wire::AppendRecord record;
  record.body = "seq" + std::to_string(seq);
  ASSERT_EQ(producers.submit(stream, seq, std::move(record), {}, Clock::now() + kGrace), Submit::taken);
}

// The stream that is down comes first, and is waited for until nothing is left.
struct TwoStreams {
  test::FakeS2 s2;
  SilentClient client{s2};
  test::Heard heard;
  std::unique_ptr<Producers> producers = make_producers(options(), client, heard);
  TwoStreams() {
    put(*producers, "down", 1);
    put(*producers, "silent", 2);
    client.wait_until_it_sits();
  }
};

TEST(SilentCall, IsEndedThoughAnotherStreamIsWaitedForFirst) {
  TwoStreams streams;
  EXPECT_EQ(streams.producers->wait_acked(2, Clock::now() + kGrace), 1U);
  EXPECT_EQ(streams.s2.stored().size(), 1U);
}

TEST(SilentCall, IsEndedByACloseThatWaitsForAnotherStreamFirst) {
  TwoStreams streams;
  EXPECT_EQ(streams.producers->close(Clock::now() + kGrace).size(), 1U);
  EXPECT_EQ(streams.s2.stored().size(), 1U);
}

// A writer whose producer has room for one event: the second waits before it.
struct HeldUp {
  test::FakeS2 s2;
  SilentClient client{s2};
  test::Ledger ledger;
  std::unique_ptr<Writer> writer;
  explicit HeldUp(std::size_t room) {
    auto made = Writer::make(
        {},
        [&](ProducerListener& listener) {
          ProducerOptions own = options();
          own.max_in_flight_records = room;
          return make_producers(own, client, listener);
        },
        ledger, [](std::string_view) {});
    writer = std::move(*made);
    EXPECT_TRUE(writer->start("silent"));
    publish();
    client.wait_until_it_sits();
    publish();
  }
  void publish() {
    Event event;
    event.type = "console_log";
    event.data_json = "1";
    EXPECT_TRUE(writer->publish("silent", event));
  }
};

class SilentCallOfAWriter : public testing::TestWithParam<std::size_t> {};

TEST_P(SilentCallOfAWriter, IsEndedByAFlush) {
  HeldUp held(GetParam());
  EXPECT_TRUE(held.writer->flush(Clock::now() + kGrace).flushed);
  EXPECT_EQ(held.s2.stored().size(), 2U);
}

TEST_P(SilentCallOfAWriter, IsEndedByAStop) {
  HeldUp held(GetParam());
  const Deadline by = Clock::now() + kGrace;
  const auto end = held.writer->end("silent", by);
  ASSERT_TRUE(end);
  EXPECT_TRUE(held.writer->await_end(*end, by).complete);
  EXPECT_EQ(held.s2.stored().size(), 3U);
}

TEST_P(SilentCallOfAWriter, IsEndedByTheShutdown) {
  HeldUp held(GetParam());
  EXPECT_EQ(held.writer->shutdown(kGrace, [](Deadline) { return true; }).unsaved, 0U);
  EXPECT_EQ(held.s2.stored().size(), 3U);
}

INSTANTIATE_TEST_SUITE_P(RoomForOneAndForAll, SilentCallOfAWriter, testing::Values(1, 100));

}  // namespace
}  // namespace s2::writer
