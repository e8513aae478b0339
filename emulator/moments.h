// Counts the moments that the protocol shows and tells the observer, if there is one; keeps the place to stop
// reading.
//
// Belongs to the emulator's thread. The observer runs inside emit(): nothing is read, committed or sent
// meanwhile.
#pragma once

#include <array>
#include <cstdint>

#include "emulator/emulator.h"

namespace s2::emulator {

ProtocolEvent event_of(Moment moment);

class Moments {
 public:
  void observe(Observer observer);  // and counts anew
  void restart_counts();
  void stop_reading_at(std::uint64_t n) { stop_at_ = n; }

  bool observed() const { return observer_ != nullptr; }
  // Fills in `ordinal`, `bytes` and `t_ns`; the rest is the caller's.
  void emit(ProtocolEvent event);

  // How many bytes may be taken from a socket now, of the `wanted` ones; at least 1.
  std::size_t may_read(std::size_t wanted) const;
  void received(std::uint64_t connection, std::size_t bytes);  // emits bytes_received

  std::uint64_t next_append_id() { return ++last_append_id_; }

 private:
  Observer observer_;
  std::array<std::uint64_t, 8> ordinals_{};  // by Moment
  std::uint64_t bytes_ = 0;
  std::uint64_t stop_at_ = 0;
  std::uint64_t last_append_id_ = 0;
};

}  // namespace s2::emulator
