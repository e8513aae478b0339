// The storage writer: moves what has to be stored from the ring to the producers, in order, and loses nothing
// silently.
//
// Run moves envelopes, a run of them at a time, until it is cancelled, and then returns at once: what is in
// hand stays in hand, what is in the ring stays unread. Drain goes on from there, up to a cut-off. Close lets
// the producers finish and says what is unsaved. Each has a deadline of its own. While S2 takes nothing, the
// storage writer goes on looking at what the ring overwrites: what the journal has of it is read back in its
// turn, the rest is told as dropped (backlog.h).
//
// While a stream's batch lingers, Run sleeps: what comes to the same batch in that time is taken together,
// before it is due or full. A flush ends that sleep, and so does an event of another session.
//
// run() has one thread; drain() and close() are called after it was cancelled, by one thread, be it before
// that thread has come to run(); flush() and wait_settled() by any. Ring, producers, journal, durability and
// sessions belong to the caller and outlive all calls. Source: system rules "Storage writer", "Failures".
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "writer/append_outcomes.h"
#include "writer/backlog.h"
#include "writer/drop_markers.h"
#include "writer/durability.h"
#include "writer/producer.h"
#include "writer/ring.h"

namespace s2::writer {

// How often a storage writer that is held up looks for drops to tell, and for streams that are free again.
inline constexpr std::chrono::milliseconds kHeldUpPoll{20};

// Read from the ring, and handed to a producer, at once.
inline constexpr std::size_t kRunEvents = 32;

// A sleep while a batch lingers ends an eighth of what is left before it is due, and is not worth while below
// this.
inline constexpr std::chrono::milliseconds kLeastNap{1};

// What run() returns once it was cancelled: nothing, as a task that did what it was asked for, or an error,
// as whoever waits for it to end may want to tell that from one that ended by itself.
enum class CancelledRun { nothing, error };

struct StorageOptions {
  std::size_t batch_records = 50;  // the batcher's
  Journal* journal = nullptr;      // of the same ring; null: what the ring overwrites is dropped
  std::size_t backlog = kDefaultBacklogEvents;
  DropStyle drop_style = DropStyle::gap;
  CancelledRun cancelled_run = CancelledRun::nothing;
};

class StorageWriter {
 public:
  // Starts behind nothing: every envelope that the ring holds and ever will is read or told as dropped.
  StorageWriter(Ring& ring, Producers& producers, Durability& durability, AppendOutcomes& outcomes,
                StorageOptions options);

  // Until cancel(); see CancelledRun. A second call is an error.
  tl::expected<void, std::string> run();
  // Ends Run, wherever it waits. Any thread; does not wait. A second call does nothing.
  void cancel();

  // Waits until everything up to `through` was taken by a producer, or told as dropped or lost, and sends it
  // without linger (Producers::flush()); not beyond close(). False at the deadline.
  bool flush(std::uint64_t through, Deadline deadline);
  // Durability::wait_settled(), past silent peers.
  Standing wait_settled(const SessionRef& session, std::uint64_t through, Deadline deadline);

  // After Run was cancelled: takes the ring's rest up to `through`. False when something is left at the
  // deadline.
  bool drain(std::uint64_t through, Deadline deadline);

  // After Producers::renew() has left everything up to `through`: ends those producers, and tells what of it
  // is not stored as lost. Returns how many events that are.
  std::uint64_t leave(std::uint64_t through);

  // Closes the producers; whatever is not stored by then is told as lost. Returns how many events that are.
  std::uint64_t close(Deadline deadline);

 private:
  enum class Step { moved_on, held_up };
  tl::expected<void, std::string> cancelled() const;
  void nap(Deadline deadline);
  void send_what_was_slept_over();
  Step take_one(const std::stop_token& stop, Deadline deadline);
  bool read(Deadline deadline);
  Step hand_over(const std::stop_token& stop, Deadline deadline);
  Step hand_over_marker(const EnvelopeRef& marker, const std::stop_token& stop, Deadline deadline);
  Submitted offer(std::span<const EnvelopeRef> run, const std::stop_token& stop, Deadline deadline);
  void skip(const std::string& reason);
  std::uint64_t lose_untaken();
  std::uint64_t tell_unsaved(const std::vector<Unsaved>& unsaved);
  void dropped(const Drop& drop);
  std::uint64_t first_in_hand() const { return in_hand_.empty() ? 0 : in_hand_.front()->seq; }
  void moved_on(std::size_t count);

  Producers& producers_;
  Durability& durability_;
  AppendOutcomes& outcomes_;
  const StorageOptions options_;
  std::unique_ptr<RingReader> reader_;
  Backlog backlog_;  // between what was taken and what the reader gives; belongs to whoever reads
  DropMarkers markers_;
  std::stop_source cancel_;
  std::vector<EnvelopeRef> in_hand_;  // read, and not taken by a producer yet; belongs to whoever reads
  std::uint64_t read_through_ = std::numeric_limits<std::uint64_t>::max();  // drain's; likewise
  struct NappedBeside {
    SessionRef session;
    Deadline due;
  };
  std::optional<NappedBeside> napped_beside_;  // a batch that lingered; belongs to whoever reads
  SessionRef fed_;                             // whose event a producer took last; belongs to whoever reads
#ifdef PLANTED_BUGS
  void ship_off();
  std::vector<EnvelopeRef> off_;  // read while storing was off: pre-enable-leak, off-window-drain
#endif

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t taken_through_ = 0;
  bool started_ = false;
  bool running_ = false;
  bool draining_ = false;
  bool closed_ = false;
};

}  // namespace s2::writer
