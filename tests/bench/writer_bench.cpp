// writer-bench: what the writer stores in steady state, and what a publish costs while storage hangs.
//
//   writer-bench --endpoint URL [--seconds N] [--emulator-pid PID]  events stored a second
//   writer-bench --publish-hanging --endpoint URL [--seconds N]     nanoseconds of a publish
//
// Prints one JSON object on one line; ci/bench keeps it. URL is an emulator in a process of its own. Records
// are envelopes around 200 bytes of data, 1000 a batch, over one append session (HTTP/2), not compressed.
// Records older than a second are let go by the emulator: a store that only grows would be measured as page
// faults.
//
// Figures of the first: events acknowledged a second after a warm-up of one second, with the publisher one
// bound of outstanding events ahead, which is less than the ring holds; microseconds from an append's send to
// its acknowledgement; seconds of this process's cores, and of the emulator's, a million events. Anything
// dropped or lost ends the run. Of the second: 200,000 publishes a second, paced, against an emulator that
// never answers an append; how much resident memory grew, until the ring and what is in flight were full and
// after that.
#include <httplib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "writer/epoch.h"
#include "writer/s2_client.h"
#include "writer/tcp_transport.h"
#include "writer/writer.h"

namespace {

using namespace std::chrono_literals;
using namespace s2::writer;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kBasin = "bench-writer-basin";
constexpr std::size_t kDataBytes = 200;  // of an event's `data`
constexpr std::size_t kBatchRecords = 1000;
constexpr auto kLinger = 5ms;
constexpr std::int64_t kRingEvents = 20'480;
constexpr std::uint64_t kOutstanding = 16'384;  // published and not acknowledged, at most
constexpr auto kWarmUp = 1s;
constexpr int kPublishesPerSecond = 200'000;  // while storage hangs
constexpr std::int64_t kHangingRingEvents = 8'192;

[[noreturn]] void give_up(const std::string& why) {
  std::cerr << "writer-bench: " << why << "\n";
  std::_Exit(3);
}

// Counts what is stored, and lets the publisher wait for it.
class Watcher final : public DurabilityListener {
 public:
  explicit Watcher(bool may_drop) : may_drop_(may_drop) {}

  void acked(const SessionIdentity&, std::uint64_t through) override {
    const std::lock_guard lock(mutex_);
    through_ = through;
    if (published_ - through_ <= kOutstanding / 2) moved_.notify_one();
  }
  void dropped(const SessionIdentity&, std::uint64_t from, std::uint64_t to) override {
    if (!may_drop_) give_up("events " + std::to_string(from) + " to " + std::to_string(to) + " were dropped");
    dropped_ += to - from + 1;
  }
  void lost(const SessionIdentity&, std::uint64_t, std::uint64_t, const std::string& reason) override {
    if (!may_drop_) give_up("events were lost: " + reason);
  }

  // After `published` was published: waits, where too much is outstanding, until half of it is stored.
  void keep_bound(std::uint64_t published) {
    std::unique_lock lock(mutex_);
    published_ = published;
    if (published_ - through_ < kOutstanding) return;
    if (!moved_.wait_for(lock, 10s, [&] { return published_ - through_ <= kOutstanding / 2; })) {
      give_up("nothing is acknowledged for ten seconds");
    }
  }
  std::uint64_t through() {
    const std::lock_guard lock(mutex_);
    return through_;
  }
  std::uint64_t dropped_events() const { return dropped_; }

 private:
  const bool may_drop_;
  std::mutex mutex_;
  std::condition_variable moved_;
  std::uint64_t through_ = 0;
  std::uint64_t published_ = 0;
  std::atomic<std::uint64_t> dropped_{0};
};

// A channel that notes how long each append was on its way. One thread uses it, the figures are read after.
class TimedChannel final : public AppendChannel {
 public:
  TimedChannel(std::unique_ptr<AppendChannel> inner, std::vector<double>& micros)
      : inner_(std::move(inner)), micros_(micros) {}
  tl::expected<void, std::string> open(Time deadline) override {
    sent_at_.clear();
    return inner_->open(deadline);
  }
  tl::expected<void, std::string> send(const s2::wire::AppendInput& input, Time deadline) override {
    sent_at_.push_back(Clock::now());
    return inner_->send(input, deadline);
  }
  void poll(std::vector<AppendEvent>& out, Time deadline) override {
    const std::size_t before = out.size();
    inner_->poll(out, deadline);
    const auto now = Clock::now();
    for (std::size_t i = before; i < out.size(); ++i) {
      if (!std::holds_alternative<AppendAcked>(out[i]) || sent_at_.empty()) continue;
      micros_.push_back(std::chrono::duration<double, std::micro>(now - sent_at_.front()).count());
      sent_at_.pop_front();
    }
  }
  bool can_send() const override { return inner_->can_send(); }
  void ping(Time deadline) override { inner_->ping(deadline); }
  Time last_heard() const override { return inner_->last_heard(); }
  Time last_progress() const override { return inner_->last_progress(); }
  bool can_ping() const override { return inner_->can_ping(); }
  void drop() override { inner_->drop(); }
  tl::expected<std::vector<s2::wire::SequencedRecord>, ReadError> read_back(std::uint64_t from,
                                                                            std::size_t count,
                                                                            Time deadline) override {
    return inner_->read_back(from, count, deadline);
  }
  void abort() override { inner_->abort(); }

 private:
  std::unique_ptr<AppendChannel> inner_;
  std::vector<double>& micros_;
  std::deque<Time> sent_at_;
};

class TimedClient final : public AppendClient {
 public:
  explicit TimedClient(AppendClient& inner) : inner_(inner) {}
  std::unique_ptr<AppendChannel> make_channel(const std::string& stream,
                                              std::function<void()> wake) override {
    return std::make_unique<TimedChannel>(inner_.make_channel(stream, std::move(wake)), micros);
  }
  std::vector<double> micros;

 private:
  AppendClient& inner_;
};

void request(const std::string& endpoint, const std::string& path, const std::string& body) {
  httplib::Client client(endpoint);
  const auto answer = client.Put(path, body, "application/json");
  if (!answer || answer->status >= 300) give_up("PUT " + path + " failed at " + endpoint);
}

// A writer with its client, as s2-writer puts them together.
struct Bench {
  Bench(const std::string& endpoint, std::int64_t ring_events, bool may_drop) : watcher(may_drop) {
    auto made = make_s2_client({.basin = std::string(kBasin),
                                .basin_endpoint = endpoint,
                                .access_token = "any-token",
                                .read_token = {},
                                .http = HttpChoice::http2},
                               *transport);
    if (!made) give_up(made.error());
    client = std::move(*made);
    timed = std::make_unique<TimedClient>(*client);
    ProducerOptions producer;
    producer.linger = kLinger;
    producer.max_batch_records = kBatchRecords;
    producer.epoch_token = new_epoch_token();
    WriterOptions options;
    options.ring.events = ring_events;
    options.batch_records = kBatchRecords;
    auto whole = Writer::make(
        options, [&](ProducerListener& listener) { return make_producers(producer, *timed, listener); },
        watcher, [](std::string_view line) { std::cerr << "writer-bench: " << line << "\n"; });
    if (!whole) give_up(whole.error());
    writer = std::move(*whole);
    if (auto session = writer->start("bench"); !session) give_up(session.error());
  }

  Published publish(const Event& event) {
    auto published = writer->publish("bench", event);
    if (!published) give_up(published.error());
    return *published;
  }

  std::unique_ptr<Transport> transport = make_tcp_transport();
  Watcher watcher;
  std::unique_ptr<AppendClient> client;
  std::unique_ptr<TimedClient> timed;
  std::unique_ptr<Writer> writer;
};

// Events whose data is different each time and always as long.
class Events {
 public:
  Event next() {
    Event event;
    event.type = "network_response";
    event.source.kind = "bench";
    event.source.event = "Network.responseReceived";
    event.url = "https://example.test/a/page";
    event.data_json.reserve(kDataBytes);
    event.data_json = R"({"number":)";
    event.data_json += std::to_string(++number_);
    event.data_json += R"(,"text":")";
    event.data_json.append(kDataBytes - event.data_json.size() - 2, 'x');
    event.data_json += R"("})";
    return event;
  }

 private:
  std::uint64_t number_ = 1'000'000'000;
};

template <class Number>
double quantile(std::vector<Number>& values, double q) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return static_cast<double>(*at);
}

// That a process has had; 0 for one that is not known.
double core_seconds(const std::string& process) {
  std::ifstream file("/proc/" + process + "/stat");
  std::string stat;
  if (!std::getline(file, stat)) return 0;
  std::istringstream fields(stat.substr(stat.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double resident_megabytes() {
  std::ifstream statm("/proc/self/statm");
  long whole = 0, resident = 0;
  statm >> whole >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

nlohmann::json steady(const std::string& endpoint, int seconds, const std::string& emulator) {
  Bench bench(endpoint, kRingEvents, false);
  Events events;
  std::size_t bytes = 0;
  std::uint64_t seq = 0;
  const auto run_until = [&](Clock::time_point end) {
    while (Clock::now() < end) {
      for (int i = 0; i < 64; ++i) {
        const Published published = bench.publish(events.next());
        seq = published.seq;
        bytes = published.bytes;
      }
      bench.watcher.keep_bound(seq);
    }
  };
  run_until(Clock::now() + kWarmUp);
  const std::uint64_t stored_before = bench.watcher.through();
  const double cores_before = core_seconds("self");
  const double emulators_before = core_seconds(emulator);
  const auto begin = Clock::now();
  run_until(begin + std::chrono::seconds(seconds));
  const std::uint64_t stored = bench.watcher.through() - stored_before;
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  const double cores = core_seconds("self") - cores_before;
  const double emulators = core_seconds(emulator) - emulators_before;

  bool complete = false;
  bench.writer->shutdown(10s, [&](Deadline) {
    complete = bench.watcher.through() >= seq;  // the end marker comes behind it
    return true;
  });
  if (!complete) give_up("not all that was published is stored");
  std::vector<double>& micros = bench.timed->micros;
  const double millions = static_cast<double>(stored) / 1e6;
  return {{"events_stored_per_second", static_cast<double>(stored) / took},
          {"seconds", took},
          {"events_stored", stored},
          {"record_bytes", bytes},
          {"batch_records", kBatchRecords},
          {"append_round_trip_us", {{"median", quantile(micros, 0.5)}, {"p99", quantile(micros, 0.99)}}},
          {"core_seconds_per_million_events", cores / millions},
          {"emulators_core_seconds_per_million_events", emulators / millions}};
}

nlohmann::json publish_hanging(const std::string& endpoint, int seconds) {
  request(endpoint, "/_emulator/faults",
          R"([{"match":{"op":"append_session"},"fault":{"hang":"before_commit"}}])");
  std::vector<std::uint32_t> nanos(static_cast<std::size_t>(seconds) * kPublishesPerSecond, 1);
  Bench bench(endpoint, kHangingRingEvents, true);
  Events events;
  const double megabytes_before = resident_megabytes();
  double megabytes_full = 0;
  std::size_t bytes = 0;
  const auto begin = Clock::now();
  constexpr auto kPace = std::chrono::nanoseconds(1s) / kPublishesPerSecond;
  for (std::size_t i = 0; i < nanos.size(); ++i) {
    Event event = events.next();
    const auto due = begin + static_cast<std::int64_t>(i) * kPace;
    auto from = Clock::now();
    while (from < due) from = Clock::now();
    bytes = bench.publish(event).bytes;
    nanos[i] = static_cast<std::uint32_t>(
        std::min<std::int64_t>((Clock::now() - from).count(), std::numeric_limits<std::uint32_t>::max()));
    if (i == nanos.size() / 3) megabytes_full = resident_megabytes();
  }
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  const double megabytes_after = resident_megabytes();
  const auto count = nanos.size();
  nlohmann::json result = {
      {"publishes_per_second", static_cast<double>(count) / took},
      {"publishes", count},
      {"ns",
       {{"median", quantile(nanos, 0.5)}, {"p99", quantile(nanos, 0.99)}, {"p99_9", quantile(nanos, 0.999)}}},
      {"ring_events", kHangingRingEvents},
      {"ring_megabytes", static_cast<double>(bytes) * kHangingRingEvents / 1e6},
      {"in_flight_megabytes", static_cast<double>(bytes) * kMaxInFlightRecords / 1e6},
      {"resident_megabytes_grown",
       {{"until_full", megabytes_full - megabytes_before},
        {"after_that", megabytes_after - megabytes_full}}}};
  bench.writer->shutdown(0ms, [](Deadline) { return true; });
  result["events_dropped"] = bench.watcher.dropped_events();
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  std::string endpoint, emulator;
  bool hanging = false;
  int seconds = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--publish-hanging") {
      hanging = true;
    } else if (flag == "--endpoint" && i + 1 < argc) {
      endpoint = argv[++i];
    } else if (flag == "--emulator-pid" && i + 1 < argc) {
      emulator = argv[++i];
    } else if (flag == "--seconds" && i + 1 < argc && std::atoi(argv[i + 1]) > 0) {
      seconds = std::atoi(argv[++i]);
    } else {
      endpoint.clear();
      break;
    }
  }
  if (endpoint.empty()) {
    std::cerr << "writer-bench: usage: writer-bench [--publish-hanging] --endpoint URL [--seconds N]"
              << " [--emulator-pid PID]\n";
    return 2;
  }
  request(
      endpoint, "/v1/basins/" + std::string(kBasin),
      R"({"config":{"create_stream_on_append":true,"default_stream_config":{"retention_policy":{"age":1}}}})");
  const nlohmann::json figures = hanging ? publish_hanging(endpoint, seconds > 0 ? seconds : 3)
                                         : steady(endpoint, seconds > 0 ? seconds : 5, emulator);
  std::cout << nlohmann::json{{hanging ? "publish_while_storage_hangs" : "writer_steady", figures}} << "\n";
  return 0;
}
