// Drives a writer and keeps what was asked and what it answered, with times: over its stdin and stdout (JSON
// Lines), or over its telemetry API (http_courier.h), of which stdout then has the drops and losses.
//
// One thread of its own moves the bytes of all three pipes, so that neither side ever waits for the other:
// what the writer does not take is queued here (kMaxQueuedBytes), what it prints is always read. Any thread
// may call. A half line at the end is ignored; a line that is none of the protocol's is kept as garbage.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/child.h"
#include "scenarios/event_text.h"
#include "scenarios/ledger.h"

namespace s2::scenarios {

inline constexpr std::size_t kMaxQueuedBytes = 8 * 1024 * 1024;  // for the writer's stdin
inline constexpr std::size_t kMaxLineBytes = 4 * 1024 * 1024;    // of the writer's stdout; more is garbage
inline constexpr std::size_t kMaxKeptGarbage = 100;              // lines a run
inline constexpr std::size_t kMaxGarbageText = 200;              // bytes of each
inline constexpr std::size_t kMaxLogBytes = 512 * 1024;          // of stderr: so much of its end is kept

using EventNumbers = std::atomic<std::uint64_t>;  // the last n that was given away

class WriterDriver {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  // Takes over the pipes. `run` is the probes' run. The events' n come from `numbers`, which the drivers of
  // one run share (nothing: from 1). `end_http`, if given: a writer whose first line is `ready http://…` is
  // driven over its telemetry API, and this ends it where stdio closes its input.
  WriterDriver(const Pipes& pipes, std::string run, std::shared_ptr<EventNumbers> numbers = nullptr,
               std::function<void()> end_http = {});
  ~WriterDriver();
  WriterDriver(const WriterDriver&) = delete;
  WriterDriver& operator=(const WriterDriver&) = delete;

  // --- asking ---
  void start(const std::string& session);
  // The n of the event, or 0 when the queue stayed full until `give_up` (then nothing was sent).
  std::uint64_t publish(const std::string& session, int publisher, const EventShape& shape, Deadline give_up);
  void flush(const std::string& session, std::int64_t deadline_ms);
  void stop(const std::string& session, std::int64_t deadline_ms);
  // Of a session whose end was asked for before: no answer is owed.
  void stop_again(const std::string& session, std::int64_t deadline_ms);
  // Events whose `published` comes behind the writer's own word for it were published while storing was off.
  // A writer that does not know the switch says none, and stores on.
  void storage(bool on);
  // In a branch of a fork, first thing: who it is from here on. What it says without a session is the new
  // one's.
  void identify(const std::string& session, const std::string& stream, bool inherits);
  void close_input();

  // --- waiting: true when it came, false at the deadline or at the end of the writer's stdout ---
  bool wait_ready(Deadline deadline);
  bool wait_for(Statement::Kind kind, std::size_t count, Deadline deadline);  // that many of this kind, ever
  bool wait_any_of(std::vector<Statement::Kind> kinds, std::size_t count, Deadline deadline);  // in sum
  bool wait_answered(Deadline deadline);                // every publish has its answer
  bool wait_acked(std::uint64_t n, Deadline deadline);  // the writer said that event n is durable
  // The writer's stdout and stderr have ended; false at the deadline.
  bool wait_output_end(Deadline deadline);
  bool over_http() const;  // once it is ready
  // Reads nothing more: for pipes that somebody else holds open.
  void abandon();

  std::size_t count(Statement::Kind kind) const;
  std::uint64_t sent() const;  // events
  std::uint64_t accepted() const;
  std::uint64_t unanswered() const;  // events that were sent
  bool output_ended() const;
  std::string telemetry() const;      // base URL of its API; empty: driven over stdio, or not ready yet
  std::string first_garbage() const;  // what came instead of `ready`; empty if nothing did

  // --- after the end ---
  std::vector<Publication> publications() const;
  std::vector<Statement> statements() const;
  std::string log() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace s2::scenarios
