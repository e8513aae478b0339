// A listener that writes down what the writer claims and what it says is gone.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "writer/durability.h"

namespace s2::writer::test {

class Ledger : public DurabilityListener {
 public:
  struct Range {
    std::string session;
    std::uint64_t from, to;
    bool operator==(const Range&) const = default;
  };

  void acked(const SessionIdentity& session, std::uint64_t through) override {
    std::lock_guard lock(mutex_);
    acks_.push_back({session.id, through, through});
  }
  void dropped(const SessionIdentity& session, std::uint64_t from, std::uint64_t to) override {
    std::lock_guard lock(mutex_);
    drops_.push_back({session.id, from, to});
  }
  void lost(const SessionIdentity& session, std::uint64_t from, std::uint64_t to,
            const std::string& why) override {
    std::lock_guard lock(mutex_);
    lost_.push_back({session.id, from, to});
    reasons_.push_back(why);
  }

  std::vector<Range> acks() const { return copy(acks_); }
  std::vector<Range> drops() const { return copy(drops_); }
  std::vector<Range> losses() const { return copy(lost_); }
  std::vector<std::string> reasons() const { return copy(reasons_); }

  // Every number told as dropped or lost; one that is told twice is told to the caller by `twice`.
  std::set<std::uint64_t> gone(bool* twice = nullptr) const {
    std::set<std::uint64_t> seqs;
    for (const auto& ranges : {drops(), losses()}) {
      for (const Range& range : ranges) {
        for (std::uint64_t seq = range.from; seq <= range.to; ++seq) {
          if (!seqs.insert(seq).second && twice != nullptr) *twice = true;
        }
      }
    }
    return seqs;
  }

 private:
  template <class T>
  T copy(const T& value) const {
    std::lock_guard lock(mutex_);
    return value;
  }
  mutable std::mutex mutex_;
  std::vector<Range> acks_, drops_, lost_;
  std::vector<std::string> reasons_;
};

}  // namespace s2::writer::test
