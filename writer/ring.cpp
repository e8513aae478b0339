// The ring and its readers; see ring.h. One mutex for all of it: what is done under it is short.
#include "writer/ring.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "writer/planted_bugs.h"

namespace s2::writer {

tl::expected<std::unique_ptr<Ring>, std::string> Ring::make(RingLimits limits) {
  if (limits.events <= 0) {
    return tl::unexpected(fmt::format("ring capacity {}: must be at least 1 event", limits.events));
  }
  if (limits.bytes <= 0) {
    return tl::unexpected(fmt::format("ring capacity {} bytes: must be at least 1", limits.bytes));
  }
  return std::unique_ptr<Ring>(new Ring(limits));
}

Ring::Ring(RingLimits limits) : limits_(limits) {}

std::uint64_t Ring::publish(const std::function<Envelope(std::uint64_t)>& seal) {
  EnvelopeRef oldest;  // freed behind the lock, as all that is overwritten: one may be a megabyte
  std::vector<EnvelopeRef> others;
  std::unique_lock lock(mutex_);
  const std::uint64_t slot = last_ + 1;
  if (planted(PlantedBug::seq_unlocked)) last_ = slot, lock.unlock();
  auto envelope = std::make_shared<const Envelope>(seal(counted_before_ + slot));
  if (planted(PlantedBug::seq_unlocked)) lock.lock();
  last_ = slot;
  bytes_ += static_cast<std::int64_t>(envelope->json.size());
  slots_.push_back(std::move(envelope));
  while (slots_.size() > 1 &&
         (static_cast<std::int64_t>(slots_.size()) > limits_.events || bytes_ > limits_.bytes)) {
    bytes_ -= static_cast<std::int64_t>(slots_.front()->json.size());
    (oldest ? others.emplace_back() : oldest) = std::move(slots_.front());
    slots_.pop_front();
  }
  published_.notify_all();
  return counted_before_ + last_;
}

#ifdef PLANTED_BUGS
void Ring::count_anew() {
  std::lock_guard lock(mutex_);
  counted_before_ += std::exchange(last_, 0);
  slots_.clear();
  bytes_ = 0;
}

void RingReader::skip_to_tail() {
  std::lock_guard lock(ring_.mutex_);
  position_ = ring_.last_;
}
#endif

std::uint64_t Ring::last_seq() const {
  std::lock_guard lock(mutex_);
  return counted_before_ + last_;
}

std::unique_ptr<RingReader> Ring::reader(std::uint64_t after) {
  std::lock_guard lock(mutex_);
  return std::unique_ptr<RingReader>(new RingReader(*this, std::min(after, last_)));
}

std::optional<Drop> RingReader::missed() {
  std::uint64_t oldest = ring_.last_ + 1 - ring_.slots_.size();
  if (position_ + 1 >= oldest) return std::nullopt;
  Drop drop{oldest - 1 - position_, position_ + 1, oldest - 1};
  position_ = oldest - 1;
  return drop;
}

RingItem RingReader::next(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(ring_.mutex_);
  ring_.published_.wait_until(lock, deadline, [&] { return cancelled_ || position_ < ring_.last_; });
  if (cancelled_ || position_ >= ring_.last_) return {};
  if (auto drop = missed()) return *drop;
  std::uint64_t oldest = ring_.last_ + 1 - ring_.slots_.size();
  return ring_.slots_[++position_ - oldest];
}

std::optional<Drop> RingReader::take_drop() {
  std::lock_guard lock(ring_.mutex_);
  return missed();
}

void RingReader::cancel() {
  std::lock_guard lock(ring_.mutex_);
  cancelled_ = true;
  ring_.published_.notify_all();
}

void RingReader::resume() {
  std::lock_guard lock(ring_.mutex_);
  cancelled_ = false;
}

std::uint64_t RingReader::position() const {
  std::lock_guard lock(ring_.mutex_);
  return position_;
}

}  // namespace s2::writer
