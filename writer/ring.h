// The ring: the newest envelopes, bounded in events and in bytes, read by any number of independent readers.
//
// publish() never blocks on a reader: it overwrites the oldest. The sequence number and the slot are taken
// under one lock; numbers start at 1, rise by one, and are never taken back or started anew, whatever
// sessions come and go. A reader that sleeps is woken by the next envelope; one that naps, by the one that
// ends its nap. Any thread may publish; a RingReader belongs to one reading thread, except cancel(),
// resume(), rouse(), rouses() and position(), which any thread may call. Readers must go before their ring.
// Source: system rule "Ring".
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
#include <vector>

#include "writer/envelope.h"

namespace s2::writer {

inline constexpr std::int64_t kDefaultRingEvents = 1024;
inline constexpr std::int64_t kDefaultRingBytes = 64 * 1024 * 1024;  // marshalled bytes
inline constexpr std::size_t kRunBytes =
    1024 * 1024;                               // marshalled, of a run of envelopes that is read at once
inline constexpr std::int64_t kNapShare = 16;  // a nap lets no more than this part of the ring's room fill up

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

// How long a reader may sleep although something came: no longer than `until`, and not past so many events or
// bytes, nor past an envelope of another session.
struct Nap {
  std::chrono::steady_clock::time_point until;
  std::size_t events = 0;
  std::size_t bytes = 0;
  SessionRef session;
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
  std::vector<RingReader*> readers_;
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
  ~RingReader();
  RingReader(const RingReader&) = delete;
  RingReader& operator=(const RingReader&) = delete;

  // The next item, waiting for it until `deadline`. Cancelled: nothing, at once, and nothing is consumed,
  // even where envelopes are there.
  RingItem next(std::chrono::steady_clock::time_point deadline);
  // Without a wait. What was missed, or, where nothing was, the envelopes that follow, as far as they are
  // there: `most` at most, and no more behind kRunBytes; `run` gets them. Cancelled: nothing.
  std::optional<Drop> try_run(std::size_t most, std::vector<EnvelopeRef>& run);
  // Sleeps until the nap is over, or cancel() or rouse() comes; not at all where something is there already,
  // or where there were more than `rouses` by now.
  void nap(const Nap& nap, std::uint64_t rouses);
  // What was missed since the last item, if anything: for a reader that is held up and wants to tell.
  std::optional<Drop> take_drop();

  void rouse();  // whoever naps wakes: somebody waits for what is there
  std::uint64_t rouses() const;
  void cancel();
  void resume();                   // after cancel(): reading goes on where it stood
  std::uint64_t position() const;  // everything up to it was read or told as dropped
#ifdef PLANTED_BUGS
  void skip_to_tail();  // tail-start-race
#endif

 private:
  friend class Ring;
  RingReader(Ring& ring, std::uint64_t after) : ring_(ring), position_(after) {}
  // Under the ring's lock, as all that follows it.
  std::optional<Drop> missed();
  RingItem take();
  void sleep(std::unique_lock<std::mutex>& lock, std::chrono::steady_clock::time_point deadline);
  void wake();
  void on_published(const Envelope& newest);

  Ring& ring_;
  std::uint64_t position_;
  bool cancelled_ = false;
  bool asleep_ = false;
  std::optional<Nap> nap_;  // what is left of it
  std::uint64_t rouses_ = 0;
  std::condition_variable woken_;
};

}  // namespace s2::writer
