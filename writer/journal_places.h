// Where the journal wrote which event: so that a line can be read again from the file that this process holds
// open.
//
// The journal's thread alone, except forget(), which any thread may call. Bounded: of more events than it may
// hold it keeps the newest.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string_view>

namespace s2::writer {

struct JournalFile {
  int fd = -1;
  std::uint64_t unwritten = 0;  // lines, since the last that went well
  bool unreadable = false;      // so was the last line that was asked for
};

struct JournalPlace {
  JournalFile* file = nullptr;  // null: not written
  std::uint64_t offset = 0;
  std::int64_t published_us = 0;
  std::uint32_t bytes = 0;  // without the newline
  std::uint32_t hash = 0;   // of the text, see hash_of()
};

class JournalPlaces {
 public:
  explicit JournalPlaces(std::size_t most) : most_(most) {}

  // Everything up to `through` will not be asked for.
  void forget(std::uint64_t through) { forgotten_.store(through, std::memory_order_relaxed); }

  // Numbers rise; those between two notes are not written.
  void note(std::uint64_t seq, const JournalPlace& place) {
    const std::uint64_t forgotten = forgotten_.load(std::memory_order_relaxed);
    while (!places_.empty() && first_ <= forgotten) pop();
    if (seq <= forgotten || most_ == 0) return;
    if (places_.empty() || seq - first_ - places_.size() >= most_) {
      places_.clear();
      first_ = seq;
    }
    while (first_ + places_.size() < seq) places_.emplace_back();
    places_.push_back(place);
    while (places_.size() > most_) pop();
  }

  const JournalPlace* find(std::uint64_t seq) const {
    if (seq < first_ || seq - first_ >= places_.size()) return nullptr;
    const JournalPlace& place = places_[seq - first_];
    return place.file == nullptr ? nullptr : &place;
  }

  static std::uint32_t hash_of(std::string_view text) {
    return static_cast<std::uint32_t>(std::hash<std::string_view>{}(text));
  }

 private:
  void pop() {
    places_.pop_front();
    ++first_;
  }

  const std::size_t most_;
  std::deque<JournalPlace> places_;  // of first_ and those that follow it
  std::uint64_t first_ = 0;
  std::atomic<std::uint64_t> forgotten_{0};
};

}  // namespace s2::writer
