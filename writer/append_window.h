// The batches of one stream between batcher and acknowledgement, and what each answer says about them.
//
// This is the whole reasoning about lost, duplicated and unknown appends; no I/O, no clock, no lock: it
// belongs to one producer's thread. Every batch has a place (match_seq_num) that follows from the one before
// it; a batch is atomic, so it is stored exactly at its place or not at all, and only while the stream's tail
// was that place. From that:
//   an ack must name the oldest batch's place, else it is garbage;
//   a tail T that S2 names in a 412 proves every batch with begin < T < end, or T < begin, absent for now;
//   a batch in doubt (an attempt had no answer) with end <= T was stored, or somebody else's records stand
//   there: S2 lets them pass without a token, so only reading tells.
// Renumbering a batch in doubt is the producer's decision (see its fencing). Without a token that shuts old
// attempts out, such a batch keeps the place of its doubt beside its new one, and is not sent again before
// the tail has passed that place: two attempts at two places might both land.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "wire/types.h"
#include "writer/batcher.h"

namespace s2::writer {

class AppendWindow {
 public:
  struct Slot {
    Batch batch;
    std::uint64_t begin = 0;    // its place
    bool sent = false;          // in the session that is open now
    bool in_doubt = false;      // an earlier attempt had no answer,
    std::uint64_t doubted = 0;  // and was made for this place
    std::chrono::steady_clock::time_point sent_at{};
    std::uint64_t end() const { return begin + batch.seqs.size(); }
    std::uint64_t doubted_end() const { return doubted + batch.seqs.size(); }
    bool in_doubt_elsewhere() const { return in_doubt && doubted != begin; }
  };

  void push(Batch&& batch);
  // Every batch gets a new place, the first one `tail`; nothing is sent. With old attempts `harmless` (a new
  // fencing token) nothing is in doubt any more; otherwise what was, and whose old place is not behind the
  // tail, still is: the oldest then, when its old place is not the tail, can never be sent again.
  void renumber(std::uint64_t tail, bool harmless);

  bool empty() const { return slots_.empty(); }
  std::size_t size() const { return slots_.size(); }
  std::size_t sent() const { return sent_; }
  std::size_t in_doubt() const;
  const std::deque<Slot>& slots() const { return slots_; }

  Slot* next_to_send();  // the oldest that is not sent, unless it is in doubt at another place
  void mark_sent(std::chrono::steady_clock::time_point now);

  // The oldest sent batch is stored: out it comes. Nothing: the ack does not fit, believe nothing of this
  // session.
  std::optional<Batch> acked(const wire::AppendAck& ack);
  // The session is over without a word: what was sent is in doubt.
  void session_lost();
  // The session is over by a refusal of the oldest that promises no effect. S2 ends a session at its first
  // error, and the places of those behind it cannot come true without it: they are not in doubt either,
  // unless the oldest was.
  void session_refused();
  // Takes one out (by its index, 0 the oldest); it will not be sent again. The others keep their places.
  Batch take(std::size_t index);
  // Two halves in place of the oldest (not in doubt, not sent, at least two records), one right behind the
  // other.
  void split_front();
  // Whether `stored`, read from the last place of that batch's doubt on, begins with its last record: then
  // all of it is stored.
  bool ends_with(std::size_t index, const std::vector<wire::SequencedRecord>& stored) const;
  std::uint64_t next_place() const { return slots_.empty() ? tail_ : slots_.back().end(); }

 private:
  std::deque<Slot> slots_;  // bounded by the producer's in-flight limits
  std::size_t sent_ = 0;
  std::uint64_t tail_ = 0;  // where the next batch goes when there is none
};

}  // namespace s2::writer
