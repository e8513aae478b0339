// What S2's answers, and its silence, mean for a stream's producer: see the machine in stream_producer.h.
#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

#include "writer/epoch.h"
#include "writer/planted_bugs.h"
#include "writer/stream_producer.h"

namespace s2::writer {
namespace {

using std::chrono::milliseconds;

std::string describe(const wire::ApiError& error) {
  std::string out = "S2 answered " + std::to_string(error.status);
  if (!error.code.empty()) out += ' ' + error.code;
  if (!error.message.empty()) out += ": " + error.message.substr(0, 200);
  return out;
}

#ifdef PLANTED_BUGS
constexpr std::size_t kPoisonedAfter = 3;  // attempts, as S2's own clients make by default
#endif

// Refusals of the records themselves: another batch may well be taken.
bool is_about_content(const wire::ApiError& error) {
  return error.status == 400 || error.status == 413 || error.status == 422;
}

}  // namespace

void StreamProducer::on_ack(const wire::AppendAck& ack) {
  const auto batch = window_.acked(ack);
  if (!batch) {
    channel_->drop();
    session_lost("an acknowledgement that fits no append in flight");
    return;
  }
  tail_known_ = session_had_ack_ = true;
  known_tail_ = ack.end.seq_num;
  last_ack_ = Clock::now();
  silences_ = 0;
  went_well();
  report_acked(*batch, ack.tail.seq_num);
}

void StreamProducer::on_fence_ack(const wire::AppendAck& ack) {
  if (ack.start.seq_num != fence_place_ || ack.end.seq_num != fence_place_ + 1) {
    channel_->drop();
    session_lost("an acknowledgement that does not fit the fence command");
    return;
  }
  session_had_ack_ = true;
  last_ack_ = Clock::now();
  fence_stored();
}

// The wanted token is in force since fence_place_: what was sent with another can no longer land.
void StreamProducer::fence_stored() {
  fence_sent_ = false;
  tail_known_ = true;
  known_tail_ = fence_place_ + 1;
  token_in_force_ = token_wanted_;
  went_well();
  if (window_.in_doubt() > 0) {
    settle_below_ = fence_place_;
    settle_next_ = known_tail_;
    stage_ = Stage::settling;
  } else {
    window_.renumber(known_tail_, true);
    stage_ = Stage::flowing;
  }
}

void StreamProducer::on_refused(const wire::ApiError& error) {
  if (planted(PlantedBug::sink_kills_server) && (error.status == 401 || error.status == 403))
    throw std::runtime_error("the credentials are refused: " + describe(error));
  if (error.fencing_token_mismatch) return superseded_by(*error.fencing_token_mismatch);
  if (error.seq_num_mismatch) return on_mismatch(*error.seq_num_mismatch);
  // A refusal that S2 does not call free of effect, or that is not S2's own word at all, fails nothing.
  const bool no_effect = wire::is_surely_without_effect(error);
  if (no_effect && !wire::is_retryable(error)) return refused_for_good(error, is_about_content(error));
  no_effect || planted(PlantedBug::unsafe_retry_class) ? window_.session_refused() : window_.session_lost();
  if (planted(PlantedBug::advance_on_error) && !window_.empty() && window_.in_doubt() == 0) {
    const std::uint64_t place = window_.slots().front().begin;
    settled(window_.take(0));
    window_.renumber(place, true);
  }
  back_off(describe(error));
}

void StreamProducer::on_fence_refused(const wire::ApiError& error) {
  fence_sent_ = false;
  if (error.seq_num_mismatch) {
    fence_place_ = *error.seq_num_mismatch;
    return retry_quickly("the stream's tail moves while it is being fenced");
  }
  if (error.fencing_token_mismatch) {
    const std::string& current = *error.fencing_token_mismatch;
    // An earlier attempt came through, at this very place; its answer did not.
    if (current == token(token_wanted_)) return fence_stored();
    // Once ours it may be nobody else's; before that it is taken from whoever had it, unless that one came
    // later.
    if (token_in_force_ > 0 || is_of_later_process(current, token_stem_)) return superseded_by(current);
    fence_condition_ = current;
    return retry_quickly("the stream is still fenced by an earlier writer");
  }
  if (error.status == 403 && error.code == "permission_denied") {
    listener_.note(
        stream_, "the access token may not fence: going on without (S2_WRITER_FENCING=off says so up front)");
    fencing_ = false;
    settle_below_ = settle_next_ = fence_place_;
    if (window_.in_doubt() > 0) {
      stage_ = Stage::settling;
    } else {
      window_.renumber(fence_place_, false);
      stage_ = Stage::flowing;
    }
    return;
  }
  if (wire::is_surely_without_effect(error) && !wire::is_retryable(error))
    return refused_for_good(error, false);
  back_off(describe(error));
}

void StreamProducer::on_mismatch(std::uint64_t tail) {
  tail_known_ = true;
  if (planted(PlantedBug::match_seq_early) && !window_.empty() && tail < window_.slots().front().begin) {
    window_.session_refused();
    return report_failed(window_.take(0), FailureKind::refused, "the expected number is not the tail");
  }
  window_.session_refused();
  if (window_.in_doubt() == 0) {
    known_tail_ = tail;
    window_.renumber(tail, true);
    return retry_quickly("somebody else appends to the stream");
  }
  settle_below_ = settle_next_ = tail;
  stage_ = Stage::settling;
}

void StreamProducer::want_new_token(std::uint64_t tail) {
  fence_condition_ = token(token_in_force_);
  token_wanted_ = token_in_force_ + 1;
  fence_place_ = tail;
  stage_ = Stage::taking;
}

void StreamProducer::refused_for_good(const wire::ApiError& error, bool by_content) {
  if (window_.empty()) {
    // The stream as a whole was refused; the records that wait for it longest are the ones that were.
    std::optional<Batch> batch;
    {
      const std::lock_guard lock(mutex_);
      batch = batcher_.take(Clock::now(), true);
    }
    if (!batch) return back_off(describe(error));
    window_.push(std::move(*batch));
  }
  const AppendWindow::Slot& oldest = window_.slots().front();
  if (oldest.in_doubt) {
    // This attempt stored nothing, an earlier one may have. A new token ends that doubt; without one only the
    // answer to a further attempt can.
    window_.session_refused();
    if (fencing_ && stage_ == Stage::flowing) return want_new_token(oldest.begin);
    if (++refusals_in_doubt_ < options_.attempts_per_budget) return back_off(describe(error));
    refusals_in_doubt_ = 0;
    const std::uint64_t place = oldest.begin;
    report_failed(window_.take(0), FailureKind::unknown,
                  describe(error) + "; an earlier attempt had no answer");
    close_gap_at(place);
    return back_off(describe(error));
  }
  window_.session_refused();
  if (by_content && oldest.batch.seqs.size() > 1) {
    window_.split_front();  // the good ones must not fail with the bad one
    return;
  }
  const std::uint64_t place = oldest.begin;
  const Batch batch = window_.take(0);
  close_gap_at(place);
  report_failed(batch, FailureKind::refused, describe(error));
  if (!by_content) retry_at_ = Clock::now() + options_.backoff_base;
}

// The batch that stood there was given up: the next takes its place, but one in doubt the place of its doubt.
void StreamProducer::close_gap_at(std::uint64_t place) {
  const bool oldest_in_doubt = !window_.empty() && window_.slots().front().in_doubt;
  window_.renumber(oldest_in_doubt ? window_.slots().front().doubted : place, window_.in_doubt() == 0);
}

void StreamProducer::session_lost(const std::string& reason) {
  const bool idle = session_had_ack_ && !awaiting();
  in_session_ = fence_sent_ = false;
#ifdef PLANTED_BUGS
  const bool forgets = planted(PlantedBug::unsafe_retry_class) || acks_hidden_;
  if (planted(PlantedBug::match_seq_early)) window_.renumber(window_.next_place(), false);
  if (forgets) window_.session_refused();
#endif
  window_.session_lost();
  if (!idle) back_off(reason);
}

// Takes out those in doubt that are stored before `below`, oldest first. That the stream is as long as if
// they were proves nothing: whoever appends without a token, if only a command to trim, is not shut out by
// ours.
tl::expected<std::vector<Batch>, ReadError> StreamProducer::take_stored(std::uint64_t below) {
  std::vector<std::size_t> stored;  // newest first
  for (std::size_t index = window_.size(); index-- > 0;) {
    const AppendWindow::Slot& slot = window_.slots()[index];
    if (!slot.in_doubt || slot.doubted_end() > below) continue;
    // While a token shuts old attempts out, each goes only behind the one before it in one session, which
    // ends at its first refusal: where one is stored, so are those before it.
    if ((!fencing_ || stored.empty()) && !planted(PlantedBug::length_proves)) {
      const auto there =
          channel_->read_back(slot.doubted_end() - 1, 1, attempt_deadline(options_.open_timeout));
      if (!there) return tl::unexpected(there.error());
      if (!window_.ends_with(index, *there)) continue;
      known_tail_ = std::max(known_tail_, slot.doubted_end());
    }
    stored.push_back(index);
  }
  std::vector<Batch> taken;
  for (const std::size_t index : stored) taken.push_back(window_.take(index));
  std::ranges::reverse(taken);
  return taken;
}

void StreamProducer::settle() {
  // Records that were acknowledged are gone: what was in doubt cannot be judged by what stands there now.
  const bool shrunk = settle_below_ < known_tail_ && !fencing_;
  std::string unknown = shrunk ? "the stream is shorter than what it acknowledged" : "";
  if (const auto stored = take_stored(shrunk ? 0 : settle_below_)) {
    for (const Batch& batch : *stored) report_acked(batch, settle_next_);
  } else if (const ReadError& error = stored.error(); !error.refused || wire::is_retryable(error.error)) {
    return back_off(error.refused ? describe(error.error) : error.reason);
  } else {
    unknown = "an append had no answer, and reading it back was refused (" + describe(error.error) +
              "); S2_READ_TOKEN may help";
    if (!read_refusal_noted_) listener_.note(stream_, unknown);
    read_refusal_noted_ = true;
  }
  for (std::size_t index = 0; index < window_.size() && !unknown.empty();) {
    const AppendWindow::Slot& slot = window_.slots()[index];
    if (slot.in_doubt && (shrunk || slot.doubted_end() <= settle_below_)) {
      report_failed(window_.take(index), FailureKind::unknown, unknown);
    } else {
      ++index;
    }
  }
  const bool shut_out = settle_below_ < settle_next_;  // old attempts, by a new token between the two
  // Somebody else's records moved those behind them, which may yet land where they were sent to.
  if (fencing_ && !shut_out && window_.in_doubt() > 0 && window_.slots().front().begin != settle_next_)
    return want_new_token(settle_next_);
  window_.renumber(settle_next_, shut_out);
  while (!window_.empty() && window_.slots().front().in_doubt_elsewhere()) {
    // One before it was given up, so that its own attempt waits for a place which the stream has not reached
    // yet.
    report_failed(
        window_.take(0), FailureKind::unknown,
        "an append had no answer and may be stored yet, behind the end of the stream; without a fencing "
        "token it cannot be sent again");
    window_.renumber(settle_next_, shut_out);
  }
  known_tail_ = settle_next_;
  stage_ = Stage::flowing;
  went_well();
}

void StreamProducer::superseded_by(const std::string& current) {
  const std::string reason =
      "another writer has fenced the stream (its token: \"" + current.substr(0, 36) + "\")";
  listener_.note(stream_, reason + "; nothing more is stored by this process");
  window_.session_refused();
  stage_ = Stage::superseded;
  {
    const std::lock_guard lock(mutex_);
    superseded_ = true;
    room_cv_.notify_all();
  }
  // What had no answer may have been stored before the other took the stream; it can no longer land.
  if (const auto stored = take_stored(std::numeric_limits<std::uint64_t>::max())) {
    for (const Batch& batch : *stored) report_acked(batch, known_tail_);
  } else {
    while (window_.in_doubt() > 0)
      report_failed(window_.take(0), FailureKind::unknown, reason + "; it could not be read back");
  }
  channel_->drop();
  fail_all(reason);
}

void StreamProducer::fail_all(const std::string& reason) {
  while (!window_.empty()) report_failed(window_.take(0), FailureKind::superseded, reason);
  while (true) {
    std::optional<Batch> batch;
    {
      const std::lock_guard lock(mutex_);
      batch = batcher_.take(Clock::now(), true);
    }
    if (!batch) return;
    report_failed(*batch, FailureKind::superseded, reason);
  }
}

void StreamProducer::retry_quickly(const std::string& reason) {
  if (++quick_retries_ > kMaxQuickRetries) back_off(reason);
}

void StreamProducer::back_off(const std::string& reason) {
  if (!in_outage_) listener_.note(stream_, "appends are held up: " + reason + "; trying again");
  in_outage_ = true;
  Clock::duration pause = backoff_.next();
  if (backoff_.failures() >= options_.attempts_per_budget) {
    channel_->drop();  // whatever this connection has become: the next attempts start from nothing
    in_session_ = false;
    backoff_.reset();
  }
#ifdef PLANTED_BUGS
  poisoned_ = poisoned_ || backoff_.failures() >= kPoisonedAfter;
#endif
  if (const auto left = time_left(); left && !planted(PlantedBug::backoff_eats_grace))
    pause = std::min<Clock::duration>(pause, std::max(*left / 8, milliseconds(2)));
  retry_at_ = Clock::now() + pause;
}

void StreamProducer::went_well() {
  backoff_.reset();
  quick_retries_ = refusals_in_doubt_ = 0;
  retry_at_ = Time::min();
  if (in_outage_) listener_.note(stream_, "appends go through again");
  in_outage_ = false;
}

void StreamProducer::report_acked(const Batch& batch, std::uint64_t tail) {
  listener_.acked(stream_, batch.seqs, tail);
  settled(batch);
}

void StreamProducer::report_failed(const Batch& batch, FailureKind kind, const std::string& reason) {
  listener_.failed(stream_, batch.seqs, AppendFailure{kind, reason});
  settled(batch);
}

void StreamProducer::settled(const Batch& batch) {
  const std::lock_guard lock(mutex_);
  for (const std::uint64_t seq : batch.seqs) {
    auto at = unsettled_.begin();  // the oldest, nearly always
    while (at->seq != seq) ++at;
    unsettled_bytes_ -= at->metered;
    unsettled_.erase(at);
  }
  room_cv_.notify_all();
  settled_cv_.notify_all();
}

StreamProducer::Time StreamProducer::oldest_sent_at() const {
  return fence_sent_ ? fence_sent_at_ : window_.slots().front().sent_at;
}

// Nothing has been said of what is on its way since then.
StreamProducer::Time StreamProducer::silent_since() const {
  return std::max({last_ack_, oldest_sent_at(), channel_->last_progress()});
}

milliseconds StreamProducer::ack_patience() const {
  // A big batch takes its time on a slow link; but never so much of a deadline that no further attempt fits.
  const std::size_t bytes = window_.sent() > 0 ? window_.slots().front().batch.metered : 0;
  const std::size_t link = kSlowLinkBytesPerSecond >> std::min(silences_, kMostHalvings);
  milliseconds patience = options_.ack_timeout + milliseconds(bytes * 1000 / link);
  const auto by = answers_wanted_by();
  if (!by || planted(PlantedBug::silence_eats_deadline)) return patience;
  const auto whole = std::chrono::duration_cast<milliseconds>(*by - silent_since());
  const milliseconds part =
      last_minute_ ? std::max(whole / 3, kLeastPatienceAtTheEnd) : std::max(whole / 2, kLeastPatience);
  milliseconds slow = answers_take_ + answers_take_ / 2;
  if (2 * answers_take_ < whole) slow = std::min(slow, whole - answers_take_);  // what another attempt takes
  return std::min(patience, std::max({part, slow, options_.ack_latency + options_.ack_latency / 8}));
}

// The oldest that is on its way has its answer. Of one answer alone nothing is known: it may have met a pause
// of the network that is over.
void StreamProducer::time_answer() {
  if (!awaiting() || oldest_sent_at() < last_ack_) return;  // others were ahead of it
  const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - silent_since());
  answers_take_ = std::min(took, std::exchange(last_took_, took));
}

void StreamProducer::check_silence() {
  const Time now = Clock::now();
  const Time since = silent_since();
  const milliseconds patience = ack_patience();
  const Time heard = std::max(since, channel_->last_heard());
  std::string reason;
  if (now - since >= patience) {
    if (now - since > last_took_ + last_took_ / 2) answers_take_ = last_took_ = milliseconds(0);  // no more
    reason = "no acknowledgement for " + std::to_string(patience.count()) + " ms";
    ++silences_;
  } else if (channel_->can_ping() && now - heard >= patience / 5) {
    if (pinged_at_ < heard) {
      pinged_at_ = now;
      channel_->ping(attempt_deadline(options_.ack_timeout));
    } else if (now - pinged_at_ >= patience * 3 / 10) {
      reason = "the peer is silent: no answer to a ping";
    }
  }
  if (reason.empty()) return;
  take_news();  // an answer may have come while we looked
  if (!in_session_ || !awaiting()) return;
  channel_->drop();
  session_lost(reason);
  while (planted(PlantedBug::ack_timeout_fatal) && window_.in_doubt() > 0) {
    report_failed(window_.take(0), FailureKind::unknown, reason);
  }
}

}  // namespace s2::writer
