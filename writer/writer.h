// The writer: publish -> capture session -> ring -> storage writer and journal -> S2. What a driver drives.
//
// Any thread may call any member, except shutdown(), which is called once, by one thread. Publishing never
// waits for storage. The listener gets claims and losses from inner threads; it outlives the writer. A writer
// that is destroyed without shutdown() closes at once and tells what is lost. The destructor waits for the
// journal's thread, and so for a disk that hangs (ShutdownReport::journal_left); shutdown() does not.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tl/expected.hpp>
#include <vector>

#include "writer/capture_session.h"
#include "writer/durability.h"
#include "writer/epoch.h"
#include "writer/flush.h"
#include "writer/journal.h"
#include "writer/journal_scan.h"
#include "writer/log.h"
#include "writer/producer.h"
#include "writer/ring.h"
#include "writer/shutdown.h"
#include "writer/storage_writer.h"

namespace s2::writer {

struct WriterOptions {
  RingLimits ring = {};
  std::string fixed_stream = {};  // S2_STREAM, or empty: a stream a session
  std::size_t batch_records = 50;
  ShutdownShares shutdown_shares = kTableShares;
  std::string journal_dir = {};  // empty: no journal
  bool journal_wait = false;     // an event is accepted once its line is in the journal
  std::size_t journal_backlog = kDefaultBacklogEvents;  // overwritten by the ring, still to be stored
  DurableErrors durable_errors = DurableErrors::event;
  DropStyle drop_style = DropStyle::gap;
  bool journal_beside = false;    // another writer has the journal's usual files: take some of its own
  JournalMark journal_mark = {};  // who writes it; without an epoch: no mark, and no recovery from it
  std::function<std::string()> new_epoch = new_epoch_token;  // for a change of identity
};

// Publishes in flight hold up a change of identity for so long at most; those that are later are rejected.
inline constexpr std::chrono::milliseconds kIdentityHold{1000};
inline constexpr std::size_t kMaxIdentities = 32;  // of one process: the journal keeps the files of each open

// What a branch of a snapshot goes on as.
struct Identified {
  SessionRef session;         // null: it was not to begin
  std::uint64_t after = 0;    // events up to this number are the source's
  std::uint64_t pending = 0;  // of them, and of this branch's business now: on their way to the old streams
  std::uint64_t left = 0;     // of them, told as lost: the other branch stores them
};

// What a stopped session may claim.
struct Stopped {
  std::string session = {};
  bool complete = false;  // its end marker, and all before that was not told as dropped, is stored
  std::uint64_t durable_through = 0;
  std::uint64_t pending = 0;  // still on their way; the writer goes on trying
};

struct ShutdownReport {
  std::vector<ShutdownOutcome> steps;
  std::uint64_t unsaved = 0;  // events told as dropped or lost in the life of the writer
  // The journal's disk hangs and holds its thread: what the files lack nobody knows, and ~Writer waits for
  // it. A process that has to end calls _Exit.
  bool journal_left = false;
  std::string journal_lacks = {};  // what the journal's files lack and why, in a line; empty: nothing
};
// What a log says of a shutdown that left something, a line each; `step ... was not done` among them.
std::vector<std::string> lines_of(const ShutdownReport& report);
// A disk is not blamed before it was waited for so long, however late the steps before it were.
inline constexpr std::chrono::milliseconds kLastLook{100};
// What a log says of it.
inline constexpr std::string_view kJournalLeft =
    "the journal's disk does not answer: its thread is left behind, and its last lines may be missing";

class Writer {
 public:
  // Makes the producers over their listener; empty: no durable storage, everything else unchanged.
  using MakeProducers = std::function<std::unique_ptr<Producers>(ProducerListener&)>;

  static tl::expected<std::unique_ptr<Writer>, std::string> make(WriterOptions options,
                                                                 const MakeProducers& make_producers,
                                                                 DurabilityListener& listener, Log log);
  ~Writer();

  tl::expected<SessionRef, std::string> start(const std::string& id);
  // `envelope`, if given, gets the marshalled envelope of what was accepted.
  tl::expected<Published, std::string> publish(const std::string& session, const Event& event,
                                               std::string* envelope = nullptr);
  // Off: what is accepted from now on is not stored. On again: stores again. An error without durable
  // storage.
  tl::expected<void, std::string> set_storing(bool on);

  // The flush-before-delete handshake, over all sessions.
  FlushAnswer flush(Deadline deadline);

  // What a viewer sees: everything behind `after`, stored or not. It must go before the writer.
  std::unique_ptr<RingReader> viewer(std::uint64_t after) { return ring_->reader(after); }
  std::uint64_t last_seq() const { return ring_->last_seq(); }
  Standing standing(const SessionRef& session) const { return durability_.standing(session, last_seq()); }
  // The stream's end as the last acknowledgement told it; nothing before one, and where kMaxPastTails others
  // ended since.
  std::optional<std::uint64_t> tail_of(const std::string& stream) const { return outcomes_.tail_of(stream); }

  // Of what others do wrong; for the driver, too.
  LimitedLog& limited_log() { return limited_log_; }

  AppendFailures append_failures() const { return outcomes_.failures(); }  // since the writer began

  // Ends a session in two halves: the first refuses its publishes and sets the end marker, the second waits
  // until all of it is stored, and forgets its producer. A session that has ended is answered again.
  tl::expected<CaptureSessions::End, std::string> end(const std::string& session, Deadline deadline);
  Stopped await_end(const CaptureSessions::End& end, Deadline deadline);

  // In a branch of a snapshot that was restored more than once, before anything else: goes on as somebody
  // else, under a new epoch, fencing token and stream. Active sessions end without a marker, which is the
  // source's to set. With `inherit`, which exactly one branch may be given, what was pending goes on to the
  // old streams; without it all of that is told as lost, and once this has returned nothing more is sent to
  // them. Sequence numbers go on: they are unique in the writer's life, and so in each epoch and stream. A
  // flush from here on covers what this branch keeps. An error (one line) has changed nothing. See
  // docs/forks.md.
  tl::expected<Identified, std::string> identify(const NewIdentity& next);

  // From now on publishes are refused: the first step of a shutdown, which may be taken before it.
  void refuse(const std::string& reason);
  // All steps of shutdown.h; `report` is the last.
  ShutdownReport shutdown(std::chrono::milliseconds budget, const std::function<bool(Deadline)>& report);

 private:
  Writer(WriterOptions options, std::unique_ptr<Ring> ring, DurabilityListener& listener, Log log,
         bool storing);
  bool shutdown_step(ShutdownStep step, Deadline deadline);
  bool drain(Deadline deadline);
  bool close_journal(Deadline deadline);
  void remove_streams(Deadline deadline);
  void branch_journal(std::uint64_t after, const std::string& epoch, const std::string& fixed_stream);
  void share_epochs(const std::string& epoch, bool inherit);

  const WriterOptions options_;
  const Log log_;
  LimitedLog limited_log_;
  std::unique_ptr<Ring> ring_;
  Durability durability_;
  CaptureSessions sessions_;
  AppendOutcomes outcomes_;
  std::unique_ptr<Producers> producers_;    // null: no durable storage
  std::unique_ptr<StorageWriter> storage_;  // likewise
  std::unique_ptr<Journal> journal_;        // null: none
  std::mutex identity_mutex_;               // one change at a time; taken before any other
  std::vector<std::string> epochs_;  // whose lines in the journal are this process's to settle; newest last
  std::size_t identities_ = 0;       // changes so far
  std::uint64_t cut_off_ = 0;
  bool drained_ = false;
  bool shut_down_ = false;

  std::mutex ended_mutex_;
  std::vector<SessionRef>
      ended_;  // whose producers are to be forgotten; bounded by sessions with something pending

  std::jthread run_;  // the storage writer's Run; last: it uses all of the above
};

}  // namespace s2::writer
