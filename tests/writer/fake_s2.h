// A scripted S2 for the producer's tests: one stream in memory behind AppendClient, with a plan of faults.
//
// It answers as S2 does (token first, then place; atomic; a session ends at its first error and applies
// nothing behind it), and hurts by plan: one entry a call that it concerns, then it is well. Everything
// happens on the producer's thread inside send() and poll(); the test's thread looks with the lock.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "writer/s2_client.h"

namespace s2::writer::test {

enum class Hurt {
  none,
  cut_before_commit,
  cut_after_commit,    // the lost ack
  late_twin,           // cut, and the append lands some calls later all the same
  unavailable_before,  // 503 that promises nothing
  unavailable_after,
  rate_limited,  // 429: surely no effect
  denied_once,   // 403 although the token is good
  garbled_ack,   // committed; the ack names another place
  silent,        // committed, never answered
  goaway,        // answered, then no more in this session
  open_fails,
  read_fails,
};

inline const char* name_of(Hurt hurt) {
  static constexpr const char* kNames[] = {"none",
                                           "cut_before_commit",
                                           "cut_after_commit",
                                           "late_twin",
                                           "unavailable_before",
                                           "unavailable_after",
                                           "rate_limited",
                                           "denied_once",
                                           "garbled_ack",
                                           "silent",
                                           "goaway",
                                           "open_fails",
                                           "read_fails"};
  return kNames[static_cast<int>(hurt)];
}
inline std::ostream& operator<<(std::ostream& out, Hurt hurt) {
  return out << name_of(hurt);
}

class FakeS2 final : public AppendClient {
 public:
  // Set before use.
  std::deque<Hurt> plan;
  bool may_fence = true;  // the token under test; a foreign_append() always may
  bool may_read = true;
  std::uint64_t trimmed_below = 0;                  // records before it cannot be read any more
  std::size_t acks_a_poll = 1;                      // how many answers one poll() fetches
  std::size_t late_by = 3;                          // calls until a late twin lands
  std::function<void(FakeS2&)> before_each_append;  // e.g. a foreign writer

  std::unique_ptr<AppendChannel> make_channel(const std::string& stream, std::function<void()> wake) override;

  // For the test's thread.
  std::vector<wire::AppendRecord> stored() const;  // without command records
  std::string token() const;
  void foreign_append(wire::AppendInput input);  // by somebody else; also for before_each_append

 private:
  friend class FakeChannel;
  struct Twin {
    wire::AppendInput input;
    std::size_t calls_left;
  };
  std::variant<wire::AppendAck, wire::ApiError> apply(const wire::AppendInput& input, bool foreign = false);
  Hurt next_hurt(bool opening, bool reading);
  void age_twins();

  mutable std::recursive_mutex mutex_;
  std::vector<wire::AppendRecord> records_;
  std::string token_;
  std::vector<Twin> twins_;
};

}  // namespace s2::writer::test
