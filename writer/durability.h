// What became of every accepted event: pending, acked, dropped or lost; and what may be claimed from it.
//
// Each event that has to be stored ends as exactly one of acked, dropped or lost, and is told to the listener
// once, in runs of consecutive sequence numbers of one session. "Durable through N" for a session means:
// everything of it up to N that was accepted while storing was on, and was not told as dropped or lost, is
// stored. What was dropped or lost is told *before* anything behind it can be claimed.
//
// Any thread may call. accepted() comes in the order of sequence numbers (the publish lock). Bounded by what
// callers leave pending, which is the ring, the backlog behind it and the producers' in-flight limits: of
// what is settled behind something pending only as much is remembered as its claims need. Source: system
// rules I1, I6, I7.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "writer/envelope.h"
#include "writer/ring.h"
#include "writer/seq_ranges.h"

namespace s2::writer {

// Called without the lock of the account, from whichever thread brought the news; must not call back.
class DurabilityListener {
 public:
  virtual ~DurabilityListener() = default;
  virtual void acked(const SessionIdentity& session, std::uint64_t through) = 0;
  // Of what goes at once each run; then told(). One thread at a time calls these three.
  virtual void dropped(const SessionIdentity& session, std::uint64_t from, std::uint64_t to) = 0;
  virtual void lost(const SessionIdentity& session, std::uint64_t from, std::uint64_t to,
                    const std::string& reason) = 0;
  // `wait`: returns once all of it is said, so that a death right behind it leaves no hole untold.
  virtual void told(bool /*wait*/) {}
};

// How things stand up to some sequence number.
struct Standing {
  bool settled = false;               // nothing up to it is pending
  bool lost_meanwhile = false;        // something up to it was lost while the caller waited
  std::uint64_t durable_through = 0;  // 0: nothing yet
  std::uint64_t acked_through =
      0;                      // of one session: the last of it that is stored, and all before it settled
  std::uint64_t pending = 0;  // events neither acked nor told as dropped or lost
};

// What has no place in the stream: what a flush's answer names.
inline constexpr std::size_t kMaxRangesTold = 256;
struct Told {
  std::uint64_t gone = 0;  // events told as dropped or lost so far, of all sessions
  SeqRanges missing;       // which
  SeqRanges unstored;      // accepted while storing was off, or no events of the stream
};

// The account looks for what it may forget only where so many events are settled behind one that is pending.
inline constexpr std::size_t kLeastForgotten = 16;

class Durability {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit Durability(DurabilityListener& listener);

  // `store`: it has to be stored. The others are counted so that claims can pass over them.
  void accepted(std::uint64_t seq, const SessionRef& session, bool store);
  void acked(std::span<const std::uint64_t> seqs);
  // Consecutive numbers of one session.
  struct Run {
    SessionRef session;
    std::uint64_t from, to;
  };
  // Those pending in [from, to] were overwritten before the storage writer read them. Returns what was told.
  std::vector<Run> dropped(const Drop& drop);
  // What is pending in [from, to], the oldest first, `most` at most.
  struct Pending {
    std::uint64_t seq = 0;
    SessionRef session;
  };
  std::vector<Pending> pending_in(std::uint64_t from, std::uint64_t to, std::size_t most) const;
  // Returns how many of them were pending: the others are told, or acked, already.
  std::uint64_t lost(std::span<const std::uint64_t> seqs, const std::string& reason);
  // At shutdown, before the last word is said: every wait returns at once, with the account as it stands.
  // Nothing is stored any more, so nobody waits until it is said, either.
  void end_waits();
  // The last word: whatever is still pending, up to `through` and behind `after`, is lost. Returns how many.
  std::uint64_t lose_pending(const std::string& reason,
                             std::uint64_t through = std::numeric_limits<std::uint64_t>::max(),
                             std::uint64_t after = 0);

  // Waits until nothing up to `through` is pending; a null session means all of them. `meanwhile` is called
  // without the lock at the beginning, and again at each time that it returns.
  Standing wait_settled(const SessionRef& session, std::uint64_t through, Time deadline,
                        const std::function<Time()>& meanwhile = {});
  Standing standing(const SessionRef& session, std::uint64_t through) const;

  // The session of an event that is still pending; null for any other.
  SessionRef session_of(std::uint64_t seq) const;
  // Forgets a session of which nothing is pending; false when something is.
  bool forget(const SessionRef& session);
  // A branch of a forked VM begins behind `through`: what is gone up to there was the source's.
  void branch(std::uint64_t through);
  unsigned branches() const;
  // `branch`: as branches() told when the question came; who asked before the last one began hears of the
  // source's, too.
  Told told(unsigned branch) const;
  std::uint64_t gone() const;      // events told as dropped or lost
  std::size_t remembered() const;  // events that are pending, or settled behind one that is

 private:
  enum class State : std::uint8_t { pending, not_stored, acked, gone, forgotten };
  struct Session {
    SessionRef identity;
    std::deque<std::uint64_t> open;  // its numbers from the first pending one on, with a slot each
    std::uint64_t durable_through = 0;
    std::uint64_t claimed = 0;     // what acked() told
    std::uint64_t last_acked = 0;  // among those passed
    std::uint64_t lost = 0;
  };
  struct Slot {
    std::uint64_t seq;
    Session* session;
    State state;
  };

  const Slot* slot(std::uint64_t seq) const;
  Slot* slot(std::uint64_t seq);
  void pass_settled();
  void forget_settled();
  void tell_acked();
  std::vector<Run> pending_runs(std::span<const std::uint64_t> seqs);
  std::uint64_t mark_gone(const std::vector<Run>& runs, bool lost);
  Standing stand(const SessionRef& session, std::uint64_t through) const;
  std::uint64_t lost_of(const SessionRef& session) const;

  DurabilityListener& listener_;
  std::mutex telling_;  // keeps what acked() tells in order; taken before mutex_
  std::mutex
      leaving_;  // who tells an event as gone also counts it: nobody else tells it meanwhile; before telling_
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, Session> sessions_;  // by ordinal
  std::deque<Slot> window_;                    // from the first pending number on, all sessions; numbers rise
  std::size_t pending_ = 0;                    // in the window
  std::size_t forget_at_ = kLeastForgotten;    // so many settled ones in the window: some can be forgotten
  std::uint64_t durable_through_ = 0;          // over all sessions
  std::uint64_t gone_ = 0;
  Told told_, told_before_;  // of this branch; of its source
  unsigned branches_ = 0;
  std::uint64_t lost_ = 0;
  int waiters_ = 0;
  std::atomic<bool> ended_{false};
};

}  // namespace s2::writer
