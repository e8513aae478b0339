// The writer's parts put together; see writer.h.
#include "writer/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "writer/log.h"
#include "writer/planted_bugs.h"
#include "writer/thread_name.h"

namespace s2::writer {

tl::expected<std::unique_ptr<Writer>, std::string> Writer::make(WriterOptions options,
                                                                const MakeProducers& make_producers,
                                                                DurabilityListener& listener, Log log) {
  auto ring = Ring::make(options.ring);
  if (!ring) return tl::unexpected(ring.error());
  const bool storing = static_cast<bool>(make_producers);
  std::unique_ptr<Writer> writer(
      new Writer(std::move(options), std::move(*ring), listener, std::move(log), storing));
  const WriterOptions& given = writer->options_;
  if (!given.journal_dir.empty()) {
    // Also of what the ring still holds: it may be overwritten next.
    const std::size_t places = storing && given.journal_backlog > 0
                                   ? given.journal_backlog + static_cast<std::size_t>(given.ring.events)
                                   : 0;
    const JournalMark& mark = given.journal_mark;
    auto journal = Journal::open(given.journal_dir, mark.epoch.empty() ? std::string() : line_of(mark),
                                 *writer->ring_, places, writer->log_);
    if (!journal) return tl::unexpected(journal.error());
    writer->journal_ = std::move(*journal);
    if (given.journal_beside) writer->journal_->branch(0, mark.epoch, line_of(mark));
    if (!mark.epoch.empty()) writer->epochs_.push_back(mark.epoch);
  }
  if (storing) {
    writer->producers_ = make_producers(writer->outcomes_);
    writer->storage_ = std::make_unique<StorageWriter>(*writer->ring_, *writer->producers_,
                                                       writer->durability_, writer->outcomes_,
                                                       StorageOptions{.batch_records = given.batch_records,
                                                                      .journal = writer->journal_.get(),
                                                                      .backlog = given.journal_backlog,
                                                                      .drop_style = given.drop_style});
    writer->run_ = std::jthread([storage = writer->storage_.get(), &log_line = writer->log_] {
      name_this_thread("storage-writer");
      if (auto ran = storage->run(); !ran) log_line(ran.error());
    });
  }
  return writer;
}

Writer::Writer(WriterOptions options, std::unique_ptr<Ring> ring, DurabilityListener& listener, Log log,
               bool storing)
    : options_(std::move(options)),
      log_(std::move(log)),
      limited_log_(log_),
      ring_(std::move(ring)),
      durability_(listener),
      sessions_(*ring_, durability_, options_.fixed_stream, storing),
      outcomes_(durability_, sessions_, log_, options_.durable_errors) {}

Writer::~Writer() {
  if (!shut_down_) shutdown(std::chrono::milliseconds(0), [](Deadline) { return true; });
}

tl::expected<SessionRef, std::string> Writer::start(const std::string& id) {
  return sessions_.start(id);
}

tl::expected<Published, std::string> Writer::publish(const std::string& session, const Event& event,
                                                     std::string* envelope) {
  auto published = sessions_.publish(session, event, envelope);
  if (published && published->truncated) {
    limited_log_(published->bytes > kMaxEnvelopeBytes
                     ? "an event is over 1,000,000 bytes even without its data: S2 may refuse it"
                     : "an event is over 1,000,000 bytes: it is accepted without its data, as truncated",
                 fmt::format(" (event {})", published->seq));
  }
  if (published && published->clock_back_us > 0) {
    limited_log_(
        "the system's clock went back: times of events go back, their numbers go on",
        fmt::format(" (by {} ms, before event {})", (published->clock_back_us + 999) / 1000, published->seq));
  }
  if (published && journal_ && options_.journal_wait) journal_->wait_written(published->seq);
  return published;
}

tl::expected<void, std::string> Writer::set_storing(bool on) {
  if (!producers_) {
    return tl::unexpected<std::string>("there is no durable storage (S2_BASIN, S2_ACCESS_TOKEN are not set)");
  }
  sessions_.set_storing(on);
  return {};
}

FlushAnswer Writer::flush(Deadline deadline) {
  return run_flush(sessions_, durability_, storage_.get(), deadline);
}

tl::expected<CaptureSessions::End, std::string> Writer::end(const std::string& session, Deadline deadline) {
  auto ended = sessions_.end(session, deadline);
  if (ended) {
    std::lock_guard lock(ended_mutex_);
    if (producers_ && options_.fixed_stream.empty()) ended_.push_back(ended->session);
    return ended;
  }
  SessionRef known = sessions_.find(session);
  if (!known || sessions_.active(known)) return ended;
  return CaptureSessions::End{known, ring_->last_seq()};
}

Stopped Writer::await_end(const CaptureSessions::End& end, Deadline deadline) {
  Standing standing;
  if (storage_) {
    storage_->flush(end.cut_off, deadline);
    standing = storage_->wait_settled(end.session, end.cut_off, deadline);
  } else {
    standing = durability_.wait_settled(end.session, end.cut_off, deadline);
  }
  Stopped stopped;
  stopped.session = end.session->id;
  stopped.complete = standing.settled && !standing.lost_meanwhile;
  stopped.durable_through = standing.durable_through;
  stopped.pending = standing.pending;
  remove_streams(deadline);
  return stopped;
}

// A stream whose session ended and settled gets no more records from it: its producer is forgotten, so that
// the map never grows. One that is still pending is tried again when the next session ends.
void Writer::remove_streams(Deadline deadline) {
  std::vector<SessionRef> settled;
  {
    std::lock_guard lock(ended_mutex_);
    auto is_settled = [&](const SessionRef& session) {
      return durability_.standing(session, ring_->last_seq()).settled;
    };
    auto first = std::stable_partition(ended_.begin(), ended_.end(),
                                       [&](const SessionRef& session) { return !is_settled(session); });
    settled.assign(first, ended_.end());
    ended_.erase(first, ended_.end());
  }
  for (const SessionRef& session : settled) {
    if (sessions_.stream_in_use(session->stream)) continue;
    producers_->remove(session->stream, deadline);
    outcomes_.forget(session->stream);
  }
}

void Writer::refuse(const std::string& reason) {
  sessions_.refuse(reason);
}

ShutdownReport Writer::shutdown(std::chrono::milliseconds budget,
                                const std::function<bool(Deadline)>& report) {
  shut_down_ = true;
  ShutdownReport result;
  result.steps = run_shutdown(budget, options_.shutdown_shares, [&](ShutdownStep step, Deadline deadline) {
    if (step != ShutdownStep::report) return shutdown_step(step, deadline);
    const bool said = report(deadline);
    result.journal_left =
        journal_ && !journal_->ended_by(std::max(deadline, std::chrono::steady_clock::now() + kLastLook));
    return said;
  });
  result.unsaved = durability_.gone();
  const bool files_done = std::ranges::all_of(result.steps, [](const ShutdownOutcome& outcome) {
    return outcome.done || outcome.step != ShutdownStep::files;
  });
  if (!files_done && !result.journal_left) result.journal_lacks = journal_->lacks();
  if (const AppendFailures failures = append_failures(); failures.appends != 0) {
    log_(fmt::format("{} failed for good, with {} in {}", counted(failures.appends, "append"),
                     counted(failures.events, "event"), failures.appends == 1 ? "it" : "them"));
  }
  return result;
}

std::vector<std::string> lines_of(const ShutdownReport& report) {
  std::vector<std::string> lines;
  for (const ShutdownRow& row : kShutdownTable) {
    for (const ShutdownOutcome& outcome : report.steps) {
      if (outcome.step != row.step || outcome.done) continue;
      if (row.step == ShutdownStep::files && !report.journal_lacks.empty()) continue;  // that says more
      lines.push_back(fmt::format("step \"{}\" was not done after {} ms", row.name, outcome.took.count()));
    }
  }
  if (report.unsaved != 0)
    lines.push_back(
        fmt::format("{} {} unsaved", counted(report.unsaved, "event"), report.unsaved == 1 ? "is" : "are"));
  if (!report.journal_lacks.empty())
    lines.push_back(report.journal_lacks + "; what is stored in S2 is not touched");
  if (report.journal_left) lines.emplace_back(kJournalLeft);
  return lines;
}

bool Writer::close_journal(Deadline deadline) {
  const std::uint64_t through = sessions_.finish();
  std::vector<std::string> settled;
  // A change of identity that is under way may wait for the very disk; the next start looks again then.
  const std::unique_lock lock(identity_mutex_, std::try_to_lock);
  if (lock && durability_.gone() == 0) settled = epochs_;
  return journal_->close(through, deadline, std::move(settled));
}

bool Writer::drain(Deadline deadline) {
  if (!storage_) return true;
  // A peer that fell silent with all of the window in flight must not hold it up.
  if (!planted(PlantedBug::no_drain) && !planted(PlantedBug::cancel_before_flush))
    producers_->flush(deadline);
  return storage_->drain(cut_off_, deadline);
}

bool Writer::shutdown_step(ShutdownStep step, Deadline deadline) {
  switch (step) {
    case ShutdownStep::refuse:
      if (planted(PlantedBug::signal_bound_session) && producers_) producers_->close(Deadline::min());
      if (planted(PlantedBug::file_closed_early) && journal_) journal_->close(ring_->last_seq(), deadline);
      if (planted(PlantedBug::cutoff_too_early)) cut_off_ = ring_->last_seq();
      if (planted(PlantedBug::endless_drain)) return true;
      sessions_.refuse("the writer is shutting down");
      return true;
    case ShutdownStep::in_flight:
      return sessions_.wait_in_flight(deadline);
    case ShutdownStep::end_markers:
      if (planted(PlantedBug::late_marker) || planted(PlantedBug::endless_drain)) return true;
      for (const std::string& id : sessions_.active_ids()) sessions_.end(id, deadline);
      return true;
    case ShutdownStep::cut_off:
      if (planted(PlantedBug::late_marker) || planted(PlantedBug::endless_drain)) {
        cut_off_ = ring_->last_seq();
        return true;
      }
      if (planted(PlantedBug::cutoff_too_early)) return sessions_.seal() > 0;
      cut_off_ = sessions_.seal();
      return true;
    case ShutdownStep::cancel:
      if (storage_) storage_->cancel();
      return true;
    case ShutdownStep::drain:
      drained_ = drain(deadline);
      return drained_;
    case ShutdownStep::await_acks:
      if (planted(PlantedBug::no_drain)) return true;
      // What had no room by the drain's deadline has it as the acks come.
      drained_ = drained_ || drain(deadline);
      return drained_ && (!storage_ || producers_->wait_acked(cut_off_, deadline) == 0);
    case ShutdownStep::close: {
      if (planted(PlantedBug::late_marker)) {
        for (const std::string& id : sessions_.active_ids()) sessions_.end(id, deadline);
      }
      if (planted(PlantedBug::no_drain)) deadline = std::chrono::steady_clock::now();
      bool saved = !storage_ || storage_->close(deadline) == 0;
      durability_.end_waits();
      return saved;
    }
    case ShutdownStep::files:
      return !journal_ || close_journal(deadline);
    case ShutdownStep::report:
      return true;
  }
  return true;
}

}  // namespace s2::writer
