// One stream's producer: batcher, window of appends in flight, and the thread that speaks with S2.
//
// submit(), wake(), lingering(), flush(), wait_*(), retire(), begin_close(), finish_close(): any thread.
// Everything else happens on the producer's own thread, which alone touches the channel (but for abort()) and
// the window. Listener calls are made on that thread with no lock held. Owned (shared) by the Producers that
// made it; the destructor closes without grace.
//
// What the thread does is a small machine (Stage):
// - taking: the append of a fence command, guarded by its place, is all that is in flight; its ack tells the
//   tail.
// - settling: batches in doubt are looked up (read-back); nothing is in flight.
// - flowing: batches go out, each with the fencing token and its place; acks come back in order.
// - superseded: another token fences the stream; everything fails, nothing more is sent.
//
// An attempt that had no answer is repeated with the same guard, so it is stored at most once. A place is
// changed (renumbered) only when no batch is in doubt, or after a new fencing token has made the old attempts
// harmless.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "writer/append_window.h"
#include "writer/backoff.h"
#include "writer/batcher.h"
#include "writer/producer.h"
#include "writer/s2_client.h"

namespace s2::writer {

// Patience for an ack grows with the size of the batch, by a link as slow as this; with every silence in a
// row one half as fast is believed in, down to an eighth: what hangs is noticed soon, and what is slow comes
// through in the end.
inline constexpr std::size_t kSlowLinkBytesPerSecond = 256 * 1024;
inline constexpr unsigned kMostHalvings = 3;
// Refusals in a row that tell only where the tail is; more of them, and the next attempt waits.
inline constexpr std::size_t kMaxQuickRetries = 4;
// While somebody waits for answers by a deadline, a silence is over half-way to it, but a service that is
// merely slow gets this much; at the very end (close) after a third, and that much. Where S2 is known to take
// longer, it gets half as much again as it takes, as long as another attempt would still be answered in time.
inline constexpr std::chrono::milliseconds kLeastPatience{250};
inline constexpr std::chrono::milliseconds kLeastPatienceAtTheEnd{50};

class StreamProducer {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;

  // `token_stem`: this producer's fencing tokens are `<stem>.<n>`; no other producer has the same stem.
  StreamProducer(std::string stream, const ProducerOptions& options, std::string token_stem,
                 AppendClient& client, ProducerListener& listener);
  ~StreamProducer();

  // Nothing: this producer has ended (retire()); ask a new one.
  std::optional<Submitted> submit(std::span<Submission> records, const std::stop_token& stop,
                                  Deadline deadline);
  void wake();
  std::optional<Lingering> lingering() const;
  void send_now();
  void flush(Deadline answer_by);
  // Ends the call that the thread sits in, where it had its part of what somebody waits for. Returns when
  // that will be; never: max.
  Deadline end_silent_call();
  // Waits until nothing with seq <= through is unsettled; false at the deadline.
  bool wait_settled(std::uint64_t through, Deadline deadline);
  std::size_t unsettled(std::uint64_t through) const;
  // Flushes; ends by itself once all is settled, unless a submit() comes first.
  void retire(Deadline answer_by);
  bool wait_ended(Deadline deadline);
  bool wait_retired(Deadline deadline);  // likewise, or until a submit() came first
  bool ended() const;
  void begin_close(Deadline deadline);
  std::vector<Unsaved> finish_close();  // returns by begin_close's deadline; the thread is gone then
#ifdef PLANTED_BUGS
  void source_failed();                    // no-flush-on-error
  void cancel();                           // cancel-before-flush
  bool dials() const { return !opened_; }  // stop-sees-unstarted
#endif

 private:
  enum class Stage { taking, settling, flowing, superseded };
  struct Taken {
    std::uint64_t seq;
    std::size_t metered;
  };

  bool has_room(std::size_t metered) const;  // under the lock
  void run();
  bool look_around();    // under the lock; false: time to leave
  void poke();           // under the lock: the thread looks again
  void flush_batcher();  // under the lock
  void want_answers(Deadline by);
  void bound_turn(Time by, std::chrono::milliseconds least);
  std::optional<Time> answers_wanted_by() const;
  std::optional<std::chrono::milliseconds> time_left() const;
  bool step();  // true: something moved, look again at once
  void take_news();
  void open_session();
  void send_what_may_go();
  bool send(const wire::AppendInput& input);
  void send_fence();
  void check_silence();
  bool has_work() const;
  Time next_look() const;
  void on_ack(const wire::AppendAck& ack);
  void on_fence_ack(const wire::AppendAck& ack);
  void fence_stored();
  void on_refused(const wire::ApiError& error);
  void on_fence_refused(const wire::ApiError& error);
  void on_mismatch(std::uint64_t tail);
  void refused_for_good(const wire::ApiError& error, bool by_content);
  void close_gap_at(std::uint64_t place);
  void session_lost(const std::string& reason);
  tl::expected<std::vector<Batch>, ReadError> take_stored(std::uint64_t below);
  void settle();
  void superseded_by(const std::string& token);
  void fail_all(const std::string& reason);
  void want_new_token(std::uint64_t tail);
  void retry_quickly(const std::string& reason);
  void back_off(const std::string& reason);
  void went_well();
  void report_acked(const Batch& batch, std::uint64_t tail);
  void report_failed(const Batch& batch, FailureKind kind, const std::string& reason);
  void settled(const Batch& batch);
  bool awaiting() const { return fence_sent_ || window_.sent() > 0; }
  Time attempt_deadline(std::chrono::milliseconds limit) const;
  Time silent_since() const;
  std::chrono::milliseconds ack_patience() const;
  Time oldest_sent_at() const;
  void time_answer();
  std::string token(std::uint64_t n) const { return token_stem_ + '.' + std::to_string(n); }

  const std::string stream_;
  const ProducerOptions options_;
  const std::string token_stem_;
  ProducerListener& listener_;

  // --- shared, under mutex_ ---
  mutable std::mutex mutex_;
  std::condition_variable thread_cv_;   // the thread: work, news, close
  std::condition_variable room_cv_;     // submit(): room
  std::condition_variable settled_cv_;  // wait_*(), finish_close()
  Batcher batcher_;
  std::deque<Taken> unsettled_;  // what submit() took, oldest first
  std::size_t unsettled_bytes_ = 0;
  bool poked_ = false;              // the thread must look again
  bool hurry_ = false;              // a flush: the pause before the next attempt is cut short
  bool in_turn_ = false;            // of its loop: it may sit in a call that the peer does not answer
  Time cut_at_ = Time::max();       // then whoever waits ends that call
  Time wanted_by_ = Time::min();    // the nearest deadline of a flush()
  Time wanted_last_ = Time::min();  // and the last
  bool retired_ = false;
  bool closing_ = false;
  bool superseded_ = false;
  bool ended_ = false;  // the thread has left, or is about to and takes nothing more
  Time close_deadline_ = Time::max();

  // --- the thread's own ---
  Time looked_at_{};  // when this turn of the loop began: one time for what is due and for when to wake
  std::unique_ptr<AppendChannel> channel_;  // abort() from finish_close()
  AppendWindow window_;
  Backoff backoff_;
  std::vector<AppendEvent> events_;
  Stage stage_ = Stage::taking;
  bool in_session_ = false;
  bool retiring_ = false;  // the peer wants no more in this session
  bool session_had_ack_ = false;
  bool fencing_;                      // off by configuration, or because the token may not
  bool tail_known_ = false;           // before it is, one batch at a time
  std::uint64_t token_in_force_ = 0;  // n of our token; 0: none yet
  std::uint64_t token_wanted_ = 1;
  std::string fence_condition_;    // the token that must be in force for the fence command; "": none
  std::uint64_t fence_place_ = 0;  // its guard: the tail as far as we know
  bool fence_sent_ = false;
  Time fence_sent_at_{};
  std::uint64_t known_tail_ = 0;    // the stream was this long, S2 said
  std::uint64_t settle_below_ = 0;  // settling: what ends at or below it may be stored, the rest is not
  std::uint64_t settle_next_ = 0;   // settling: the place to go on from
  std::size_t refusals_in_doubt_ = 0;
  std::size_t quick_retries_ = 0;
  Time retry_at_ = Time::min();
  Time last_ack_ = Time::min();
  unsigned silences_ = 0;                      // in a row: an append had no acknowledgement in its time
  std::chrono::milliseconds answers_take_{0};  // the quicker one of the last two; 0: not known
  std::chrono::milliseconds last_took_{0};
  Time pinged_at_ = Time::min();
  Time end_by_ = Time::max();      // close_deadline_, once the thread has seen it
  Time answers_by_ = Time::min();  // wanted_by_ and wanted_last_, once the thread has seen them
  Time answers_last_ = Time::min();
  bool last_minute_ = false;  // closing
  bool in_outage_ = false;
  bool read_refusal_noted_ = false;
#ifdef PLANTED_BUGS
  void hide_acks();
  bool source_failed_ = false;       // no-flush-on-error; under mutex_
  bool created_ = false;             // no-create-in-session
  std::atomic<bool> opened_{false};  // stop-sees-unstarted: a session, ever
  bool poisoned_ = false;            // budget-poison
  bool acks_hidden_ = false;         // buffered-acks-dropped
#endif

  std::thread thread_;
};

}  // namespace s2::writer
