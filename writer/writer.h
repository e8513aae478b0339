// The writer: publish -> capture session -> ring -> storage writer and journal -> S2. What a driver drives.
//
// Any thread may call any member, except shutdown(), which is called once, by one thread. Publishing never
// waits for storage. The listener gets claims and losses from inner threads; it outlives the writer. A writer
// that is destroyed without shutdown() closes at once and tells what is lost.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tl/expected.hpp>
#include <vector>

#include "writer/capture_session.h"
#include "writer/durability.h"
#include "writer/flush.h"
#include "writer/journal.h"
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
  std::string journal_mark =
      {};  // who writes it, see journal_scan.h; empty: no mark, and no recovery from it
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
};

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
  tl::expected<Published, std::string> publish(const std::string& session, Event event,
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
  // The stream's end as the last acknowledgement told it; nothing before one, and after its session's end.
  std::optional<std::uint64_t> tail_of(const std::string& stream) const { return outcomes_.tail_of(stream); }

  AppendFailures append_failures() const { return outcomes_.failures(); }  // since the writer began

  // Ends a session in two halves: the first refuses its publishes and sets the end marker, the second waits
  // until all of it is stored, and forgets its producer. A session that has ended is answered again.
  tl::expected<CaptureSessions::End, std::string> end(const std::string& session, Deadline deadline);
  Stopped await_end(const CaptureSessions::End& end, Deadline deadline);

  // From now on publishes are refused: the first step of a shutdown, which may be taken before it.
  void refuse(const std::string& reason);
  // All steps of shutdown.h; `report` is the last.
  ShutdownReport shutdown(std::chrono::milliseconds budget, const std::function<bool(Deadline)>& report);

 private:
  Writer(WriterOptions options, std::unique_ptr<Ring> ring, DurabilityListener& listener, Log log,
         bool storing);
  bool shutdown_step(ShutdownStep step, Deadline deadline);
  void remove_streams(Deadline deadline);

  const WriterOptions options_;
  const Log log_;
  std::unique_ptr<Ring> ring_;
  Durability durability_;
  CaptureSessions sessions_;
  AppendOutcomes outcomes_;
  std::unique_ptr<Producers> producers_;    // null: no durable storage
  std::unique_ptr<StorageWriter> storage_;  // likewise
  std::unique_ptr<Journal> journal_;        // null: none
  std::uint64_t cut_off_ = 0;
  bool shut_down_ = false;

  std::mutex ended_mutex_;
  std::vector<SessionRef>
      ended_;  // whose producers are to be forgotten; bounded by sessions with something pending

  std::jthread run_;  // the storage writer's Run; last: it uses all of the above
};

}  // namespace s2::writer
