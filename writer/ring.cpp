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
  for (RingReader* reader : readers_) reader->on_published(*slots_.back());
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
  std::unique_ptr<RingReader> reader(new RingReader(*this, std::min(after, last_)));
  readers_.push_back(reader.get());
  return reader;
}

RingReader::~RingReader() {
  std::lock_guard lock(ring_.mutex_);
  std::erase(ring_.readers_, this);
}

std::optional<Drop> RingReader::missed() {
  std::uint64_t oldest = ring_.last_ + 1 - ring_.slots_.size();
  if (position_ + 1 >= oldest) return std::nullopt;
  Drop drop{oldest - 1 - position_, position_ + 1, oldest - 1};
  position_ = oldest - 1;
  return drop;
}

RingItem RingReader::take() {
  if (cancelled_ || position_ >= ring_.last_) return {};
  if (auto drop = missed()) return *drop;
  std::uint64_t oldest = ring_.last_ + 1 - ring_.slots_.size();
  return ring_.slots_[++position_ - oldest];
}

RingItem RingReader::next(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(ring_.mutex_);
  if (!cancelled_ && position_ >= ring_.last_) sleep(lock, deadline);
  return take();
}

std::optional<Drop> RingReader::try_run(std::size_t most, std::vector<EnvelopeRef>& run) {
  std::lock_guard lock(ring_.mutex_);
  if (cancelled_ || position_ >= ring_.last_) return std::nullopt;
  if (auto drop = missed()) return drop;
  const std::uint64_t oldest = ring_.last_ + 1 - ring_.slots_.size();
  for (std::size_t bytes = 0; most > 0 && bytes < kRunBytes && position_ < ring_.last_; --most) {
    run.push_back(ring_.slots_[++position_ - oldest]);
    bytes += run.back()->json.size();
  }
  return std::nullopt;
}

void RingReader::nap(const Nap& nap, std::uint64_t rouses) {
  std::unique_lock lock(ring_.mutex_);
  if (cancelled_ || position_ < ring_.last_ || rouses_ != rouses) return;
  nap_ = nap;
  nap_->events = std::min(nap.events, static_cast<std::size_t>(ring_.limits_.events / kNapShare));
  nap_->bytes = std::min(nap.bytes, static_cast<std::size_t>(ring_.limits_.bytes / kNapShare));
  if (nap_->events > 1) sleep(lock, nap.until);
  nap_.reset();
}

void RingReader::sleep(std::unique_lock<std::mutex>& lock, std::chrono::steady_clock::time_point deadline) {
  asleep_ = true;
  woken_.wait_until(lock, deadline, [&] { return !asleep_; });
  asleep_ = false;
}

// Once for each sleep: whoever is woken already is not told again.
void RingReader::wake() {
  if (std::exchange(asleep_, false)) woken_.notify_one();
}

void RingReader::on_published(const Envelope& newest) {
  if (!asleep_) return;
  if (nap_) {
    --nap_->events;
    nap_->bytes -= std::min(nap_->bytes, newest.json.size());
    if (nap_->events > 0 && nap_->bytes > 0 && newest.session == nap_->session) return;
  }
  wake();
}

std::optional<Drop> RingReader::take_drop() {
  std::lock_guard lock(ring_.mutex_);
  return missed();
}

void RingReader::rouse() {
  std::lock_guard lock(ring_.mutex_);
  ++rouses_;
  if (nap_) wake();
}

std::uint64_t RingReader::rouses() const {
  std::lock_guard lock(ring_.mutex_);
  return rouses_;
}

void RingReader::cancel() {
  std::lock_guard lock(ring_.mutex_);
  cancelled_ = true;
  wake();
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
