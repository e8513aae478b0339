// What the ring overwrote before the storage writer came to it, and the journal still has: read back in
// order, in bounded memory.
//
// It is one range of numbers without a gap: behind everything that was handed over, before everything that
// the ring's reader will give. Which of them have to be stored, and in which stream, the account says
// (durability.h), not the file: so neither another session's lines nor those from while storing was off can
// come out of it. What the journal does not have is told as dropped, exactly, when its turn comes. Without a
// journal all of it is told at once.
//
// One thread at a time: whoever reads the ring. Source: system rules "Ring", "Failures"; I4, I7, I9, I11.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <stop_token>

#include "writer/durability.h"
#include "writer/journal.h"
#include "writer/producer.h"
#include "writer/ring.h"

namespace s2::writer {

// Events that may wait behind the ring; of more, the oldest are told as dropped. Each costs the account and
// the journal's places some 64 bytes.
inline constexpr std::size_t kDefaultBacklogEvents = 1'000'000;

class Backlog {
 public:
  // `journal` null, or `most` 0: nothing is kept. `tell` is told what is dropped, in order.
  Backlog(Journal* journal, std::size_t most, Durability& durability, std::function<void(const Drop&)> tell);

  // The ring's reader missed these, right behind what is here.
  void add(const Drop& drop);
  bool empty() const { return first_ > last_; }
  // The number of its oldest; everything before it was taken out or told.
  std::uint64_t first() const { return first_; }
  // Takes out the oldest that has to be stored. Null: nothing is left, or, and then it is not empty, `stop`
  // was requested (call wake(), too) or `deadline` came before the journal answered.
  EnvelopeRef next(const std::stop_token& stop, Deadline deadline);
  void wake();  // any thread
  // Everything up to `through` was taken by a producer or told.
  void passed(std::uint64_t through);

 private:
  struct Line {
    Durability::Pending event;
    JournalText text;
  };
  bool refill(const std::stop_token& stop, Deadline deadline);
  void miss(std::uint64_t seq);
  void tell_missed();

  Journal* const journal_;
  const std::size_t most_;
  Durability& durability_;
  const std::function<void(const Drop&)> tell_;
  std::uint64_t first_ = 1;
  std::uint64_t last_ = 0;
  std::deque<Line> lines_;  // read, from first_ on; bounded by kReadBackEvents and kReadBackBytes
  Drop missed_;             // not in the journal, and not told yet
};

}  // namespace s2::writer
