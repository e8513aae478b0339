// See service_ledger.h.
#include "scenarios/service_ledger.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include "scenarios/event_text.h"

namespace s2::scenarios {
namespace {

using emulator::Moment;

// Codes that do not promise that the append had no effect (S2 spec "errors").
constexpr std::array<std::string_view, 6> kUnsureCodes = {"client_hangup", "other",       "request_timeout",
                                                          "storage",       "unavailable", "upstream_timeout"};

bool promises_no_effect(std::string_view code) {
  return std::find(kUnsureCodes.begin(), kUnsureCodes.end(), code) == kUnsureCodes.end();
}

// Whether the client of an append under this fault cannot know what became of it. A delay beyond a time-out
// of the client is one too, and which time-outs it has is not known here.
bool leaves_unknown(std::string_view fault) {
  for (const std::string_view sure : {"status 429", "goaway", "bandwidth"}) {
    if (fault.starts_with(sure)) return false;
  }
  return true;
}

std::optional<Moment> moment_of(InstantKind kind) {
  switch (kind) {
    case InstantKind::append_received:
    case InstantKind::mid_drain:
    case InstantKind::mid_close:
      return Moment::append_received;
    case InstantKind::committed:
      return Moment::committed;
    case InstantKind::ack_sent:
      return Moment::ack_sent;
    case InstantKind::byte:
      return Moment::bytes_received;
    case InstantKind::connection_opened:
      return Moment::connection_opened;
    default:
      return std::nullopt;
  }
}

}  // namespace

class ServiceLedger::Impl {
 public:
  explicit Impl(std::string of_run) : run(std::move(of_run)) {}

  bool is_armed_instant(const emulator::ProtocolEvent& event) const {
    if (!kill || has_fired || event.moment != armed_moment) return false;
    if (armed.kind == InstantKind::mid_close) return brought_new && received.size() >= armed.value;
    if (after_the_end_was_asked(armed.kind)) return true;
    return event.moment == Moment::bytes_received ? event.bytes == armed.value : event.ordinal == armed.value;
  }

  void note(const emulator::ProtocolEvent& event);

  const std::string run;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::map<std::uint64_t, ServiceAppend> by_id;
  std::set<std::uint64_t> received;   // events
  bool brought_new = false;           // the newest append had one that none had before
  std::set<std::uint64_t> acked;      // events
  std::set<std::uint64_t> committed;  // events
  std::vector<FiredFault> faults;
  Instant armed;
  std::optional<Moment> armed_moment;
  std::function<bool()> kill;
  bool killing = false;  // the kill was called and has not returned
  bool has_fired = false;
  std::int64_t fired_ns = -1;
};

void ServiceLedger::Impl::note(const emulator::ProtocolEvent& event) {
  switch (event.moment) {
    case Moment::append_received: {
      ServiceAppend& append = by_id[event.append_id];
      append.id = event.append_id;
      append.connection = event.connection;
      append.stream = event.stream;
      append.received_ns = event.t_ns;
      brought_new = false;
      if (!event.input) break;
      const std::size_t known = received.size();
      append.records = event.input->records.size();
      append.match_seq_num = event.input->match_seq_num;
      for (const wire::AppendRecord& record : event.input->records) {
        std::vector<std::uint64_t> found = find_probes(record.body, run);
        for (const wire::Header& header : record.headers) {
          for (const std::uint64_t n : find_probes(header.value, run)) {
            if (std::find(found.begin(), found.end(), n) == found.end()) found.push_back(n);
          }
        }
        append.probes.insert(append.probes.end(), found.begin(), found.end());
        received.insert(found.begin(), found.end());
        brought_new = brought_new || received.size() > known;
      }
      break;
    }
    case Moment::committed: {
      ServiceAppend& append = by_id[event.append_id];
      append.committed = true;
      append.committed_ns = event.t_ns;
      if (event.start) append.start_seq_num = event.start->seq_num;
      if (event.end) append.end_seq_num = event.end->seq_num;
      committed.insert(append.probes.begin(), append.probes.end());
      break;
    }
    case Moment::ack_sent: {
      ServiceAppend& append = by_id[event.append_id];
      append.outcome = ServiceAppend::Outcome::acked;
      append.answered_ns = event.t_ns;
      acked.insert(append.probes.begin(), append.probes.end());
      break;
    }
    case Moment::append_refused: {
      ServiceAppend& append = by_id[event.append_id];
      append.error_code = event.error_code;
      append.answered_ns = event.t_ns;
      const bool refused = !append.committed && promises_no_effect(event.error_code);
      append.outcome = refused ? ServiceAppend::Outcome::refused : ServiceAppend::Outcome::unknown;
      break;
    }
    case Moment::fault_fired:
      faults.push_back({event.detail, leaves_unknown(event.detail), event.t_ns, event.t_ns});
      break;
    case Moment::connection_opened:
    case Moment::bytes_received:
    case Moment::connection_closed:
      return;
  }
  changed.notify_all();
}

ServiceLedger::ServiceLedger(std::string run) : impl_(std::make_unique<Impl>(std::move(run))) {}
ServiceLedger::~ServiceLedger() = default;

void ServiceLedger::observe(const emulator::ProtocolEvent& event) {
  std::function<bool()> kill;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->note(event);
    if (!impl_->is_armed_instant(event)) return;
    kill = std::exchange(impl_->kill, nullptr);
    impl_->killing = true;
  }
  const bool was_alive = kill();
  const std::lock_guard lock(impl_->mutex);
  impl_->killing = false;
  impl_->has_fired = was_alive;
  impl_->fired_ns = event.t_ns;
  impl_->changed.notify_all();
}

void ServiceLedger::arm(const Instant& instant, std::function<bool()> kill) {
  const std::lock_guard lock(impl_->mutex);
  impl_->armed = instant;
  impl_->armed_moment = moment_of(instant.kind);
  impl_->kill = std::move(kill);
}

bool ServiceLedger::fired() const {
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait(lock, [this] { return !impl_->killing; });
  return impl_->has_fired;
}

std::int64_t ServiceLedger::fired_ns() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->fired_ns;
}

bool ServiceLedger::wait_acked(std::uint64_t count, std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(impl_->mutex);
  return impl_->changed.wait_until(lock, deadline, [&] { return impl_->acked.size() >= count; });
}

bool ServiceLedger::wait_committed(const std::vector<std::uint64_t>& events,
                                   std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(impl_->mutex);
  std::size_t known = 0;  // the first so many are committed: each is looked up once
  return impl_->changed.wait_until(lock, deadline, [&] {
    while (known < events.size() && impl_->committed.contains(events[known])) ++known;
    return known == events.size();
  });
}

std::size_t ServiceLedger::appends_received() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->by_id.size();
}

std::vector<ServiceAppend> ServiceLedger::appends() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<ServiceAppend> all;
  for (const auto& [id, append] : impl_->by_id) all.push_back(append);
  std::stable_sort(all.begin(), all.end(), [](const ServiceAppend& a, const ServiceAppend& b) {
    return a.received_ns < b.received_ns;
  });
  return all;
}

std::vector<FiredFault> ServiceLedger::faults() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->faults;
}

}  // namespace s2::scenarios
