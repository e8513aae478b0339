// The ring: the newest envelopes, bounded in events and in bytes, read by any number of independent readers.
//
// publish() never blocks on a reader: it overwrites the oldest. The sequence number and the slot are taken
// under one lock; numbers start at 1, rise by one, and are never taken back or started anew, whatever
// sessions come and go. Any thread may publish; a RingReader belongs to one reading thread, except cancel(),
// resume() and position(), which any thread may call. Readers must go before their ring. Source: system rule
// "Ring".
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <variant>

#include "writer/envelope.h"

namespace s2::writer {

inline constexpr std::int64_t kDefaultRingEvents = 1024;
inline constexpr std::int64_t kDefaultRingBytes = 64 * 1024 * 1024;  // marshalled bytes

struct RingLimits {
  std::int64_t events = kDefaultRingEvents;
  std::int64_t bytes = kDefaultRingBytes;
};

// What a lapped reader missed: `count` envelopes, from the first to the last of them.
struct Drop {
  std::uint64_t count = 0;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  bool operator==(const Drop&) const = default;
};

// Nothing (cancelled, or nothing there by the deadline), an envelope, or what was missed before it.
using RingItem = std::variant<std::monostate, EnvelopeRef, Drop>;

class RingReader;

class Ring {
 public:
  // Limits of zero or less are an error, in one line.
  static tl::expected<std::unique_ptr<Ring>, std::string> make(RingLimits limits);

  // Takes the next number, lets `seal` make the envelope under the lock (it must not call the ring), and puts
  // it into the slot. The newest envelope is always kept, also one that is larger than the ring.
  std::uint64_t publish(const std::function<Envelope(std::uint64_t seq)>& seal);

  // The number of the newest envelope; 0 before the first.
  std::uint64_t last_seq() const;

  // A reader of everything behind `after`; one that is not published yet counts as the newest that is, so
  // that nothing in between can be skipped.
  std::unique_ptr<RingReader> reader(std::uint64_t after = 0);

#ifdef PLANTED_BUGS
  void count_anew();  // stranded-cursor
#endif

 private:
  friend class RingReader;
  explicit Ring(RingLimits limits);

  const RingLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable published_;
  std::deque<EnvelopeRef> slots_;
  std::int64_t bytes_ = 0;
  std::uint64_t last_ = 0;
#ifdef PLANTED_BUGS
  std::uint64_t counted_before_ = 0;
#else
  static constexpr std::uint64_t counted_before_ = 0;
#endif
};

class RingReader {
 public:
  // The next item, waiting for it until `deadline`. Cancelled: nothing, at once, and nothing is consumed,
  // even where envelopes are there.
  RingItem next(std::chrono::steady_clock::time_point deadline);
  // What was missed since the last item, if anything: for a reader that is held up and wants to tell.
  std::optional<Drop> take_drop();

  void cancel();
  void resume();                   // after cancel(): reading goes on where it stood
  std::uint64_t position() const;  // everything up to it was read or told as dropped
#ifdef PLANTED_BUGS
  void skip_to_tail();  // tail-start-race
#endif

 private:
  friend class Ring;
  RingReader(Ring& ring, std::uint64_t after) : ring_(ring), position_(after) {}
  std::optional<Drop> missed();  // under the lock

  Ring& ring_;
  std::uint64_t position_;  // under the ring's lock
  bool cancelled_ = false;  // likewise
};

}  // namespace s2::writer
