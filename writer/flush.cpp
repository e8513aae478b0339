// The handshake; see flush.h.
#include "writer/flush.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "writer/log.h"
#include "writer/planted_bugs.h"

namespace s2::writer {

namespace {

FlushAnswer failed(const Standing& standing, std::uint64_t cut_off, Told told) {
  FlushAnswer answer;
  answer.cut_off = cut_off;
  answer.told = std::move(told);
  answer.durable_through = standing.durable_through;
  answer.pending = standing.pending;
  return answer;
}

}  // namespace

FlushAnswer run_flush(CaptureSessions& sessions, Durability& durability, StorageWriter* storage,
                      Deadline deadline) {
  const unsigned branch = durability.branches();
  auto cut_off = sessions.cut_off(deadline);
  if (!cut_off)
    return failed(durability.standing(nullptr, std::numeric_limits<std::uint64_t>::max()), 0,
                  durability.told(branch));
  if (storage != nullptr) {
    storage->flush(*cut_off, deadline);
    if (planted(PlantedBug::flush_when_queued)) {
      return {true, *cut_off, 0, 0, *cut_off, durability.told(branch)};
    }
  }
  Standing standing = storage != nullptr ? storage->wait_settled(nullptr, *cut_off, deadline)
                                         : durability.wait_settled(nullptr, *cut_off, deadline);
  // What was lost while we waited has been told, but this caller asked for it to be stored.
  Told told = durability.told(branch);
  if (!standing.settled || standing.lost_meanwhile) return failed(standing, *cut_off, std::move(told));
  FlushAnswer answer;
  answer.flushed = true;
  answer.through = standing.durable_through == 0 ? 0 : *cut_off;
  answer.cut_off = *cut_off;
  answer.told = std::move(told);
  return answer;
}

void tell_flush(LimitedLog& log, const FlushAnswer& answer) {
  if (!answer.flushed) {
    log("flush: not all is stored by its deadline",
        fmt::format(" (through event {}, {} pending)", answer.durable_through, answer.pending));
  } else if (const std::uint64_t gone = answer.told.gone; answer.through == 0) {
    if (gone == 0) return log("flush: no event had to be stored");
    log("flush: nothing is stored: all was told as dropped or lost",
        fmt::format(" ({})", counted(gone, "event")));
  } else if (gone == 0) {
    log("flush: all is stored", fmt::format(" (through event {})", answer.through));
  } else {
    log("flush: stored but for what was told as dropped or lost",
        fmt::format(" (through event {}, {} told)", answer.through, counted(gone, "event")));
  }
}

}  // namespace s2::writer
