// The storage writer; see storage_writer.h.
#include "writer/storage_writer.h"

#include <algorithm>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "writer/planted_bugs.h"

namespace s2::writer {

namespace {

constexpr const char* kLeft = "left to the branch that inherits";
constexpr const char* kNotSent = "not sent before the deadline of the shutdown";

wire::AppendRecord record_of(const EnvelopeRef& envelope) {
  wire::AppendRecord record;
  record.timestamp = static_cast<std::uint64_t>(std::max<std::int64_t>(envelope->published_us, 0) / 1000);
  record.body = wire::Bytes(envelope, envelope->json);  // the text is the ring's
  return record;
}

}  // namespace

StorageWriter::StorageWriter(Ring& ring, Producers& producers, Durability& durability,
                             AppendOutcomes& outcomes, StorageOptions options)
    : producers_(producers),
      durability_(durability),
      outcomes_(outcomes),
      options_(options),
      reader_(ring.reader()),
      backlog_(options.journal, options.backlog, durability, [this](const Drop& drop) { dropped(drop); }),
      markers_(options.drop_style) {}

tl::expected<void, std::string> StorageWriter::run() {
  {
    std::lock_guard lock(mutex_);
    if (started_) return tl::unexpected<std::string>("the storage writer runs once, and has run");
    started_ = true;
    if (draining_) return cancelled();  // before this thread came to it: the reader is drain's now
    running_ = true;
  }
#ifdef PLANTED_BUGS
  if (planted(PlantedBug::tail_start_race)) reader_->skip_to_tail();
#endif
  const std::stop_token stop = cancel_.get_token();
  while (!stop.stop_requested()) {
    if (take_one(stop, Deadline::max()) == Step::held_up && planted(PlantedBug::poison_record)) break;
  }
  if (planted(PlantedBug::dead_context_consume)) {
    reader_->resume();
    while (take_one(stop, std::chrono::steady_clock::now()) == Step::moved_on) {
    }
  }
  {
    std::lock_guard lock(mutex_);
    running_ = false;
    changed_.notify_all();
  }
  return cancelled();
}

void StorageWriter::cancel() {
  if (!cancel_.request_stop()) return;
  reader_->cancel();
  backlog_.wake();
  producers_.wake();
}

tl::expected<void, std::string> StorageWriter::cancelled() const {
  if (options_.cancelled_run == CancelledRun::nothing) return {};
  return tl::unexpected<std::string>("the storage writer was cancelled");
}

void StorageWriter::nap(Deadline deadline) {
  if (!fed_) return;
  const std::uint64_t rouses = reader_->rouses();  // a flush behind this look ends the nap
  const auto batch = producers_.lingering(fed_->stream);
  if (!batch) return;
  const auto left = batch->due - std::chrono::steady_clock::now();
  if (left < kLeastNap) return;
  reader_->nap({std::min(deadline, batch->due - left / 8), batch->records, batch->bytes, fed_}, rouses);
  napped_beside_ = NappedBeside{fed_, batch->due};
}

// What came during a nap was meant for the batch that lingered beside it. Where that was due before all of it
// was handed over, the rest has lingered for long enough.
void StorageWriter::send_what_was_slept_over() {
  if (napped_beside_ && std::chrono::steady_clock::now() >= napped_beside_->due)
    producers_.send_now(napped_beside_->session->stream);
  napped_beside_.reset();
}

StorageWriter::Step StorageWriter::take_one(const std::stop_token& stop, Deadline deadline) {
  if (in_hand_.empty() && markers_.empty()) {
    if (!backlog_.empty()) {
      if (EnvelopeRef envelope = backlog_.next(stop, deadline)) in_hand_.push_back(std::move(envelope));
      if (in_hand_.empty() && !backlog_.empty()) return Step::held_up;
    } else if (!read(deadline)) {
      return Step::held_up;
    }
  }
  if (const EnvelopeRef marker = markers_.due(first_in_hand()))
    return hand_over_marker(marker, stop, deadline);
  if (!in_hand_.empty()) return hand_over(stop, deadline);
  moved_on(0);
  return Step::moved_on;
}

// What the ring has behind what was read; false: nothing came by the deadline, or it was cancelled.
bool StorageWriter::read(Deadline deadline) {
  const std::uint64_t most = planted(PlantedBug::one_batch_drain) ? 1 : kRunEvents;
  const auto read_run = [&] {
    return reader_->try_run(std::min(most, read_through_ - reader_->position()), in_hand_);
  };
  std::optional<Drop> drop = read_run();
  const auto is_there = [&] { return drop || !in_hand_.empty(); };
  if (!is_there()) {
    send_what_was_slept_over();
    nap(deadline);
    drop = read_run();
  }
  if (!is_there()) {
    napped_beside_.reset();  // nothing came meanwhile
    RingItem item = reader_->next(deadline);
    if (std::holds_alternative<std::monostate>(item)) return false;
    if (EnvelopeRef* envelope = std::get_if<EnvelopeRef>(&item)) in_hand_.push_back(std::move(*envelope));
    if (const Drop* missed = std::get_if<Drop>(&item)) drop = *missed;
  }
  if (drop) backlog_.add(*drop);
  return true;
}

StorageWriter::Step StorageWriter::hand_over(const std::stop_token& stop, Deadline deadline) {
  if (planted(PlantedBug::dead_context_consume) && stop.stop_requested()) {
    moved_on(1);
    return Step::moved_on;
  }
  const EnvelopeRef first = in_hand_.front();
  if (!first->store) {
#ifdef PLANTED_BUGS
    off_.push_back(first);
#endif
    moved_on(1);
    return Step::moved_on;
  }
#ifdef PLANTED_BUGS
  if (planted(PlantedBug::pre_enable_leak)) ship_off();
  off_.clear();
#endif
  const auto run_end = std::ranges::find_if(
      in_hand_, [&](const EnvelopeRef& each) { return !each->store || each->session != first->session; });
  const Submitted submitted = offer({in_hand_.begin(), run_end}, stop, deadline);
  switch (submitted.answer) {
    case Submit::taken:
      for (std::size_t i = 0; planted(PlantedBug::early_ack) && i < submitted.taken; ++i)
        durability_.acked({&in_hand_[i]->seq, 1});
      if (fed_ != first->session) fed_ = first->session;
      moved_on(submitted.taken);
      return Step::moved_on;
    case Submit::too_large:
      if (planted(PlantedBug::poison_record)) return Step::held_up;
      skip("the record is over S2's limit of 1 MiB");
      return Step::moved_on;
    case Submit::superseded:
      skip("another writer has fenced the stream");
      return Step::moved_on;
    case Submit::stopped:
      if (planted(PlantedBug::full_queue_cancel)) moved_on(1);
      return Step::held_up;
    case Submit::left:  // told as lost by leave()
      moved_on(1);
      return Step::moved_on;
    case Submit::closed:
    case Submit::timed_out:
    case Submit::too_many_streams:
      break;
  }
  return Step::held_up;
}

// Envelopes of one session. Until a producer answers for the first, `stop` is requested or `deadline` comes.
Submitted StorageWriter::offer(std::span<const EnvelopeRef> run, const std::stop_token& stop,
                               Deadline deadline) {
  std::vector<Submission> records;
  records.reserve(run.size());
  for (const EnvelopeRef& envelope : run) records.push_back({envelope->seq, record_of(envelope)});
  Deadline until;  // long past: where there is room, nobody looks at the clock
  while (true) {
    Submitted submitted = producers_.submit(run.front()->session->stream, records, stop, until);
    Submit& answer = submitted.answer;
    if (answer == Submit::stopped && planted(PlantedBug::stop_timeout_skip)) answer = Submit::timed_out;
    if (answer == Submit::too_many_streams) {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, kHeldUpPoll, [&] { return stop.stop_requested(); });
    } else if (answer != Submit::timed_out) {
      return submitted;
    }
    producers_.end_silent_calls();
    // Held up: the ring may be overwriting what comes behind what is in hand.
    if (auto drop = reader_->take_drop()) backlog_.add(*drop);
    const Deadline now = std::chrono::steady_clock::now();
    until = std::min(deadline, now + kHeldUpPoll);
    if (planted(PlantedBug::stop_timeout_skip) && deadline == Deadline::max()) continue;
    if (stop.stop_requested() || now >= deadline) return {Submit::timed_out};
  }
}

// What cannot be stored of it for good is left out: the drop was told.
StorageWriter::Step StorageWriter::hand_over_marker(const EnvelopeRef& marker, const std::stop_token& stop,
                                                    Deadline deadline) {
  const Submit answer = offer({&marker, 1}, stop, deadline).answer;
  if (answer == Submit::stopped || answer == Submit::timed_out || answer == Submit::closed)
    return Step::held_up;
  markers_.pop();
  if (in_hand_.empty()) moved_on(0);
  return Step::moved_on;
}

void StorageWriter::dropped(const Drop& drop) {
  markers_.add(durability_.dropped(drop), first_in_hand());
  if (!planted(PlantedBug::drop_livelock)) return;
  if (SessionRef session = durability_.session_of(drop.to + 1)) {
    outcomes_.tell_failure(session, drop.from, drop.count, "overwritten");
  }
}

#ifdef PLANTED_BUGS
void StorageWriter::ship_off() {
  for (const EnvelopeRef& envelope : off_) {
    producers_.submit(envelope->session->stream, envelope->seq, record_of(envelope), {},
                      std::chrono::steady_clock::now() + kHeldUpPoll);
  }
  off_.clear();
}
#endif

void StorageWriter::skip(const std::string& reason) {
  const EnvelopeRef skipped = in_hand_.front();
  durability_.lost({&skipped->seq, 1}, reason);
  if (planted(PlantedBug::error_livelock)) return std::this_thread::sleep_for(std::chrono::milliseconds(1));
  moved_on(1);
  outcomes_.tell_failure(skipped->session, skipped->seq, 1, reason);
}

// So many of what is in hand are taken, or told.
void StorageWriter::moved_on(std::size_t count) {
  in_hand_.erase(in_hand_.begin(), in_hand_.begin() + static_cast<std::ptrdiff_t>(count));
  const std::uint64_t through = !in_hand_.empty()  ? in_hand_.front()->seq - 1
                                : backlog_.empty() ? reader_->position()
                                                   : backlog_.first() - 1;
  backlog_.passed(through);
  std::lock_guard lock(mutex_);
  taken_through_ = through;
  changed_.notify_all();
}

bool StorageWriter::flush(std::uint64_t through, Deadline deadline) {
  const auto send = [&] {
    producers_.flush(deadline);
    reader_->rouse();
  };
  send();  // a peer that fell silent with all of the window in flight must not hold up the rest
  const bool taken = wait_past_silence(producers_, deadline, [&](Deadline until) {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, until, [&] { return closed_ || taken_through_ >= through; });
  });
  send();
  return taken;
}

Standing StorageWriter::wait_settled(const SessionRef& session, std::uint64_t through, Deadline deadline) {
  return durability_.wait_settled(session, through, deadline, [&] { return producers_.end_silent_calls(); });
}

bool StorageWriter::drain(std::uint64_t through, Deadline deadline) {
  {
    std::unique_lock lock(mutex_);
    if (planted(PlantedBug::stop_timeout_skip)) {
      deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    }
    // A Run that does not return in time keeps its hands on the reader; closing goes on all the same.
    if (!changed_.wait_until(lock, deadline, [&] { return !running_; })) return false;
    draining_ = true;
  }
  if (planted(PlantedBug::no_drain)) return true;
  reader_->resume();
  if (!planted(PlantedBug::endless_drain)) read_through_ = through;
  std::size_t moved = 0;
  while (!in_hand_.empty() || !markers_.empty() || !backlog_.empty() || reader_->position() < through) {
    if (take_one({}, deadline) == Step::held_up) return false;
    if (planted(PlantedBug::one_batch_drain) && ++moved >= options_.batch_records) return true;
  }
  while (planted(PlantedBug::endless_drain) &&
         take_one({}, std::chrono::steady_clock::now() + std::chrono::milliseconds(50)) == Step::moved_on) {
  }
#ifdef PLANTED_BUGS
  if (planted(PlantedBug::off_window_drain)) ship_off();
#endif
  return true;
}

std::uint64_t StorageWriter::close(Deadline deadline) {
  if (planted(PlantedBug::stop_timeout_skip)) {
    std::lock_guard lock(mutex_);
    if (running_) return 0;
  }
  std::uint64_t lost = lose_untaken();
  const std::vector<Unsaved> unsaved = producers_.close(deadline);
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  durability_.end_waits();
  lost += tell_unsaved(unsaved);
  return lost + durability_.lose_pending(kNotSent);
}

// What no producer has taken once the drain is over is lost whatever the close does. There may be a million
// of it: told now it takes of the close's time, and later of the steps' behind it.
std::uint64_t StorageWriter::lose_untaken() {
  std::uint64_t taken = 0;
  {
    std::lock_guard lock(mutex_);
    if (!draining_) return 0;  // a Run that did not return may yet hand something over
    taken = taken_through_;
  }
  return durability_.lose_pending(kNotSent, std::numeric_limits<std::uint64_t>::max(), taken);
}

std::uint64_t StorageWriter::leave(std::uint64_t through) {
  std::vector<Unsaved> unsaved = producers_.close_left();
  std::erase_if(unsaved, [](const Unsaved& each) { return !each.unknown; });  // as all that is pending
  for (Unsaved& each : unsaved) each.reason = kLeft;
  const std::uint64_t lost = tell_unsaved(unsaved);
  return lost + durability_.lose_pending(kLeft, through);
}

// Reason by reason: streams take turns, and a telling for each change would be one for each event.
std::uint64_t StorageWriter::tell_unsaved(const std::vector<Unsaved>& unsaved) {
  std::map<std::string, std::vector<std::uint64_t>> by_reason;
  for (const Unsaved& each : unsaved) {
    const std::string reason = one_line(each.reason, kMaxReasonBytes);
    by_reason[each.unknown ? "outcome unknown: " + reason : reason].push_back(each.seq);
  }
  std::uint64_t lost = 0;
  for (auto& [reason, seqs] : by_reason) {
    std::ranges::sort(seqs);
    lost += durability_.lost(seqs, reason);
  }
  return lost;
}

}  // namespace s2::writer
