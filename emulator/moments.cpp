// See moments.h.
#include "emulator/moments.h"

#include <algorithm>

#include "emulator/clock.h"

namespace s2::emulator {

ProtocolEvent event_of(Moment moment) {
  ProtocolEvent event{};
  event.moment = moment;
  return event;
}

void Moments::observe(Observer observer) {
  observer_ = std::move(observer);
  restart_counts();
}

void Moments::restart_counts() {
  ordinals_.fill(0);
  bytes_ = 0;
}

void Moments::emit(ProtocolEvent event) {
  event.ordinal = ++ordinals_.at(static_cast<std::size_t>(event.moment));
  if (!observer_) return;
  event.bytes = bytes_;
  event.t_ns = steady_ns();
  observer_(event);
}

std::size_t Moments::may_read(std::size_t wanted) const {
  if (stop_at_ <= bytes_) return wanted;
  return static_cast<std::size_t>(std::min<std::uint64_t>(wanted, stop_at_ - bytes_));
}

void Moments::received(std::uint64_t connection, std::size_t bytes) {
  bytes_ += bytes;
  ProtocolEvent event = event_of(Moment::bytes_received);
  event.connection = connection;
  emit(std::move(event));
}

}  // namespace s2::emulator
