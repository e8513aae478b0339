// The networks, and none; see writer_net.h.
#include "fuzz/writer_net.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <thread>

#include "emulator/host.h"
#include "scenarios/memory_net.h"
#include "sim/world.h"

namespace s2::fuzz {
namespace {

class DirectNetwork final : public Network {
 public:
  DirectNetwork(const WriterShape& shape, WriterLedger& ledger)
      : net_({.draw = sim::choose,
              .faults = shape.faults,
              .refused_from = shape.refused_from,
              .refused_opens = shape.refused_opens,
              .latency = shape.latency,
              .on_send = [&ledger](const std::string& stream,
                                   const wire::AppendInput& input) { return ledger.sent(stream, input); },
              .on_commit = [&ledger](std::uint64_t name) { ledger.committed(name); },
              .on_stranger = [&ledger](const std::string& stream,
                                       std::size_t records) { ledger.stranger(stream, records); },
              .on_under_way = [&ledger](const auto& sessions) { ledger.under_way(sessions); }}) {}
  std::unique_ptr<writer::Producers> producers(const writer::ProducerOptions& options,
                                               writer::ProducerListener& listener) override {
    return writer::make_producers(options, net_, listener);
  }
  std::uint64_t attempts() const override { return net_.attempts(); }

 private:
  scenarios::DirectS2 net_;
};

// The emulator's fault plan for the planned faults and the latency: its own words for the same; empty: none.
std::string plan_of(const WriterShape& shape) {
  using scenarios::DirectFault;
  std::string plan = "[";
  for (const scenarios::PlannedFault& each : shape.faults) {
    const auto* fault = "";
    switch (each.fault) {
      case DirectFault::cut_before_commit:
      case DirectFault::stranger:
        fault = R"({"cut":"before_commit"})";
        break;
      case DirectFault::cut_after_commit:
        fault = R"({"cut":"after_commit"})";
        break;
      case DirectFault::late_twin:
        fault = R"({"late_twin":"300ms"})";
        break;
      case DirectFault::busy:
        fault = R"({"status":429,"code":"rate_limited","when":"before_commit"})";
        break;
      case DirectFault::unavailable:
        fault = R"({"status":503,"code":"unavailable","when":"before_commit"})";
        break;
      case DirectFault::error_after_commit:
        fault = R"({"status":500,"code":"internal","when":"after_commit"})";
        break;
      case DirectFault::retiring:
        fault = R"({"goaway":true})";
        break;
      case DirectFault::silent_before_commit:
        fault = R"({"hang":"before_commit"})";
        break;
      case DirectFault::silent_after_commit:
        fault = R"({"hang":"after_commit"})";
        break;
      case DirectFault::token_refused:
        fault = R"({"status":401,"code":"authn","when":"before_commit"})";
        break;
    }
    if (plan.size() > 1) plan += ',';
    plan += fmt::format(R"({{"match":{{"op":"append_session","after":{},"times":1}},"fault":{}}})",
                        each.append - 1, fault);
  }
  if (shape.latency.count() > 0) {
    if (plan.size() > 1) plan += ',';
    plan += fmt::format(R"({{"match":{{"op":"append_session"}},"fault":{{"delay":"{}ms"}}}})",
                        shape.latency.count());
  }
  return plan.size() == 1 ? "" : plan + "]";
}

class Http2Network final : public Network {
 public:
  Http2Network(const WriterShape& shape, WriterLedger& ledger, std::function<void()> on_death)
      : ledger_(ledger),
        faults_(shape.faults),
        net_({.draw = sim::choose,
              .latency_max = std::chrono::microseconds(shape.one_piece ? 0 : sim::choose(3) * 150),
              // A big event in small pieces would be nothing but pieces.
              .piece_max = shape.one_piece || sim::choose(2) == 0 || shape.big_event ? std::size_t{16 * 1024}
                                                                                     : std::size_t{48},
              .tear = !shape.one_piece,
              .refused_from = shape.refused_from,
              .refused_opens = shape.refused_opens,
              .faults = shape.byte_faults,
              .on_fault = [on_death = std::move(on_death)](const scenarios::ByteFault& fault) {
                if (sim::tracing()) sim::note("the network: " + describe(fault));
                if (fault.kind == scenarios::ByteFault::Kind::gone) on_death();
              }}) {
    net_.in_loop([&] {
      host_ = std::make_unique<emulator::Host>(net_.loop(), emulator::Options{.faults_json = plan_of(shape)});
      emulator::BasinConfig basin;
      basin.create_stream_on_append = true;
      host_->create_basin(scenarios::kDirectBasin, basin);
      host_->world().moments.observe([this](const emulator::ProtocolEvent& event) { happened(event); });
      host_->serve(net_.make_listener());
    });
    writer::S2ClientOptions options;
    options.basin = scenarios::kDirectBasin;
    options.basin_endpoint = "http://memory:80";
    options.access_token = "t";
    options.http = writer::HttpChoice::http2;
    auto client = writer::make_s2_client(options, net_.transport());
    if (client) {
      client_ = std::move(*client);
    } else {
      sim::fail("setup: " + client.error());
    }
  }
  ~Http2Network() override {
    client_.reset();
    net_.in_loop([this] { host_->end(); });
    net_.in_loop([this] { host_.reset(); });
  }
  Http2Network(const Http2Network&) = delete;
  Http2Network& operator=(const Http2Network&) = delete;
  std::unique_ptr<writer::Producers> producers(const writer::ProducerOptions& options,
                                               writer::ProducerListener& listener) override {
    return writer::make_producers(options, *client_, listener);
  }
  std::uint64_t attempts() const override { return net_.connections() + received_; }
  void let_all_land() override {
    std::this_thread::sleep_for(kTwinsLand);
    for (int turns = 0; turns < 2; ++turns) net_.in_loop([] {});
  }

 private:
  static constexpr std::chrono::seconds kTwinsLand{1};  // the emulator's own late ones, too

  void happened(const emulator::ProtocolEvent& event) {
    if (event.moment == emulator::Moment::committed)
      ledger_.committed(ledger_.sent(event.stream, *event.input));
    if (event.moment != emulator::Moment::append_received) return;
    ++received_;
    ledger_.received(*event.input);
    const auto planned = std::ranges::find(faults_, received_, &scenarios::PlannedFault::append);
    if (planned == faults_.end() || planned->fault != scenarios::DirectFault::stranger) return;
    const std::size_t records = event.input->records.size();
    emulator::World& world = host_->world();
    if (world.service.append(event.basin, event.stream, scenarios::strangers_records(records),
                             world.clock.now_ms()))
      ledger_.stranger(event.stream, records);
  }

  WriterLedger& ledger_;
  const std::vector<scenarios::PlannedFault> faults_;
  std::uint64_t received_ = 0;  // appends
  scenarios::MemoryNet net_;
  std::unique_ptr<emulator::Host> host_;
  std::unique_ptr<writer::AppendClient> client_;
};

// Producers without a thread and a client: a record is stored in the call that submits it, and acknowledged
// in the first call that asks for it. The smallest world that still has all of the writer before its
// producer.
class StoringProducers final : public writer::Producers {
 public:
  StoringProducers(WriterLedger& ledger, writer::ProducerListener& listener)
      : ledger_(ledger), listener_(listener) {}

  writer::Submitted submit(const std::string& stream, std::span<writer::Submission> records,
                           const std::stop_token&, writer::Deadline) override {
    const std::lock_guard lock(mutex_);
    if (closed_) return {writer::Submit::closed};
    wire::AppendInput input;
    Stored& stored = stored_[stream];
    for (writer::Submission& each : records) {
      input.records.push_back(std::move(each.record));
      stored.seqs.push_back(each.seq);
    }
    ledger_.committed(ledger_.sent(stream, input));
    stored.tail += records.size();
    return {writer::Submit::taken, records.size()};
  }
  void wake() override {}
  std::optional<writer::Lingering> lingering(const std::string&) const override { return std::nullopt; }
  void send_now(const std::string&) override {}  // nothing lingers
  void flush(writer::Deadline) override { acknowledge(); }
  writer::Deadline end_silent_calls() override { return writer::Deadline::max(); }
  std::size_t wait_acked(std::uint64_t, writer::Deadline) override { return acknowledge(); }
  bool remove(const std::string&, writer::Deadline) override { return acknowledge() == 0; }
  std::vector<writer::Unsaved> close(writer::Deadline) override {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    acknowledge();
    return {};
  }
  void renew(const std::string&, std::optional<std::uint64_t>) override {}
  std::vector<writer::Unsaved> close_left() override { return {}; }
  std::size_t streams() const override {
    const std::lock_guard lock(mutex_);
    return stored_.size();
  }

 private:
  struct Stored {
    std::vector<std::uint64_t> seqs;  // not acknowledged yet
    std::uint64_t tail = 0;
  };

  // What is unsettled behind it: nothing. One caller at a time, as the listener is told in order.
  std::size_t acknowledge() {
    const std::lock_guard one(acknowledging_);
    std::map<std::string, Stored> due;
    {
      const std::lock_guard lock(mutex_);
      for (auto& [stream, stored] : stored_) {
        if (!stored.seqs.empty()) due[stream] = {std::exchange(stored.seqs, {}), stored.tail};
      }
    }
    for (const auto& [stream, stored] : due) listener_.acked(stream, stored.seqs, stored.tail);
    return 0;
  }

  WriterLedger& ledger_;
  writer::ProducerListener& listener_;
  std::mutex acknowledging_;
  mutable std::mutex mutex_;
  std::map<std::string, Stored> stored_;
  bool closed_ = false;
};

class NoNetwork final : public Network {
 public:
  explicit NoNetwork(WriterLedger& ledger) : ledger_(ledger) {}
  std::unique_ptr<writer::Producers> producers(const writer::ProducerOptions&,
                                               writer::ProducerListener& listener) override {
    return std::make_unique<StoringProducers>(ledger_, listener);
  }
  std::uint64_t attempts() const override { return 0; }

 private:
  WriterLedger& ledger_;
};

}  // namespace

std::unique_ptr<Network> make_network(const WriterShape& shape, WriterWay way, WriterLedger& ledger,
                                      std::function<void()> on_death) {
  if (way == WriterWay::none) return std::make_unique<NoNetwork>(ledger);
  if (way == WriterWay::direct) return std::make_unique<DirectNetwork>(shape, ledger);
  return std::make_unique<Http2Network>(shape, ledger, std::move(on_death));
}

}  // namespace s2::fuzz
