// How a drop stands in the stream: as a mere gap in the sequence numbers, or as a marker record in its place.
//
// A marker is an envelope {"type":"system_events_dropped", …, "data":{"from","to","count"}} of the session
// that lost the events, under the number of the last of them: so numbers stay unique and go on rising. It is
// no event: it has no line in the journal and is not counted, acked or lost. One thread at a time: whoever
// reads the ring. Bounded by the sessions: drops that touch become one marker while it waits.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "writer/durability.h"
#include "writer/envelope.h"

namespace s2::writer {

enum class DropStyle { gap, marker };  // S2_WRITER_DROP

class DropMarkers {
 public:
  explicit DropMarkers(DropStyle style) : style_(style) {}

  // These were dropped; `in_hand` is the event that goes to the stream next, if it is known (0: it is not).
  void add(const std::vector<Durability::Run>& runs, std::uint64_t in_hand);
  // The marker that has to go before `in_hand` (0: before whatever comes); null: none.
  EnvelopeRef due(std::uint64_t in_hand);
  // What due() gave was taken, or cannot be.
  void pop() { sealed_.reset(); }
  bool empty() const { return waiting_.empty() && !sealed_; }

 private:
  struct Marker {
    SessionRef session;
    std::uint64_t from, to, count;
  };

  const DropStyle style_;
  std::deque<Marker> waiting_;
  EnvelopeRef sealed_;  // given out, and not taken yet
};

}  // namespace s2::writer
