// The producer's face to other threads, and its thread's loop; what answers mean is in stream_answers.cpp.
#include "writer/stream_producer.h"

#include <algorithm>
#include <utility>

#include "writer/planted_bugs.h"
#include "writer/thread_name.h"

namespace s2::writer {

using std::chrono::milliseconds;

StreamProducer::StreamProducer(std::string stream, const ProducerOptions& options, std::string token_stem,
                               AppendClient& client, ProducerListener& listener)
    : stream_(std::move(stream)),
      options_(options),
      token_stem_(std::move(token_stem)),
      listener_(listener),
      batcher_(options.linger, options.max_batch_records),
      backoff_(options.backoff_base, options.backoff_cap, options.jitter_seed),
      fencing_(options.fencing) {
  if (!fencing_) stage_ = Stage::flowing;
  channel_ = client.make_channel(stream_, [this] {
    const std::lock_guard lock(mutex_);
    poke();
  });
  thread_ = std::thread([this] { run(); });
}

StreamProducer::~StreamProducer() {
  begin_close(Clock::now());
  finish_close();
}

bool StreamProducer::has_room(std::size_t metered) const {
  return unsettled_.size() < options_.max_in_flight_records &&
         (unsettled_.empty() || unsettled_bytes_ + metered <= options_.max_in_flight_bytes);
}

std::optional<Submitted> StreamProducer::submit(std::span<Submission> records, const std::stop_token& stop,
                                                Deadline deadline) {
  std::unique_lock lock(mutex_);
  while (true) {
    if (planted(PlantedBug::submit_close_race)) break;
    if (closing_) return Submitted{Submit::closed};
    if (ended_) return std::nullopt;
    if (superseded_) return Submitted{Submit::superseded};
    if (has_room(wire::metered_bytes(records.front().record))) break;
    if (stop.stop_requested()) return Submitted{Submit::stopped};
    // There is no room for what would make it a larger batch. While others are on their way it may still grow
    // with the room that they make, unless somebody waits for answers.
    const auto lingers = batcher_.lingering();
    if (lingers && (lingers->holds == unsettled_.size() || Clock::now() < wanted_last_)) {
      flush_batcher();
      poke();
    }
    if (room_cv_.wait_until(lock, deadline) == std::cv_status::no_timeout) continue;
    if (Clock::now() >= deadline) return Submitted{Submit::timed_out};
  }
  if (std::exchange(retired_, false)) settled_cv_.notify_all();
  bool news = batcher_.empty();  // a first record, whose linger must be watched, or a due batch
  std::size_t taken = 0;
  for (Submission& each : records) {
    const std::size_t metered = wire::metered_bytes(each.record);
    if (taken > 0 && !has_room(metered)) break;
    unsettled_.push_back(Taken{each.seq, metered});
    unsettled_bytes_ += metered;
    const Time now = batcher_.begins_batch(metered) ? Clock::now() : Time();
    news = batcher_.add(each.seq, std::move(each.record), metered, now) || news;
    ++taken;
  }
  if (news) poke();
  return Submitted{Submit::taken, taken};
}

void StreamProducer::wake() {
  const std::lock_guard lock(mutex_);
  room_cv_.notify_all();
}

std::optional<Lingering> StreamProducer::lingering() const {
  const std::lock_guard lock(mutex_);
  auto lingers = batcher_.lingering();
  if (lingers) lingers->records = std::min(lingers->records, options_.max_in_flight_records - lingers->holds);
  return lingers;
}

void StreamProducer::poke() {
  poked_ = true;
  thread_cv_.notify_one();
}

void StreamProducer::send_now() {
  const std::lock_guard lock(mutex_);
  flush_batcher();
  poke();
}

void StreamProducer::flush(Deadline answer_by) {
  const std::lock_guard lock(mutex_);
  want_answers(answer_by);
}

// Called with the lock held. Of several deadlines the nearest counts, and once it has passed the last.
void StreamProducer::want_answers(Deadline by) {
  const Time now = Clock::now();
  wanted_by_ = wanted_by_ <= now ? by : std::min(wanted_by_, by);
  wanted_last_ = wanted_last_ <= now ? by : std::max(wanted_last_, by);
  bound_turn(by, kLeastPatience);
  flush_batcher();
  hurry_ = true;
  poke();
}

// Called with the lock held. A call that began before anybody waited has a deadline of its own, which may be
// the later one: it gets no more than a part of what is left.
void StreamProducer::bound_turn(Time by, milliseconds least) {
  if (!in_turn_ || planted(PlantedBug::silence_eats_deadline)) return;
  const Time now = Clock::now();
  const auto left = std::chrono::duration_cast<milliseconds>(by - now);
  cut_at_ = std::min(cut_at_, now + std::max(left / 2, least));
}

Deadline StreamProducer::end_silent_call() {
  {
    const std::lock_guard lock(mutex_);
    if (Clock::now() < cut_at_ || cut_at_ == Time::max()) return cut_at_;
    cut_at_ = Time::max();
  }
  channel_->cut();  // without the lock: it may have to wait for a reader, which wakes us
  return Time::max();
}

void StreamProducer::flush_batcher() {
#ifdef PLANTED_BUGS
  if (planted(PlantedBug::ack_wait_before_flush)) return;
  if (planted(PlantedBug::no_flush_on_error) && source_failed_) return;
#endif
  batcher_.flush();
}

#ifdef PLANTED_BUGS
void StreamProducer::source_failed() {
  const std::lock_guard lock(mutex_);
  source_failed_ = true;
}

void StreamProducer::cancel() {
  if (planted(PlantedBug::cancel_before_flush)) channel_->abort();
}

// Acks that came together with the end of their session.
void StreamProducer::hide_acks() {
  const bool over = std::any_of(events_.begin(), events_.end(), [](const AppendEvent& event) {
    return planted(PlantedBug::error_before_acks) ? std::holds_alternative<AppendRefused>(event)
                                                  : std::holds_alternative<SessionLost>(event);
  });
  acks_hidden_ = over && std::erase_if(events_, [](const AppendEvent& event) {
                           return std::holds_alternative<AppendAcked>(event);
                         }) > 0;
}
#endif

bool StreamProducer::wait_settled(std::uint64_t through, Deadline deadline) {
  std::unique_lock lock(mutex_);
  return settled_cv_.wait_until(
      lock, deadline, [&] { return unsettled_.empty() || unsettled_.front().seq > through || ended_; });
}

std::size_t StreamProducer::unsettled(std::uint64_t through) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(unsettled_.begin(), unsettled_.end(),
                                                [&](const Taken& taken) { return taken.seq <= through; }));
}

void StreamProducer::retire(Deadline answer_by) {
  const std::lock_guard lock(mutex_);
  retired_ = true;
  want_answers(answer_by);
}

bool StreamProducer::wait_ended(Deadline deadline) {
  std::unique_lock lock(mutex_);
  return settled_cv_.wait_until(lock, deadline, [&] { return ended_; });
}

bool StreamProducer::wait_retired(Deadline deadline) {
  std::unique_lock lock(mutex_);
  return settled_cv_.wait_until(lock, deadline, [&] { return ended_ || !retired_; });
}

bool StreamProducer::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void StreamProducer::begin_close(Deadline deadline) {
  const std::lock_guard lock(mutex_);
  if (closing_) return;
  closing_ = true;
  close_deadline_ = deadline;
  bound_turn(deadline, kLeastPatienceAtTheEnd);
  flush_batcher();
  poke();
  room_cv_.notify_all();
}

std::vector<Unsaved> StreamProducer::finish_close() {
  if (!thread_.joinable()) return {};
  if (!wait_ended(close_deadline_)) channel_->abort();  // it may sit in a call that the peer never answers
  thread_.join();

  std::vector<Unsaved> unsaved;
  const std::lock_guard lock(mutex_);
  const auto add = [&](const Batch& batch, bool unknown) {
    for (const std::uint64_t seq : batch.seqs) {
      unsaved.push_back(
          Unsaved{stream_, seq, unknown,
                  unknown ? "sent, not acknowledged by the deadline" : "not sent by the deadline"});
    }
  };
  for (const auto& slot : window_.slots()) add(slot.batch, slot.sent || slot.in_doubt);
  while (auto batch = batcher_.take(Clock::now(), true)) add(*batch, false);
  return unsaved;
}

void StreamProducer::run() {
  name_this_thread("producer");
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (!look_around()) break;
    }
    if (step()) continue;
    std::unique_lock lock(mutex_);
    in_turn_ = false;
    const Time until = next_look();
    const auto news = [this] { return poked_; };
    if (until == Time::max()) {
      thread_cv_.wait(lock, news);
    } else {
      thread_cv_.wait_until(lock, until, news);
    }
  }
  channel_->drop();
  const std::lock_guard lock(mutex_);
  ended_ = true;
  room_cv_.notify_all();
  settled_cv_.notify_all();
}

bool StreamProducer::look_around() {
  poked_ = false;
  in_turn_ = true;
  cut_at_ = Time::max();
  looked_at_ = Clock::now();
  if (closing_ && !last_minute_) {
    // A pause that an outage earned must not eat the grace: the next attempt is now.
    last_minute_ = true;
    end_by_ = close_deadline_;
    if (!planted(PlantedBug::backoff_eats_grace)) {
      backoff_.reset();
      retry_at_ = Time::min();
    }
  }
  answers_by_ = wanted_by_;
  answers_last_ = wanted_last_;
  if (hurry_) {
    hurry_ = false;
    if (!planted(PlantedBug::backoff_eats_grace)) retry_at_ = Time::min();
  }
  if (looked_at_ >= end_by_ || ((closing_ || retired_) && unsettled_.empty())) {
    ended_ = true;
    return false;
  }
  return true;
}

bool StreamProducer::step() {
  take_news();
  const bool moved = !events_.empty();
  if (stage_ == Stage::superseded) {
    fail_all("another writer has fenced the stream");
    return false;
  }
  if (in_session_ && retiring_ && !awaiting()) {
    channel_->drop();
    in_session_ = false;
    if (!session_had_ack_) back_off("the server ends sessions before it answers");
  }
  if (in_session_ && awaiting()) check_silence();
#ifdef PLANTED_BUGS
  if (planted(PlantedBug::budget_poison) && poisoned_) return false;
#endif
  if (!has_work() || looked_at_ < retry_at_) return moved;
  if (stage_ == Stage::settling) {
    settle();
    return true;
  }
  if (!in_session_) {
    open_session();
    return true;
  }
  send_what_may_go();
  return moved || !in_session_;
}

void StreamProducer::take_news() {
  events_.clear();
  channel_->poll(events_, attempt_deadline(options_.ack_timeout));
#ifdef PLANTED_BUGS
  if (planted(PlantedBug::error_before_acks) || planted(PlantedBug::buffered_acks_dropped)) hide_acks();
#endif
  for (const AppendEvent& event : events_) {
    if (!in_session_) break;  // it ended by an event before this one
    if (const auto* acked = std::get_if<AppendAcked>(&event)) {
      time_answer();
      fence_sent_ ? on_fence_ack(acked->ack) : on_ack(acked->ack);
    } else if (const auto* refused = std::get_if<AppendRefused>(&event)) {
      if (refused->error.seq_num_mismatch || refused->error.fencing_token_mismatch) time_answer();
      in_session_ = false;
      fence_sent_ ? on_fence_refused(refused->error) : on_refused(refused->error);
    } else if (std::holds_alternative<SessionRetiring>(event)) {
      retiring_ = true;
    } else {
      session_lost(std::get<SessionLost>(event).reason);
    }
  }
}

void StreamProducer::open_session() {
#ifdef PLANTED_BUGS
  if (planted(PlantedBug::no_create_in_session) && !std::exchange(created_, true)) {
    wire::ApiError missing;
    missing.status = 404;
    missing.code = "stream_not_found";
    return refused_for_good(missing, false);
  }
#endif
  if (auto opened = channel_->open(attempt_deadline(options_.open_timeout)); !opened) {
    back_off(opened.error());
    return;
  }
  in_session_ = true;
#ifdef PLANTED_BUGS
  opened_ = true;
#endif
  if (planted(PlantedBug::old_session_ack) && session_had_ack_ && window_.in_doubt() > 0) {
    report_acked(window_.take(0), known_tail_);
  }
  retiring_ = session_had_ack_ = fence_sent_ = false;
  last_ack_ = Clock::now();
}

void StreamProducer::send_what_may_go() {
  if (stage_ == Stage::taking) {
    if (!fence_sent_ && channel_->can_send()) send_fence();
    return;
  }
  while (in_session_ && channel_->can_send() && window_.sent() < kMaxInFlightBatches) {
    if (!tail_known_ && window_.sent() > 0) return;
    AppendWindow::Slot* slot = window_.next_to_send();
    if (!slot) {
      std::optional<Batch> batch;
      {
        const std::lock_guard lock(mutex_);
        batch = batcher_.take(Clock::now());
      }
      if (!batch) return;
      window_.push(std::move(*batch));
      slot = window_.next_to_send();
    }
    wire::AppendInput& input = slot->batch.input;
    input.match_seq_num.reset();
    const bool unguarded =
        planted(PlantedBug::unsafe_retry) || (planted(PlantedBug::resend_after_reconnect) && slot->in_doubt);
    if (!unguarded) input.match_seq_num = slot->begin;
    input.fencing_token.reset();
    if (fencing_) input.fencing_token = token(token_in_force_);
    // Marked before it is sent: whatever goes wrong from here on leaves it in doubt.
    window_.mark_sent(Clock::now());
    if (!send(slot->batch.input)) return;
    if (planted(PlantedBug::ack_when_sent)) listener_.acked(stream_, slot->batch.seqs, slot->end());
  }
}

bool StreamProducer::send(const wire::AppendInput& input) {
  auto sent = channel_->send(input, attempt_deadline(options_.ack_timeout));
  if (sent) return true;
  const std::string& reason = sent.error();
  take_news();  // answers that came before the end of the session count
  if (in_session_) session_lost(reason);
  return false;
}

void StreamProducer::send_fence() {
  wire::AppendInput input;
  input.records.push_back(wire::fence_command(token(token_wanted_)));
  input.match_seq_num = fence_place_;
  input.fencing_token = fence_condition_;
  fence_sent_ = true;
  fence_sent_at_ = Clock::now();
  send(input);
}

bool StreamProducer::has_work() const {
  if (!window_.empty()) return true;
  const std::lock_guard lock(mutex_);
  if (stage_ == Stage::taking)
    return !unsettled_.empty();  // the stream is taken while the first batch lingers
  const auto due = batcher_.due();
  return due && *due <= looked_at_;
}

// Called with the lock held. What was not due at this look is due at another, be it in the past by now: a
// newer `now` in here would let the producer sleep over what fell due in between.
StreamProducer::Time StreamProducer::next_look() const {
  Time next = end_by_;
  if (looked_at_ < retry_at_) next = std::min(next, retry_at_);
  if (const auto due = batcher_.due(); due && *due > looked_at_) next = std::min(next, *due);
  if (in_session_ && awaiting()) {
    const milliseconds patience = ack_patience();  // it looks at the clock, too: one look, then the other
    next = std::min(next, Clock::now() + std::max(patience / 10, milliseconds(1)));
  }
  return next;
}

StreamProducer::Time StreamProducer::attempt_deadline(milliseconds limit) const {
  const Time now = Clock::now();
  // Half of what is left, so that a peer that does not answer leaves time for one more attempt.
  if (const auto left = time_left())
    limit = std::min(limit, std::max(*left / 2, last_minute_ ? milliseconds(20) : kLeastPatience));
  return last_minute_ ? std::min(now + limit, end_by_) : now + limit;
}

// When answers are wanted, if anybody waits for some.
std::optional<StreamProducer::Time> StreamProducer::answers_wanted_by() const {
  const Time now = Clock::now();
  const Time by = last_minute_ ? end_by_ : answers_by_ > now ? answers_by_ : answers_last_;
  if (by == Time::max() || (!last_minute_ && by <= now)) return std::nullopt;
  return by;
}

std::optional<milliseconds> StreamProducer::time_left() const {
  const auto by = answers_wanted_by();
  if (!by) return std::nullopt;
  return std::max(std::chrono::duration_cast<milliseconds>(*by - Clock::now()), milliseconds(0));
}

}  // namespace s2::writer
