// The ledger at an end: what may still land when everything ends now, and what has to be there when the
// writer has ended; see writer_ledger.h.
#include <fmt/format.h>

#include <algorithm>

#include "fuzz/writer_ledger.h"
#include "sim/world.h"

namespace s2::fuzz {
namespace {

// Orders of what is on its way that are judged after one send; the first so many.
constexpr std::uint64_t kMostOrders = 24;

}  // namespace

// --- what may land when everything ends now ---

void WriterLedger::under_way(const UnderWay& sessions) {
  sim::touches_unguarded(kCommutes);
  std::uint64_t orders = 0;
  bool cut = false;
  land_in_every_order(sessions, {streams_, {}, std::vector<std::size_t>(sessions.size(), 0)}, orders, cut);
  branches_ += orders;
  cut_ += cut ? 1 : 0;
}

void WriterLedger::land_in_every_order(const UnderWay& sessions, const Landing& so_far, std::uint64_t& orders,
                                       bool& cut) {
  bool more = false;
  for (std::size_t i = 0; i < sessions.size() && !cut; ++i) {
    if (so_far.next[i] >= sessions[i].size()) continue;
    more = true;
    if (orders == kMostOrders) {
      cut = true;
      return;
    }
    Landing landing = so_far;
    // What is refused ends its session.
    if (land(appends_[sessions[i][landing.next[i]]], landing)) {
      ++landing.next[i];
    } else {
      landing.next[i] = sessions[i].size();
    }
    land_in_every_order(sessions, landing, orders, cut);
  }
  if (!more) ++orders;
}

bool WriterLedger::land(const Append& append, Landing& landing) {
  if (append.stream == kMaxStreams) return false;
  Stream& stream = landing.streams[append.stream];
  if (append.guarded_by_token && append.token != stream.token) return false;
  if (append.match_seq_num != kNoGuard && append.match_seq_num != stream.tail) return false;
  stream.tail += append.size;
  if (append.size != append.records.size()) stream.token = append.new_token;
  const auto has_landed = [&](std::uint64_t seq) {
    return std::find(landing.landed.begin(), landing.landed.end(), seq) != landing.landed.end();
  };
  for (const Stored& record : append.records) {
    const bool stored = record.seq < numbers_.size() && numbers_[record.seq].stored;
    if (stored || has_landed(record.seq))
      broken("I5", "duplicated",
             fmt::format("{} is stored twice when all that is on its way lands", describe(record.seq)));
    if (record.seq < stream.last_stored)
      broken("I3", "reordered",
             fmt::format("{} is stored behind seq {} when all that is on its way lands", describe(record.seq),
                         stream.last_stored));
    for (std::uint64_t seq = stream.last_stored + 1; seq < record.seq; ++seq) {
      if (owed(seq) && events_[numbers_[seq].n - 1].offer.stream == append.stream && !has_landed(seq))
        broken("I4", "lost",
               fmt::format("{} is not stored, but seq {} behind it is when it lands now", describe(seq),
                           record.seq));
    }
    stream.last_stored = record.seq;
    landing.landed.push_back(record.seq);
  }
  return true;
}

// --- the end ---

void WriterLedger::judge_journal(const std::vector<std::string>& lines) {
  sim::touches_unguarded(kCommutes);
  std::vector<bool> written(numbers_.size(), false);
  std::uint64_t last = 0;
  for (const std::string& line : lines) {
    const Stored record = read(line);
    if (record.seq <= last || record.seq >= written.size())
      return broken("I3", "reordered",
                    fmt::format("the journal holds {} behind seq {}", describe(record.seq), last));
    last = record.seq;
    written[record.seq] = true;
  }
  for (const std::uint64_t n : accepted_) {
    if (!written[events_[n - 1].seq])
      broken("I4", "lost", fmt::format("{} is not in the journal", describe(events_[n - 1].seq)));
  }
}

std::uint64_t WriterLedger::pending() const {
  sim::touches_unguarded(kCommutes);
  std::uint64_t count = 0;
  for (const std::uint64_t n : accepted_) count += owed(events_[n - 1].seq) ? 1 : 0;
  return count;
}

void WriterLedger::judge_end(const End& end) {
  sim::touches_unguarded(kCommutes);
  for (const std::uint64_t n : accepted_) {
    const Event& event = events_[n - 1];
    if (event.storing != Storing::on) continue;
    const Number& at = numbers_[event.seq];
    if (!at.stored && at.told == Told::nothing)
      broken("I7", "unreported_loss",
             fmt::format("{} is neither stored nor told as gone", describe(event.seq)));
    if (event.offer.unstorable) {
      if (at.stored)
        broken("I7", "unreported_loss",
               fmt::format("{} is over the limit, and stored all the same", describe(event.seq)));
      continue;
    }
    if ((at.told == Told::lost || at.told == Told::unknown) && event.seq > left_through_ && end.time_left)
      broken("I4", "lost", fmt::format("{} was given up with time left", describe(event.seq)));
  }
  if (end.unsaved != told_)
    broken("I7", "unreported_loss",
           fmt::format("{} events are said to be unsaved, {} were told as gone", end.unsaved, told_));
  if (!end.time_left) return;
  // A marker may have been overwritten in the ring, and told so.
  if (std::any_of(numbers_.begin(), numbers_.end(),
                  [](const Number& at) { return at.n == 0 && at.told == Told::dropped; }))
    return;
  for (std::size_t i = 0; i < kMaxStreams; ++i) {
    if ((end.ended >> i & 1U) != 0 && !streams_[i].ends_with_marker)
      broken("I4", "lost", fmt::format("the end marker of session {} is not stored", stream_name(i)));
  }
}

}  // namespace s2::fuzz
