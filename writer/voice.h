// What the writer says on its own, on stdout: acks, drops and losses, a line each.
//
// Any thread; the output outlives it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "writer/durability.h"
#include "writer/output.h"
#include "writer/stdio_lines.h"

namespace s2::writer {

// Of the runs that go at once so many have a line each. Behind them those that follow on one another are one
// line, without a session: where sessions take turns each event is a run, and there may be a million of them.
inline constexpr std::size_t kMaxRunsApart = 256;

// A hole is said before anything behind it is stored, so that a kill leaves
// none untold.
class Voice : public DurabilityListener {
 public:
  explicit Voice(Output& output) : output_(output) {}
  void acked(const SessionIdentity& session, std::uint64_t through) override {
    output_.say(acked_line(session.id, through));
  }
  void dropped(const SessionIdentity& session, std::uint64_t from, std::uint64_t to) override {
    gone(session, from, to, std::nullopt);
  }
  void lost(const SessionIdentity& session, std::uint64_t from, std::uint64_t to,
            const std::string& reason) override {
    gone(session, from, to, reason);
  }
  void told(bool wait) override {
    std::vector<std::string> lines;
    for (const Gone& each : std::exchange(gone_, {})) {
      lines.push_back(each.reason ? lost_line(each.session, each.from, each.to, *each.reason)
                                  : dropped_line(each.session, each.from, each.to));
    }
    output_.say(std::move(lines));
    if (wait) output_.wait_said();
  }

 private:
  struct Gone {
    std::string session;  // empty: of several
    std::uint64_t from, to;
    std::optional<std::string> reason;  // of a loss
  };
  void gone(const SessionIdentity& session, std::uint64_t from, std::uint64_t to,
            std::optional<std::string> reason) {
    if (gone_.size() > kMaxRunsApart && gone_.back().to + 1 == from) {
      gone_.back().to = to;
      gone_.back().session.clear();
    } else {
      gone_.push_back({session.id, from, to, std::move(reason)});
    }
  }

  Output& output_;
  std::vector<Gone> gone_;  // and not told(); all of one reason
};

}  // namespace s2::writer
