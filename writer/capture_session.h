// Capture sessions: who may publish, the end markers, and the cut-offs that flush, stop and shutdown work
// with.
//
// publish() takes two short turns under the publish lock: one to be let in, one to take number and slot;
// marshalling lies between, outside. "In flight" are the publishes between the two. A cut-off is taken under
// the publish lock after those in flight have finished, so that no accepted event at or before it can still
// be on its way.
//
// Any thread may call. Ring and Durability belong to the caller and outlive this.
//
//   session:  (none) --start--> active --end--> ended                    the same id may start again: a new
//   session writer:   open --refuse--> refusing --seal--> sealed --finish--> finished       never back
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "writer/durability.h"
#include "writer/envelope.h"
#include "writer/ring.h"

namespace s2::writer {

inline constexpr std::size_t kMaxSessionIdBytes = 512;  // S2's limit of a stream name
inline constexpr std::size_t kMaxActiveSessions = 200;  // below the producers' limit of streams
inline constexpr std::size_t kMaxRememberedEnds = 64;   // sessions whose stop is answered again
inline constexpr std::size_t kMaxLeftStreams = 512;     // names that are not given again; the newest

struct Published {
  std::uint64_t seq = 0;
  std::uint64_t session_ordinal = 0;
  bool truncated = false;
  std::size_t bytes = 0;           // of the marshalled envelope
  std::int64_t clock_back_us = 0;  // so far the system's clock went back before it; said once a step back
};

// Who a branch of a snapshot is to be (docs/forks.md).
struct NewIdentity {
  std::string session;   // the id of the session that it goes on with
  std::string stream;    // the name in place of S2_STREAM; empty where none is fixed
  bool inherit = false;  // goes on with what was pending; otherwise leaves it, and the old streams
  bool begin = true;     // the session begins now; otherwise by start()
};

class CaptureSessions {
 public:
  using Clock = std::chrono::steady_clock;
  // `fixed_stream`: every session's stream (S2_STREAM), or empty: each has the stream of its id.
  CaptureSessions(Ring& ring, Durability& durability, std::string fixed_stream, bool storing);

  // One that is active already is returned as it is. Errors: one line.
  tl::expected<SessionRef, std::string> start(const std::string& id);
  // An empty id means the session that started last. Accepted, or one line why not.
  // `envelope`, if given, gets the marshalled text of what was accepted.
  tl::expected<Published, std::string> publish(const std::string& id, const Event& event,
                                               std::string* envelope = nullptr);
  // Refuses the session's further publishes, waits for those in flight until `deadline` (what is later is
  // rejected), and publishes its end marker. The number of the marker is the session's cut-off.
  struct End {
    SessionRef session;
    std::uint64_t cut_off = 0;
  };
  tl::expected<End, std::string> end(const std::string& id, Clock::time_point deadline);

  // Goes on under another identity: every active session ends without a marker, and the new one begins in
  // their place. Publishes that are in flight land before it, until `deadline` (what is later is rejected);
  // new ones, starts and ends wait meanwhile. `change` is called with the number of the last event before it,
  // under the publish lock; it must not wait. An error (one line) changes nothing.
  struct Renewed {
    SessionRef session;  // null: it did not begin
    std::uint64_t cut_off = 0;
    std::vector<SessionRef> ended;
  };
  tl::expected<Renewed, std::string> renew(const NewIdentity& next, Clock::time_point deadline,
                                           const std::function<void(std::uint64_t cut_off)>& change);

  // An active session, or one that ended lately, under that id (empty: the last started); null where there is
  // none.
  SessionRef find(const std::string& id) const;
  bool active(const SessionRef& session) const;
  bool stream_in_use(const std::string& stream) const;  // by an active session
  std::vector<std::string> active_ids() const;          // in the order of their starts

  // Events accepted from now on are to be stored, or not. What was accepted before keeps what it was.
  void set_storing(bool on);

  // An error event: takes a number, reaches journal and viewers, is never stored, and is published also while
  // publishes are refused. Nothing happens after finish().
  void publish_error(const SessionRef& session, const std::string& type, const std::string& data_json);

  // Refuses every new publish and start, for this reason. Those in flight go on; sessions can still be ended.
  void refuse(const std::string& reason);
  // Waits for the publishes that are in flight now (not for later ones). False at the deadline.
  bool wait_in_flight(Clock::time_point deadline);
  // Waits as above and takes the cut-off; nothing at the deadline.
  std::optional<std::uint64_t> cut_off(Clock::time_point deadline);
  // Nothing is accepted any more, also what was in flight: the number of the last event is the cut-off of
  // shutdown.
  std::uint64_t seal();
  // Nor are error events: the number of the last thing that journal and viewers get.
  std::uint64_t finish();

 private:
  struct State {
    SessionRef identity;
    bool ending = false;
  };
  struct InFlight {
    std::uint64_t ticket;
    std::uint64_t ordinal;  // of the session
  };

  State* active_state(const std::string& id);
  bool is_active(const SessionRef& session) const;  // under the lock
  std::uint64_t put(const SessionRef& session, PreparedEvent&& event, bool store, Published* out,
                    std::string* text = nullptr);
  std::int64_t look_at_clock(std::int64_t published_us);
  bool wait_until_gone(std::unique_lock<std::mutex>& lock, std::uint64_t before_ticket,
                       std::optional<std::uint64_t> ordinal, Clock::time_point deadline);
  void remember_end(const SessionRef& session);
  std::uint64_t others_up_to(const std::string& stream) const;
  void wait_renewed(std::unique_lock<std::mutex>& lock);
  std::string objection_to(const NewIdentity& next) const;
  void leave_streams(const std::vector<SessionRef>& ending);
  SessionRef nobody();                             // ghost-marker, collector-first
  bool ended_lately(const std::string& id) const;  // collector-first

  Ring& ring_;
  Durability& durability_;

  mutable std::mutex publish_;
  std::condition_variable landed_;
  std::vector<State> active_;     // in the order of their starts
  std::deque<SessionRef> ended_;  // newest last
  bool ends_forgotten_ = false;   // some are neither in ended_ nor in left_ any more
  std::uint64_t last_put_ = 0;    // the number of the newest event
  std::string fixed_stream_;
  std::deque<std::string> left_;  // streams that this process has left to another; newest last
  bool renewing_ = false;
  std::string last_started_;
  std::vector<InFlight> in_flight_;  // tickets rise; one a thread that publishes
  std::uint64_t next_ticket_ = 1;
  std::uint64_t next_ordinal_ = 1;
  std::int64_t latest_us_ = 0;  // what the system's clock showed at the latest
  bool storing_;
  bool sealed_ = false;
  bool finished_ = false;
  std::string refusal_;  // empty: open
};

}  // namespace s2::writer
