// See writer_deletion.h.
#include "fuzz/writer_deletion.h"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "emulator/host.h"
#include "fuzz/writer_ledger.h"
#include "scenarios/memory_net.h"
#include "sim/world.h"
#include "writer/s2_client.h"

namespace s2::fuzz {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr const char* kBasin = "memory-basin";
constexpr const char* kStream = "s1";
constexpr std::uint64_t kMostAppends = 4;
constexpr milliseconds kAnswered{1000};  // nothing takes longer here than the delay of a few milliseconds
constexpr std::uint64_t kLatestDeletionMs = 4;

// The endpoint, with one stream that no append makes anew.
class Endpoint {
 public:
  Endpoint() : net_({.draw = sim::choose}) {
    net_.in_loop([this] {
      emulator::Options options;
      if (sim::choose(2) == 0)
        options.faults_json =
            R"([{"match":{"op":"append_session","after":1},"fault":{"delay":"2ms","when":"before_commit"}}])";
      host_ = std::make_unique<emulator::Host>(net_.loop(), options);
      host_->create_basin(kBasin, R"({"create_stream_on_append":false})");
      emulator::World& world = host_->world();
      if (!world.service.create_stream(kBasin, kStream, {}, {}, world.clock.now_ms()))
        sim::fail("setup: the stream cannot be made");
      host_->serve(net_.make_listener());
    });
    writer::S2ClientOptions options;
    options.basin = kBasin;
    options.basin_endpoint = "http://memory:80";
    options.access_token = "t";
    options.http = writer::HttpChoice::http2;
    client_ = std::move(*writer::make_s2_client(options, net_.transport()));
  }
  ~Endpoint() {
    client_.reset();
    net_.in_loop([this] { host_->end(); });
    net_.in_loop([this] { host_.reset(); });
  }
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  writer::AppendClient& client() { return *client_; }
  void delete_stream() {
    net_.in_loop([this] {
      sim::note("the stream is deleted");
      emulator::World& world = host_->world();
      world.service.delete_stream(kBasin, kStream, world.clock.now_ms());
    });
  }

 private:
  scenarios::MemoryNet net_;
  std::unique_ptr<emulator::Host> host_;
  std::unique_ptr<writer::AppendClient> client_;
};

// Appends one after another until one is refused.
class Appender {
 public:
  explicit Appender(writer::AppendClient& client)
      : channel_(client.make_channel(kStream, [this] {
          const std::lock_guard lock(mutex_);
          news_ = true;
          changed_.notify_all();
        })) {}

  void run(std::uint64_t appends) {
    if (!channel_->open(Clock::now() + kAnswered)) return;
    wire::AppendInput input;
    input.records.resize(1);
    for (std::uint64_t i = 0; i < appends; ++i) {
      if (!channel_->send(input, Clock::now() + kAnswered)) return;
      if (!acked()) return;
      std::this_thread::sleep_for(milliseconds(sim::choose(2)));
    }
  }

 private:
  // False: refused, or the session is lost, which is an answer, too.
  bool acked() {
    const auto deadline = Clock::now() + kAnswered;
    std::vector<writer::AppendEvent> events;
    while (true) {
      channel_->poll(events, deadline);
      for (const writer::AppendEvent& event : events) {
        if (!std::holds_alternative<writer::SessionRetiring>(event))
          return std::holds_alternative<writer::AppendAcked>(event);
      }
      std::unique_lock lock(mutex_);
      if (!changed_.wait_until(lock, deadline, [this] { return news_; })) {
        // A timer may be early: then nobody had the time to answer.
        if (unhurried())
          sim::fail("I8 hung: an append to a stream that was deleted meanwhile was never answered");
        return false;
      }
      news_ = false;
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool news_ = false;
  std::unique_ptr<writer::AppendChannel> channel_;  // last: it calls into the above
};

}  // namespace

void run_deletion() {
  Endpoint endpoint;
  std::thread deleter([&] {
    sim::name_thread("deleter");
    std::this_thread::sleep_for(milliseconds(sim::choose(kLatestDeletionMs)));
    endpoint.delete_stream();
  });
  Appender(endpoint.client()).run(1 + sim::choose(kMostAppends));
  deleter.join();
}

}  // namespace s2::fuzz
