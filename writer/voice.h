// What the writer says on its own, on stdout: acks, drops and losses, a line each.
//
// Any thread; the output outlives it.
#pragma once

#include "writer/durability.h"
#include "writer/output.h"
#include "writer/stdio_lines.h"

namespace s2::writer {

// A hole is said before anything behind it is stored, so that a kill leaves
// none untold.
class Voice : public DurabilityListener {
 public:
  explicit Voice(Output& output) : output_(output) {}
  void acked(const SessionIdentity& session, std::uint64_t through) override {
    output_.say(acked_line(session.id, through));
  }
  void dropped(const SessionIdentity& session, std::uint64_t from, std::uint64_t to) override {
    output_.say_and_wait(dropped_line(session.id, from, to));
  }
  void lost(const SessionIdentity& session, std::uint64_t from, std::uint64_t to,
            const std::string& reason) override {
    output_.say_and_wait(lost_line(session.id, from, to, reason));
  }

 private:
  Output& output_;
};

}  // namespace s2::writer
