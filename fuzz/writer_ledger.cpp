// The ledger inside the world; see writer_ledger.h.
#include "fuzz/writer_ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sim/world.h"

namespace s2::fuzz {
namespace {

// What happened, for the story of an execution.
template <class... Arguments>
void note(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  if (sim::tracing()) sim::note(fmt::format(text, std::forward<Arguments>(arguments)...));
}

// Parts of what is known, for sim::touches_unguarded(): where the order of calls makes a difference to it.
constexpr std::uint32_t kOffers = 1;    // which number an event gets, and what held when it was offered
constexpr std::uint32_t kAccepted = 2;  // what a flush or stop has to cover
constexpr std::uint32_t kMarkers = 3;   // how many end markers there may be, and lives of sessions
constexpr std::uint32_t kGivenUp = 4;   // what was told as lost so far

std::uint64_t number_after(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  std::uint64_t value = 0;
  if (at != std::string_view::npos)
    std::from_chars(text.data() + at + key.size(), text.data() + text.size(), value);
  return value;
}

std::size_t stream_of(std::string_view name) {
  if (name.size() != 2 || name[0] != 's' || name[1] < '1' || name[1] >= '1' + static_cast<char>(kMaxStreams))
    return kMaxStreams;
  return static_cast<std::size_t>(name[1] - '1');
}

}  // namespace

void WriterLedger::broken(std::string_view invariant, std::string_view kind, const std::string& what) {
  sim::fail(fmt::format("{} {}: {}", invariant, kind, what));
}

bool unhurried() {
  return sim::hurried() < kPunctual;
}

std::string stream_name(std::size_t stream) {
  return {'s', static_cast<char>('1' + stream)};
}

WriterLedger::Number& WriterLedger::number(std::uint64_t seq) {
  if (seq >= numbers_.size()) numbers_.resize(seq + 8);
  highest_ = std::max(highest_, seq);
  return numbers_[seq];
}

void WriterLedger::session_starts(std::size_t stream) {
  sim::touches_unguarded(kOffers);
  sim::touches_unguarded(kMarkers);
  ++streams_[stream].lives;
}

void WriterLedger::may_set_markers(std::uint64_t sessions) {
  sim::touches_unguarded(kMarkers);
  markers_ += sessions;
}

std::uint64_t WriterLedger::accepted_so_far() const {
  sim::touches_unguarded(kAccepted);
  return accepted_.size();
}

std::uint64_t WriterLedger::given_up() const {
  sim::touches_unguarded(kGivenUp);
  return given_up_;
}

std::uint64_t WriterLedger::offered(Offer offer) {
  sim::touches_unguarded(kOffers);
  events_.push_back({.offer = offer,
                     .life = streams_[offer.stream].lives,
                     .storing = storing_,
                     .changes = storing_changes_});
  note("publishes event #{} to {}", events_.size(), stream_name(offer.stream));
  return events_.size();
}

void WriterLedger::accepted(std::uint64_t n, std::uint64_t seq) {
  if (dead_) return;
  sim::touches_unguarded(kAccepted);
  note("event #{} is accepted as seq {}", n, seq);
  Event& event = events_[n - 1];
  event.seq = seq;
  event.accepted_at = sim::now() - sim::hurried();
  if (event.changes != storing_changes_) event.storing = Storing::changing;
  if (event.stored_as != 0 && event.stored_as != seq)
    broken("I2", "false_ack",
           fmt::format("event #{} is stored as seq {}, and was accepted as seq {}", n, event.stored_as, seq));
  Number& at = number(seq);
  if (at.n != 0 && at.n != n)
    broken("I3", "reordered", fmt::format("events #{} and #{} were both given seq {}", at.n, n, seq));
  at.n = n;
  accepted_.push_back(n);
  const Stream& stream = streams_[event.offer.stream];
  if (at.stored && event.storing == Storing::off)
    broken("I11", "stored_while_off", fmt::format("{} was published while storing was off", describe(seq)));
  if (!owed(seq)) return;
  if (seq <= left_through_)
    broken("I7", "unreported_loss", fmt::format("{} was left behind, and not told as lost", describe(seq)));
  if (seq < stream.last_stored)
    broken("I4", "lost",
           fmt::format("{} is not stored, but seq {} behind it is", describe(seq), stream.last_stored));
  if (seq <= stream.acked_through)
    broken("I1", "lost_acked",
           fmt::format("{} is not stored, but {} was acked", describe(seq), stream.acked_through));
}

void WriterLedger::rejected(std::uint64_t n) {
  if (dead_) return;
  sim::touches_unguarded(kCommutes);
  note("event #{} is rejected", n);
  events_[n - 1].rejected = true;
  if (events_[n - 1].stored_as != 0)
    broken("I2", "false_failure", fmt::format("event #{} was rejected, and is stored", n));
}

void WriterLedger::storing_changes(bool on) {
  if (dead_) return;
  sim::touches_unguarded(kOffers);
  sim::touches_unguarded(kAccepted);
  note("storing goes {}", on ? "on" : "off");
  ++storing_changes_;
  storing_ = Storing::changing;
  becomes_ = on ? Storing::on : Storing::off;
}

void WriterLedger::storing_changed() {
  if (dead_) return;
  sim::touches_unguarded(kAccepted);
  sim::touches_unguarded(kOffers);
  ++storing_changes_;
  storing_ = becomes_;
}

bool WriterLedger::must_be_stored(const Event& event) const {
  return event.seq != 0 && event.storing == Storing::on;
}

bool WriterLedger::owed(std::uint64_t seq) const {
  if (seq >= numbers_.size()) return false;
  const Number& at = numbers_[seq];
  return at.n != 0 && !at.stored && at.told == Told::nothing && must_be_stored(events_[at.n - 1]);
}

std::string WriterLedger::describe(std::uint64_t seq) const {
  const std::uint64_t n = seq < numbers_.size() ? numbers_[seq].n : 0;
  if (n == 0) return fmt::format("seq {}", seq);
  return fmt::format("event #{} (seq {}, session {})", n, seq, stream_name(events_[n - 1].offer.stream));
}

// --- what the writer says ---

void WriterLedger::acked(const writer::SessionIdentity& session, std::uint64_t through) {
  if (dead_) return;
  sim::touches_unguarded(kCommutes);
  note("the writer says: {} is acked through {}", session.id, through);
  if (stream_of(session.id) == kMaxStreams)
    return broken("I9", "wrong_stream", "an ack names a session that was never started");
  Stream& stream = streams_[stream_of(session.id)];
  if (through > highest_ + 1)
    broken("I1", "false_ack", fmt::format("acked through {}, which was never published", through));
  for (std::uint64_t seq = stream.acked_through + 1; seq <= through; ++seq) {
    if (owed(seq) && stream_name(events_[numbers_[seq].n - 1].offer.stream) == session.id)
      broken("I1", "lost_acked",
             fmt::format("{} was acked (through {}) and is not stored", describe(seq), through));
  }
  stream.acked_through = std::max(stream.acked_through, through);
}

void WriterLedger::dropped(const writer::SessionIdentity& session, std::uint64_t from, std::uint64_t to) {
  if (dead_) return;
  sim::touches_unguarded(kOffers);
  note("the writer says: seq {} to {} of {} were dropped", from, to, session.id);
  // No more numbers were taken than events were offered, end markers set and failures told.
  if (to + ring_events_ > events_.size() + markers_ + lost_calls_)
    broken("I7", "false_failure",
           fmt::format("seq {} to {} were dropped, but the ring holds {} events", from, to, ring_events_));
  tell(stream_of(session.id), from, to, Told::dropped);
}

void WriterLedger::lost(const writer::SessionIdentity& session, std::uint64_t from, std::uint64_t to,
                        const std::string& reason) {
  if (dead_) return;
  sim::touches_unguarded(kGivenUp);
  note("the writer says: seq {} to {} of {} are lost: {}", from, to, session.id, reason);
  ++lost_calls_;
  tell(stream_of(session.id), from, to, reason.starts_with("outcome unknown") ? Told::unknown : Told::lost);
}

void WriterLedger::tell(std::size_t stream, std::uint64_t from, std::uint64_t to, Told told) {
  if (to > highest_ + events_.size() + kMaxStreams + 1)
    return broken("I7", "false_failure",
                  fmt::format("seq {} was told as gone, which was never published", to));
  for (std::uint64_t seq = from; seq <= to; ++seq) {
    Number& at = number(seq);
    if (at.told != Told::nothing)
      broken("I7", "false_failure", fmt::format("{} was told as gone twice", describe(seq)));
    at.told = told;
    ++told_;
    if (told != Told::dropped) ++given_up_;
    if (at.stored && told != Told::unknown)
      broken("I7", "false_failure", fmt::format("{} was told as gone and is stored", describe(seq)));
    if (at.n != 0 && events_[at.n - 1].offer.stream != stream)
      broken("I7", "false_failure",
             fmt::format("{} was told as gone of session {}", describe(seq), stream_name(stream)));
  }
}

void WriterLedger::flush_answered(std::uint64_t began, const writer::FlushAnswer& answer) {
  if (dead_) return;
  sim::touches_unguarded(kCommutes);
  if (answer.flushed) {
    note("the flush is answered: all through {} is stored", answer.through);
  } else {
    note("the flush failed: {} pending", answer.pending);
    return;
  }
  for (std::uint64_t i = 0; i < accepted_.size(); ++i) {
    const std::uint64_t seq = events_[accepted_[i] - 1].seq;
    if ((i < began || seq <= answer.through) && owed(seq))
      broken("I6", "false_ack",
             fmt::format("flushed through {}, but {} is not stored", answer.through, describe(seq)));
  }
}

void WriterLedger::stopped(std::uint64_t began, std::size_t stream, const writer::Stopped& stopped) {
  if (dead_) return;
  sim::touches_unguarded(kCommutes);
  note("the stop of {} is answered: {}", stream_name(stream), stopped.complete ? "complete" : "not complete");
  if (!stopped.complete) return;
  for (std::uint64_t i = 0; i < began; ++i) {
    const Event& event = events_[accepted_[i] - 1];
    // An earlier life of the session had a stop of its own.
    if (event.offer.stream == stream && event.life == streams_[stream].lives && owed(event.seq))
      broken("I1", "false_ack",
             fmt::format("session {} was said to be complete, but {} is not stored", stream_name(stream),
                         describe(event.seq)));
  }
}

void WriterLedger::left(std::size_t stream, std::uint64_t through, bool judge_sends) {
  if (dead_) return;
  sim::touches_unguarded(kOffers);
  sim::touches_unguarded(kAccepted);
  note("the streams before {} are left, and all through seq {}", stream_name(stream), through);
  left_through_ = through;
  if (judge_sends) sends_judged_below_ = stream;
  for (std::uint64_t seq = 1; seq <= through; ++seq)
    if (owed(seq))
      broken("I7", "unreported_loss", fmt::format("{} was left behind, and not told as lost", describe(seq)));
}

// --- what the service did ---

WriterLedger::Stored WriterLedger::read(std::string_view envelope) {
  Stored stored;
  constexpr std::string_view kFront = R"({"capture_session_id":")";
  if (!envelope.starts_with(kFront)) return stored;
  // Event and type stand in front of the data, which may be long.
  const std::string_view front = envelope.substr(0, 400);
  stored.named = stream_of(front.substr(kFront.size(), 2));
  stored.seq = number_after(front, R"("seq":)");
  stored.end_marker = front.find(R"("type":"system_session_ended")") != std::string_view::npos;
  stored.event = front.find(R"("type":"console_log")") != std::string_view::npos;
  stored.n = number_after(front, R"("metadata":{"n":)");
  return stored;
}

std::string WriterLedger::text_of(const Append& append) {
  if (append.records.empty()) return "a fence";
  std::string text;
  for (const Stored& record : append.records)
    text += (text.empty() ? "seq " : ", ") + std::to_string(record.seq);
  return text;
}

void WriterLedger::received(const wire::AppendInput& input) {
  for (const wire::AppendRecord& record : input.records) {
    if (wire::is_command(record.headers)) continue;
    const std::uint64_t seq = read(record.body).seq;
    if (seq < numbers_.size() && numbers_[seq].stored) ++stored_before_;
    return;
  }
}

void WriterLedger::died() {
  for (const std::uint32_t part : {kOffers, kAccepted, kMarkers, kGivenUp}) sim::touches_unguarded(part);
  dead_ = true;
}

std::uint64_t WriterLedger::sent(const std::string& stream, const wire::AppendInput& input) {
  sim::touches_unguarded(kCommutes);
  Append append;
  append.stream = stream_of(stream);
  if (append.stream == kMaxStreams) broken("I9", "wrong_stream", "an append to no session's stream");
  append.size = input.records.size();
  if (input.match_seq_num) append.match_seq_num = *input.match_seq_num;
  if (input.fencing_token) append.token = *input.fencing_token, append.guarded_by_token = true;
  for (const wire::AppendRecord& record : input.records) {
    if (wire::is_command(record.headers)) {
      append.new_token = std::string(record.body);
    } else {
      append.records.push_back(read(record.body));
    }
  }
  note("sends {} to {} at {}", text_of(append), stream,
       append.match_seq_num == kNoGuard ? "any place" : std::to_string(append.match_seq_num));
  if (append.stream < sends_judged_below_)
    broken("I9", "wrong_stream", fmt::format("{} was left, and {} is sent to it", stream, text_of(append)));
  appends_.push_back(std::move(append));
  return appends_.size() - 1;
}

void WriterLedger::committed(std::uint64_t name) {
  sim::touches_unguarded(kCommutes);
  const Append& append = appends_[name];
  if (append.stream == kMaxStreams) return;  // told when it was sent
  Stream& stream = streams_[append.stream];
  note("commits {} to {}", text_of(append), stream_name(append.stream));
  stream.tail += append.size;
  if (append.size != append.records.size()) stream.token = append.new_token;
  for (const Stored& record : append.records) lands(append.stream, record);
}

void WriterLedger::stranger(const std::string& stream, std::size_t records) {
  sim::touches_unguarded(kCommutes);
  note("a stranger appends {} records to {}", records, stream);
  if (const std::size_t index = stream_of(stream); index != kMaxStreams) streams_[index].tail += records;
}

void WriterLedger::lands(std::size_t stream_index, const Stored& record) {
  Stream& stream = streams_[stream_index];
  if (record.named != stream_index)
    broken("I9", "wrong_stream",
           fmt::format("{} is stored in the stream {}", describe(record.seq), stream_name(stream_index)));
  Number& at = number(record.seq);
  if (at.stored) broken("I5", "duplicated", fmt::format("{} is stored twice", describe(record.seq)));
  if (at.told == Told::dropped || at.told == Told::lost)
    broken("I7", "false_failure", fmt::format("{} was told as gone, and is stored", describe(record.seq)));
  if (record.seq < stream.last_stored)
    broken("I3", "reordered",
           fmt::format("{} is stored behind seq {}", describe(record.seq), stream.last_stored));
  if (record.event) {
    if (record.n == 0)
      broken("I4", "lost",
             fmt::format("what is stored of {} no longer says which event it is", describe(record.seq)));
    if (record.n > events_.size())
      broken("I2", "false_ack", fmt::format("seq {} holds an event that was never published", record.seq));
    Event& event = events_[record.n - 1];
    if (event.stored_as != 0)
      broken(
          "I5", "duplicated",
          fmt::format("event #{} is stored as seq {} and as seq {}", record.n, event.stored_as, record.seq));
    event.stored_as = record.seq;
    if (event.seq != 0 && event.seq != record.seq)
      broken("I2", "false_ack",
             fmt::format("event #{} was accepted as seq {}, and is stored as seq {}", record.n, event.seq,
                         record.seq));
    if (event.rejected)
      broken("I2", "false_failure", fmt::format("event #{} was rejected, and is stored", record.n));
    if (at.n != 0 && at.n != record.n)
      broken(
          "I2", "false_ack",
          fmt::format("{} was accepted under a number that holds event #{}", describe(record.seq), record.n));
    if (event.offer.stream != stream_index)
      broken("I9", "wrong_stream",
             fmt::format("event #{} was published to session {}, and is stored in {}", record.n,
                         stream_name(event.offer.stream), stream_name(stream_index)));
    if (punctual_ && !dead_ && event.seq != 0 && sim::hurried() < kPunctual &&
        sim::now() - sim::hurried() - event.accepted_at > linger_ + kPunctual)
      broken("I4", "late",
             fmt::format("{} was stored {} ms after it was accepted, with a linger of {} ms",
                         describe(event.seq),
                         std::chrono::duration_cast<std::chrono::milliseconds>(sim::now() - sim::hurried() -
                                                                               event.accepted_at)
                             .count(),
                         linger_.count()));
    if (event.storing == Storing::off && event.changes == storing_changes_)
      broken("I11", "stored_while_off",
             fmt::format("event #{} was published while storing was off", record.n));
    if (event.storing == Storing::off && event.seq != 0)
      broken("I11", "stored_while_off",
             fmt::format("{} was published while storing was off", describe(event.seq)));
  }
  for (std::uint64_t seq = stream.last_stored + 1; seq < record.seq; ++seq) {
    if (owed(seq) && events_[numbers_[seq].n - 1].offer.stream == stream_index)
      broken("I4", "lost",
             fmt::format("{} is not stored, but seq {} behind it is", describe(seq), record.seq));
  }
  at.stored = true;
  stream.last_stored = record.seq;
  stream.ends_with_marker = record.end_marker;
  if (record.end_marker) sim::touches_unguarded(kMarkers);
}

}  // namespace s2::fuzz
