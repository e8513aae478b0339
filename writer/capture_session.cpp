// Capture sessions; see capture_session.h. The publish lock is publish_; the order of locks is publish_, the
// ring's, Durability's.
#include "writer/capture_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "wire/types.h"
#include "writer/planted_bugs.h"

namespace s2::writer {

namespace {

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

tl::unexpected<std::string> no_session(const std::string& id) {
  if (id.empty()) return tl::unexpected<std::string>("no capture session is active");
  return tl::unexpected<std::string>("this capture session is not active");
}

}  // namespace

CaptureSessions::CaptureSessions(Ring& ring, Durability& durability, std::string fixed_stream, bool storing)
    : ring_(ring), durability_(durability), fixed_stream_(std::move(fixed_stream)), storing_(storing) {}

CaptureSessions::State* CaptureSessions::active_state(const std::string& id) {
  const std::string& wanted = id.empty() ? last_started_ : id;
  for (State& state : active_) {
    if (state.identity->id == wanted) return &state;
  }
  return nullptr;
}

tl::expected<SessionRef, std::string> CaptureSessions::start(const std::string& id) {
  if (id.empty()) return tl::unexpected<std::string>("a capture session needs an id");
  if (id.size() > kMaxSessionIdBytes) {
    return tl::unexpected(fmt::format("a capture session's id has at most {} bytes", kMaxSessionIdBytes));
  }
  if (fixed_stream_.empty() && wire::is_dots(id)) return tl::unexpected<std::string>(wire::kDotsAreNoName);
  std::unique_lock lock(publish_);
  wait_renewed(lock);
  if (!refusal_.empty()) return tl::unexpected(refusal_);
  const std::string& stream = fixed_stream_.empty() ? id : fixed_stream_;
  if (std::find(left_.begin(), left_.end(), stream) != left_.end()) {
    return tl::unexpected<std::string>("this session's stream was left to another branch: take a new id");
  }
#ifdef PLANTED_BUGS
  if (planted(PlantedBug::stranded_cursor)) ring_.count_anew();
#endif
  if (State* state = active_state(id)) {
    if (state->ending) return tl::unexpected<std::string>("this capture session is still ending");
    last_started_ = id;
    return state->identity;
  }
  if (active_.size() >= kMaxActiveSessions) {
    return tl::unexpected(fmt::format("{} capture sessions are active: stop one first", kMaxActiveSessions));
  }
  auto session = std::make_shared<const SessionIdentity>(
      SessionIdentity{next_ordinal_++, id, stream, others_up_to(stream)});
  active_.push_back({session});
  last_started_ = id;
  return session;
}

std::uint64_t CaptureSessions::put(const SessionRef& session, PreparedEvent&& event, bool store,
                                   Published* out, std::string* text) {
  const auto seal = [&](std::uint64_t seq) {
    Envelope envelope = std::move(event).seal(session, seq, store);
    if (out != nullptr) *out = {seq, session->ordinal, envelope.truncated, envelope.json.size()};
    if (text != nullptr) *text = envelope.json;
    durability_.accepted(seq, session, store);  // before any reader can see it
    return envelope;
  };
  return last_put_ = ring_.publish(std::ref(seal));  // by reference: nothing is allocated for it
}

tl::expected<Published, std::string> CaptureSessions::publish(const std::string& id, const Event& event,
                                                              std::string* envelope) {
  SessionRef session;
  std::uint64_t ticket = 0;
  bool astray = false;  // collector-first
  {
    std::unique_lock lock(publish_);
    wait_renewed(lock);
    if (!refusal_.empty()) return tl::unexpected(refusal_);
    State* state = active_state(id);
    astray = planted(PlantedBug::collector_first) && state == nullptr && !ended_lately(id);
    if (state == nullptr && !astray) return no_session(id);
    if (!astray && state->ending) return tl::unexpected<std::string>("this capture session is ending");
    session = astray ? nobody() : state->identity;
    ticket = next_ticket_++;
    in_flight_.push_back({ticket, session->ordinal});
  }
  auto prepared = PreparedEvent::make(session->id, event, now_us());

  std::lock_guard lock(publish_);
  std::erase_if(in_flight_, [&](const InFlight& flight) { return flight.ticket == ticket; });
  landed_.notify_all();
  if (!prepared) return tl::unexpected(prepared.error());
  if (sealed_) return tl::unexpected(refusal_);
  if (State* newest = planted(PlantedBug::stamp_late) ? active_state("") : nullptr)
    session = newest->identity;
  // Its own session, or none: an id that started anew meanwhile is another session.
  if (!astray && !is_active(session)) return tl::unexpected<std::string>("this capture session has ended");
  Published published;
  const std::int64_t published_us = prepared->published_us();
  put(session, std::move(*prepared), storing_ && !astray, &published, envelope);
  published.clock_back_us = look_at_clock(published_us);
  return published;
}

// With the lock held; how far the clock went back. A reading from before the lock may merely be late: what
// shows less than an earlier reading is read again.
std::int64_t CaptureSessions::look_at_clock(std::int64_t published_us) {
  if (published_us >= latest_us_) {
    latest_us_ = published_us;
    return 0;
  }
  const std::int64_t now = now_us();
  const std::int64_t back = std::max<std::int64_t>(latest_us_ - now, 0);
  latest_us_ = now;
  return back;
}

bool CaptureSessions::wait_until_gone(std::unique_lock<std::mutex>& lock, std::uint64_t before_ticket,
                                      std::optional<std::uint64_t> ordinal, Clock::time_point deadline) {
  return landed_.wait_until(lock, deadline, [&] {
    if (sealed_) return true;  // what is in flight can no longer be accepted
    for (const InFlight& flight : in_flight_) {
      if (flight.ticket >= before_ticket) break;
      if (!ordinal || flight.ordinal == *ordinal) return false;
    }
    return true;
  });
}

tl::expected<CaptureSessions::End, std::string> CaptureSessions::end(const std::string& id,
                                                                     Clock::time_point deadline) {
  std::unique_lock lock(publish_);
  wait_renewed(lock);
  State* state = active_state(id);
  if (state == nullptr && planted(PlantedBug::ghost_marker)) {
    active_.push_back({nobody()});
    state = &active_.back();
  }
  if (state == nullptr) return no_session(id);  // and no marker: it would have nobody's id
  if (state->ending) return tl::unexpected<std::string>("this capture session is already ending");
  if (sealed_) return tl::unexpected(refusal_);
  state->ending = true;
  SessionRef session = state->identity;
  wait_until_gone(lock, next_ticket_, session->ordinal, deadline);
  if (!is_active(session)) return End{session, ring_.last_seq()};  // renew() has ended it, without a marker

  Event marker;
  marker.type = "system_session_ended";
  marker.source.kind = "writer";
  auto prepared = PreparedEvent::make(session->id, marker, now_us());
  End result{session, 0};
  if (prepared && !sealed_) result.cut_off = put(session, std::move(*prepared), storing_, nullptr);
  std::erase_if(active_, [&](const State& each) { return each.identity == session; });
  if (planted(PlantedBug::stop_is_forever)) storing_ = false;
  remember_end(session);
  return result;
}

// A session without an id: only planted bugs have one.
SessionRef CaptureSessions::nobody() {
  return std::make_shared<const SessionIdentity>(SessionIdentity{next_ordinal_++, "", fixed_stream_});
}

bool CaptureSessions::ended_lately(const std::string& id) const {
  const std::string& wanted = id.empty() ? last_started_ : id;
  return std::any_of(ended_.begin(), ended_.end(), [&](const SessionRef& s) { return s->id == wanted; });
}

void CaptureSessions::remember_end(const SessionRef& session) {
  ended_.push_back(session);
  for (auto oldest = ended_.begin(); ended_.size() > kMaxRememberedEnds && oldest != ended_.end();) {
    const bool forgotten = durability_.forget(*oldest);
    ends_forgotten_ = ends_forgotten_ || forgotten;
    oldest = forgotten ? ended_.erase(oldest) : oldest + 1;
  }
}

// With the lock held, of a stream that a session begins: what came before, unless a session of the same
// stream may have been among it.
std::uint64_t CaptureSessions::others_up_to(const std::string& stream) const {
  const auto has_it = [&](const SessionRef& session) { return session->stream == stream; };
  const bool known = fixed_stream_.empty() && !ends_forgotten_ &&
                     std::find(left_.begin(), left_.end(), stream) == left_.end() &&
                     std::none_of(ended_.begin(), ended_.end(), has_it) &&
                     std::none_of(active_.begin(), active_.end(),
                                  [&](const State& state) { return has_it(state.identity); });
  return known ? last_put_ : 0;
}

SessionRef CaptureSessions::find(const std::string& id) const {
  std::lock_guard lock(publish_);
  const std::string& wanted = id.empty() ? last_started_ : id;
  for (const State& state : active_) {
    if (state.identity->id == wanted) return state.identity;
  }
  auto found =
      std::find_if(ended_.rbegin(), ended_.rend(), [&](const SessionRef& s) { return s->id == wanted; });
  return found == ended_.rend() ? nullptr : *found;
}

bool CaptureSessions::active(const SessionRef& session) const {
  std::lock_guard lock(publish_);
  return is_active(session);
}

bool CaptureSessions::is_active(const SessionRef& session) const {
  return std::any_of(active_.begin(), active_.end(), [&](const State& s) { return s.identity == session; });
}

bool CaptureSessions::stream_in_use(const std::string& stream) const {
  std::lock_guard lock(publish_);
  return std::any_of(active_.begin(), active_.end(),
                     [&](const State& s) { return s.identity->stream == stream; });
}

std::vector<std::string> CaptureSessions::active_ids() const {
  std::lock_guard lock(publish_);
  std::vector<std::string> ids;
  for (const State& state : active_) ids.push_back(state.identity->id);
  return ids;
}

void CaptureSessions::set_storing(bool on) {
  std::lock_guard lock(publish_);
  storing_ = on && !planted(PlantedBug::stop_is_forever);
}

void CaptureSessions::publish_error(const SessionRef& session, const std::string& type,
                                    const std::string& data_json) {
  Event event;
  event.type = type;
  event.source.kind = "writer";
  event.data_json = data_json;
  auto prepared = PreparedEvent::make(session->id, event, now_us());
  std::lock_guard lock(publish_);
  if (prepared && !finished_) put(session, std::move(*prepared), planted(PlantedBug::drop_livelock), nullptr);
}

void CaptureSessions::refuse(const std::string& reason) {
  std::lock_guard lock(publish_);
  if (refusal_.empty()) refusal_ = reason;
}

bool CaptureSessions::wait_in_flight(Clock::time_point deadline) {
  std::unique_lock lock(publish_);
  return wait_until_gone(lock, next_ticket_, std::nullopt, deadline);
}

std::optional<std::uint64_t> CaptureSessions::cut_off(Clock::time_point deadline) {
  std::unique_lock lock(publish_);
  if (!wait_until_gone(lock, next_ticket_, std::nullopt, deadline)) return std::nullopt;
  return ring_.last_seq();
}

std::uint64_t CaptureSessions::seal() {
  std::lock_guard lock(publish_);
  sealed_ = true;
  landed_.notify_all();
  if (refusal_.empty()) refusal_ = "the writer is shutting down";
  return ring_.last_seq();
}

std::uint64_t CaptureSessions::finish() {
  std::lock_guard lock(publish_);
  finished_ = true;
  return ring_.last_seq();
}

}  // namespace s2::writer
