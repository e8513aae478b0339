// The seam between the storage writer and S2: records go in by stream and sequence number, acknowledgements
// and failures come out. `Producers` keeps one producer a stream: created by the first submit, forgotten by
// remove().
//
// Any thread may call any member. Records of one stream are appended in the order of their submits (one
// thread at a time submits to a stream). ProducerListener is called on the stream's own producer thread, with
// no lock held, for one stream one call at a time; it may call wake() and submit nothing. Its call returns
// before wait_acked(), remove() or close() count the record as settled. Whoever made the Producers owns
// listener and client, and keeps them until after close() or the destructor (which closes with no time left).
//
// Every record that submit() has taken ends in exactly one of: acked(), failed(), the return of close() or
// close_left().
// Retryable trouble is retried for as long as the process runs; only close() ends it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "wire/types.h"
#include "writer/batcher.h"

namespace s2::writer {

using Deadline = std::chrono::steady_clock::time_point;

class AppendClient;  // writer/s2_client.h

enum class Submit {
  taken,             // from here on it is acked, failed or unsaved; the record was moved from
  stopped,           // the stop token said so while it waited; nothing was taken
  timed_out,         // no room by the deadline; nothing was taken
  too_large,         // over 1 MiB metered: S2 would refuse it for ever; nothing was taken
  superseded,        // somebody else fenced the stream: it takes nothing more from this process
  too_many_streams,  // kMaxStreams producers are alive; remove() some
  closed,
  left,  // renew() left it to another process; nothing was taken
};

// A record for a stream, under the writer's number.
struct Submission {
  std::uint64_t seq = 0;
  wire::AppendRecord record;
};

// About the first of some records; where it was taken, so many from it on were.
struct Submitted {
  Submit answer = Submit::taken;
  std::size_t taken = 0;
};

enum class FailureKind {
  refused,     // S2 said no to exactly these records, for good (422, 413, …): not stored
  superseded,  // another token fences the stream: not stored
  unknown,     // stored or not, it cannot be found out (why: the reason)
};

struct AppendFailure {
  FailureKind kind = FailureKind::refused;
  std::string reason;  // one line, no secrets
};

class ProducerListener {
 public:
  virtual ~ProducerListener() = default;
  // `seqs` rise; `tail` is the stream's end as the acknowledgement told it.
  virtual void acked(const std::string& stream, std::span<const std::uint64_t> seqs, std::uint64_t tail) = 0;
  virtual void failed(const std::string& stream, std::span<const std::uint64_t> seqs,
                      const AppendFailure& why) = 0;
  // Worth one line in the log: an outage begins or ends, the stream was fenced, the token may not fence, …
  virtual void note(const std::string& stream, const std::string& line) = 0;
};

// What close() could not save: every taken record that is neither acked nor failed. `unknown`: it was on the
// wire, so it may be stored all the same; otherwise it surely is not.
struct Unsaved {
  std::string stream;
  std::uint64_t seq = 0;
  bool unknown = false;
  std::string reason;
};

inline constexpr std::size_t kMaxStreams = 256;                     // producers alive at once
inline constexpr std::size_t kMaxInFlightRecords = 8192;            // taken and not settled, a stream
inline constexpr std::size_t kMaxInFlightBytes = 16 * 1024 * 1024;  // metered, likewise
inline constexpr std::size_t kMaxInFlightBatches = 128;             // on the wire at once, a stream

struct ProducerOptions {
  std::chrono::milliseconds linger{100};  // from the batch's first record; 0: at once (S2_BATCHER_LINGER)
  std::size_t max_batch_records = 50;     // 1..1000 (S2_BATCHER_MAX_RECORDS)
  std::size_t max_in_flight_records = kMaxInFlightRecords;
  std::size_t max_in_flight_bytes = kMaxInFlightBytes;
  bool fencing = true;  // S2_WRITER_FENCING=on|off
  // This process's fencing token: 1..22 bytes, unique to its life ("" is a programming error). One of
  // epoch.h keeps a process that is resumed from taking the stream back from its successor.
  std::string epoch_token;
  std::chrono::milliseconds backoff_base{50};
  std::chrono::milliseconds backoff_cap{2000};
  std::size_t attempts_per_budget = 8;           // then the session is opened afresh, connection and all
  std::chrono::milliseconds open_timeout{5000};  // connect and open a session (S2_WRITER_OPEN_TIMEOUT)
  std::chrono::milliseconds ack_timeout{
      5000};  // the oldest append in flight; then reconnect (S2_WRITER_ACK_TIMEOUT)
  // The longest that an ack is known to take, and is waited for (S2_WRITER_ACK_LATENCY); 0: not known.
  std::chrono::milliseconds ack_latency{0};
  std::uint64_t jitter_seed = 0;  // of the one generator that spreads back-off
};

class Producers {
 public:
  virtual ~Producers() = default;

  // Waits for room (records, bytes: named limits above) until `deadline`, or until `stop` is requested *and*
  // wake() is called. With room it never waits, and takes the record whatever `stop` and `deadline` say. Of
  // several (at least one; their numbers rise) it waits for the first, and takes as many as there is room
  // for.
  virtual Submitted submit(const std::string& stream, std::span<Submission> records,
                           const std::stop_token& stop, Deadline deadline) = 0;
  Submit submit(const std::string& stream, std::uint64_t seq, wire::AppendRecord&& record,
                const std::stop_token& stop, Deadline deadline);
  // Makes each waiting submit() look at its stop token: call it right after request_stop().
  virtual void wake() = 0;

  // The stream's batch that lingers, if it does: the next record comes to it, unless flush() is called.
  virtual std::optional<Lingering> lingering(const std::string& stream) const = 0;

  // Sends what lingers now, in that stream. Does not wait.
  virtual void send_now(const std::string& stream) = 0;

  // Sends what lingers now, in all streams. Does not wait. Somebody wants the answers by `answer_by`: until
  // then no pause takes more than a part of what is left, and no silent peer either, as long as whoever waits
  // calls end_silent_calls().
  virtual void flush(Deadline answer_by) = 0;

  // Ends each call that a silent peer has kept for its part of what somebody waits for. Returns when the next
  // such part will be over; never: max. wait_acked(), remove() and close() do it while they wait.
  virtual Deadline end_silent_calls() = 0;

  // Flushes, then waits until no taken record with seq <= through is unsettled, in any stream. Returns how
  // many still are at the deadline (0: all settled; what failed went to failed() before).
  virtual std::size_t wait_acked(std::uint64_t through, Deadline deadline) = 0;

  // Flushes, waits, closes the producer and forgets it: true. At the deadline with records left: false; the
  // producer goes on, and is forgotten once all is settled. A submit before that takes it back: false, at
  // once.
  virtual bool remove(const std::string& stream, Deadline deadline) = 0;

  // Refuses new submits, flushes, lets every producer make its last attempts, and ends them all: by
  // `deadline`, even when the peer is silent. No thread, no socket is left. Returns exactly what is unsaved,
  // in the order of submits within a stream. A second call returns {} at once.
  virtual std::vector<Unsaved> close(Deadline deadline) = 0;

  // A new epoch of this process (docs/forks.md): producers that are made from now on carry its token, those
  // alive keep theirs. With `leave_through` those alive are left: they begin to end at once, without a last
  // attempt, and a submit() of a record up to that number is answered `left`. Does not wait.
  virtual void renew(const std::string& epoch_token, std::optional<std::uint64_t> leave_through) = 0;
  // Closes the connections of those that were left; once it has returned nothing more of them is sent.
  // Returns what close() would. Waits for no peer.
  virtual std::vector<Unsaved> close_left() = 0;

  virtual std::size_t streams() const = 0;  // producers alive
};

// Waits as `wait` does (until a time; true: what it waits for holds), and ends silent calls meanwhile.
template <class Wait>
bool wait_past_silence(Producers& producers, Deadline deadline, const Wait& wait) {
  while (true) {
    const Deadline next = producers.end_silent_calls();
    if (wait(std::min(next, deadline))) return true;
    if (next >= deadline) return false;
  }
}

std::unique_ptr<Producers> make_producers(ProducerOptions options, AppendClient& client,
                                          ProducerListener& listener);

}  // namespace s2::writer
